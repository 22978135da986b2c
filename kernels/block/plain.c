/* F32, F16, BF16: a value a block. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"

void decode_F32(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t i = 0; i < blocks; i++)
        to[i] = f32_from_bits(load_u32(p + i * 4));
}

void encode_F32(void *to, const float *from, const float *importance, size_t blocks)
{
    (void)importance;
    for (size_t i = 0; i < blocks; i++)
        store_u32((uint8_t *)to + i * 4, bits_from_f32(from[i]));
}

void decode_F16(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t i = 0; i < blocks; i++)
        to[i] = f32_from_f16(load_u16(p + i * 2));
}

void encode_F16(void *to, const float *from, const float *importance, size_t blocks)
{
    (void)importance;
    for (size_t i = 0; i < blocks; i++)
        store_u16((uint8_t *)to + i * 2, f16_from_f32(from[i]));
}

void decode_BF16(float *to, const void *from, size_t blocks)
{
    const uint8_t *p = from;
    for (size_t i = 0; i < blocks; i++)
        to[i] = f32_from_bf16(load_u16(p + i * 2));
}

void encode_BF16(void *to, const float *from, const float *importance, size_t blocks)
{
    (void)importance;
    for (size_t i = 0; i < blocks; i++)
        store_u16((uint8_t *)to + i * 2, bf16_from_f32(from[i]));
}
