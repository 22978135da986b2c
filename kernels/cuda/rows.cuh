/* A row a warp, or a row a block: what norm and embed share. */
#ifndef CODEASK_KERNELS_CUDA_ROWS_CUH
#define CODEASK_KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/params.h"

/* This warp's row; false: past the last. */
static __device__ __forceinline__ bool row_of_warp(uint32_t *row, const uint32_t *used)
{
    *row = blockIdx.x * ROW_WARPS + threadIdx.x / WARP;
    return *row < used[0];
}

/* Layernorm or rms norm of one row by threads `at` of `step`, whose values sum() adds up: mean and variance in two passes (a mean
 * far from zero costs no digits). x may be y: a thread reads and writes only its own columns. The operand's columns up to its
 * stride are zeros. */
template <typename SUM>
static __device__ __forceinline__ void norm_row(const struct norm_params &p, uint32_t row, const float *x, uint32_t at, uint32_t step,
                                                SUM sum_of)
{
    float *y = p.y + (size_t)row * p.y_stride;
    float sum = 0, square = 0, mean = 0;
    if (!p.rms) {
        for (uint32_t c = at; c < p.cols; c += step)
            sum += x[c];
        mean = sum_of(sum) / p.cols;
    }
    for (uint32_t c = at; c < p.cols; c += step)
        square += (x[c] - mean) * (x[c] - mean);
    float scale = 1 / sqrtf(sum_of(square) / p.cols + p.eps);
    for (uint32_t c = at; c < p.cols; c += step) {
        float v = (x[c] - mean) * scale * p.gain[c] + (p.bias ? p.bias[c] : 0);
        y[c] = v;
        if (p.yq)
            store(p.yq, (size_t)row * p.yq_stride + c, v, p.yq_bf16);
    }
    for (uint32_t c = p.cols + at; p.yq && c < p.yq_stride; c += step)
        store(p.yq, (size_t)row * p.yq_stride + c, 0, p.yq_bf16);
}

static __device__ __forceinline__ void norm_row_of_warp(const struct norm_params &p, uint32_t row, const float *x)
{
    norm_row(p, row, x, threadIdx.x % WARP, WARP, [](float v) { return warp_sum(v); });
}

#endif
