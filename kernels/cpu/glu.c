/* Reference: gated activations, and the small ops between rows: sums, columns, the soft cap. */
#include "kernels/cpu/decode.h"

#include <math.h>
#include <string.h>

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float gated(float gate, float up, const struct glu *how)
{
    switch (how->kind) {
    case GLU_SILU:
        return activate(gate, ACT_SILU) * up;
    case GLU_GELU_TANH:
        return activate(gate, ACT_GELU_TANH) * up;
    case GLU_GELU:
        return activate(gate, ACT_GELU) * up;
    case GLU_RELU:
        return activate(gate, ACT_RELU) * up;
    case GLU_SIGMOID:
        return sigmoid(gate) * up;
    case GLU_CLAMPED:
        gate = fminf(gate, how->limit);
        up = fmaxf(-how->limit, fminf(up, how->limit));
        return gate * sigmoid(how->alpha * gate) * (up + 1);
    }
    return 0;
}

void scalar_glu(struct cpu_queue *q, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how,
                const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = mat_row(y, i), *g = mat_row(gate, i), *u = mat_row(up, i);
        for (uint32_t c = 0; c < y->cols; c++)
            to[c] = gated(g[c], u[c], how);
    }
}

void scalar_add(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct mat *gate, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float scale = gate ? sigmoid(*mat_row(gate, i)) : 1, *to = mat_row(y, i), *from = mat_row(x, i);
        for (uint32_t c = 0; c < y->cols; c++)
            to[c] += from[c] * scale;
    }
}

void scalar_columns(struct cpu_queue *q, struct mat *y, uint32_t to, uint32_t to_step, const struct mat *x, uint32_t from,
                    uint32_t from_step, uint32_t heads, uint32_t n, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++)
        for (uint32_t h = 0; h < heads; h++)
            memcpy(mat_row(y, i) + to + (size_t)h * to_step, mat_row(x, i) + from + (size_t)h * from_step, n * sizeof(float));
}

void scalar_softcap(struct cpu_queue *q, struct mat *y, float cap, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++)
        for (uint32_t c = 0; c < y->cols; c++) {
            float *to = mat_row(y, i) + c;
            *to = cap * tanhf(*to / cap);
        }
}
