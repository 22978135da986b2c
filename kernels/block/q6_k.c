/* Q6_K, 256 values in 210 bytes: sixteen groups of 16, each x = (d·scale)·(q - 32)
 *
 *   0    low     [2][64]: nibbles; of each half of 128 values, the low nibbles of bytes 0..63 are values 0..63, the high
 *                ones 64..127
 *   128  high    [2][32]: of each half, bits 2k, 2k+1 of byte i are bits 4, 5 of value 32·k + i
 *   192  scales  int8[16]
 *   208  d       f16 */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

enum { VALUES = 256, GROUP = 16, BYTES = 210, HIGH = 128, SCALES = 192, D = 208 };

void decode_Q6_K(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t b = 0; b < blocks; b++, p += BYTES) {
        float d = f32_from_f16(load_u16(p + D));
        for (int i = 0; i < VALUES; i++) {
            int half = i / 128, at = i % 128;
            int low = p[half * 64 + at % 64] >> at / 64 * 4 & 15;
            int high = p[HIGH + half * 32 + at % 32] >> at / 32 * 2 & 3;
            *to++ = d * (float)(int8_t)p[SCALES + i / GROUP] * (float)((low | high << 4) - 32);
        }
    }
}
