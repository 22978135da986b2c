/* One unit vector a sequence, the mean of its rows, its first row or its last: a block a sequence, a thread a column. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/params.h"

#define THREADS 256

extern "C" __global__ void __launch_bounds__(THREADS) pool(const __grid_constant__ struct pool_params p)
{
    __shared__ float part[THREADS / WARP];
    uint32_t s = blockIdx.x;
    if (s >= p.used[1])
        return;
    uint32_t from = p.offset[s], to = p.offset[s + 1];
    if (p.first && to > from)
        to = from + 1;
    if (p.last && to > from)
        from = to - 1;
    float *y = p.y + (size_t)s * p.y_stride, square = 0;
    for (uint32_t c = threadIdx.x; c < p.cols; c += THREADS) {
        float sum = 0;
        for (uint32_t i = from; i < to; i++)
            sum += p.x[(size_t)i * p.x_stride + c];
        y[c] = sum;
        square += sum * sum;
    }
    square = warp_sum(square);
    if (threadIdx.x % WARP == 0)
        part[threadIdx.x / WARP] = square;
    __syncthreads();
    square = 0;
    for (int w = 0; w < THREADS / WARP; w++)
        square += part[w];
    float scale = p.as_is ? 1 : square > 0 ? 1 / sqrtf(square) : 0; /* the mean's 1/n cancels */
    for (uint32_t c = threadIdx.x; c < p.cols; c += THREADS)
        y[c] *= scale;
}
