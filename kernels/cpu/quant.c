#include "kernels/quant.h"

#include <math.h>

float quant_row(int8_t *q, const float *x, size_t dim)
{
    float max = 0;
    for (size_t i = 0; i < dim; i++)
        max = fmaxf(max, fabsf(x[i]));
    float inverse = max > 0 ? 127 / max : 0;
    for (size_t i = 0; i < dim; i++)
        q[i] = (int8_t)lrintf(x[i] * inverse);
    return max / 127;
}
