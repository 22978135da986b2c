/* Products of a few rows, bounded by how fast weights can be read: each warp has MV_OUTPUTS outputs, its lanes take a row's
 * blocks in turn, and what lanes have is summed at the end. x comes from the caches. The sum of an output has the same order
 * whatever stands beside it, and is written with the roundings that it has, so that its bytes do not depend on ROWS. */
#include "kernels/cuda/held.cuh"
#include "kernels/cuda/product.cuh"

/* This warp's first output; false: past the last. */
static __device__ __forceinline__ bool find_output(uint32_t *output, uint32_t n)
{
    *output = (blockIdx.x * MV_WARPS + threadIdx.x / WARP) * MV_OUTPUTS;
    return *output < n;
}

/* Sums over the lanes; lane 0 writes. */
template <int ROWS>
static __device__ __forceinline__ void write_sums(float (&sum)[MV_OUTPUTS][ROWS], const struct matmul_params &p,
                                                  const struct part &t, uint32_t output, float scale)
{
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int o = 0; o < MV_OUTPUTS; o++) {
            float v = warp_sum(sum[o][i]);
            if (threadIdx.x % WARP == 0 && t.first + i < t.end && output + o < p.n)
                store(p.y, (size_t)(t.first + i) * p.y_stride + output + o,
                      finish(p, t.expert, t.first + i, output + o, v * scale), p.y_bf16);
        }
}

/* A block of weights times 32 quantised columns. */
static __device__ __forceinline__ float block_dot(float sum, int t, const struct block &b, const uint4 (&x)[2],
                                                  const struct quant_block &q)
{
    int32_t low = 0, high = 0;
#pragma unroll
    for (int word = 0; word < 4; word++) {
        uint32_t a, c, u = word == 0 ? x[0].x : word == 1 ? x[0].y : word == 2 ? x[0].z : x[0].w;
        uint32_t v = word == 0 ? x[1].x : word == 1 ? x[1].y : word == 2 ? x[1].z : x[1].w;
        codes_of(a, c, t, b, word);
        low = dot4(a, u, low);
        high = dot4(c, v, high);
    }
    if (offset_of(t)) { /* start: -128·Σ of the columns */
        low += (q.start_low >> 7) * offset_of(t);
        high += ((q.start - q.start_low) >> 7) * offset_of(t);
    }
    if (has_halves(t)) {
        float dot = __fmaf_rn(scale_of(t, b, 0), (float)low, __fmul_rn(scale_of(t, b, 1), (float)high));
        return __fmaf_rn(q.scale, dot, sum);
    }
    sum = __fmaf_rn(__fmul_rn(scale_of(t, b, 0), q.scale), (float)(low + high), sum);
    return has_least(t) ? __fmaf_rn(least_of(t, b), q.sum, sum) : sum;
}

template <int T, int ROWS> static __device__ __forceinline__ void matvec_held(const struct matmul_params &p)
{
    int t = T == HELD_ANY ? (int)p.held.type : T;
    uint32_t output, lane = threadIdx.x % WARP, blocks = (p.k_used + 31) / 32;
    struct part part;
    if (!find_output(&output, p.n) || !find_part(&part, p, blockIdx.y, ROWS))
        return;
    float sum[MV_OUTPUTS][ROWS] = {};
    size_t line = (size_t)part.expert * p.n;
    const int8_t *x = (const int8_t *)p.x + (size_t)part.first * p.x_stride;
    const struct quant_block *quant = p.quant + (size_t)part.first * (p.x_stride / 32);
#pragma unroll(ROWS == 1 ? 2 : 1)
    for (uint32_t at = lane; at < blocks; at += WARP) {
        struct block b[MV_OUTPUTS];
#pragma unroll
        for (int o = 0; o < MV_OUTPUTS; o++)
            load_block(b[o], t, p.held, line + (output + o < p.n ? output + o : output), at);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            if (part.first + i >= part.end)
                break;
            const uint4 *from = (const uint4 *)(x + (size_t)i * p.x_stride) + at * 2;
            uint4 columns[2] = {from[0], from[1]};
            uint4 q = ((const uint4 *)(quant + (size_t)i * (p.x_stride / 32)))[at];
            struct quant_block scales = {__uint_as_float(q.x), __uint_as_float(q.y), (int32_t)q.z, (int32_t)q.w};
#pragma unroll
            for (int o = 0; o < MV_OUTPUTS; o++)
                sum[o][i] = block_dot(sum[o][i], t, b[o], columns, scales);
        }
    }
    write_sums<ROWS>(sum, p, part, output, p.held.matrix[part.expert]);
}

template <bool F16> static __device__ __forceinline__ float half_value(uint32_t pair, int i)
{
    return F16 ? from_f16(i ? pair >> 16 : pair & 0xffff) : i ? high_bf16(pair) : low_bf16(pair);
}

/* Weights of 16 bits, x fp32. */
template <bool F16, int ROWS> static __device__ __forceinline__ void matvec_half(const struct matmul_params &p)
{
    uint32_t output, lane = threadIdx.x % WARP;
    struct part part;
    if (!find_output(&output, p.n) || !find_part(&part, p, blockIdx.y, ROWS))
        return;
    float sum[MV_OUTPUTS][ROWS] = {};
    const uint16_t *w = (const uint16_t *)p.w + ((size_t)part.expert * p.n + output) * p.k;
    const float *x = (const float *)p.x + (size_t)part.first * p.x_stride;
#pragma unroll(ROWS == 1 ? 2 : 1)
    for (uint32_t c = lane * 8; c < p.k_used; c += WARP * 8) {
        uint4 raw[MV_OUTPUTS];
#pragma unroll
        for (int o = 0; o < MV_OUTPUTS; o++)
            raw[o] = *(const uint4 *)(w + (size_t)(output + o < p.n ? o : 0) * p.k + c);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            if (part.first + i >= part.end)
                break;
            float v[8];
            load_columns<8>(v, x + (size_t)i * p.x_stride, c, p.k_used, p.x_wide);
#pragma unroll
            for (int o = 0; o < MV_OUTPUTS; o++)
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    uint32_t pair = j / 2 == 0 ? raw[o].x : j / 2 == 1 ? raw[o].y : j / 2 == 2 ? raw[o].z : raw[o].w;
                    sum[o][i] = __fmaf_rn(half_value<F16>(pair, j % 2), v[j], sum[o][i]);
                }
        }
    }
    write_sums<ROWS>(sum, p, part, output, 1);
}

/* `one`, `few`: blocks of a multiprocessor for one row and for several: enough loads on their way, and no register spilled to get
 * more (5 and 6 bits come in two planes, which takes more registers). */
#define MATVEC_BOUNDS(blocks) __launch_bounds__(MV_WARPS *WARP, blocks)
#define MATVEC(name, what, type, one, few)                                                                             \
    extern "C" __global__ void MATVEC_BOUNDS(one) matvec_##name##_1(const __grid_constant__ struct matmul_params p)       \
    {                                                                                                                  \
        what<type, 1>(p);                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void MATVEC_BOUNDS(few) matvec_##name##_8(const __grid_constant__ struct matmul_params p)       \
    {                                                                                                                  \
        what<type, MV_ROWS>(p);                                                                                        \
    }
