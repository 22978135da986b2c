/* Attention of rows over the cached keys of their sequences, pages of 32 tokens that a table names.
 *
 * A block has up to AT_QUERIES queries that read the same keys: heads that share them, and neighbouring rows of one sequence. It
 * takes them group by group of AT_GROUP keys: scores, a key a lane (a page of a head is 32 rows of keys, one after the other);
 * softmax within the group; values, four columns a lane and a quarter of the keys a warp. Groups are joined in their order: in the
 * block, or, where few rows would leave the device idle, in a second kernel over what blocks of one group each have written. The
 * arithmetic is spelt out, so that both ways, and any number of neighbours, give a row the same bytes. */
#include "kernels/cuda/attend.cuh"

#define WARPS (AT_THREADS / WARP)

struct shared_state {
    float p[AT_QUERIES][AT_GROUP];              /* scores in units of log 2, then probabilities */
    float part[WARPS][AT_QUERIES][AT_CHUNK];    /* values of each warp */
    float max[AT_QUERIES], weight[AT_QUERIES];  /* of the groups so far */
    float group_max[AT_QUERIES], group_weight[AT_QUERIES];
};

/* Query n of a tile: row n / heads, head n % heads. The keys that it sees of a group: from .. to-1. */
static __device__ __forceinline__ void keys_of(uint32_t *from, uint32_t *to, const struct attend_params &p, const struct tile &t,
                                               uint32_t n, uint32_t group)
{
    uint32_t end = p.position[t.row + n / t.heads] + 1, low = p.window && end > p.window ? end - p.window : 0;
    *from = max(low, group * AT_GROUP);
    *to = min(end, (group + 1) * AT_GROUP);
}

/* Groups first .. last-1 that any row of the tile sees. */
static __device__ __forceinline__ void groups_of(uint32_t *first, uint32_t *last, const struct attend_params &p, const struct tile &t)
{
    uint32_t low = p.position[t.row] + 1, high = p.position[t.row + t.rows - 1] + 1; /* positions of a sequence go up */
    *first = p.window && low > p.window ? (low - p.window) / AT_GROUP : 0;
    *last = (high + AT_GROUP - 1) / AT_GROUP;
}

template <int TYPE>
static __device__ __forceinline__ void scores(struct shared_state &s, const float *query, const struct attend_params &p,
                                              const struct tile &t, uint32_t group)
{
    const struct cache_view &c = p.cache;
    uint32_t lane = threadIdx.x % WARP, count = t.rows * t.heads, least = ~0u, most = 0;
    for (uint32_t n = 0; n < count; n += t.heads) { /* the rows' */
        uint32_t from, to;
        keys_of(&from, &to, p, t, n, group);
        least = min(least, from);
        most = max(most, to);
    }
    for (uint32_t page = threadIdx.x / WARP; page < AT_GROUP / AT_PAGE; page += WARPS) {
        uint32_t key = group * AT_GROUP + page * AT_PAGE + lane, first = key - lane;
        float sum[AT_QUERIES] = {};
        if (first + AT_PAGE > least && first < most) { /* else nobody sees the page, and it may not exist */
            size_t at = cache_line(c, t.sequence, key, t.kv);
            for (uint32_t i = 0; i < c.k_dim; i += 4) {
                float k[4];
                load_cached<TYPE>(k, c.k, c.k_scale, at, c.k_dim, i);
#pragma unroll
                for (int n = 0; n < AT_QUERIES; n++)
                    if (n < count) {
                        float4 q = *(const float4 *)(query + n * ((c.k_dim + 3) & ~3u) + i);
                        sum[n] = __fmaf_rn(q.x, k[0], sum[n]);
                        sum[n] = __fmaf_rn(q.y, k[1], sum[n]);
                        sum[n] = __fmaf_rn(q.z, k[2], sum[n]);
                        sum[n] = __fmaf_rn(q.w, k[3], sum[n]);
                    }
            }
        }
#pragma unroll
        for (int n = 0; n < AT_QUERIES; n++)
            if (n < count) {
                uint32_t from, to;
                keys_of(&from, &to, p, t, n, group);
                float v = __fmul_rn(sum[n], p.scale);
                if (p.softcap > 0)
                    v = __fmul_rn(p.softcap, tanhf(v / p.softcap));
                s.p[n][key % AT_GROUP] = key >= from && key < to ? __fmul_rn(v, LOG2_E) : -INFINITY;
            }
    }
}

