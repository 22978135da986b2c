/* IQ4_NL and IQ4_XS: nibbles that name one of sixteen unevenly spaced values.
 *
 *   IQ4_NL, 32 values in 18 bytes            IQ4_XS, 256 values in 136 bytes: eight groups of 32
 *   0  d        f16                          0  d         f16
 *   2  nibbles  [16]                         2  high      u16: bits 2g, 2g+1 are bits 4, 5 of scale g
 *                                            4  low       [4]: nibbles, the low 4 bits of the scales
 *                                            8  nibbles   [8][16]
 *   x = d·level[q]                           x = (d·(scale - 32))·level[q]
 *
 * The low nibble of byte j is value j of its 32, the high one value j + 16. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

enum { GROUP = 32, HALF = 16, GROUPS = 8 };

static const int8_t level[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void decode_group(float to[GROUP], float d, const uint8_t nibbles[HALF])
{
    for (int j = 0; j < HALF; j++) {
        to[j] = d * level[nibbles[j] & 15];
        to[j + HALF] = d * level[nibbles[j] >> 4];
    }
}

void decode_IQ4_NL(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += 18, to += GROUP)
        decode_group(to, f32_from_f16(load_u16(p)), p + 2);
}

void decode_IQ4_XS(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += 136) {
        float d = f32_from_f16(load_u16(p));
        uint16_t high = load_u16(p + 2);
        for (int g = 0; g < GROUPS; g++, to += GROUP) {
            int scale = (p[4 + g / 2] >> g % 2 * 4 & 15) | (high >> 2 * g & 3) << 4;
            decode_group(to, d * (float)(scale - 32), p + 8 + g * HALF);
        }
    }
}
