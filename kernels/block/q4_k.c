/* Q4_K and Q5_K, 256 values: eight groups of 32, each x = (d·scale)·q - (dmin·least)
 *
 *   Q4_K, 144 bytes                    Q5_K, 176 bytes
 *   0   d, dmin   f16 each             0   the same
 *   4   scales    12 bytes, below      4   the same
 *   16  nibbles   [4][32]              16  high      [32]: bit g of byte i is bit 4 of value i of group g
 *                                      48  nibbles   [4][32]
 *
 * Nibbles of 64 values lie together: the low ones of 32 bytes are a group, the high ones the next.
 * Scales s and leasts m have 6 bits; s0..s3 in the low 6 bits of bytes 0..3, m0..m3 in those of bytes 4..7; for g = 4..7
 * byte 4 + g holds the low 4 bits of s (low nibble) and m (high nibble), and their upper 2 bits are the upper bits of bytes
 * g - 4 and g. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

enum { GROUPS = 8, GROUP = 32, VALUES = 256, SCALES = 4, NIBBLES4 = 16, HIGH = 16, NIBBLES5 = 48 };

static void unpack_scales(uint8_t s[GROUPS], uint8_t m[GROUPS], const uint8_t p[12])
{
    for (int g = 0; g < 4; g++) {
        s[g] = p[g] & 63;
        m[g] = p[4 + g] & 63;
        s[4 + g] = (uint8_t)((p[8 + g] & 15) | p[g] >> 6 << 4);
        m[4 + g] = (uint8_t)(p[8 + g] >> 4 | p[4 + g] >> 6 << 4);
    }
}

void decode_Q4_K(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    uint8_t s[GROUPS], m[GROUPS];
    for (size_t b = 0; b < blocks; b++, p += 144) {
        float d = f32_from_f16(load_u16(p)), dmin = f32_from_f16(load_u16(p + 2));
        unpack_scales(s, m, p + SCALES);
        for (int g = 0; g < GROUPS; g++) {
            const uint8_t *q = p + NIBBLES4 + g / 2 * GROUP;
            float scale = d * (float)s[g], least = dmin * (float)m[g];
            for (int i = 0; i < GROUP; i++)
                *to++ = scale * (float)(q[i] >> g % 2 * 4 & 15) - least;
        }
    }
}

void decode_Q5_K(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    uint8_t s[GROUPS], m[GROUPS];
    for (size_t b = 0; b < blocks; b++, p += 176) {
        float d = f32_from_f16(load_u16(p)), dmin = f32_from_f16(load_u16(p + 2));
        unpack_scales(s, m, p + SCALES);
        for (int g = 0; g < GROUPS; g++) {
            const uint8_t *q = p + NIBBLES5 + g / 2 * GROUP, *high = p + HIGH;
            float scale = d * (float)s[g], least = dmin * (float)m[g];
            for (int i = 0; i < GROUP; i++)
                *to++ = scale * (float)((q[i] >> g % 2 * 4 & 15) | (high[i] >> g & 1) << 4) - least;
        }
    }
}
