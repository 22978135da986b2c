/* A warp a row: what norm and embed share. */
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

/* Layernorm of one row: mean and variance in two passes (a mean far from zero costs no digits). x may be y: a lane reads and
 * writes only its own columns. The operand's columns up to its stride are zeros. */
static __device__ __forceinline__ void norm_row(const struct norm_params &p, uint32_t row, const float *x)
{
    uint32_t lane = threadIdx.x % WARP;
    float *y = p.y + (size_t)row * p.y_stride;
    float sum = 0, square = 0;
    for (uint32_t c = lane; c < p.cols; c += WARP)
        sum += x[c];
    float mean = warp_sum(sum) / p.cols;
    for (uint32_t c = lane; c < p.cols; c += WARP)
        square += (x[c] - mean) * (x[c] - mean);
    float scale = 1 / sqrtf(warp_sum(square) / p.cols + p.eps);
    for (uint32_t c = lane; c < p.cols; c += WARP) {
        float v = (x[c] - mean) * scale * p.gain[c] + p.bias[c];
        y[c] = v;
        if (p.yq)
            store(p.yq, (size_t)row * p.yq_stride + c, v, p.yq_bf16);
    }
    for (uint32_t c = p.cols + lane; p.yq && c < p.yq_stride; c += WARP)
        store(p.yq, (size_t)row * p.yq_stride + c, 0, p.yq_bf16);
}

#endif
