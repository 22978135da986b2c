/* Reference: rows between fp32 and the operand types. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <string.h>

uint16_t bf16_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float bf16_to(uint16_t b)
{
    uint32_t u = (uint32_t)b << 16;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static void store_q8(struct mat *m, uint32_t row, const float *x)
{
    int8_t *to = (int8_t *)m->data + (size_t)row * m->stride;
    struct quant *quant = m->quant + (size_t)row * (m->stride / QUANT_BLOCK);
    for (uint32_t b = 0; b < m->cols; b += QUANT_BLOCK, quant++) {
        float max = 0;
        for (uint32_t c = b; c < b + QUANT_BLOCK && c < m->cols; c++)
            max = fmaxf(max, fabsf(x[c]));
        int sum[2] = {0};
        for (uint32_t c = b; c < b + QUANT_BLOCK; c++) {
            to[c] = (int8_t)(c < m->cols && max > 0 ? nearbyintf(x[c] * (127 / max)) : 0);
            sum[(c - b) / 16] += to[c];
        }
        float scale = max / 127;
        *quant = (struct quant){scale, scale * (float)(sum[0] + sum[1]), -128 * (sum[0] + sum[1]), -128 * sum[0]};
    }
}

void scalar_store_row(struct mat *m, uint32_t row, const float *x)
{
    size_t at = (size_t)row * m->stride;
    if (m->type == TYPE_Q8) {
        store_q8(m, row, x);
    } else if (m->type == TYPE_BF16) {
        uint16_t *to = (uint16_t *)m->data + at;
        for (uint32_t c = 0; c < m->cols; c++)
            to[c] = bf16_of(x[c]);
    } else {
        memcpy((float *)m->data + at, x, m->cols * sizeof *x);
    }
}

float scalar_load(const struct mat *m, uint32_t row, uint32_t col)
{
    size_t at = (size_t)row * m->stride + col;
    if (m->type == TYPE_BF16)
        return bf16_to(((const uint16_t *)m->data)[at]);
    if (m->type == TYPE_Q8)
        return ((const int8_t *)m->data)[at] * m->quant[at / QUANT_BLOCK].scale;
    return ((const float *)m->data)[at];
}

void scalar_quantize(struct cpu_queue *q, struct mat *xq, const struct mat *x, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++)
        scalar_store_row(xq, i, (const float *)x->data + (size_t)i * x->stride);
}
