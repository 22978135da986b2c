/* Layernorm or rms norm of every row, and the row again as an operand. */
#include "kernels/cuda/rows.cuh"

extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) layernorm(const __grid_constant__ struct norm_params p)
{
    uint32_t row;
    if (row_of_warp(&row, p.used))
        norm_row_of_warp(p, row, p.x + (size_t)row * p.x_stride);
}

/* A block a row: rows of NORM_WIDE columns and more, which one warp would take 10 µs for while a decoder waits. */
extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) norm_wide(const __grid_constant__ struct norm_params p)
{
    __shared__ float part[2][ROW_WARPS];
    uint32_t row = blockIdx.x;
    int turn = 0;
    if (row >= p.used[0])
        return;
    norm_row(p, row, p.x + (size_t)row * p.x_stride, threadIdx.x, ROW_WARPS * WARP, [&](float v) {
        v = warp_sum(v);
        if (threadIdx.x % WARP == 0)
            part[turn][threadIdx.x / WARP] = v;
        __syncthreads();
        float sum = 0;
        for (int w = 0; w < ROW_WARPS; w++)
            sum += part[turn][w];
        turn ^= 1; /* the next sum does not overwrite what others still read */
        return sum;
    });
}
