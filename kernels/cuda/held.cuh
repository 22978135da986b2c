/* Blocks of held weights (struct held_weight of params.h) in registers. A type is a constant of the kernel or the weight's own
 * (HELD_ANY): everything is inlined, and constants leave one case of each switch. */
#ifndef CODEASK_KERNELS_CUDA_HELD_CUH
#define CODEASK_KERNELS_CUDA_HELD_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/params.h"

/* Bytes of a and b (0-3, 4-7) by the low three bits of each nibble of the selector's low half. */
static __device__ __forceinline__ uint32_t pick(uint32_t a, uint32_t b, uint32_t selector)
{
    uint32_t r;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(selector));
    return r;
}

/* Four signed bytes times four signed bytes, summed to c. */
static __device__ __forceinline__ int32_t dot4(uint32_t a, uint32_t b, int32_t c)
{
    int32_t r;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
}

static __device__ __forceinline__ int bits_of(int t)
{
    return t == HELD_Q8 ? 8 : t == HELD_Q6_K ? 6 : t == HELD_Q5_0 || t == HELD_Q5_1 || t == HELD_Q5_K ? 5 : 4;
}
static __device__ __forceinline__ int offset_of(int t)
{
    return t == HELD_Q4_0 ? 8 : t == HELD_Q5_0 ? 16 : t == HELD_Q6_K ? 32 : 0;
}
static __device__ __forceinline__ bool has_super(int t)
{
    return t == HELD_Q4_K || t == HELD_Q5_K || t == HELD_Q6_K || t == HELD_IQ4_XS;
}
static __device__ __forceinline__ bool has_least(int t)
{
    return t == HELD_Q4_1 || t == HELD_Q5_1 || t == HELD_Q4_K || t == HELD_Q5_K;
}
static __device__ __forceinline__ bool has_halves(int t) /* a scale for 16 inputs each */
{
    return t == HELD_Q6_K || t == HELD_NVFP4;
}
static __device__ __forceinline__ bool has_levels(int t) /* codes are read through a table */
{
    return t == HELD_IQ4_NL || t == HELD_IQ4_XS || t == HELD_MXFP4 || t == HELD_NVFP4;
}

struct block { /* of 32 inputs, as it lies in memory */
    uint4 low, rest; /* rest: 8 bits only */
    uint32_t high[2];
    uint32_t scale, super;
};

/* line: of [experts · n]. */
static __device__ __forceinline__ void load_block(struct block &b, int t, const struct held_weight &w, size_t line, uint32_t at)
{
    size_t i = line * w.blocks + at;
    b.rest = make_uint4(0, 0, 0, 0); /* what a type has not is read where the type is known at run time alone */
    b.high[0] = b.high[1] = b.super = 0;
    if (bits_of(t) == 8) {
        const uint4 *codes = (const uint4 *)w.codes + i + line * w.blocks;
        b.low = codes[0];
        b.rest = codes[w.blocks];
    } else {
        b.low = ((const uint4 *)w.codes)[i];
    }
    if (bits_of(t) == 5)
        b.high[0] = ((const uint32_t *)w.high)[i];
    if (bits_of(t) == 6) {
        uint2 high = ((const uint2 *)w.high)[i];
        b.high[0] = high.x;
        b.high[1] = high.y;
    }
    if (t == HELD_Q4_1 || t == HELD_Q5_1)
        b.scale = ((const uint32_t *)w.scale)[i];
    else if (t == HELD_IQ4_XS || t == HELD_MXFP4)
        b.scale = w.scale[i];
    else
        b.scale = ((const uint16_t *)w.scale)[i];
    if (has_super(t)) {
        size_t s = line * ((w.blocks + 7) / 8) + at / 8;
        b.super = has_least(t) ? ((const uint32_t *)w.super)[s] : ((const uint16_t *)w.super)[s];
    }
}

static __device__ __forceinline__ float half_e4m3(uint32_t x) /* half of it: the levels are twice the values */
{
    uint32_t e = x >> 3 & 15, m = x & 7;
    return e ? __uint_as_float((e + 119) << 23 | m << 20) : (float)m * 0x1p-10f;
}

