/* MXFP4 and NVFP4: E2M1 values under a small scale.
 *
 *   MXFP4, 32 values in 17 bytes             NVFP4, 64 values in 36 bytes: four groups of 16
 *   0  scale    E8M0                         0  scales   E4M3[4], never negative; 0x7F counts as 0
 *   1  nibbles  [16]                         4  nibbles  [4][8]
 *
 * The low nibbles of a group are its first half, the high ones its second. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

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
/* The nearest of the sixteen, the first of two that are equally near. */
static uint8_t nearest(float x, float half)
{
    int best = 0;
    float least = INFINITY;
    for (int q = 0; q < 16; q++) {
        float error = fabsf(half * (float)e2m1_twice[q] - x);
        if (error < least) {
            least = error;
            best = q;
        }
    }
    return (uint8_t)best;
}

static void encode_group(uint8_t *nibbles, const float *x, float half, int n)
{
    for (int j = 0; j < n / 2; j++)
        nibbles[j] = (uint8_t)(nearest(x[j], half) | nearest(x[j + n / 2], half) << 4);
}

/* The exponent of the largest value less 2, so that it lies in [4, 8) scales, where 6 is the largest code. */
void encode_MXFP4(void *to, const float *from, const float *importance, size_t blocks)
{
    uint8_t *p = to;
    (void)importance;
    for (size_t b = 0; b < blocks; b++, p += MX_BYTES, from += MX) {
        float most = 0;
        for (int i = 0; i < MX; i++)
            most = fmaxf(most, fabsf(from[i]));
        int e = most > 0 ? ilogbf(most) - 2 + 127 : 0;
        p[0] = (uint8_t)(e < 0 ? 0 : e > 254 ? 254 : e);
        encode_group(p + 1, from, f32_from_e8m0_half(p[0]), MX);
    }
}

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
