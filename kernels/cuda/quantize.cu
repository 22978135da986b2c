/* fp32 rows as an operand of matmul, zeros up to its stride: a row each blockIdx.y, four columns a thread. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/params.h"

/* int8 with a scale for 32 columns, which eight lanes share: q = round(x·(127/most)), as kernels/cpu/quantize.c does it. */
static __device__ __forceinline__ void store_q8(const struct quantize_params &p, uint32_t row, uint32_t c, const float (&x)[4])
{
    float most = 0;
    int32_t q[4], sum = 0;
    for (int i = 0; i < 4; i++)
        most = fmaxf(most, fabsf(x[i]));
    for (int d = 4; d; d /= 2)
        most = fmaxf(most, __shfl_xor_sync(ALL, most, d));
    for (int i = 0; i < 4; i++) {
        q[i] = most > 0 ? __float2int_rn(x[i] * (127 / most)) : 0;
        sum += q[i];
    }
    sum += __shfl_xor_sync(ALL, sum, 1);
    sum += __shfl_xor_sync(ALL, sum, 2);
    int32_t other = __shfl_xor_sync(ALL, sum, 4), first = threadIdx.x & 4 ? other : sum; /* of the first 16 columns */
    if (c >= p.y_stride)
        return;
    size_t at = (size_t)row * p.y_stride + c;
    ((uint32_t *)p.y)[at / 4] = (q[0] & 255) | (q[1] & 255) << 8 | (q[2] & 255) << 16 | (uint32_t)q[3] << 24;
    if (threadIdx.x % 8 == 0) {
        float scale = most / 127;
        struct quant_block block = {scale, scale * (float)(sum + other), -128 * (sum + other), -128 * first};
        p.quant[at / 32] = block;
    }
}

extern "C" __global__ void __launch_bounds__(256) quantize(const __grid_constant__ struct quantize_params p)
{
    uint32_t row = blockIdx.y, c = (blockIdx.x * 256 + threadIdx.x) * 4;
    if (row >= p.used[0])
        return;
    const float *from = p.x + (size_t)row * p.x_stride;
    float x[4];
    for (int i = 0; i < 4; i++) /* rows may be views that begin anywhere */
        x[i] = c + i < p.cols ? from[c + i] : 0;
    if (p.quant) {
        store_q8(p, row, c, x);
    } else if (c < p.y_stride) {
        size_t at = (size_t)row * p.y_stride + c;
        if (p.y_bf16)
            ((uint2 *)p.y)[at / 4] = make_uint2(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]));
        else
            ((float4 *)p.y)[at / 4] = make_float4(x[0], x[1], x[2], x[3]);
    }
}