/* A warp a query. */
static __device__ __forceinline__ void softmax(struct shared_state &s, uint32_t count)
{
    uint32_t lane = threadIdx.x % WARP;
    for (uint32_t n = threadIdx.x / WARP; n < count; n += WARPS) {
        float most = -INFINITY, sum = 0;
        for (uint32_t i = lane; i < AT_GROUP; i += WARP)
            most = fmaxf(most, s.p[n][i]);
        most = warp_max(most);
        float base = most == -INFINITY ? 0 : most; /* this row sees none of the group's keys */
        for (uint32_t i = lane; i < AT_GROUP; i += WARP) {
            float e = exp2_fast(__fsub_rn(s.p[n][i], base));
            s.p[n][i] = e;
            sum = __fadd_rn(sum, e);
        }
        sum = warp_sum(sum);
        if (lane == 0) {
            s.group_max[n] = most;
            s.group_weight[n] = sum;
        }
    }
}

/* part of each warp: Σ p·v over its keys, columns first .. first + AT_CHUNK. */
template <int TYPE>
static __device__ __forceinline__ void values(struct shared_state &s, const struct attend_params &p, const struct tile &t,
                                              uint32_t group, uint32_t least, uint32_t most, uint32_t first)
{
    const struct cache_view &c = p.cache;
    uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, count = t.rows * t.heads, column = first + lane * 4;
    float sum[AT_QUERIES][4] = {};
    const void *base = c.v ? c.v : c.k;
    const float *scale = c.v ? c.v_scale : c.k_scale;
    uint32_t dim = c.v ? c.v_dim : c.k_dim;
    if (column < c.v_dim)
        for (uint32_t key = group * AT_GROUP + warp; key < most; key += WARPS) {
            if (key < least) /* a page that the window has left */
                continue;
            float v[4];
            load_cached<TYPE>(v, base, scale, cache_line(c, t.sequence, key, t.kv), dim, column);
#pragma unroll
            for (int n = 0; n < AT_QUERIES; n++)
                if (n < count) {
                    float w = s.p[n][key % AT_GROUP];
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        sum[n][i] = __fmaf_rn(w, v[i], sum[n][i]);
                }
        }
#pragma unroll
    for (int n = 0; n < AT_QUERIES; n++)
        if (n < count)
            *(float4 *)&s.part[warp][n][lane * 4] = make_float4(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
}

/* What is left of the sums so far, and what a group adds to them, when it is joined. */
static __device__ __forceinline__ void join(float *keep, float *add, float max, float group_max)
{
    float most = fmaxf(max, group_max), base = most == -INFINITY ? 0 : most;
    *keep = exp2_fast(__fsub_rn(max, base));
    *add = exp2_fast(__fsub_rn(group_max, base));
}

/* Where partial sums of a query and a group lie. */
static __device__ __forceinline__ float *part_of(const struct attend_params &p, uint32_t row, uint32_t head, uint32_t group)
{
    return p.part + (((size_t)row * p.heads + head) * p.groups + group) * (p.cache.v_dim + 2);
}

template <int TYPE>
static __device__ __forceinline__ void one_group(struct shared_state &s, const float *query, float *sums, const struct attend_params &p,
                                                 const struct tile &t, uint32_t group)
{
    uint32_t count = t.rows * t.heads, least = ~0u, most = 0, v_dim = p.cache.v_dim;
    for (uint32_t n = 0; n < count; n += t.heads) {
        uint32_t from, to;
        keys_of(&from, &to, p, t, n, group);
        least = min(least, from);
        most = max(most, to);
    }
    scores<TYPE>(s, query, p, t, group);
    __syncthreads();
    softmax(s, count);
    for (uint32_t first = 0; first < v_dim; first += AT_CHUNK) {
        __syncthreads(); /* probabilities are there; the chunk before has been read */
        values<TYPE>(s, p, t, group, least, most, first);
        __syncthreads();
        for (uint32_t i = threadIdx.x; i < count * AT_CHUNK; i += AT_THREADS) {
            uint32_t n = i / AT_CHUNK, c = i % AT_CHUNK;
            if (first + c >= v_dim)
                continue;
            float v = s.part[0][n][c];
            for (int w = 1; w < WARPS; w++)
                v = __fadd_rn(v, s.part[w][n][c]);
            if (p.part) {
                part_of(p, t.row + n / t.heads, t.head + n % t.heads, group)[first + c] = v;
            } else {
                float keep, add;
                join(&keep, &add, s.max[n], s.group_max[n]);
                float *to = sums + n * v_dim + first + c;
                *to = __fmaf_rn(*to, keep, __fmul_rn(v, add));
            }
        }
    }
    __syncthreads(); /* everyone has joined with the old maximum */
    if (threadIdx.x < count) {
        uint32_t n = threadIdx.x;
        if (p.part) {
            float *to = part_of(p, t.row + n / t.heads, t.head + n % t.heads, group) + v_dim;
            to[0] = s.group_max[n];
            to[1] = s.group_weight[n];
        } else {
            float keep, add;
            join(&keep, &add, s.max[n], s.group_max[n]);
            s.weight[n] = __fmaf_rn(s.weight[n], keep, __fmul_rn(s.group_weight[n], add));
            s.max[n] = fmaxf(s.max[n], s.group_max[n]);
        }
    }
    __syncthreads();
}

/* Dynamic shared memory: queries [AT_QUERIES, k_dim up to a multiple of 4], then sums [AT_QUERIES, v_dim]. */
template <int TYPE> static __device__ __forceinline__ void attend(const struct attend_params &p)
{
    __shared__ struct shared_state s;
    extern __shared__ __align__(128) float memory[];
    struct tile t;
    if (!find(&t, p))
        return;
    uint32_t count = t.rows * t.heads, wide = (p.cache.k_dim + 3) & ~3u, v_dim = p.cache.v_dim, first, last;
    float *sums = memory + AT_QUERIES * wide;
    groups_of(&first, &last, p, t);
    if (p.part && (blockIdx.z < first || blockIdx.z >= last))
        return;
    for (uint32_t i = threadIdx.x; i < count * wide; i += AT_THREADS) {
        uint32_t n = i / wide, c = i % wide;
        const float *q = p.query + (size_t)(t.row + n / t.heads) * p.query_stride + (size_t)(t.head + n % t.heads) * p.cache.k_dim;
        memory[i] = c < p.cache.k_dim ? q[c] : 0;
    }
    for (uint32_t i = threadIdx.x; i < count * v_dim; i += AT_THREADS)
        sums[i] = 0;
    if (threadIdx.x < AT_QUERIES) {
        s.max[threadIdx.x] = -INFINITY;
        s.weight[threadIdx.x] = 0;
    }
    __syncthreads();
    if (p.part) {
        one_group<TYPE>(s, memory, sums, p, t, blockIdx.z);
        return;
    }
    for (uint32_t group = first; group < last; group++)
        one_group<TYPE>(s, memory, sums, p, t, group);
    for (uint32_t i = threadIdx.x; i < count * v_dim; i += AT_THREADS) {
        uint32_t n = i / v_dim, c = i % v_dim, head = t.head + n % t.heads;
        p.y[(size_t)(t.row + n / t.heads) * p.y_stride + (size_t)head * v_dim + c] =
            __fdiv_rn(sums[i], whole_weight(p, head, s.max[n], s.weight[n]));
    }
}

extern "C" __global__ void __launch_bounds__(AT_THREADS, 6) attend_f32(const __grid_constant__ struct attend_params p)
{
    attend<0>(p);
}
extern "C" __global__ void __launch_bounds__(AT_THREADS, 6) attend_f16(const __grid_constant__ struct attend_params p)
{
    attend<1>(p);
}
extern "C" __global__ void __launch_bounds__(AT_THREADS, 6) attend_q8(const __grid_constant__ struct attend_params p)
{
    attend<2>(p);
}

/* The groups of one row and head (blockIdx.x, .y), joined in their order; a thread a column. */
extern "C" __global__ void __launch_bounds__(AT_THREADS) attend_join(const __grid_constant__ struct attend_params p)
{
    uint32_t row = blockIdx.x, head = blockIdx.y, v_dim = p.cache.v_dim;
    if (row >= p.used[0])
        return;
    uint32_t end = p.position[row] + 1, first = p.window && end > p.window ? (end - p.window) / AT_GROUP : 0;
    uint32_t last = (end + AT_GROUP - 1) / AT_GROUP;
    for (uint32_t c = threadIdx.x; c < v_dim; c += AT_THREADS) {
        float max = -INFINITY, weight = 0, sum = 0, keep, add;
        for (uint32_t group = first; group < last; group++) {
            const float *from = part_of(p, row, head, group);
            join(&keep, &add, max, from[v_dim]);
            sum = __fmaf_rn(sum, keep, __fmul_rn(from[c], add));
            weight = __fmaf_rn(weight, keep, __fmul_rn(from[v_dim + 1], add));
            max = fmaxf(max, from[v_dim]);
        }
        p.y[(size_t)row * p.y_stride + (size_t)head * v_dim + c] = __fdiv_rn(sum, whole_weight(p, head, max, weight));
    }
}