/* value = scale·(code - offset) + least, scale of half 0 or 1, each rounded as the file's own decoding rounds. */
static __device__ __forceinline__ float scale_of(int t, const struct block &b, int half)
{
    uint32_t byte = has_halves(t) && half ? b.scale >> 8 & 255 : b.scale & 255;
    if (t == HELD_MXFP4)
        return __uint_as_float(byte < 2 ? 0x00200000u << byte : (byte - 1) << 23);
    if (t == HELD_NVFP4)
        return half_e4m3(byte);
    if (t == HELD_Q4_K || t == HELD_Q5_K)
        return __fmul_rn(from_f16(b.super & 0xffff), (float)byte);
    if (has_super(t))
        return __fmul_rn(from_f16(b.super & 0xffff), (float)(int8_t)byte);
    return from_f16(b.scale & 0xffff);
}
static __device__ __forceinline__ float least_of(int t, const struct block &b)
{
    if (t == HELD_Q4_1 || t == HELD_Q5_1)
        return from_f16(b.scale >> 16);
    return has_least(t) ? -__fmul_rn(from_f16(b.super >> 16), (float)(b.scale >> 8 & 255)) : 0;
}

/* The levels of eight nibbles: of the low ones, and of the high ones. */
static __device__ __forceinline__ void levels(uint32_t &low, uint32_t &high, int t, uint32_t codes)
{
    bool iq = t == HELD_IQ4_NL || t == HELD_IQ4_XS; /* else twice the values of E2M1 */
    uint32_t a = iq ? 0xbfad9881 : 0x03020100, b = iq ? 0xf6eaddcf : 0x0c080604, c = iq ? 0x26190d01 : 0xfdfeff00,
             d = iq ? 0x71594535 : 0xf4f8fafc;
    uint32_t index = codes & 0x77777777, which = 0x32103210 | (codes & 0x88888888) >> 1;
    uint32_t x = pick(pick(a, b, index), pick(c, d, index), which);
    uint32_t y = pick(pick(a, b, index >> 16), pick(c, d, index >> 16), which >> 16);
    low = pick(x, y, 0x6420);
    high = pick(x, y, 0x7531);
}

/* Codes of inputs 4·word .. and of 16 + 4·word .., bytes; signed where there is no offset. */
static __device__ __forceinline__ void codes_of(uint32_t &low, uint32_t &high, int t, const struct block &b, int word)
{
    uint32_t x = word == 0 ? b.low.x : word == 1 ? b.low.y : word == 2 ? b.low.z : b.low.w;
    if (bits_of(t) == 8) {
        low = x;
        high = word == 0 ? b.rest.x : word == 1 ? b.rest.y : word == 2 ? b.rest.z : b.rest.w;
    } else if (has_levels(t)) {
        levels(low, high, t, x);
    } else {
        low = x & 0x0f0f0f0f;
        high = x >> 4 & 0x0f0f0f0f;
        if (bits_of(t) == 5) {
            low |= (b.high[0] >> word & 0x01010101) << 4;
            high |= (b.high[0] >> (word + 4) & 0x01010101) << 4;
        }
        if (bits_of(t) == 6) {
            low |= (b.high[0] >> 2 * word & 0x03030303) << 4;
            high |= (b.high[1] >> 2 * word & 0x03030303) << 4;
        }
    }
}

/* Byte i of a word of codes as its value. */
static __device__ __forceinline__ float value_of(int t, uint32_t codes, int i, float scale, float least)
{
    float code = (float)((int32_t)(int8_t)(codes >> 8 * i) - offset_of(t));
    return has_least(t) ? __fadd_rn(__fmul_rn(scale, code), least) : __fmul_rn(scale, code);
}

/* The 16 values of one half. */
static __device__ __forceinline__ void values_of(float (&v)[16], int t, const struct block &b, int half)
{
    float scale = scale_of(t, b, half), least = least_of(t, b);
#pragma unroll
    for (int word = 0; word < 4; word++) {
        uint32_t low, high;
        codes_of(low, high, t, b, word);
#pragma unroll
        for (int i = 0; i < 4; i++)
            v[word * 4 + i] = value_of(t, half ? high : low, i, scale, least);
    }
}

#endif
