/* softmax(scale·Q·Kᵀ)·V in fp32, a warp a row and head: the exact path, and what the flash kernel has no shape for (bf16 rows
 * whose heads are not multiples of 8, heads wider than 128). 32 keys at a time, one a lane; then each lane sums its own columns. */
#include "kernels/cuda/params.h"
#include "kernels/cuda/sequence.cuh"

#define THREADS 128
#define COLUMNS 8 /* of a lane: heads up to 256 wide */
#define BLOCKS 8  /* of a multiprocessor: named, so that the compiler spills nothing to have more */

template <typename T> static __device__ __forceinline__ float load(const void *m, size_t at);
template <> __device__ __forceinline__ float load<float>(const void *m, size_t at)
{
    return ((const float *)m)[at];
}
template <> __device__ __forceinline__ float load<uint16_t>(const void *m, size_t at)
{
    return low_bf16(((const uint16_t *)m)[at]);
}

template <typename T> static __device__ __forceinline__ void attention_row(const struct attention_params &p)
{
    uint32_t start, length, row, which, head = blockIdx.y, hidden = p.heads * p.head_dim, lane = threadIdx.x % WARP;
    if (!find_tile(&start, &length, &row, &which, p.offset, p.used[1], blockIdx.x, THREADS / WARP))
        return;
    row += threadIdx.x / WARP;
    if (row >= length)
        return;
    size_t q = (size_t)(start + row) * p.qkv_stride + head * p.head_dim;
    uint32_t keys = p.causal ? row + 1 : length, least = p.window && row > p.window ? row - p.window : 0;
    if (p.window && keys - row > p.window)
        keys = row + p.window + 1;
    float max = -INFINITY, sum = 0, out[COLUMNS] = {};
    for (uint32_t from = least; from < keys; from += WARP) {
        bool sees = from + lane < keys;
        size_t k = (size_t)(start + (sees ? from + lane : 0)) * p.qkv_stride + head * p.head_dim + hidden;
        float s = 0;
        for (uint32_t c = 0; c < p.head_dim; c++)
            s += load<T>(p.qkv, q + c) * load<T>(p.qkv, k + c);
        s = sees ? s * p.scale : -INFINITY;
        float now = fmaxf(max, warp_max(s)), grow = expf(max - now); /* lane 0 sees a key: now is finite */
        s = expf(s - now);
        max = now;
        sum = sum * grow + warp_sum(s);
#pragma unroll
        for (int i = 0; i < COLUMNS; i++)
            out[i] *= grow;
        for (uint32_t j = 0; j < WARP && from + j < keys; j++) {
            float weight = __shfl_sync(ALL, s, j);
            size_t v = (size_t)(start + from + j) * p.qkv_stride + head * p.head_dim + 2 * hidden;
#pragma unroll
            for (int i = 0; i < COLUMNS; i++)
                if (lane + i * WARP < p.head_dim)
                    out[i] += weight * load<T>(p.qkv, v + lane + i * WARP);
        }
    }
    size_t y = (size_t)(start + row) * p.y_stride;
#pragma unroll
    for (int i = 0; i < COLUMNS; i++)
        if (lane + i * WARP < p.head_dim)
            store(p.y, y + head * p.head_dim + lane + i * WARP, out[i] / sum, p.y_bf16);
    for (uint32_t c = hidden + lane; head == p.heads - 1 && c < p.y_stride; c += WARP)
        store(p.y, y + c, 0, p.y_bf16);
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_rows_f32(const __grid_constant__ struct attention_params p)
{
    attention_row<float>(p);
}
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_rows_bf16(const __grid_constant__ struct attention_params p)
{
    attention_row<uint16_t>(p);
}
