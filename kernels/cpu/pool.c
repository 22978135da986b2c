/* Reference: one unit vector for each sequence, the mean of its rows, its first row or its last. */
#include "kernels/cpu/cpu.h"

#include <math.h>

void scalar_pool(struct cpu_queue *q, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r)
{
    for (uint32_t s = 0; s < r->used[1]; s++) {
        uint32_t from = r->offset[s], to = r->offset[s + 1];
        if (pool_first(how) && to > from)
            to = from + 1;
        if (pool_last(how) && to > from)
            from = to - 1;
        float *out = (float *)y->data + (size_t)s * y->stride;
        double square = 0;
        for (uint32_t c = 0; c < y->cols; c++) {
            double sum = 0;
            for (uint32_t i = from; i < to; i++)
                sum += ((const float *)x->data)[(size_t)i * x->stride + c];
            out[c] = (float)sum;
            square += sum * sum;
        }
        float scale = pool_as_is(how) ? 1 : square > 0 ? (float)(1 / sqrt(square)) : 0; /* the mean's 1/n cancels */
        for (uint32_t c = 0; c < y->cols; c++)
            out[c] *= scale;
    }
}
