/* y = activation(x·wᵀ + bias) + residual in fp32 throughout (no TF32): the exact path, for agreement and not for speed.
 * A block of 256 threads computes 64×64 elements, 4×4 a thread, 16 columns of k at a time. */
#include "kernels/cuda/product.cuh"

#define STEP 16

/* [k][row] with a column of padding, so that neither the transposing store nor the reads meet in a bank */
typedef float tile[STEP][MM_F32 + 4];

static __device__ __forceinline__ void fetch(tile &to, const float *m, uint32_t stride, uint32_t first, uint32_t end, uint32_t k,
                                             uint32_t k_used, bool wide)
{
    uint32_t row = threadIdx.x / 4, c = threadIdx.x % 4 * 4;
    float v[4] = {};
    if (first + row < end)
        load_columns<4>(v, m + (size_t)(first + row) * stride, k + c, k_used, wide);
#pragma unroll
    for (int i = 0; i < 4; i++)
        to[c + i][row] = v[i];
}

extern "C" __global__ void __launch_bounds__(256) matmul_f32(const __grid_constant__ struct matmul_params p)
{
    __shared__ tile a, b;
    struct part part;
    if (!find_part(&part, p, blockIdx.y, MM_F32))
        return;
    uint32_t column = blockIdx.x * MM_F32, r = threadIdx.x / 16 * 4, c = threadIdx.x % 16 * 4;
    const float *w = (const float *)p.w + (size_t)part.expert * p.n * p.k;
    float sum[4][4] = {};
    for (uint32_t k = 0; k < p.k; k += STEP) {
        fetch(a, (const float *)p.x, p.x_stride, part.first, part.end, k, p.k_used, p.x_wide);
        fetch(b, w, p.k, column, p.n, k, p.k, true);
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
#pragma unroll
    for (int m = 0; m < 4; m++)
#pragma unroll
        for (int n = 0; n < 4; n += 2)
            if (part.first + r + m < part.end)
                finish_two(p, part.expert, part.first + r + m, column + c + n, sum[m][n], sum[m][n + 1]);
}
