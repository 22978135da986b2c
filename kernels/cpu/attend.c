/* Reference: attention of each row over the cached keys of its sequence, groups of ATTENTION_KEYS summed in double. */
#include "kernels/cpu/decode.h"

#include <math.h>

struct sum { /* a softmax that is not finished: Σ e^(score-max), Σ e^(score-max)·v */
    double max, weight, value[HEAD_MAX];
};

static double score(const float *query, const float *key, uint32_t n, const struct attend *how)
{
    double s = 0;
    for (uint32_t c = 0; c < n; c++)
        s += (double)query[c] * key[c];
    s *= how->scale;
    return how->softcap > 0 ? how->softcap * tanh(s / how->softcap) : s;
}

struct keys { /* of one sequence and head */
    const struct cache *c;
    const struct pages *p;
    uint32_t sequence, head;
};

/* Keys from .. to-1, all of one group. */
static void one_group(struct sum *s, const float *query, const struct attend *how, const struct keys *k, uint32_t from,
                      uint32_t to)
{
    const struct cache *c = k->c;
    double p[ATTENTION_KEYS];
    float row[HEAD_MAX];
    s->max = -INFINITY;
    s->weight = 0;
    for (uint32_t t = from; t < to; t++) {
        cache_load(row, c->k, c->k_scale, c->type, cache_row(c, k->p, k->sequence, t, k->head), c->k_dim, c->k_dim);
        p[t - from] = score(query, row, c->k_dim, how);
        s->max = fmax(s->max, p[t - from]);
    }
    for (uint32_t i = 0; i < c->v_dim; i++)
        s->value[i] = 0;
    for (uint32_t t = from; t < to; t++) {
        size_t at = cache_row(c, k->p, k->sequence, t, k->head);
        double w = exp(p[t - from] - s->max);
        if (c->v)
            cache_load(row, c->v, c->v_scale, c->type, at, c->v_dim, c->v_dim);
        else
            cache_load(row, c->k, c->k_scale, c->type, at, c->k_dim, c->v_dim);
        s->weight += w;
        for (uint32_t i = 0; i < c->v_dim; i++)
            s->value[i] += w * row[i];
    }
}

static void join(struct sum *all, const struct sum *s, uint32_t n)
{
    double max = fmax(all->max, s->max), a = all->weight > 0 ? exp(all->max - max) : 0, b = exp(s->max - max);
    all->weight = all->weight * a + s->weight * b;
    for (uint32_t i = 0; i < n; i++)
        all->value[i] = all->value[i] * a + s->value[i] * b;
    all->max = max;
}

static void one_head(float *y, const float *query, const struct attend *how, const struct keys *k, uint32_t position,
                     float *sink)
{
    uint32_t end = position + 1, at = how->window && end > how->window ? end - how->window : 0, n = k->c->v_dim;
    struct sum all = {.max = -INFINITY}, one;
    while (at < end) {
        uint32_t next = (at / ATTENTION_KEYS + 1) * ATTENTION_KEYS;
        next = next < end ? next : end;
        one_group(&one, query, how, k, at, next);
        join(&all, &one, n);
        at = next;
    }
    if (sink)
        all.weight += exp(*sink - all.max);
    for (uint32_t i = 0; i < n; i++)
        y[i] = (float)(all.value[i] / all.weight);
}

void scalar_attend(struct cpu_queue *q, struct mat *y, const struct mat *query, const struct attend *how,
                   const struct cache *c, const struct pages *p, const struct rows *r, uint32_t from, uint32_t to)
{
    uint32_t share = how->heads / c->heads;
    for (uint32_t i = 0; i < r->used[0]; i++)
        for (uint32_t h = from; h < to; h++) {
            struct keys k = {c, p, r->sequence[i], h / share};
            float sink = how->sinks ? how->sinks[h] : 0;
            one_head(mat_row(y, i) + (size_t)h * c->v_dim, mat_row(query, i) + (size_t)h * c->k_dim, how, &k,
                     r->position[i], how->sinks ? &sink : NULL);
        }
}
