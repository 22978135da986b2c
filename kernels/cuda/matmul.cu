/* y = activation(x·wᵀ + bias) + residual: bf16 operands, fp32 sums, by mma.sync.
 *
 * A block computes B×B elements of y. Tiles of x and w of B rows by MM_K columns go through MM_STAGES stages of shared memory:
 * while one is multiplied the next ones are on their way. Each warp holds a part of the block's tile in registers: 64×32 of the
 * large one (per 16 columns of k 4 + 2 ldmatrix for 16 mma), 32×32 of the small one. */
#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/params.h"
#include "kernels/cuda/tile.cuh"

template <int B> struct shape {
    static constexpr int threads = B * 2;               /* 256 and 128 */
    static constexpr int across = B / 32;               /* warps side by side, 32 columns each */
    static constexpr int rows = B / (threads / WARP / across); /* of a warp: 64 and 32 */
    static constexpr int bytes = MM_K * 2;              /* of a row of a tile */
    static constexpr int tile = B * bytes;
    static constexpr int stage = 2 * tile;              /* x, then w */
};

/* This thread's part of a B×MM_K tile: rows first .. first+B of m, zeros from row `end` on. */
template <int B>
static __device__ __forceinline__ void fetch(uint32_t to, const uint16_t *m, uint32_t stride, uint32_t first, uint32_t end,
                                             uint32_t k)
{
    for (int i = threadIdx.x; i < B * (MM_K / 8); i += shape<B>::threads) {
        uint32_t row = i / (MM_K / 8), chunk = i % (MM_K / 8);
        bool there = first + row < end;
        const uint16_t *from = m + (size_t)(there ? first + row : 0) * stride + k + chunk * 8;
        async_copy(to + chunk_at<shape<B>::bytes>(row, chunk), from, there);
    }
}

/* sum += x·wᵀ of one stage, this warp's rows from `row` and columns from `col` of the block's tile. */
template <int B>
static __device__ __forceinline__ void multiply(float (&sum)[shape<B>::rows / 16][4][4], uint32_t stage, uint32_t row,
                                                uint32_t col)
{
    for (int k = 0; k < MM_K / 16; k++) {
        uint32_t a[shape<B>::rows / 16][4], b[2][4];
#pragma unroll
        for (int i = 0; i < shape<B>::rows / 16; i++)
            load_matrix(a[i], fragment_at<shape<B>::bytes>(stage, row + i * 16, k * 2));
#pragma unroll
        for (int j = 0; j < 2; j++)
            load_matrix(b[j], fragment_at<shape<B>::bytes>(stage + shape<B>::tile, col + j * 16, k * 2));
#pragma unroll
        for (int i = 0; i < shape<B>::rows / 16; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                mma_bf16(sum[i][j], a[i], b[j / 2][j % 2], b[j / 2][j % 2 + 2]);
    }
}

/* Two neighbouring elements of y: columns col (even) and col+1, zeros past n, nothing past the stride. */
static __device__ __forceinline__ void finish(const struct matmul_params &p, uint32_t row, uint32_t col, float a, float b)
{
    if (col >= p.y_stride)
        return;
    if (col < p.n) {
        a = activate(a + (p.bias ? p.bias[col] : 0), p.activation);
        if (p.residual)
            a += p.residual[(size_t)row * p.residual_stride + col];
    } else {
        a = 0;
    }
    if (col + 1 < p.n) {
        b = activate(b + (p.bias ? p.bias[col + 1] : 0), p.activation);
        if (p.residual)
            b += p.residual[(size_t)row * p.residual_stride + col + 1];
    } else {
        b = 0;
    }
    size_t at = (size_t)row * p.y_stride + col; /* even: strides are multiples of 64 */
    if (p.y_bf16)
        ((uint32_t *)p.y)[at / 2] = pack_bf16(a, b);
    else
        ((float2 *)p.y)[at / 2] = make_float2(a, b);
}

template <int B> static __device__ __forceinline__ void matmul(const struct matmul_params &p)
{
    extern __shared__ __align__(128) unsigned char memory[];
    uint32_t rows = p.used[0], first = blockIdx.y * B, column = blockIdx.x * B;
    if (first >= rows)
        return;
    uint32_t base = shared_address(memory), warp = threadIdx.x / WARP;
    uint32_t row = warp / shape<B>::across * shape<B>::rows, col = warp % shape<B>::across * 32;
    const uint16_t *x = (const uint16_t *)p.x, *w = (const uint16_t *)p.w;
    float sum[shape<B>::rows / 16][4][4] = {};
    int steps = p.k / MM_K;
    for (int s = 0; s < MM_STAGES - 1; s++) { /* k >= 64: both are there */
        fetch<B>(base + s * shape<B>::stage, x, p.x_stride, first, rows, s * MM_K);
        fetch<B>(base + s * shape<B>::stage + shape<B>::tile, w, p.k, column, p.n, s * MM_K);
        async_commit();
    }
    for (int s = 0; s < steps; s++) {
        async_wait<MM_STAGES - 2>();
        __syncthreads(); /* stage s is there for everyone, and everyone has done with stage s - 1, which is filled now */
        int next = s + MM_STAGES - 1;
        if (next < steps) {
            uint32_t to = base + next % MM_STAGES * shape<B>::stage;
            fetch<B>(to, x, p.x_stride, first, rows, next * MM_K);
            fetch<B>(to + shape<B>::tile, w, p.k, column, p.n, next * MM_K);
        }
        async_commit(); /* an empty one counts too: the wait stays the same */
        multiply<B>(sum, base + s % MM_STAGES * shape<B>::stage, row, col);
    }
    async_wait<0>();
    uint32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int i = 0; i < shape<B>::rows / 16; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            uint32_t r = first + row + i * 16 + lane / 4, c = column + col + j * 8 + lane % 4 * 2;
            if (r < rows)
                finish(p, r, c, sum[i][j][0], sum[i][j][1]);
            if (r + 8 < rows)
                finish(p, r + 8, c, sum[i][j][2], sum[i][j][3]);
        }
}

extern "C" __global__ void __launch_bounds__(256, 2) matmul_large(const __grid_constant__ struct matmul_params p)
{
    matmul<MM_LARGE>(p);
}
extern "C" __global__ void __launch_bounds__(128, 4) matmul_small(const __grid_constant__ struct matmul_params p)
{
    matmul<MM_SMALL>(p);
}
