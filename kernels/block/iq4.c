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
#include "kernels/block/search.h"

#include <math.h>

enum { GROUP = 32, HALF = 16, GROUPS = 8 };

static const int8_t level[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* First guesses of IQ4_NL's scale: the largest value is put 119 to 135 steps from 0, or on the other side 105 to 121. */
#define GUESSES 9
#define REFITS 2

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

static int nearest(float x)
{
    int q = 0;
    for (int k = 0; k < 15; k++)
        q += 2 * x > (float)(level[k] + level[k + 1]);
    return q;
}

/* Codes of x/scale, and the scale that fits them best; *gain is what it takes away from the error. */
static float fit_guess(float *gain, const float x[GROUP], const float w[GROUP], float scale)
{
    float lqq[LANES] = {0}, lxq[LANES] = {0}, inverse = 1 / scale;
    for (int i = 0; i < GROUP; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float q = level[nearest(x[i + k] * inverse)], wq = w[i + k] * q;
            lqq[k] += wq * q;
            lxq[k] += wq * x[i + k];
        }
    float sqq = lanes_sum(lqq), sxq = lanes_sum(lxq);
    *gain = sqq > 0 ? sxq * sxq / sqq : 0;
    return sqq > 0 ? sxq / sqq : 0;
}

static float fit_group(const float x[GROUP], const float w[GROUP])
{
    float most = 0, best = 0, best_gain = 0, gain;
    for (int i = 0; i < GROUP; i++)
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    for (int i = 0; i < 2 * GUESSES && most != 0; i++) {
        float scale = most / (i < GUESSES ? (float)(-119 - 2 * i) : (float)(105 + 2 * (i - GUESSES)));
        for (int r = 0; r <= REFITS && scale != 0; r++) {
            scale = fit_guess(&gain, x, w, scale);
            if (gain > best_gain) {
                best_gain = gain;
                best = scale;
            }
        }
    }
    return best;
}

BLOCK_VECTORS void encode_IQ4_NL(void *to, const float *from, const float *importance, size_t blocks)
{
    uint8_t *p = to;
    for (size_t b = 0; b < blocks; b++, p += 18, from += GROUP) {
        uint16_t d = f16_from_f32(fit_group(from, importance ? importance + b * GROUP : block_ones));
        float scale = f32_from_f16(d), inverse = scale != 0 ? 1 / scale : 0;
        store_u16(p, d);
        for (int j = 0; j < HALF; j++)
            p[2 + j] = (uint8_t)(nearest(from[j] * inverse) | nearest(from[j + HALF] * inverse) << 4);
    }
}
