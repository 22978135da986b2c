/* Exact scan of int8 rows with the best k of every block, for up to eight queries: rows are read once.
 *
 * A warp multiplies 16 rows with 8 queries by mma.m16n8k32: the products of one query cost as much as those of eight, and both
 * are below the time that the rows take from memory. A dot product does not mind in which order its columns come, so a lane
 * takes 16 neighbouring bytes where the fragment wants four times four: one 16-byte load a row and 64 columns, the same
 * order for the queries in shared memory.
 *
 * The score is ((float)dot · scale[row]) · scale of the query, as kernels/scan.h says, to the last bit.
 *
 * The best: a block holds up to SCAN_POOL candidates a query. A pass adds what is not below the k-th best so far; when a pool
 * could overflow in the next pass, its warp sorts it and keeps k. Scores and numbers are ordered totally, so the order in
 * which candidates arrive changes nothing. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/params.h"

#define WARPS (SCAN_THREADS / WARP)

struct pools {
    struct hit hit[SCAN_Q][SCAN_POOL];
    uint32_t count[SCAN_Q];
    float least[SCAN_Q]; /* a score below it cannot be among the best */
};

static __device__ __forceinline__ bool better(struct hit a, struct hit b)
{
    return a.score > b.score || (a.score == b.score && a.number < b.number);
}

static __device__ __forceinline__ void pools_clear(struct pools *p)
{
    if (threadIdx.x < SCAN_Q) {
        p->count[threadIdx.x] = 0;
        p->least[threadIdx.x] = -INFINITY;
    }
}

static __device__ __forceinline__ void push(struct pools *p, uint32_t query, float score, uint32_t number)
{
    if (!(score >= p->least[query]))
        return;
    struct hit h = {score, number};
    p->hit[query][atomicAdd(&p->count[query], 1)] = h;
}

/* This warp's query: best first (bitonic over the whole pool), then k of them are left. */
static __device__ __forceinline__ void keep_best(struct pools *p, uint32_t query, uint32_t k)
{
    struct hit *h = p->hit[query];
    uint32_t lane = threadIdx.x % WARP, n = p->count[query];
    struct hit none = {-INFINITY, 0xffffffffu};
    for (uint32_t i = n + lane; i < SCAN_POOL; i += WARP)
        h[i] = none;
    __syncwarp();
    for (uint32_t size = 2; size <= SCAN_POOL; size *= 2)
        for (uint32_t d = size / 2; d; d /= 2) {
            for (uint32_t i = lane; i < SCAN_POOL / 2; i += WARP) {
                uint32_t a = i / d * d * 2 + i % d, b = a + d;
                struct hit x = h[a], y = h[b];
                if (better(y, x) == ((a & size) == 0)) {
                    h[a] = y;
                    h[b] = x;
                }
            }
            __syncwarp();
        }
    if (lane == 0) {
        p->count[query] = n < k ? n : k;
        p->least[query] = n < k ? -INFINITY : h[k - 1].score;
    }
}

/* All threads: sorts the pools that could overflow in a pass of SCAN_PASS more (last: all of them). */
static __device__ __forceinline__ void settle(struct pools *p, uint32_t k, bool last)
{
    __syncthreads();
    uint32_t query = threadIdx.x / WARP; /* eight warps, eight queries */
    bool full = last || p->count[query] > SCAN_POOL - SCAN_PASS;
    __syncwarp(); /* everyone has read the count before it changes */
    if (full)
        keep_best(p, query, k);
    __syncthreads();
}

static __device__ __forceinline__ void write(const struct pools *p, struct hit *out, uint32_t queries, uint32_t k)
{
    for (uint32_t i = threadIdx.x; i < queries * k; i += SCAN_THREADS)
        out[i] = p->hit[i / k][i % k]; /* sorted and filled up with -INFINITY */
}

