/* Held weights of any format where speed is not asked for: rows of a table of tokens, and products with fp32 rows. */
#include "kernels/cuda/held.cuh"
#include "kernels/cuda/product.cuh"

#define ROWS MV_ROWS

/* The value at column c of a line of weights. */
static __device__ __forceinline__ float weight_at(const struct embed_rows_params &p, size_t line, uint32_t c)
{
    if (p.held.type == HELD_F32)
        return ((const float *)p.w)[line * p.k + c];
    uint16_t half = ((const uint16_t *)p.w)[line * p.k + c];
    return p.held.type == HELD_BF16 ? low_bf16(half) : from_f16(half);
}

/* A thread half a block (or 16 columns), a row each blockIdx.y. */
extern "C" __global__ void __launch_bounds__(64) embed_rows(const __grid_constant__ struct embed_rows_params p)
{
    uint32_t row = blockIdx.y, half = blockIdx.x * 64 + threadIdx.x;
    if (row >= p.used[0] || half * 16 >= p.cols)
        return;
    size_t line = p.token[row];
    float v[16], scale = p.scale;
    if (p.w) {
#pragma unroll
        for (int i = 0; i < 16; i++)
            v[i] = half * 16 + i < p.cols ? weight_at(p, line, half * 16 + i) : 0;
    } else {
        struct block b;
        load_block(b, p.held.type, p.held, line, half / 2);
        values_of(v, p.held.type, b, half % 2);
        scale *= p.held.matrix[0];
    }
    float *y = p.y + (size_t)row * p.y_stride + half * 16;
#pragma unroll
    for (int i = 0; i < 16; i++)
        if (half * 16 + i < p.cols)
            y[i] = v[i] * scale;
}

/* A warp an output, up to ROWS rows of fp32 at a time, a block of inputs a lane. */
extern "C" __global__ void __launch_bounds__(MV_WARPS *WARP) matmul_held_f32(const __grid_constant__ struct matmul_params p)
{
    uint32_t output = blockIdx.x * MV_WARPS + threadIdx.x / WARP, lane = threadIdx.x % WARP, blocks = (p.k_used + 31) / 32;
    struct part part;
    if (output >= p.n || !find_part(&part, p, blockIdx.y, ROWS))
        return;
    float sum[ROWS] = {}, scale = p.held.matrix[part.expert];
    const float *x = (const float *)p.x + (size_t)part.first * p.x_stride;
    for (uint32_t at = lane; at < blocks; at += WARP) {
        struct block b;
        load_block(b, p.held.type, p.held, (size_t)part.expert * p.n + output, at);
        for (int half = 0; half < 2; half++) {
            float w[16];
            values_of(w, p.held.type, b, half);
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                float v[16];
                if (part.first + i >= part.end)
                    break;
                load_columns<16>(v, x + (size_t)i * p.x_stride, at * 32 + half * 16, p.k_used, p.x_wide);
#pragma unroll
                for (int j = 0; j < 16; j++)
                    sum[i] = __fmaf_rn(w[j], v[j], sum[i]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        float v = warp_sum(sum[i]);
        if (lane == 0 && part.first + i < part.end)
            store(p.y, (size_t)(part.first + i) * p.y_stride + output, finish(p, part.expert, part.first + i, output, v * scale),
                  p.y_bf16);
    }
}
