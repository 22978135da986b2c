/* softmax(scale·Q·Kᵀ)·V of bf16 rows, one head and FA_ROWS queries of one sequence a block, by mma.sync: scores stay in
 * registers, each step of FA_KEYS keys corrects what was summed before (flash attention). 4 warps of 16 queries.
 *
 * Probabilities are rounded to bf16 for the second product. Where y is fp32 somebody wants more than bf16's digits: there the
 * rounding's rest is multiplied too (SPLIT), which leaves 16 bits of them for half a product more. */
#include "kernels/cuda/params.h"
#include "kernels/cuda/sequence.cuh"
#include "kernels/cuda/tile.cuh"

#define THREADS 128
#define LOG2_E 1.44269504f

/* Rows first .. first+64 of one head (D columns, the head's own dim and zeros), zeros from row `end` on. */
template <int D>
static __device__ __forceinline__ void fetch(uint32_t to, const uint16_t *m, uint32_t stride, uint32_t first, uint32_t end,
                                             uint32_t dim)
{
    for (uint32_t i = threadIdx.x; i < FA_KEYS * (D / 8); i += THREADS) {
        uint32_t row = i / (D / 8), chunk = i % (D / 8);
        bool there = first + row < end && chunk * 8 < dim;
        async_copy(to + chunk_at<D * 2>(row, chunk), there ? m + (size_t)(first + row) * stride + chunk * 8 : m, there);
    }
}

/* What a thread knows of its two rows (g and g+8 of its warp's 16). */
template <int D> struct state {
    float out[D / 8][4];
    float max[2], sum[2];
};

/* One step: scores s of 64 keys become probabilities, the sums are corrected, and V is added. */
template <int D, bool SPLIT>
static __device__ __forceinline__ void add(struct state<D> &st, float (&s)[FA_KEYS / 8][4], uint32_t v)
{
    float grow[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float m = st.max[h];
#pragma unroll
        for (int j = 0; j < FA_KEYS / 8; j++)
            m = fmaxf(m, fmaxf(s[j][2 * h], s[j][2 * h + 1]));
        m = fmaxf(m, __shfl_xor_sync(ALL, m, 1)); /* the four lanes of a row */
        m = fmaxf(m, __shfl_xor_sync(ALL, m, 2));
        float base = m == -INFINITY ? 0 : m; /* a row that has seen no key yet */
        grow[h] = exp2_fast(st.max[h] - base);
        st.max[h] = m;
        st.sum[h] *= grow[h];
#pragma unroll
        for (int j = 0; j < FA_KEYS / 8; j++)
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
    for (int k = 0; k < FA_KEYS / 16; k++) {
        uint32_t p[4], rest[4];
#pragma unroll
        for (int i = 0; i < 4; i++) { /* a C fragment of two 8-column blocks is an A fragment of 16 columns */
            float *q = &s[2 * k + i / 2][i % 2 * 2];
            p[i] = pack_bf16(q[0], q[1]);
            if (SPLIT)
                rest[i] = pack_bf16(q[0] - low_bf16(p[i]), q[1] - high_bf16(p[i]));
        }
#pragma unroll
        for (int j = 0; j < D / 16; j++) {
            uint32_t b[4];
            load_matrix_transposed(b, fragment_at<D * 2>(v, k * 16, j * 2));
            mma_bf16(st.out[2 * j], p, b[0], b[1]);
            mma_bf16(st.out[2 * j + 1], p, b[2], b[3]);
            if (SPLIT) {
                mma_bf16(st.out[2 * j], rest, b[0], b[1]);
                mma_bf16(st.out[2 * j + 1], rest, b[2], b[3]);
            }
        }
    }
}

/* Scores of this warp's 16 queries with 64 keys, in units of log 2; -INFINITY for keys that a row does not see. */
template <int D>
static __device__ __forceinline__ void score(float (&s)[FA_KEYS / 8][4], uint32_t q, uint32_t k, float scale, uint32_t first_key,
                                             uint32_t keys, uint32_t first_row, bool causal)
{
#pragma unroll
    for (int j = 0; j < FA_KEYS / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[j][i] = 0;
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
        uint32_t a[4];
        load_matrix(a, fragment_at<D * 2>(q, threadIdx.x / WARP * 16, c * 2));
#pragma unroll
        for (int j = 0; j < FA_KEYS / 16; j++) {
            uint32_t b[4];
            load_matrix(b, fragment_at<D * 2>(k, j * 16, c * 2));
            mma_bf16(s[2 * j], a, b[0], b[2]);
            mma_bf16(s[2 * j + 1], a, b[1], b[3]);
        }
    }
    uint32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int j = 0; j < FA_KEYS / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint32_t key = first_key + j * 8 + lane % 4 * 2 + i % 2, row = first_row + lane / 4 + i / 2 * 8;
            s[j][i] = key < keys && (!causal || key <= row) ? s[j][i] * scale : -INFINITY;
        }
}

