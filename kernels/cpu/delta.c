/* Reference: the gated delta rule (Yang et al., "Gated Delta Networks", 2024) as Qwen3-Next has it, token by token:
 *   S ← S·exp(g);  S ← S + k ⊗ (v - Sᵀk)·β;  y = Sᵀq
 * after a short causal convolution with SiLU over queries, keys and values; queries and keys have unit length, and a head's
 * output is brought to norm and gated by SiLU of its gate. */
#include "kernels/cpu/decode.h"

#include <math.h>
#include <string.h>

#define UNIT_EPS 1e-6 /* of queries' and keys' length, a constant of the model family */

static void unit(float *to, const float *x, uint32_t n, double scale)
{
    double square = UNIT_EPS;
    for (uint32_t c = 0; c < n; c++)
        square += (double)x[c] * x[c];
    scale /= sqrt(square);
    for (uint32_t c = 0; c < n; c++)
        to[c] = (float)(x[c] * scale);
}

/* Column c of x becomes the convolution's output; past: [kernel-1, n] inputs, moved on by one. */
static void convolve(float *x, float *past, const struct delta *d, uint32_t n, uint32_t from, uint32_t to)
{
    uint32_t keep = d->kernel - 1;
    for (uint32_t c = from; c < to; c++) {
        const float *w = d->conv + (size_t)c * d->kernel;
        double sum = (double)w[keep] * x[c];
        for (uint32_t j = 0; j < keep; j++)
            sum += (double)w[j] * past[(size_t)j * n + c];
        for (uint32_t j = 0; j + 1 < keep; j++)
            past[(size_t)j * n + c] = past[(size_t)(j + 1) * n + c];
        if (keep)
            past[(size_t)(keep - 1) * n + c] = x[c];
        x[c] = activate((float)sum, ACT_SILU);
    }
}

/* One value head of one token. S: [k_dim, v_dim]. */
static void head(float *y, float *S, const float *query, const float *key, const float *v, float beta, float decay,
                 const struct delta *d)
{
    float q[HEAD_MAX], k[HEAD_MAX];
    unit(q, query, d->k_dim, 1 / sqrt((double)d->k_dim));
    unit(k, key, d->k_dim, 1);
    for (size_t i = 0; i < (size_t)d->k_dim * d->v_dim; i++)
        S[i] *= decay;
    for (uint32_t j = 0; j < d->v_dim; j++) {
        double known = 0, out = 0;
        for (uint32_t i = 0; i < d->k_dim; i++)
            known += (double)S[(size_t)i * d->v_dim + j] * k[i];
        float more = (float)((v[j] - known) * beta);
        for (uint32_t i = 0; i < d->k_dim; i++) {
            float *s = &S[(size_t)i * d->v_dim + j];
            *s += k[i] * more;
            out += (double)*s * q[i];
        }
        y[j] = (float)out;
    }
}

static void finish(float *y, const float *gate, const struct delta *d)
{
    double square = 0;
    for (uint32_t c = 0; c < d->v_dim; c++)
        square += (double)y[c] * y[c];
    double scale = 1 / sqrt(square / d->v_dim + d->eps);
    for (uint32_t c = 0; c < d->v_dim; c++)
        y[c] = (float)(y[c] * scale * d->gain[c]) * activate(gate[c], ACT_SILU);
}

static double softplus(double x)
{
    return x > 20 ? x : log1p(exp(x));
}

static uint32_t convolved(const struct delta *d)
{
    return 2 * d->k_heads * d->k_dim + d->v_heads * d->v_dim;
}

void scalar_delta_begin(const struct states *s, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[1]; i++) {
        float *state = s->base + s->to[i] * s->size;
        if (s->from[i] == PAGE_NONE)
            memset(state, 0, s->size * sizeof *state);
        else if (s->from[i] != s->to[i])
            memcpy(state, s->base + s->from[i] * s->size, s->size * sizeof *state);
    }
}

void scalar_convolve(const struct mat *x, const struct delta *d, const struct states *s, const struct rows *r, uint32_t from,
                     uint32_t to)
{
    for (uint32_t i = 0; i < r->used[1]; i++)
        for (uint32_t row = r->offset[i]; row < r->offset[i + 1]; row++)
            convolve(mat_row(x, row), s->base + s->to[i] * s->size, d, convolved(d), from, to);
}

static void one_row(float *y, const float *x, float *S, const struct delta *d, uint32_t h)
{
    uint32_t keys = d->k_heads * d->k_dim, values = d->v_heads * d->v_dim, share = d->v_heads / d->k_heads;
    const float *gate = x + convolved(d), *beta = gate + values, *a = beta + d->v_heads;
    const float *query = x + (size_t)(h / share) * d->k_dim, *v = x + 2 * (size_t)keys + (size_t)h * d->v_dim;
    double decay = exp(d->decay[h] * softplus((double)a[h] + d->dt_bias[h]));
    y += (size_t)h * d->v_dim;
    head(y, S, query, query + keys, v, 1 / (1 + expf(-beta[h])), (float)decay, d);
    finish(y, gate + (size_t)h * d->v_dim, d);
}

void scalar_delta(struct mat *y, const struct mat *x, const struct delta *d, const struct states *s, const struct rows *r,
                  uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < r->used[1]; i++)
        for (uint32_t h = from; h < to; h++) {
            float *S = s->base + s->to[i] * s->size + (size_t)(d->kernel - 1) * convolved(d) + (size_t)h * d->k_dim * d->v_dim;
            for (uint32_t row = r->offset[i]; row < r->offset[i + 1]; row++)
                one_row(mat_row(y, row), mat_row(x, row), S, d, h);
        }
}
