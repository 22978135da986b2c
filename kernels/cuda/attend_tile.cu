/* Attention of many rows over cached keys in fp16 on tensor cores (flash.cuh): AT_TILE queries a block that read the same keys, heads
 * that share them and neighbouring rows of one sequence. A page of the cache is a step's tile of keys; two stages of a page of keys
 * and a page of values.
 *
 * Queries are rounded to fp16 once they are scaled, probabilities to fp16; sums are fp32. So a row's bytes are not those that attend.cu
 * gives it, and rows of a tile beside it may move its last digits (which pages come first within a window): steps of few rows, whose
 * bytes must not depend on that, go there. */
#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/flash.cuh"

/* A page of keys and one of values (D columns: a head's own and zeros); zeros from key `most` on. */
template <int D>
static __device__ __forceinline__ void fetch_page(uint32_t to, const struct attend_params &p, const struct tile &t, uint32_t first,
                                                  uint32_t most)
{
    constexpr uint32_t step = AT_THREADS / (D / 8); /* rows; a multiple of 8, so that chunks of a thread are permuted alike */
    const struct cache_view &c = p.cache;
    uint32_t row = threadIdx.x / (D / 8), chunk = threadIdx.x % (D / 8), at = to + chunk_at<D * 2>(row, chunk);
    size_t from = (cache_line(c, t.sequence, first, t.kv) + row) * c.k_dim; /* values are as wide */
    uint32_t left = chunk * 8 < c.k_dim ? most - first : 0;
    from += left ? chunk * 8 : 0; /* what is not read is there, too: of a page all rows are */
    const uint16_t *k = (const uint16_t *)c.k, *v = (const uint16_t *)c.v;
#pragma unroll
    for (uint32_t i = 0; i < AT_PAGE; i += step) {
        bool there = row + i < left;
        async_copy(at + i * D * 2, k + from + i * c.k_dim, there);
        async_copy(at + (AT_PAGE + i) * D * 2, v + from + i * c.k_dim, there);
    }
}

/* Columns c and c+1 of a query, scaled; zeros past the head's and for queries that the tile lacks. */
static __device__ __forceinline__ uint32_t query_pair(const float *query, bool there, uint32_t c, uint32_t dim, float scale)
{
    float2 x = there && c < dim ? *(const float2 *)(query + c) : make_float2(0, 0);
    return pack_f16(x.x * scale, x.y * scale);
}

template <int D> static __device__ __forceinline__ void attend(const struct attend_params &p)
{
    extern __shared__ __align__(128) unsigned char memory[];
    constexpr uint32_t page = AT_PAGE * D * 2; /* bytes of keys; a stage is one of keys and one of values */
    __shared__ struct tile t; /* not in registers, of which there are none to spare */
    struct tile found;
    if (!find(&found, p))
        return;
    if (threadIdx.x == 0)
        t = found;
    __syncthreads();
    uint32_t lane = threadIdx.x % WARP, count = t.rows * t.heads, stages = shared_address(memory);
    uint32_t last[2], q[D / 16][4]; /* of the thread's two queries; last: the key of its own row, which sees `window` up to it */
    uint32_t window = p.window ? p.window : 1u << 31;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        uint32_t n = threadIdx.x / WARP * 16 + lane / 4 + h * 8, row = t.row + n / t.heads;
        bool there = n < count;
        const float *query = p.query + (size_t)row * p.query_stride + (size_t)(t.head + n % t.heads) * p.cache.k_dim;
        last[h] = there ? p.position[row] : ~0u;
#pragma unroll
        for (int c = 0; c < D / 16; c++) {
            q[c][h] = query_pair(query, there, c * 16 + lane % 4 * 2, p.cache.k_dim, p.scale * LOG2_E);
            q[c][h + 2] = query_pair(query, there, c * 16 + lane % 4 * 2 + 8, p.cache.k_dim, p.scale * LOG2_E);
        }
    }
    uint32_t least = p.position[t.row] + 1, most = p.position[t.row + t.rows - 1] + 1; /* positions of a sequence go up */
    uint32_t first = p.window && least > p.window ? (least - p.window) / AT_PAGE * AT_PAGE : 0;
    struct flash<D> st;
    flash_clear(st);
    fetch_page<D>(stages + first / AT_PAGE % 2 * 2 * page, p, t, first, most);
    async_commit();
    for (uint32_t from = first; from < most; from += AT_PAGE) {
        uint32_t k = stages + from / AT_PAGE % 2 * 2 * page;
        float s[AT_PAGE / 8][4];
        async_wait<0>();
        __syncthreads(); /* this stage is there, and everyone has done with the other one */
        if (from + AT_PAGE < most)
            fetch_page<D>(stages + (from / AT_PAGE + 1) % 2 * 2 * page, p, t, from + AT_PAGE, most);
        async_commit();
        flash_scores<f16, D, AT_PAGE>(s, q, k);
#pragma unroll
        for (int j = 0; j < AT_PAGE / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t key = from + j * 8 + lane % 4 * 2 + i % 2;
                s[j][i] = last[i / 2] - key < window ? s[j][i] : -INFINITY; /* a later key: it wraps */
            }
        flash_add<f16, D, AT_PAGE, false>(st, s, k + page);
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float sum = flash_weight(st, h);
        uint32_t n = threadIdx.x / WARP * 16 + lane / 4 + h * 8, head = t.head + n % t.heads;
        if (n >= count)
            continue;
        float *y = p.y + (size_t)(t.row + n / t.heads) * p.y_stride + (size_t)head * p.cache.k_dim;
        sum = whole_weight(p, head, st.max[h], sum);
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            uint32_t c = j * 8 + lane % 4 * 2;
            if (c < p.cache.k_dim)
                *(float2 *)(y + c) = make_float2(st.out[j][2 * h] / sum, st.out[j][2 * h + 1] / sum);
        }
    }
}

extern "C" __global__ void __launch_bounds__(AT_THREADS, 3) attend_tile_64(const __grid_constant__ struct attend_params p)
{
    attend<64>(p);
}
extern "C" __global__ void __launch_bounds__(AT_THREADS, 3) attend_tile_128(const __grid_constant__ struct attend_params p)
{
    attend<128>(p);
}
