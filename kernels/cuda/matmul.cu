/* y = activation(x·wᵀ + bias) + residual: bf16 operands, fp32 sums, by mma.sync.
 *
 * Tiles of x and w of B rows by MM_K columns go through MM_STAGES stages of shared memory: while one is multiplied the next ones
 * are on their way. */
#include "kernels/cuda/mma.cuh"

template <int B> static __device__ __forceinline__ void matmul(const struct matmul_params &p)
{
    extern __shared__ __align__(128) unsigned char memory[];
    constexpr int stage = 2 * shape<B>::tile; /* x, then w */
    struct part t;
    if (!find_part(&t, p, blockIdx.y, B))
        return;
    uint32_t base = shared_address(memory), column = blockIdx.x * B;
    const uint16_t *x = (const uint16_t *)p.x, *w = (const uint16_t *)p.w + (size_t)t.expert * p.n * p.k;
    struct sums<B> sum;
    clear(sum);
    int steps = p.k / MM_K;
    for (int s = 0; s < MM_STAGES - 1; s++) { /* k >= 64: both are there */
        fetch<B>(base + s * stage, x, p.x_stride, t.first, t.end, s * MM_K);
        fetch<B>(base + s * stage + shape<B>::tile, w, p.k, column, p.n, s * MM_K);
        async_commit();
    }
    for (int s = 0; s < steps; s++) {
        async_wait<MM_STAGES - 2>();
        __syncthreads(); /* stage s is there for everyone, and everyone has done with stage s - 1, which is filled now */
        int next = s + MM_STAGES - 1;
        if (next < steps) {
            uint32_t to = base + next % MM_STAGES * stage;
            fetch<B>(to, x, p.x_stride, t.first, t.end, next * MM_K);
            fetch<B>(to + shape<B>::tile, w, p.k, column, p.n, next * MM_K);
        }
        async_commit(); /* an empty one counts too: the wait stays the same */
        uint32_t at = base + s % MM_STAGES * stage;
        multiply<B>(sum, at, at + shape<B>::tile);
    }
    async_wait<0>();
    write<B>(sum, p, t, column, 1);
}

extern "C" __global__ void __launch_bounds__(256, 2) matmul_large(const __grid_constant__ struct matmul_params p)
{
    matmul<MM_LARGE>(p);
}
extern "C" __global__ void __launch_bounds__(128, 4) matmul_small(const __grid_constant__ struct matmul_params p)
{
    matmul<MM_SMALL>(p);
}