template <int D> static __device__ __forceinline__ void write(const struct attention_params &p, const struct state<D> &st,
                                                              uint32_t head, uint32_t start, uint32_t first, uint32_t length)
{
    uint32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float sum = st.sum[h] + __shfl_xor_sync(ALL, st.sum[h], 1);
        sum += __shfl_xor_sync(ALL, sum, 2);
        uint32_t row = first + lane / 4 + h * 8;
        if (row >= length)
            continue;
        size_t at = (size_t)(start + row) * p.y_stride + head * p.head_dim;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            uint32_t c = j * 8 + lane % 4 * 2; /* the head's dim is a multiple of 8 */
            if (c >= p.head_dim)
                continue;
            float a = st.out[j][2 * h] / sum, b = st.out[j][2 * h + 1] / sum;
            if (p.y_bf16)
                ((uint32_t *)p.y)[(at + c) / 2] = pack_bf16(a, b);
            else
                ((float2 *)p.y)[(at + c) / 2] = make_float2(a, b);
        }
        for (uint32_t c = p.heads * p.head_dim + lane % 4; head == p.heads - 1 && c < p.y_stride; c += 4)
            store(p.y, (size_t)(start + row) * p.y_stride + c, 0, p.y_bf16); /* an operand's padding */
    }
}

template <int D, bool SPLIT> static __device__ __forceinline__ void attention(const struct attention_params &p)
{
    extern __shared__ __align__(128) unsigned char memory[];
    constexpr uint32_t tile = FA_KEYS * D * 2;
    uint32_t start, length, at, which, head = blockIdx.y, hidden = p.heads * p.head_dim;
    if (!find_tile(&start, &length, &at, &which, p.offset, p.used[1], blockIdx.x, FA_ROWS))
        return;
    uint32_t q = shared_address(memory), k = q + tile, v = k + 2 * tile; /* one Q, two stages of K, two of V */
    const uint16_t *m = (const uint16_t *)p.qkv + (size_t)start * p.qkv_stride + head * p.head_dim;
    uint32_t keys = p.causal && at + FA_ROWS < length ? at + FA_ROWS : length;
    uint32_t first = at + threadIdx.x / WARP * 16;
    struct state<D> st = {};
    st.max[0] = st.max[1] = -INFINITY;
    fetch<D>(q, m, p.qkv_stride, at, length, p.head_dim);
    fetch<D>(k, m + hidden, p.qkv_stride, 0, keys, p.head_dim);
    fetch<D>(v, m + 2 * hidden, p.qkv_stride, 0, keys, p.head_dim);
    async_commit();
    for (uint32_t from = 0, stage = 0; from < keys; from += FA_KEYS, stage ^= 1) {
        float s[FA_KEYS / 8][4];
        async_wait<0>();
        __syncthreads(); /* this stage is there, and everyone has done with the other one */
        if (from + FA_KEYS < keys) {
            fetch<D>(k + (stage ^ 1) * tile, m + hidden, p.qkv_stride, from + FA_KEYS, keys, p.head_dim);
            fetch<D>(v + (stage ^ 1) * tile, m + 2 * hidden, p.qkv_stride, from + FA_KEYS, keys, p.head_dim);
        }
        async_commit();
        score<D>(s, q, k + stage * tile, p.scale * LOG2_E, from, keys, first, p.causal);
        add<D, SPLIT>(st, s, v + stage * tile);
    }
    write<D>(p, st, head, start, first, length);
}

#define KERNELS(D)                                                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_##D(const __grid_constant__ struct attention_params p)  \
    {                                                                                                                        \
        attention<D, false>(p);                                                                                              \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                    \
        attention_##D##_split(const __grid_constant__ struct attention_params p)                                            \
    {                                                                                                                        \
        attention<D, true>(p);                                                                                               \
    }
KERNELS(32)
KERNELS(64)
KERNELS(128)