/* dot of 16 rows (from row `first`, those from n on as zeros) with 8 queries, a C fragment. */
static __device__ __forceinline__ void multiply(int32_t (&dot)[4], const struct scan_params &p, const unsigned char *query,
                                                uint64_t first)
{
    uint32_t lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    bool upper = first + g < p.n, lower = first + g + 8 < p.n;
    const int4 *a = (const int4 *)(p.rows + (upper ? first + g : 0) * p.stride) + t;
    const int4 *b = (const int4 *)(p.rows + (lower ? first + g + 8 : 0) * p.stride) + t;
    const int4 *q = (const int4 *)(query + g * (p.stride + 64 + p.stride % 128)) + t;
    const int4 zero = make_int4(0, 0, 0, 0);
    dot[0] = dot[1] = dot[2] = dot[3] = 0;
#pragma unroll 4
    for (uint32_t c = 0; c < p.stride / 64; c++) {
        int4 x = upper ? a[c * 4] : zero, y = lower ? b[c * 4] : zero, z = q[c * 4];
        mma_s8(dot, x.x, y.x, x.y, y.y, z.x, z.y);
        mma_s8(dot, x.z, y.z, x.w, y.w, z.z, z.w);
    }
}

static __device__ __forceinline__ bool wanted(const struct scan_params &p, uint64_t row)
{
    if (row >= p.n)
        return false;
    uint64_t number = p.first + row;
    return !p.candidates || p.candidates[number / 64] >> number % 64 & 1;
}

extern "C" __global__ void __launch_bounds__(SCAN_THREADS) scan(const __grid_constant__ struct scan_params p)
{
    extern __shared__ __align__(128) unsigned char query[]; /* [8][pitch], pitch an odd multiple of 64: no bank conflicts */
    __shared__ struct pools pool;
    uint32_t pitch = p.stride + 64 + p.stride % 128, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (uint32_t i = threadIdx.x; i < SCAN_Q * (p.stride / 16); i += SCAN_THREADS) {
        uint32_t n = i / (p.stride / 16), c = i % (p.stride / 16);
        const int4 zero = make_int4(0, 0, 0, 0);
        *(int4 *)(query + n * pitch + c * 16) = n < p.queries ? ((const int4 *)(p.query + (size_t)n * p.stride))[c] : zero;
    }
    pools_clear(&pool);
    __syncthreads();
    for (uint64_t at = (uint64_t)blockIdx.x * SCAN_PASS; at < p.n; at += (uint64_t)gridDim.x * SCAN_PASS) {
        for (uint32_t half = 0; half < SCAN_PASS / WARPS / 16; half++) {
            uint64_t first = at + (warp * (SCAN_PASS / WARPS / 16) + half) * 16;
            int32_t dot[4];
            multiply(dot, p, query, first);
            for (int i = 0; i < 4; i++) {
                uint64_t row = first + lane / 4 + i / 2 * 8;
                uint32_t n = lane % 4 * 2 + i % 2;
                if (n < p.queries && wanted(p, row))
                    push(&pool, n, __fmul_rn(__fmul_rn((float)dot[i], p.scale[row]), p.query_scale[n]),
                         p.first + (uint32_t)row);
            }
        }
        settle(&pool, p.k, false);
    }
    settle(&pool, p.k, true);
    write(&pool, p.out + (size_t)blockIdx.x * p.queries * p.k, p.queries, p.k);
}

/* A block a query; its pool is query 0's. Its other warps' pools stay empty. */
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) scan_merge(const __grid_constant__ struct merge_params p)
{
    __shared__ struct pools pool;
    pools_clear(&pool);
    __syncthreads();
    for (uint32_t at = 0; at < p.lists * p.k; at += SCAN_PASS) {
        uint32_t i = at + threadIdx.x;
        if (i < p.lists * p.k) {
            struct hit h = p.in[((size_t)(i / p.k) * p.queries + blockIdx.x) * p.k + i % p.k];
            if (h.score > -INFINITY)
                push(&pool, 0, h.score, h.number);
        }
        settle(&pool, p.k, false);
    }
    settle(&pool, p.k, true);
    write(&pool, p.out + (size_t)blockIdx.x * p.k, 1, p.k);
}
