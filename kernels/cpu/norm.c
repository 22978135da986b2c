/* Reference: layernorm or rms norm over a row, mean and variance in double. */
#include "kernels/cpu/cpu.h"

#include <math.h>

void scalar_norm_row(float *y, const float *x, uint32_t n, const struct norm *how)
{
    double mean = 0, variance = 0;
    for (uint32_t c = 0; c < n && !how->rms; c++)
        mean += x[c];
    mean /= n;
    for (uint32_t c = 0; c < n; c++)
        variance += (x[c] - mean) * (x[c] - mean);
    double scale = 1 / sqrt(variance / n + how->eps);
    for (uint32_t c = 0; c < n; c++)
        y[c] = (float)((x[c] - mean) * scale * how->gain[c] + (how->bias ? how->bias[c] : 0));
}

void scalar_norm(struct cpu_queue *q, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n,
                 const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = (float *)y->data + (size_t)i * y->stride;
        scalar_norm_row(to, (const float *)x->data + (size_t)i * x->stride, x->cols, n);
        if (yq)
            scalar_store_row(yq, i, to);
    }
}
