/* What all products share: which rows a block works on, and what becomes of a sum. */
#ifndef CODEASK_KERNELS_CUDA_PRODUCT_CUH
#define CODEASK_KERNELS_CUDA_PRODUCT_CUH

#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/params.h"
#include "kernels/cuda/sequence.cuh"

struct part { /* of a product: rows first .. end-1 of x and y, of one expert */
    uint32_t first, end, expert;
};

/* false: there is nothing for tile number `tile` of `rows` rows. */
static __device__ __forceinline__ bool find_part(struct part *t, const struct matmul_params &p, uint32_t tile, uint32_t rows)
{
    if (p.groups) {
        uint32_t start, length, at;
        if (!find_tile(&start, &length, &at, &t->expert, p.groups, p.experts, tile, rows))
            return false;
        t->first = start + at;
        t->end = start + length;
        return true;
    }
    t->first = tile * rows;
    t->end = p.used[0];
    t->expert = 0;
    return t->first < t->end;
}

/* A sum becomes an element of y: bias, activation, residual; col < n. */
static __device__ __forceinline__ float finish(const struct matmul_params &p, uint32_t expert, uint32_t row, uint32_t col, float v)
{
    v = activate(v + (p.bias ? p.bias[(size_t)expert * p.n + col] : 0), p.activation);
    return p.residual ? v + p.residual[(size_t)row * p.residual_stride + col] : v;
}

/* Two neighbouring elements of y: columns col (even) and col+1. Past n an operand's padding is zeros, up to its stride; a matrix
 * in fp32 may be a view of a wider one, whose other columns are somebody else's. */
static __device__ __forceinline__ void finish_two(const struct matmul_params &p, uint32_t expert, uint32_t row, uint32_t col,
                                                  float a, float b)
{
    if (col >= (p.y_bf16 ? p.y_stride : p.n))
        return;
    a = col < p.n ? finish(p, expert, row, col, a) : 0;
    b = col + 1 < p.n ? finish(p, expert, row, col + 1, b) : 0;
    size_t at = (size_t)row * p.y_stride + col; /* strides are multiples of 64 */
    if (p.y_bf16) {
        ((uint32_t *)p.y)[at / 2] = pack_bf16(a, b);
    } else if (p.y_wide && col + 1 < p.n) {
        ((float2 *)p.y)[at / 2] = make_float2(a, b);
    } else {
        ((float *)p.y)[at] = a;
        if (col + 1 < p.n)
            ((float *)p.y)[at + 1] = b;
    }
}

/* x[c .. c+N) of a row of fp32, zeros from column k on; c a multiple of N. */
template <int N>
static __device__ __forceinline__ void load_columns(float (&v)[N], const float *x, uint32_t c, uint32_t k, bool wide)
{
    if (wide && c + N <= k) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            float4 f = *(const float4 *)(x + c + i);
            v[i] = f.x;
            v[i + 1] = f.y;
            v[i + 2] = f.z;
            v[i + 3] = f.w;
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            v[i] = c + i < k ? x[c + i] : 0;
    }
}

#endif
