/* softmax(scale·Q·Kᵀ)·V of bf16 rows, one head and FA_ROWS queries of one sequence a block (flash.cuh). Where y is fp32 somebody wants
 * more than bf16's digits: there probabilities keep 16 bits (SPLIT).
 *
 * Two stages of keys and values; the queries pass through the second on their way into registers. Heads of up to 128 columns take
 * steps of half as many keys: 32 KiB, so that three blocks (12 warps) share the 100 KiB of sm_86 and 89, two those of sm_120,
 * whose images declare a KiB more, where one block of 80 KiB had the multiprocessor to itself. */
#include "kernels/cuda/flash.cuh"
#include "kernels/cuda/sequence.cuh"

#define THREADS 128

/* Rows first .. first+N of one head (D columns, the head's own dim and zeros), zeros from row `end` on. */
template <int D, int N>
static __device__ __forceinline__ void fetch(uint32_t to, const uint16_t *m, uint32_t stride, uint32_t first, uint32_t end,
                                             uint32_t dim)
{
    for (uint32_t i = threadIdx.x; i < N * (D / 8); i += THREADS) {
        uint32_t row = i / (D / 8), chunk = i % (D / 8);
        bool there = first + row < end && chunk * 8 < dim;
        async_copy(to + chunk_at<D * 2>(row, chunk), there ? m + (size_t)(first + row) * stride + chunk * 8 : m, there);
    }
}

/* A stage: keys, which begin `hidden` columns after the queries, and values, as many after the keys. */
template <int D, int KEYS>
static __device__ __forceinline__ void fetch_stage(uint32_t to, const uint16_t *m, uint32_t stride, uint32_t hidden, uint32_t first,
                                                   uint32_t end, uint32_t dim)
{
    constexpr uint32_t step = THREADS / (D / 8); /* rows; a multiple of 8, so that chunks of a thread are permuted alike */
    uint32_t row = threadIdx.x / (D / 8), chunk = threadIdx.x % (D / 8), at = to + chunk_at<D * 2>(row, chunk);
    const uint16_t *from = m + (size_t)(first + row) * stride + chunk * 8;
#pragma unroll
    for (uint32_t i = 0; i < KEYS; i += step) {
        bool there = first + row + i < end && chunk * 8 < dim;
        async_copy(at + i * D * 2, there ? from + hidden + i * stride : m, there);
        async_copy(at + (KEYS + i) * D * 2, there ? from + 2 * hidden + i * stride : m, there);
    }
}

template <int D> static __device__ __forceinline__ void write(const struct attention_params &p, const struct flash<D> &st,
                                                              uint32_t head, uint32_t start, uint32_t first, uint32_t length)
{
    uint32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float sum = flash_weight(st, h);
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

template <int D, int KEYS, bool SPLIT> static __device__ __forceinline__ void attention(const struct attention_params &p)
{
    extern __shared__ __align__(128) unsigned char memory[];
    constexpr uint32_t tile = KEYS * D * 2; /* of keys; a stage is one of keys and one of values */
    static_assert(FA_ROWS <= 2 * KEYS, "queries fit into a stage");
    uint32_t start, length, at, which, head = blockIdx.y, hidden = p.heads * p.head_dim;
    if (!find_tile(&start, &length, &at, &which, p.offset, p.used[1], blockIdx.x, FA_ROWS))
        return;
    uint32_t stages = shared_address(memory), queries = stages + 2 * tile;
    const uint16_t *m = (const uint16_t *)p.qkv + (size_t)start * p.qkv_stride + head * p.head_dim;
    uint32_t keys = p.causal && at + FA_ROWS < length ? at + FA_ROWS : length;
    uint32_t lane = threadIdx.x % WARP, first = at + threadIdx.x / WARP * 16, q[D / 16][4];
    struct flash<D> st;
    flash_clear(st);
    fetch<D, FA_ROWS>(queries, m, p.qkv_stride, at, length, p.head_dim);
    fetch_stage<D, KEYS>(stages, m, p.qkv_stride, hidden, 0, keys, p.head_dim);
    async_commit();
    async_wait<0>();
    __syncthreads(); /* queries are there */
#pragma unroll
    for (int c = 0; c < D / 16; c++)
        load_matrix(q[c], fragment_at<D * 2>(queries, threadIdx.x / WARP * 16, c * 2));
    for (uint32_t from = 0, stage = 0; from < keys; from += KEYS, stage ^= 1) {
        uint32_t k = stages + stage * 2 * tile, next = stages + (stage ^ 1) * 2 * tile;
        float s[KEYS / 8][4];
        async_wait<0>();
        __syncthreads(); /* this stage is there, and everyone has done with the other one */
        if (from + KEYS < keys)
            fetch_stage<D, KEYS>(next, m, p.qkv_stride, hidden, from + KEYS, keys, p.head_dim);
        async_commit();
        flash_scores<bf16, D, KEYS>(s, q, k);
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t key = from + j * 8 + lane % 4 * 2 + i % 2, row = first + lane / 4 + i / 2 * 8;
                s[j][i] = key < keys && (!p.causal || key <= row) ? s[j][i] * (p.scale * LOG2_E) : -INFINITY;
            }
        flash_add<bf16, D, KEYS, SPLIT>(st, s, k + tile);
    }
    write<D>(p, st, head, start, first, length);
}

/* Blocks that share a multiprocessor, by registers: three of 128 columns leave no room for the rests of probabilities. */
#define KERNELS(D, KEYS, BLOCKS, SPLIT)                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_##D(const __grid_constant__ struct attention_params p) \
    {                                                                                                                        \
        attention<D, KEYS, false>(p);                                                                                        \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS, SPLIT)                                                             \
        attention_##D##_split(const __grid_constant__ struct attention_params p)                                            \
    {                                                                                                                        \
        attention<D, KEYS, true>(p);                                                                                         \
    }
KERNELS(32, FA_KEYS, 4, 4)
KERNELS(64, FA_KEYS, 3, 3)
KERNELS(128, FA_KEYS_WIDE, 3, 2)
