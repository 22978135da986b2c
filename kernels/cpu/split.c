/* Blocks of model files taken apart into codes and scales (layouts: kernels/block/). */
#include "kernels/block/numbers.h"
#include "kernels/cpu/held.h"

#include <math.h>

/* Nibbles of `n` values from n/2 bytes: the low ones first, then the high ones. */
static void nibbles(uint8_t *code, const uint8_t *p, int n)
{
    for (int j = 0; j < n / 2; j++) {
        code[j] = p[j] & 15;
        code[j + n / 2] = p[j] >> 4;
    }
}

static void fifth_bits(uint8_t code[QUANT_BLOCK], uint32_t high)
{
    for (int j = 0; j < QUANT_BLOCK; j++)
        code[j] |= (uint8_t)((high >> j & 1) << 4);
}

/* Group g of Q4_K or Q5_K: see q4_k.c for the twelve bytes of scales. */
static void k_scales(struct held_split *s, const uint8_t *p, uint32_t g)
{
    const uint8_t *q = p + 4;
    s->d = load_u16(p);
    s->least = load_u16(p + 2);
    s->scale[0] = g < 4 ? q[g] & 63 : (uint8_t)((q[g + 4] & 15) | q[g - 4] >> 6 << 4);
    s->m = g < 4 ? q[g + 4] & 63 : (uint8_t)(q[g + 4] >> 4 | q[g] >> 6 << 4);
}

static void k_nibbles(uint8_t code[QUANT_BLOCK], const uint8_t *p, uint32_t g)
{
    for (int j = 0; j < QUANT_BLOCK; j++)
        code[j] = p[g / 2 * 32 + j] >> g % 2 * 4 & 15;
}

/* Group g of 32 values of Q6_K: half g/4 of the block has 64 bytes of nibbles and 32 of high bits. */
static void q6_k(struct held_split *s, const uint8_t *p, uint32_t g)
{
    const uint8_t *low = p + g / 4 * 64 + g % 2 * 32, *high = p + 128 + g / 4 * 32;
    for (int j = 0; j < QUANT_BLOCK; j++)
        s->code[j] = (uint8_t)((low[j] >> g % 4 / 2 * 4 & 15) | (high[j] >> g % 4 * 2 & 3) << 4);
    s->scale[0] = p[192 + 2 * g];
    s->scale[1] = p[193 + 2 * g];
    s->d = load_u16(p + 208);
}

static void iq4_xs(struct held_split *s, const uint8_t *p, uint32_t g)
{
    int scale = (p[4 + g / 2] >> g % 2 * 4 & 15) | (load_u16(p + 2) >> 2 * g & 3) << 4;
    s->d = load_u16(p);
    s->scale[0] = (uint8_t)(scale - 32);
    nibbles(s->code, p + 8 + g * 16, QUANT_BLOCK);
}

static uint8_t e4m3_scale(uint8_t x) /* as nvfp4.c reads it: no sign, and NaN counts as 0 */
{
    x &= 0x7F;
    return x == 0x7F ? 0 : x;
}

bool held_split(struct held_split *s, enum block_type file, const void *row, uint32_t block)
{
    const struct block_format *f = &block_formats[file];
    uint32_t blocks = f->values / QUANT_BLOCK, g = blocks ? block % blocks : 0;
    if (blocks == 0)
        return false;
    const uint8_t *p = (const uint8_t *)row + (size_t)(block / blocks) * f->bytes;
    switch (file) {
    case BLOCK_Q8_0:
        s->d = load_u16(p);
        for (int j = 0; j < QUANT_BLOCK; j++)
            s->code[j] = p[2 + j] ^ 0x80;
        return true;
    case BLOCK_Q4_0:
    case BLOCK_IQ4_NL:
        s->d = load_u16(p);
        nibbles(s->code, p + 2, QUANT_BLOCK);
        return true;
    case BLOCK_Q4_1:
        s->d = load_u16(p);
        s->least = load_u16(p + 2);
        nibbles(s->code, p + 4, QUANT_BLOCK);
        return true;
    case BLOCK_Q5_0:
        s->d = load_u16(p);
        nibbles(s->code, p + 6, QUANT_BLOCK);
        fifth_bits(s->code, load_u32(p + 2));
        return true;
    case BLOCK_Q5_1:
        s->d = load_u16(p);
        s->least = load_u16(p + 2);
        nibbles(s->code, p + 8, QUANT_BLOCK);
        fifth_bits(s->code, load_u32(p + 4));
        return true;
    case BLOCK_Q4_K:
        k_scales(s, p, g);
        k_nibbles(s->code, p + 16, g);
        return true;
    case BLOCK_Q5_K:
        k_scales(s, p, g);
        k_nibbles(s->code, p + 48, g);
        for (int j = 0; j < QUANT_BLOCK; j++)
            s->code[j] |= (uint8_t)((p[16 + j] >> g & 1) << 4);
        return true;
    case BLOCK_Q6_K:
        q6_k(s, p, g);
        return true;
    case BLOCK_IQ4_XS:
        iq4_xs(s, p, g);
        return true;
    case BLOCK_MXFP4:
        s->scale[0] = p[0];
        nibbles(s->code, p + 1, QUANT_BLOCK);
        return true;
    case BLOCK_NVFP4: /* two of its four groups */
        for (uint32_t half = 0; half < 2; half++) {
            s->scale[half] = e4m3_scale(p[2 * g + half]);
            nibbles(s->code + half * 16, p + 4 + (2 * g + half) * 8, 16);
        }
        return true;
    default:
        return false;
    }
}

/* The scale is rounded up to f16 first, so that no byte leaves [-127, 127] and the bytes make up for the rounding. */
void held_split_q8(struct held_split *s, const float *x, uint32_t n)
{
    float max = 0;
    for (uint32_t j = 0; j < n; j++)
        max = fmaxf(max, fabsf(x[j]));
    s->d = f16_from_f32(max / 127);
    while (f32_from_f16(s->d) * 127 < max && s->d < 0x7BFF)
        s->d++;
    float inverse = s->d ? 1 / f32_from_f16(s->d) : 0;
    for (uint32_t j = 0; j < QUANT_BLOCK; j++) {
        float q = j < n ? nearbyintf(x[j] * inverse) : 0;
        s->code[j] = (uint8_t)(128 + (int)fmaxf(-127, fminf(127, q)));
    }
}
