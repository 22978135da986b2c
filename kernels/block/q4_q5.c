/* The four old formats of 32 values with 4 or 5 bits; those that end in _1 have a minimum m.
 *
 *   Q4_0  18 bytes  d f16, nibbles[16]               x = d·(q - 8)
 *   Q4_1  20 bytes  d f16, m f16, nibbles[16]        x = d·q + m
 *   Q5_0  22 bytes  d f16, high u32, nibbles[16]     x = d·(q - 16)
 *   Q5_1  24 bytes  d f16, m f16, high u32, nibbles  x = d·q + m
 *
 * The low nibble of byte j is value j, the high one value j + 16; bit i of high is bit 4 of value i. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

#include <math.h>

enum { VALUES = 32, HALF = 16 };

/* bits: 4 or 5. */
static void unpack(uint8_t q[VALUES], const uint8_t *p, int bits)
{
    uint32_t high = 0;
    if (bits == 5) {
        high = load_u32(p);
        p += 4;
    }
    for (int j = 0; j < HALF; j++) {
        q[j] = (uint8_t)((p[j] & 15) | (high >> j & 1) << 4);
        q[j + HALF] = (uint8_t)(p[j] >> 4 | (high >> (j + HALF) & 1) << 4);
    }
}

static void pack(uint8_t *p, const uint8_t q[VALUES], int bits)
{
    if (bits == 5) {
        uint32_t high = 0;
        for (int i = 0; i < VALUES; i++)
            high |= (uint32_t)(q[i] >> 4) << i;
        store_u32(p, high);
        p += 4;
    }
    for (int j = 0; j < HALF; j++)
        p[j] = (uint8_t)((q[j] & 15) | (q[j + HALF] & 15) << 4);
}

static inline void decode_centred(float *to, const uint8_t *p, size_t blocks, int bits)
{
    uint8_t q[VALUES];
    int bytes = 2 + 4 * (bits - 4) + HALF, middle = 1 << (bits - 1);
    for (size_t b = 0; b < blocks; b++, p += bytes, to += VALUES) {
        float d = f32_from_f16(load_u16(p));
        unpack(q, p + 2, bits);
        for (int i = 0; i < VALUES; i++)
            to[i] = d * (float)(q[i] - middle);
    }
}

static inline void decode_offset(float *to, const uint8_t *p, size_t blocks, int bits)
{
    uint8_t q[VALUES];
    int bytes = 4 + 4 * (bits - 4) + HALF;
    for (size_t b = 0; b < blocks; b++, p += bytes, to += VALUES) {
        float d = f32_from_f16(load_u16(p)), m = f32_from_f16(load_u16(p + 2));
        unpack(q, p + 4, bits);
        for (int i = 0; i < VALUES; i++)
            to[i] = d * (float)q[i] + m;
    }
}

/* Cut off, not rounded: the caller has added a half. */
static uint8_t whole(float x, int most)
{
    return (uint8_t)(x < 0 ? 0 : x > (float)most ? (float)most : x);
}

/* The value that is largest in size takes the code at the lower end, so that its sign decides that of d. */
static inline void encode_centred(uint8_t *p, const float *x, size_t blocks, int bits)
{
    uint8_t q[VALUES];
    int bytes = 2 + 4 * (bits - 4) + HALF, middle = 1 << (bits - 1);
    for (size_t b = 0; b < blocks; b++, p += bytes, x += VALUES) {
        float most = x[0];
        for (int i = 1; i < VALUES; i++)
            most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
        float d = most / (float)-middle, inverse = d != 0 ? 1 / d : 0;
        for (int i = 0; i < VALUES; i++)
            q[i] = whole(x[i] * inverse + ((float)middle + .5f), 2 * middle - 1);
        store_u16(p, f16_from_f32(d));
        pack(p + 2, q, bits);
    }
}

static inline void encode_offset(uint8_t *p, const float *x, size_t blocks, int bits)
{
    uint8_t q[VALUES];
    int bytes = 4 + 4 * (bits - 4) + HALF, most = (1 << bits) - 1;
    for (size_t b = 0; b < blocks; b++, p += bytes, x += VALUES) {
        float low = x[0], high = x[0];
        for (int i = 1; i < VALUES; i++) {
            low = fminf(low, x[i]);
            high = fmaxf(high, x[i]);
        }
        float d = (high - low) / (float)most, inverse = d != 0 ? 1 / d : 0;
        for (int i = 0; i < VALUES; i++)
            q[i] = whole((x[i] - low) * inverse + .5f, most);
        store_u16(p, f16_from_f32(d));
        store_u16(p + 2, f16_from_f32(low));
        pack(p + 4, q, bits);
    }
}

#define FORMAT(name, kind, bits)                                                                                       \
    void decode_##name(float *to, const void *from, size_t blocks)                                                     \
    {                                                                                                                  \
        decode_##kind(to, from, blocks, bits);                                                                         \
    }                                                                                                                  \
    void encode_##name(void *to, const float *from, const float *importance, size_t blocks)                            \
    {                                                                                                                  \
        (void)importance;                                                                                              \
        encode_##kind(to, from, blocks, bits);                                                                         \
    }
FORMAT(Q4_0, centred, 4)
FORMAT(Q4_1, offset, 4)
FORMAT(Q5_0, centred, 5)
FORMAT(Q5_1, offset, 5)
