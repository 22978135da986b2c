/* Gradients of what a model has beside products: gains of norms, biases, the embedding. A column belongs to one thread, which adds up its
 * rows in their order. */
#include "base/mem.h"
#include "kernels/cpu/backward.h"
#include "kernels/cpu/decode.h"
#include "kernels/cpu/share.h"
#include "kernels/cpu/weight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 16   /* that are added up at once: their sums stay in registers */
#define TERM_NS .5   /* of a value that is added in double */
#define TURNED_NS 25 /* of a value that is turned back and normed */

/* to[c] += Σ over rows and the heads of a row of what lies at row·stride + head·cols + c. */
struct sums {
    float *to;
    const float *from;
    size_t stride;
    uint32_t rows, heads, cols;
};

static void some_columns(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct sums *s = arg;
    for (uint32_t c = from, width; c < to; c += width) {
        double sum[COLUMNS] = {0};
        width = to - c < COLUMNS ? to - c : COLUMNS;
        for (uint32_t i = 0; i < s->rows; i++)
            for (uint32_t h = 0; h < s->heads; h++) {
                const float *x = s->from + i * s->stride + (size_t)h * s->cols + c;
                for (uint32_t j = 0; j < width; j++)
                    sum[j] += x[j];
            }
        for (uint32_t j = 0; j < width; j++)
            s->to[c + j] += (float)sum[j];
    }
}

static void add_up(struct cpu_queue *q, struct sums s)
{
    share_spans(q, some_columns, &s, s.cols, COLUMNS, (double)s.rows * s.heads * s.cols * TERM_NS);
}

void cpu_bias_back(void *queue, float *db, const struct mat *dy, const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (!q->first.code)
        add_up(q, (struct sums){db, dy->data, dy->stride, r->used[0], 1, dy->cols});
}

/* x·dy/rms(x) of every value of a row's heads, each normed by itself. */
struct normed {
    float *to;              /* [rows, heads·cols] */
    const struct mat *dy, *x;
    uint32_t heads, cols, first; /* first: where the heads begin in a row */
    float eps;
    const struct rope *rope; /* dy is turned back first; NULL: it is as it is */
    const struct rows *r;
};

static void some_rows(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct normed *n = arg;
    for (uint32_t i = from; i < to; i++)
        for (uint32_t h = 0; h < n->heads; h++) {
            const float *x = mat_row(n->x, i) + n->first + (size_t)h * n->cols;
            float *y = n->to + ((size_t)i * n->heads + h) * n->cols;
            double square = 0;
            memcpy(y, mat_row(n->dy, i) + n->first + (size_t)h * n->cols, n->cols * sizeof *y);
            if (n->rope)
                cpu_turn_back(y, n->rope, n->r->position[i]);
            for (uint32_t c = 0; c < n->cols; c++)
                square += (double)x[c] * x[c];
            float scale = (float)(1 / sqrt(square / n->cols + n->eps));
            for (uint32_t c = 0; c < n->cols; c++)
                y[c] *= scale * x[c];
        }
}

static void gain_back(struct cpu_queue *q, float *dgain, struct normed *n)
{
    uint32_t rows = n->r->used[0];
    if (q->first.code || !dgain)
        return;
    n->to = mem_alloc(((size_t)rows * n->heads * n->cols + 1) * sizeof *n->to);
    share_spans(q, some_rows, n, rows, 1, (double)rows * n->heads * n->cols * (n->rope ? TURNED_NS : TERM_NS));
    add_up(q, (struct sums){dgain, n->to, (size_t)n->heads * n->cols, rows, n->heads, n->cols});
    free(n->to);
}

void cpu_gain_back(void *q, float *dgain, const struct mat *dy, const struct mat *x, const struct norm *n, const struct rows *r)
{
    gain_back(q, dgain, &(struct normed){.dy = dy, .x = x, .heads = 1, .cols = x->cols, .eps = n->eps, .r = r});
}

void cpu_head_gains_back(void *q, float *dq, float *dk, const struct mat *dqkv, const struct mat *qkv, const struct prepare *how,
                         const struct rows *r)
{
    struct normed n = {.dy = dqkv, .x = qkv, .heads = how->heads, .cols = how->k_dim, .eps = how->eps,
                       .rope = how->rope.frequency ? &how->rope : NULL, .r = r};
    gain_back(q, dq, &n);
    n.first = how->heads * how->k_dim;
    n.heads = how->kv_heads;
    gain_back(q, dk, &n);
}

struct embedded {
    struct mat *dw;
    const struct mat *dy;
    float scale;
    const struct rows *r;
};

static void some_embedded(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct embedded *e = arg;
    for (uint32_t i = 0; i < e->r->used[0]; i++) {
        float *dw = mat_row(e->dw, e->r->token[i]);
        const float *dy = mat_row(e->dy, i);
        for (uint32_t c = from; c < to; c++)
            dw[c] += e->scale * dy[c];
    }
}

void cpu_embed_back(void *queue, struct mat *dw, const struct mat *dy, float scale, const struct rows *r)
{
    struct cpu_queue *q = queue;
    for (uint32_t i = 0; i < r->used[0] && !q->first.code; i++)
        if (r->token[i] >= dw->rows)
            err_set(&q->first, ERR_INTERNAL, "token %u of an embedding of %u", r->token[i], dw->rows);
    if (!q->first.code)
        share_spans(q, some_embedded, &(struct embedded){dw, dy, scale, r}, dy->cols, COLUMNS, (double)r->used[0] * dy->cols * TERM_NS);
}

struct putting {
    struct weight *w;
    const struct mat *values;
};

static void some_panels(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct putting *p = arg;
    for (uint32_t i = from; i < to; i++) {
        uint32_t first = i * p->w->panel, rows = p->w->n - first < p->w->panel ? p->w->n - first : p->w->panel;
        float *panel = weight_panels(p->w, 0, first);
        for (uint32_t j = 0; j < rows; j++) {
            const float *x = mat_row(p->values, first + j);
            for (uint32_t k = 0; k < p->w->k; k++)
                panel[(size_t)k * p->w->panel + j] = x[k];
        }
    }
}

void cpu_weight_put(void *queue, struct weight *w, const struct mat *values)
{
    struct cpu_queue *q = queue;
    if (q->first.code)
        return;
    if (w->type != TYPE_F32 || w->experts != 1 || values->rows != w->n || values->cols != w->k) {
        err_set(&q->first, ERR_INTERNAL, "values [%u, %u] for a weight [%u, %u] of type %d", values->rows, values->cols, w->n, w->k, (int)w->type);
        return;
    }
    uint32_t panels = (w->n + w->panel - 1) / w->panel;
    share_spans(q, some_panels, &(struct putting){w, values}, panels, 1, (double)w->n * w->k * TERM_NS);
}
