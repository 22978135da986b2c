/* The small floating-point numbers of model files, in portable integer arithmetic: bit for bit the same on every machine.
 *
 *   F16   s eeeee mmmmmmmmmm      bias 15, subnormals, infinities
 *   BF16  the upper half of an F32
 *   E8M0  eeeeeeee                2^(e-127); 255 is NaN
 *   E4M3  s eeee mmm              bias 7, subnormals; no infinity, s1111111 is NaN; most 448
 *   E2M1  s ee m                  0 .5 1 1.5 2 3 4 6 and their negatives */
#ifndef CODEASK_KERNELS_BLOCK_NUMBERS_H
#define CODEASK_KERNELS_BLOCK_NUMBERS_H

#include <stdint.h>
#include <string.h>

static inline float f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_from_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)v);
    store_u16(p + 2, (uint16_t)(v >> 16));
}

static inline float f32_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3FF;
    if (e == 31)
        return f32_from_bits(sign | 0x7F800000 | m << 13);
    if (e)
        return f32_from_bits(sign | (e + 112) << 23 | m << 13);
    float tiny = (float)m * 0x1p-24f; /* exact */
    return sign ? -tiny : tiny;
}

/* To nearest, ties to even; what is too large becomes infinite. */
static inline uint16_t f16_from_f32(float f)
{
    uint32_t bits = bits_from_f32(f), sign = bits >> 16 & 0x8000, a = bits & 0x7FFFFFFF;
    if (a > 0x7F800000)
        return (uint16_t)(sign | 0x7E00 | (a >> 13 & 0x3FF));
    if (a >= 0x477FF000) /* 65520, halfway between the largest and what would follow it */
        return (uint16_t)(sign | 0x7C00);
    if (a < 0x38800000) { /* below 2^-14: adding 2^-1 lets the addition round at 2^-24 */
        float rounded = f32_from_bits(a) + 0.5f;
        return (uint16_t)(sign | (bits_from_f32(rounded) - 0x3F000000));
    }
    a += 0xFFF + (a >> 13 & 1);
    return (uint16_t)(sign | ((a >> 13) - (112u << 10)));
}

static inline float f32_from_bf16(uint16_t h)
{
    return f32_from_bits((uint32_t)h << 16);
}

/* To nearest, ties to even; a NaN stays one. */
static inline uint16_t bf16_from_f32(float f)
{
    uint32_t bits = bits_from_f32(f);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* Half of the scale, for the tables of E2M1 hold twice the value. */
static inline float f32_from_e8m0_half(uint8_t e)
{
    return f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* A NaN becomes a NaN. */
static inline float f32_from_e4m3(uint8_t x)
{
    uint32_t sign = (uint32_t)(x & 0x80) << 24, e = x >> 3 & 15, m = x & 7;
    if ((x & 0x7F) == 0x7F)
        return f32_from_bits(sign | 0x7FC00000);
    if (e)
        return f32_from_bits(sign | (e + 120) << 23 | m << 20);
    float tiny = (float)m * 0x1p-9f;
    return sign ? -tiny : tiny;
}

/* To nearest, ties to even; what is beyond 448 becomes 448. Not for NaN. */
static inline uint8_t e4m3_from_f32(float f)
{
    uint32_t bits = bits_from_f32(f), sign = bits >> 24 & 0x80, a = bits & 0x7FFFFFFF;
    if (a >= 0x43E00000)
        return (uint8_t)(sign | 0x7E);
    if (a < 0x3C800000) { /* below 2^-6: adding 2^14 lets the addition round at 2^-9 */
        float rounded = f32_from_bits(a) + 0x1p14f;
        return (uint8_t)(sign | (bits_from_f32(rounded) - 0x46800000));
    }
    a += 0x7FFFF + (a >> 20 & 1);
    return (uint8_t)(sign | ((a >> 20) - (120u << 3)));
}

/* Twice the values of E2M1, so that they are whole. */
extern const int8_t e2m1_twice[16];

#endif
