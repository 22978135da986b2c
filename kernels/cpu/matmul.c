/* Reference: y = activation(x·wᵀ + bias) + residual, summed in double, for every type that weights and rows come in. */
#include "base/mem.h"
#include "kernels/cpu/cpu.h"

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

static float weight_at(const struct weight *w, uint32_t n, uint32_t k)
{
    if (w->type == TYPE_Q8) {
        const struct q8_block *b = (const struct q8_block *)w->data + (size_t)(n / PANEL) * (w->k_padded / QUANT_BLOCK) +
                                   k / QUANT_BLOCK;
        return b->w[k % QUANT_BLOCK / 4][n % PANEL][k % 4] * b->scale[n % PANEL];
    }
    if (w->type == TYPE_BF16)
        return bf16_to(((const uint16_t *)w->data)[(size_t)(n / PANEL) * w->k_padded * PANEL + (k / 2) * (2 * PANEL) +
                                                   n % PANEL * 2 + k % 2]);
    return ((const float *)w->data)[(size_t)(n / w->panel) * w->k_padded * w->panel + (size_t)k * w->panel + n % w->panel];
}

void scalar_matmul(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                   const struct matmul *how, const struct rows *r)
{
    float *row = mem_alloc(w->n * sizeof *row); /* the oracle may allocate; the other rows of the table never do */
    for (uint32_t i = 0; i < r->used[0]; i++) {
        for (uint32_t n = 0; n < w->n; n++) {
            double sum = how->bias ? how->bias[n] : 0;
            for (uint32_t k = 0; k < w->k; k++)
                sum += (double)scalar_load(x, i, k) * weight_at(w, n, k);
            row[n] = activate((float)sum, how->activation);
            if (how->residual)
                row[n] += scalar_load(how->residual, i, n);
        }
        scalar_store_row(y, i, row);
    }
    free(row);
}
