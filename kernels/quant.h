/* One int8 form for vectors that are stored and scanned: q[i] = round(x[i] / scale), scale = max|x| / 127. */
#ifndef CODEASK_KERNELS_QUANT_H
#define CODEASK_KERNELS_QUANT_H

#include <stddef.h>
#include <stdint.h>

/* x: [dim] fp32 -> q: [dim] int8 in [-127, 127]; returns the scale (0 for a zero vector). */
float quant_row(int8_t *q, const float *x, size_t dim);

#endif
