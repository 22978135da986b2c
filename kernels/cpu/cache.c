/* Rows of the cache in its three types. */
#include "kernels/cpu/decode.h"

#include <math.h>
#include <string.h>

/* Round to nearest even; what fp16 cannot hold becomes infinite, as on every other machine. */
static uint16_t f16_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    uint32_t sign = u >> 16 & 0x8000;
    int exponent = (int)(u >> 23 & 255) - 112;
    uint32_t mantissa = (u & 0x7fffff) | 0x800000;
    if (exponent >= 31)
        return (uint16_t)(sign | 0x7c00 | ((u & 0x7fffffff) > 0x7f800000 ? 0x200 : 0));
    uint32_t shift = exponent > 0 ? 13 : (uint32_t)(14 - exponent);
    if (shift > 24)
        return (uint16_t)sign;
    uint32_t half = 1u << (shift - 1), rest = mantissa & ((1u << shift) - 1), kept = mantissa >> shift;
    kept += rest > half || (rest == half && (kept & 1));
    return (uint16_t)(sign | ((exponent > 0 ? (uint32_t)(exponent - 1) << 10 : 0) + kept)); /* a carry raises the exponent */
}

static float f16_to(uint16_t h)
{
    uint32_t exponent = h >> 10 & 31, mantissa = h & 1023, u;
    if (exponent == 0) {
        float x = (float)mantissa * 0x1p-24f;
        return h >> 15 ? -x : x;
    }
    u = (uint32_t)(h >> 15) << 31 | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static void store_q8(int8_t *to, float *scale, uint32_t dim, const float *x)
{
    for (uint32_t at = 0; at < dim; at += QUANT_BLOCK, scale++) {
        uint32_t end = at + QUANT_BLOCK < dim ? at + QUANT_BLOCK : dim;
        float max = 0;
        for (uint32_t c = at; c < end; c++)
            max = fmaxf(max, fabsf(x[c]));
        *scale = max / 127;
        for (uint32_t c = at; c < end; c++)
            to[c] = max > 0 ? (int8_t)lrintf(x[c] * (127 / max)) : 0;
    }
}

void cache_store(void *base, float *scale, enum cache_type type, size_t row, uint32_t dim, const float *x)
{
    size_t at = row * dim;
    if (type == CACHE_F32)
        memcpy((float *)base + at, x, dim * sizeof *x);
    else if (type == CACHE_F16)
        for (uint32_t c = 0; c < dim; c++)
            ((uint16_t *)base)[at + c] = f16_of(x[c]);
    else
        store_q8((int8_t *)base + at, scale + row * ((dim + QUANT_BLOCK - 1) / QUANT_BLOCK), dim, x);
}

/* The first n of dim columns. */
void cache_load(float *x, const void *base, const float *scale, enum cache_type type, size_t row, uint32_t dim, uint32_t n)
{
    size_t at = row * dim;
    if (type == CACHE_F32) {
        memcpy(x, (const float *)base + at, n * sizeof *x);
    } else if (type == CACHE_F16) {
        for (uint32_t c = 0; c < n; c++)
            x[c] = f16_to(((const uint16_t *)base)[at + c]);
    } else {
        const int8_t *from = (const int8_t *)base + at;
        scale += row * ((dim + QUANT_BLOCK - 1) / QUANT_BLOCK);
        for (uint32_t c = 0; c < n; c++)
            x[c] = (float)from[c] * scale[c / QUANT_BLOCK];
    }
}
