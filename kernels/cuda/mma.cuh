/* Tiles of a product by mma.sync: bf16 operands in shared memory, fp32 sums in registers. A block computes B×B elements of y;
 * each warp holds a part of them: 64×32 of a large block (per 16 columns of k 4 + 2 ldmatrix for 16 mma), 32×32 of a small one. */
#ifndef CODEASK_KERNELS_CUDA_MMA_CUH
#define CODEASK_KERNELS_CUDA_MMA_CUH

#include "kernels/cuda/product.cuh"
#include "kernels/cuda/tile.cuh"

template <int B> struct shape {
    static constexpr int threads = B * 2;               /* 256 and 128 */
    static constexpr int across = B / 32;               /* warps side by side, 32 columns each */
    static constexpr int rows = B / (threads / WARP / across); /* of a warp: 64 and 32 */
    static constexpr int bytes = MM_K * 2;              /* of a row of a tile */
    static constexpr int tile = B * bytes;
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

template <int B> struct sums {
    float v[shape<B>::rows / 16][4][4];
    uint32_t row, col; /* of the warp's part in the block's tile */
};

template <int B> static __device__ __forceinline__ void clear(struct sums<B> &s)
{
    uint32_t warp = threadIdx.x / WARP;
    s.row = warp / shape<B>::across * shape<B>::rows;
    s.col = warp % shape<B>::across * 32;
#pragma unroll
    for (int i = 0; i < shape<B>::rows / 16; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int k = 0; k < 4; k++)
                s.v[i][j][k] = 0;
}

/* sums += x·wᵀ of MM_K columns. */
template <int B> static __device__ __forceinline__ void multiply(struct sums<B> &s, uint32_t x, uint32_t w)
{
    for (int k = 0; k < MM_K / 16; k++) {
        uint32_t a[shape<B>::rows / 16][4], b[2][4];
#pragma unroll
        for (int i = 0; i < shape<B>::rows / 16; i++)
            load_matrix(a[i], fragment_at<shape<B>::bytes>(x, s.row + i * 16, k * 2));
#pragma unroll
        for (int j = 0; j < 2; j++)
            load_matrix(b[j], fragment_at<shape<B>::bytes>(w, s.col + j * 16, k * 2));
#pragma unroll
        for (int i = 0; i < shape<B>::rows / 16; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                mma_bf16(s.v[i][j], a[i], b[j / 2][j % 2], b[j / 2][j % 2 + 2]);
    }
}

/* scale: of the whole expert. */
template <int B>
static __device__ __forceinline__ void write(const struct sums<B> &s, const struct matmul_params &p, const struct part &t,
                                             uint32_t column, float scale)
{
    uint32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int i = 0; i < shape<B>::rows / 16; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            uint32_t r = t.first + s.row + i * 16 + lane / 4, c = column + s.col + j * 8 + lane % 4 * 2;
            if (r < t.end)
                finish_two(p, t.expert, r, c, s.v[i][j][0] * scale, s.v[i][j][1] * scale);
            if (r + 8 < t.end)
                finish_two(p, t.expert, r + 8, c, s.v[i][j][2] * scale, s.v[i][j][3] * scale);
        }
}

#endif
