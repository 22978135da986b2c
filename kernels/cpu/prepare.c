/* Reference: QK-norm, rotation, and the way of keys and values into the cache. */
#include "kernels/cpu/decode.h"

#include <math.h>

static void head_norm(float *x, uint32_t n, const float *gain, float eps)
{
    double square = 0;
    for (uint32_t c = 0; c < n; c++)
        square += (double)x[c] * x[c];
    double scale = 1 / sqrt(square / n + eps);
    for (uint32_t c = 0; c < n; c++)
        x[c] = (float)(x[c] * scale * gain[c]);
}

/* turn: [dims/2][2] cosines and sines of one position. */
static void rotate(float *x, const struct rope *how, const float *turn)
{
    uint32_t half = how->dims / 2, step = how->interleaved ? 2 : 1, apart = how->interleaved ? 1 : half;
    x += how->first;
    for (uint32_t i = 0; i < half; i++) {
        float *a = x + (size_t)i * step, *b = a + apart, cosine = turn[2 * i], sine = turn[2 * i + 1], u = *a, v = *b;
        *a = u * cosine - v * sine;
        *b = v * cosine + u * sine;
    }
}

static void heads(float *x, uint32_t n, const struct prepare *how, const float *gain, const float *turn)
{
    for (uint32_t h = 0; h < n; h++, x += how->k_dim) {
        if (gain)
            head_norm(x, how->k_dim, gain, how->eps);
        if (how->rope.frequency)
            rotate(x, &how->rope, turn);
    }
}

void scalar_prepare(struct cpu_queue *q, struct mat *qkv, const struct prepare *how, const struct cache *c,
                    const struct pages *p, const struct rows *r)
{
    float turn[HEAD_MAX];
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *x = mat_row(qkv, i), *k = x + (size_t)how->heads * how->k_dim, *v = k + (size_t)how->kv_heads * how->k_dim;
        for (uint32_t j = 0; how->rope.frequency && j < how->rope.dims / 2; j++) {
            double angle = (double)r->position[i] * how->rope.frequency[j];
            turn[2 * j] = (float)(cos(angle) * how->rope.magnitude);
            turn[2 * j + 1] = (float)(sin(angle) * how->rope.magnitude);
        }
        heads(x, how->heads, how, how->q_gain, turn);
        heads(k, how->kv_heads, how, how->k_gain, turn);
        for (uint32_t h = 0; c && h < how->kv_heads; h++) {
            size_t row = cache_row(c, p, r->sequence[i], r->position[i], h);
            cache_store(c->k, c->k_scale, c->type, row, c->k_dim, k + (size_t)h * how->k_dim);
            if (c->v)
                cache_store(c->v, c->v_scale, c->type, row, c->v_dim, v + (size_t)h * how->v_dim);
        }
    }
}
