/* MXFP4 and NVFP4: E2M1 values under a small scale.
 *
 *   MXFP4, 32 values in 17 bytes             NVFP4, 64 values in 36 bytes: four groups of 16
 *   0  scale    E8M0                         0  scales   E4M3[4], never negative; 0x7F counts as 0
 *   1  nibbles  [16]                         4  nibbles  [4][8]
 *
 * The low nibbles of a group are its first half, the high ones its second. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"
#include "kernels/block/search.h"

#include <math.h>

enum { MX = 32, MX_BYTES = 17, NV = 64, NV_BYTES = 36, NV_GROUP = 16 };

const int8_t e2m1_twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* n values from n/2 bytes; half: half of the scale. */
static void decode_group(float *to, float half, const uint8_t *nibbles, int n)
{
    for (int j = 0; j < n / 2; j++) {
        to[j] = half * (float)e2m1_twice[nibbles[j] & 15];
        to[j + n / 2] = half * (float)e2m1_twice[nibbles[j] >> 4];
    }
}

void decode_MXFP4(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += MX_BYTES, to += MX)
        decode_group(to, f32_from_e8m0_half(p[0]), p + 1, MX);
}

/* The sign bit is not looked at; 0xFF goes on where 0xFE ends, as in the reference. */
/* The code of a value in halves of a scale; of two that are equally near, the one nearer to 0, and never -0: what a search
 * for the first of the nearest finds in the table. */
static inline uint8_t nearest(float x)
{
    static const float border[7] = {.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10}; /* between 0 1 2 3 4 6 8 12 */
    float size = fabsf(x);
    int q = 0;
    for (int k = 0; k < 7; k++)
        q += size > border[k];
    return (uint8_t)(q && x < 0 ? q | 8 : q);
}

static void encode_group(uint8_t *nibbles, const float *x, float half, int n)
{
    float inverse = half > 0 ? 1 / half : 0;
    for (int j = 0; j < n / 2; j++)
        nibbles[j] = (uint8_t)(nearest(x[j] * inverse) | nearest(x[j + n / 2] * inverse) << 4);
}

/* n: a multiple of LANES. */
static inline float error_of(const float *x, const float *w, float half, int n)
{
    float lane[LANES] = {0}, inverse = half > 0 ? 1 / half : 0;
    for (int i = 0; i < n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float off = half * (float)e2m1_twice[nearest(x[i + k] * inverse)] - x[i + k];
            lane[k] += w[i + k] * off * off;
        }
    return lanes_sum(lane);
}

static float largest(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

/* The exponent of the largest value less 2, so that it lies in [4, 8) scales, where 6 is the largest code; with importance,
 * the best of that one and the two beside it. */
BLOCK_VECTORS void encode_MXFP4(void *to, const float *from, const float *importance, size_t blocks)
{
    uint8_t *p = to;
    for (size_t b = 0; b < blocks; b++, p += MX_BYTES, from += MX) {
        float most = largest(from, MX), least = __FLT_MAX__;
        int e = most > 0 ? ilogbf(most) - 2 + 127 : 0;
        p[0] = (uint8_t)(e < 0 ? 0 : e > 254 ? 254 : e);
        for (int c = e - 1; importance && c <= e + 1; c++) {
            if (c < 0 || c > 254)
                continue;
            float error = error_of(from, importance + b * MX, f32_from_e8m0_half((uint8_t)c), MX);
            if (error < least) {
                least = error;
                p[0] = (uint8_t)c;
            }
        }
        encode_group(p + 1, from, f32_from_e8m0_half(p[0]), MX);
    }
}

/* The sign bit is not looked at; 0xFF goes on where 0xFE ends, as in the reference. */
static float nv_half(uint8_t scale)
{
    if ((scale & 0x7F) == 0x7F)
        return scale == 0x7F ? 0 : 240;
    return f32_from_e4m3(scale & 0x7F) * .5f;
}

void decode_NVFP4(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += NV_BYTES)
        for (int g = 0; g < 4; g++, to += NV_GROUP)
            decode_group(to, nv_half(p[g]), p + 4 + g * 8, NV_GROUP);
}

/* The best of the scales under which the largest value is 4 to 8 of them, and one more on each side. */
static uint8_t nv_scale(const float *x, const float *w)
{
    float most = largest(x, NV_GROUP), least = __FLT_MAX__;
    int first = e4m3_from_f32(most / 8) - 1, last = e4m3_from_f32(most / 4) + 1, best = 0;
    for (int c = first < 0 ? 0 : first; c <= last && c <= 0x7E && most > 0; c++) {
        float error = error_of(x, w, nv_half((uint8_t)c), NV_GROUP);
        if (error < least) {
            least = error;
            best = c;
        }
    }
    return (uint8_t)best;
}

BLOCK_VECTORS void encode_NVFP4(void *to, const float *from, const float *importance, size_t blocks)
{
    uint8_t *p = to;
    for (size_t b = 0; b < blocks; b++, p += NV_BYTES)
        for (int g = 0; g < 4; g++, from += NV_GROUP) {
            p[g] = nv_scale(from, importance ? importance + b * NV + g * NV_GROUP : block_ones);
            encode_group(p + 4 + g * 8, from, nv_half(p[g]), NV_GROUP);
        }
}
