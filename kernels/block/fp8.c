/* F8_E4M3, 32 values in 36 bytes: x = d·value. Of this project alone: the values of safetensors' fp8 beside the scale that
 * stands for their tile.
 *
 *   0  d       f32
 *   4  values  E4M3[32] */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

enum { VALUES = 32, BYTES = 36 };

void decode_F8_E4M3(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += BYTES, to += VALUES) {
        float d = f32_from_bits(load_u32(p));
        for (int i = 0; i < VALUES; i++)
            to[i] = d * f32_from_e4m3(p[4 + i]);
    }
}
