/* Rows of the cache in its three types (0 fp32, 1 fp16, 2 int8 with a scale for 32 columns). */
#ifndef CODEASK_KERNELS_CUDA_CACHE_CUH
#define CODEASK_KERNELS_CUDA_CACHE_CUH

#include "kernels/cuda/decode_params.h"
#include "kernels/cuda/held.cuh"
#include "kernels/cuda/sequence.cuh"

/* Which row of the cache head h of token t is, in the page that the table names. */
static __device__ __forceinline__ size_t cache_line(const struct cache_view &c, uint32_t sequence, uint32_t t, uint32_t h)
{
    size_t page = c.table[(size_t)sequence * c.stride + t / AT_PAGE];
    return (page * c.heads + h) * AT_PAGE + t % AT_PAGE;
}

/* Columns c .. c+3 (c a multiple of 4) of a line of dim columns; zeros past its end. Lines of a multiple of four columns are read
 * by words of four. */
template <int TYPE>
static __device__ __forceinline__ void load_cached(float (&x)[4], const void *base, const float *scale, size_t line, uint32_t dim,
                                                   uint32_t c)
{
    size_t at = line * dim + c;
    bool wide = dim % 4 == 0;
    if (TYPE == 0) {
        const float *from = (const float *)base + at;
        if (wide) {
            float4 v = *(const float4 *)from;
            x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
            return;
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i] = c + i < dim ? from[i] : 0;
    } else if (TYPE == 1) {
        const uint16_t *from = (const uint16_t *)base + at;
        if (wide) {
            uint2 v = *(const uint2 *)from;
            x[0] = from_f16(v.x & 0xffff), x[1] = from_f16(v.x >> 16), x[2] = from_f16(v.y & 0xffff), x[3] = from_f16(v.y >> 16);
            return;
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i] = c + i < dim ? from_f16(from[i]) : 0;
    } else {
        const int8_t *from = (const int8_t *)base + at;
        float s = scale[line * ((dim + 31) / 32) + c / 32]; /* one for all four */
        if (wide) {
            char4 v = *(const char4 *)from;
            x[0] = v.x * s, x[1] = v.y * s, x[2] = v.z * s, x[3] = v.w * s;
            return;
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i] = c + i < dim ? from[i] * s : 0;
    }
}

/* A warp writes a line of dim columns; x(c) gives column c. */
template <typename F>
static __device__ __forceinline__ void store_cached(void *base, float *scale, int type, size_t line, uint32_t dim, F x)
{
    uint32_t lane = threadIdx.x % WARP;
    size_t at = line * dim;
    for (uint32_t c = lane; c < (dim + 31) / 32 * 32; c += WARP) { /* a warp's 32 columns are a block of int8 */
        float v = c < dim ? x(c) : 0;
        if (type == 0 && c < dim)
            ((float *)base)[at + c] = v;
        if (type == 1 && c < dim) {
            uint16_t h;
            asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v));
            ((uint16_t *)base)[at + c] = h;
        }
        if (type == 2) {
            float most = warp_max(fabsf(v));
            if (lane == 0)
                scale[line * ((dim + 31) / 32) + c / 32] = most / 127;
            if (c < dim)
                ((int8_t *)base)[at + c] = most > 0 ? (int8_t)__float2int_rn(v * (127 / most)) : 0;
        }
    }
}

#endif
