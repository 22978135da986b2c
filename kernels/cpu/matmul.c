/* Reference: y = activation(x·wᵀ + bias) + residual, summed in double, for every type that weights and rows come in. */
#include "base/mem.h"
#include "kernels/cpu/weight.h"

#include <math.h>
#include <stdlib.h>

float activate(float x, enum activation a)
{
    switch (a) {
    case ACT_GELU:
        return (float)(0.5 * x * (1 + erf(x * 0.70710678118654752440)));
    case ACT_GELU_TANH:
        return (float)(0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))));
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_SILU:
        return (float)(x / (1 + exp(-x)));
    case ACT_NONE:
        break;
    }
    return x;
}

void scalar_matmul(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                   const struct matmul *how, const struct rows *r)
{
    /* the oracle may allocate; the other rows of the table never do */
    double *sum = mem_alloc((size_t)r->used[0] * w->n * sizeof *sum);
    float *row = mem_alloc((w->n > w->k ? w->n : w->k) * sizeof *row);
    for (uint32_t n = 0; n < w->n; n++) {
        weight_row(w, n, row);
        for (uint32_t i = 0; i < r->used[0]; i++) {
            double *to = &sum[(size_t)i * w->n + n];
            *to = 0;
            for (uint32_t k = 0; k < w->k; k++)
                *to += (double)scalar_load(x, i, k) * row[k];
            *to = *to * w->scale + (how->bias ? how->bias[n] : 0);
        }
    }
    for (uint32_t i = 0; i < r->used[0]; i++) {
        for (uint32_t n = 0; n < w->n; n++) {
            row[n] = activate((float)sum[(size_t)i * w->n + n], how->activation);
            if (how->residual)
                row[n] += scalar_load(how->residual, i, n);
        }
        scalar_store_row(y, i, row);
    }
    free(sum);
    free(row);
}
