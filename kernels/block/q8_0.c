/* Q8_0, 32 values in 34 bytes: x = d·q
 *
 *   0  d  f16
 *   2  q  int8[32] */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

#include <math.h>

enum { VALUES = 32, BYTES = 34 };

void decode_Q8_0(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += BYTES, to += VALUES) {
        float d = f32_from_f16(load_u16(p));
        for (int i = 0; i < VALUES; i++)
            to[i] = d * (float)(int8_t)p[2 + i];
    }
}

void encode_Q8_0(void *to, const float *from, const float *importance, size_t blocks)
{
    uint8_t *p = to;
    (void)importance;
    for (size_t b = 0; b < blocks; b++, p += BYTES, from += VALUES) {
        float most = 0;
        for (int i = 0; i < VALUES; i++)
            most = fmaxf(most, fabsf(from[i]));
        float d = most / 127, inverse = d != 0 ? 1 / d : 0;
        store_u16(p, f16_from_f32(d));
        for (int i = 0; i < VALUES; i++)
            p[2 + i] = (uint8_t)(int8_t)roundf(from[i] * inverse);
    }
}
