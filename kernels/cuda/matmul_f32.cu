/* y = activation(x·wᵀ + bias) + residual in fp32 throughout (no TF32): the exact path, for agreement and not for speed.
 * A block of 256 threads computes 64×64 elements, 4×4 a thread, 16 columns of k at a time. */
#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/params.h"

#define STEP 16

/* [k][row] with a column of padding, so that neither the transposing store nor the reads meet in a bank */
typedef float tile[STEP][MM_F32 + 4];

static __device__ __forceinline__ void fetch(tile &to, const float *m, uint32_t stride, uint32_t first, uint32_t end, uint32_t k)
{
    uint32_t row = threadIdx.x / 4, c = threadIdx.x % 4 * 4;
    float4 v = make_float4(0, 0, 0, 0);
    if (first + row < end)
        v = *(const float4 *)(m + (size_t)(first + row) * stride + k + c);
    to[c][row] = v.x;
    to[c + 1][row] = v.y;
    to[c + 2][row] = v.z;
    to[c + 3][row] = v.w;
}

extern "C" __global__ void __launch_bounds__(256) matmul_f32(const __grid_constant__ struct matmul_params p)
{
    __shared__ tile a, b;
    uint32_t rows = p.used[0], first = blockIdx.y * MM_F32, column = blockIdx.x * MM_F32;
    if (first >= rows)
        return;
    uint32_t r = threadIdx.x / 16 * 4, c = threadIdx.x % 16 * 4;
    float sum[4][4] = {};
    for (uint32_t k = 0; k < p.k; k += STEP) {
        fetch(a, (const float *)p.x, p.x_stride, first, rows, k);
        fetch(b, (const float *)p.w, p.k, column, p.n, k);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < STEP; i++)
#pragma unroll
            for (int m = 0; m < 4; m++)
#pragma unroll
                for (int n = 0; n < 4; n++)
                    sum[m][n] += a[i][r + m] * b[i][c + n];
        __syncthreads();
    }
    for (int m = 0; m < 4; m++)
        for (int n = 0; n < 4; n++) {
            uint32_t row = first + r + m, col = column + c + n;
            if (row >= rows || col >= p.y_stride)
                continue;
            float v = 0;
            if (col < p.n) {
                v = activate(sum[m][n] + (p.bias ? p.bias[col] : 0), p.activation);
                if (p.residual)
                    v += p.residual[(size_t)row * p.residual_stride + col];
            }
            store(p.y, (size_t)row * p.y_stride + col, v, p.y_bf16);
        }
}
