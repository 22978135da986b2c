/* Gradients of attention: scores are computed again, row by row, so that nothing of the size keys × queries is ever kept. A part is
 * one head of keys of one sequence with all its heads of queries: it alone adds to that head's keys and values. */
#include "base/mem.h"
#include "kernels/cpu/backward.h"
#include "kernels/cpu/decode.h"
#include "kernels/cpu/share.h"

#include <math.h>
#include <stdlib.h>

#ifndef GEMM_VECTORS
#define GEMM_VECTORS
#endif
#define TERM_NS .2 /* of a column of a key and a value, forth and back */
#define LANES 16

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));

struct attend_back {
    struct mat *dqkv;
    const struct mat *dy, *qkv;
    const struct attend *how;
    const struct cache *c;
    const struct rows *r;
};

static inline __attribute__((always_inline)) float dot(const float *a, const float *b, uint32_t n)
{
    vec sum = {0};
    float rest = 0;
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        sum += *(const vec *)(a + i) * *(const vec *)(b + i);
    for (; i < n; i++)
        rest += a[i] * b[i];
    for (i = 0; i < LANES; i++)
        rest += sum[i];
    return rest;
}

static inline __attribute__((always_inline)) void add_scaled(float *y, const float *x, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        y[i] += scale * x[i];
}

/* One head of queries of row `row`, the t-th of its sequence; p and s: room for t + 1 numbers each. */
GEMM_VECTORS static void one_row(const struct attend_back *b, uint32_t row, uint32_t t, uint32_t head, float *p, float *s)
{
    const struct attend *how = b->how;
    uint32_t dk = b->c->k_dim, dv = b->c->v_dim, kv = head / (how->heads / b->c->heads);
    size_t key = (size_t)how->heads * dk + (size_t)kv * dk, value = (size_t)(how->heads + b->c->heads) * dk + (size_t)kv * dv;
    const float *q = mat_row(b->qkv, row) + (size_t)head * dk, *dy = mat_row(b->dy, row) + (size_t)head * dv;
    float *dq = mat_row(b->dqkv, row) + (size_t)head * dk;
    uint32_t from = how->window && t + 1 > how->window ? t + 1 - how->window : 0;
    float top = how->sinks ? how->sinks[head] : -INFINITY, sum = 0, mean = 0;
    for (uint32_t j = from; j <= t; j++) {
        s[j] = dot(q, mat_row(b->qkv, row - t + j) + key, dk) * how->scale;
        if (how->softcap > 0)
            s[j] = how->softcap * tanhf(s[j] / how->softcap);
        top = s[j] > top ? s[j] : top;
    }
    for (uint32_t j = from; j <= t; j++)
        sum += p[j] = expf(s[j] - top);
    sum += how->sinks ? expf(how->sinks[head] - top) : 0;
    for (uint32_t j = from; j <= t; j++) {
        float capped = how->softcap > 0 ? s[j] / how->softcap : 0, dp = dot(dy, mat_row(b->qkv, row - t + j) + value, dv);
        p[j] /= sum;
        mean += p[j] * dp;
        add_scaled(mat_row(b->dqkv, row - t + j) + value, dy, p[j], dv);
        p[j] *= how->scale * (1 - capped * capped); /* of the score before the cap */
        s[j] = dp;
    }
    for (uint32_t j = from; j <= t; j++) {
        float ds = p[j] * (s[j] - mean);
        add_scaled(dq, mat_row(b->qkv, row - t + j) + key, ds, dk);
        add_scaled(mat_row(b->dqkv, row - t + j) + key, q, ds, dk);
    }
}

/* Heads of keys of sequences one after the other: head h of sequence i is i·heads + h. */
static void some_heads(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct attend_back *b = arg;
    uint32_t heads = b->c->heads, share = b->how->heads / heads;
    float *room = mem_alloc(2 * (size_t)(b->r->longest + 1) * sizeof *room);
    for (uint32_t u = from; u < to; u++) {
        uint32_t first = b->r->offset[u / heads], end = b->r->offset[u / heads + 1];
        for (uint32_t row = first; row < end; row++)
            for (uint32_t h = u % heads * share; h < (u % heads + 1) * share; h++)
                one_row(b, row, row - first, h, room, room + b->r->longest + 1);
    }
    free(room);
}

void cpu_attend_back(void *queue, struct mat *dqkv, const struct mat *dy, const struct mat *qkv, const struct attend *how,
                     const struct cache *c, const struct rows *r)
{
    struct cpu_queue *q = queue;
    uint32_t wide = how->heads * c->k_dim + c->heads * (c->k_dim + c->v_dim);
    double terms = 0;
    if (q->first.code)
        return;
    for (uint32_t s = 0; s < r->used[1]; s++) {
        double n = r->offset[s + 1] - r->offset[s];
        terms += n * n / 2 * how->heads * (c->k_dim + c->v_dim);
        if (n > r->longest || (n > 0 && r->position[r->offset[s]] != 0))
            err_set(&q->first, ERR_INTERNAL, "the gradient of attention over a part of a sequence");
    }
    if (dqkv->cols < wide || qkv->cols < wide || dy->cols != how->heads * c->v_dim || how->heads % c->heads)
        err_set(&q->first, ERR_INTERNAL, "the gradient of attention of %u columns over rows of %u", dy->cols, qkv->cols);
    if (!q->first.code)
        share_spans(q, some_heads, &(struct attend_back){dqkv, dy, qkv, how, c, r}, r->used[1] * c->heads, 1, terms * TERM_NS);
}
