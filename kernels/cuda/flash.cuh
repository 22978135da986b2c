/* Flash attention by mma.sync: 4 warps of 16 queries, keys and values in tiles of KEYS rows of D columns (16 bits each) in shared
 * memory. Queries, scores, sums and what has been summed so far stay in registers: a tile of queries in shared memory would be read
 * again for every tile of keys, and take the room of a block more.
 *
 * Probabilities are rounded to 16 bits for the second product. Where more digits are wanted, the rounding's rest is multiplied too
 * (SPLIT), for half a product more. */
#ifndef CODEASK_KERNELS_CUDA_FLASH_CUH
#define CODEASK_KERNELS_CUDA_FLASH_CUH

#include "kernels/cuda/params.h"
#include "kernels/cuda/tile.cuh"

struct bf16 { /* how 16 bits are a number */
    static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) { mma_bf16(c, a, b0, b1); }
    static __device__ __forceinline__ uint32_t pack(float lo, float hi) { return pack_bf16(lo, hi); }
    static __device__ __forceinline__ float low(uint32_t pair) { return low_bf16(pair); }
    static __device__ __forceinline__ float high(uint32_t pair) { return high_bf16(pair); }
};
struct f16 {
    static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) { mma_f16(c, a, b0, b1); }
    static __device__ __forceinline__ uint32_t pack(float lo, float hi) { return pack_f16(lo, hi); }
    static __device__ __forceinline__ float low(uint32_t pair) { return from_f16(pair & 0xffff); }
    static __device__ __forceinline__ float high(uint32_t pair) { return from_f16(pair >> 16); }
};

/* What a thread knows of its two rows (g and g+8 of its warp's 16). */
template <int D> struct flash {
    float out[D / 8][4];
    float max[2], sum[2]; /* scores are in units of log 2 */
};

template <int D> static __device__ __forceinline__ void flash_clear(struct flash<D> &st)
{
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            st.out[j][i] = 0;
    st.max[0] = st.max[1] = -INFINITY;
    st.sum[0] = st.sum[1] = 0;
}

/* s = products of this warp's 16 queries with KEYS keys. Column c of register i of block j is key j·8 + lane%4·2 + i%2, its row
 * lane/4 + i/2·8. */
template <typename T, int D, int KEYS>
static __device__ __forceinline__ void flash_scores(float (&s)[KEYS / 8][4], const uint32_t (&q)[D / 16][4], uint32_t k)
{
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[j][i] = 0;
#pragma unroll
    for (int c = 0; c < D / 16; c++)
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            uint32_t b[4];
            load_matrix(b, fragment_at<D * 2>(k, j * 16, c * 2));
            T::mma(s[2 * j], q[c], b[0], b[2]);
            T::mma(s[2 * j + 1], q[c], b[1], b[3]);
        }
}

/* One step: scores of KEYS keys become probabilities, the sums are corrected, and V is added. */
template <typename T, int D, int KEYS, bool SPLIT>
static __device__ __forceinline__ void flash_add(struct flash<D> &st, float (&s)[KEYS / 8][4], uint32_t v)
{
    float grow[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float m = st.max[h];
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            m = fmaxf(m, fmaxf(s[j][2 * h], s[j][2 * h + 1]));
        m = fmaxf(m, __shfl_xor_sync(ALL, m, 1)); /* the four lanes of a row */
        m = fmaxf(m, __shfl_xor_sync(ALL, m, 2));
        float base = m == -INFINITY ? 0 : m; /* a row that has seen no key yet */
        grow[h] = exp2_fast(st.max[h] - base);
        st.max[h] = m;
        st.sum[h] *= grow[h];
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
            for (int i = 2 * h; i < 2 * h + 2; i++) {
                s[j][i] = exp2_fast(s[j][i] - base);
                st.sum[h] += s[j][i];
            }
    }
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            st.out[j][i] *= grow[i / 2];
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
        uint32_t p[4], rest[4];
#pragma unroll
        for (int i = 0; i < 4; i++) { /* a C fragment of two 8-column blocks is an A fragment of 16 columns */
            float *q = &s[2 * k + i / 2][i % 2 * 2];
            p[i] = T::pack(q[0], q[1]);
            if (SPLIT)
                rest[i] = T::pack(q[0] - T::low(p[i]), q[1] - T::high(p[i]));
        }
#pragma unroll
        for (int j = 0; j < D / 16; j++) {
            uint32_t b[4];
            load_matrix_transposed(b, fragment_at<D * 2>(v, k * 16, j * 2));
            T::mma(st.out[2 * j], p, b[0], b[1]);
            T::mma(st.out[2 * j + 1], p, b[2], b[3]);
            if (SPLIT) {
                T::mma(st.out[2 * j], rest, b[0], b[1]);
                T::mma(st.out[2 * j + 1], rest, b[2], b[3]);
            }
        }
    }
}

/* The sum of a row's probabilities, in all four lanes that share it. */
template <int D> static __device__ __forceinline__ float flash_weight(const struct flash<D> &st, int h)
{
    float sum = st.sum[h] + __shfl_xor_sync(ALL, st.sum[h], 1);
    return sum + __shfl_xor_sync(ALL, sum, 2);
}

#endif
