/* A token out of each row of logits [rows, stride], a block a row: the same as the sampler's of engine/sample, because everything that
 * is summed is a whole number (kernels/draw.h).
 *
 * Nothing is sorted. A cut (the k likeliest, or those that hold a share of the mass) is the key at which a binary search over all
 * keys ends, and the id up to which those of just that key are kept; each of its steps reads the row once, from L2. A vocabulary of
 * 150,000 is 147 columns a thread. */
#include "kernels/cuda/decode_params.h"
#include "kernels/cuda/device.cuh"

#define WARPS (DRAW_THREADS / WARP)

enum measure { COUNT, WEIGHT };

/* Of the row, what is kept so far: keys above `key`, and those equal to it up to `id`. */
struct view {
    const float *logits;
    uint32_t vocab, key, id;
    float scale, most;
    uint64_t least; /* lighter ones are not kept */
};

static __device__ __forceinline__ uint64_t warp_sum_64(uint64_t x)
{
    for (int d = WARP / 2; d; d /= 2)
        x += __shfl_xor_sync(ALL, (unsigned long long)x, d);
    return x;
}
static __device__ __forceinline__ uint64_t warp_max_64(uint64_t x)
{
    for (int d = WARP / 2; d; d /= 2) {
        uint64_t y = __shfl_xor_sync(ALL, (unsigned long long)x, d);
        x = x > y ? x : y;
    }
    return x;
}

/* part: [WARPS], of the whole block. The first barrier is for those who still read what the call before left there. */
static __device__ __forceinline__ uint64_t share(uint64_t *part, uint64_t of_warp)
{
    __syncthreads();
    if (threadIdx.x % WARP == 0)
        part[threadIdx.x / WARP] = of_warp;
    __syncthreads();
    return part[threadIdx.x % WARP];
}
static __device__ __forceinline__ uint64_t block_sum(uint64_t *part, uint64_t x)
{
    return warp_sum_64(share(part, warp_sum_64(x)));
}
static __device__ __forceinline__ uint64_t block_max(uint64_t *part, uint64_t x)
{
    return warp_max_64(share(part, warp_max_64(x)));
}

static __device__ __forceinline__ float scaled(float x, float scale)
{
    return scale > 0 ? __fmul_rn(x, scale) : x;
}

/* Of column i: 1 or its weight, where it is kept and its key is from `least` to `most`. */
template <measure M> static __device__ __forceinline__ uint64_t measure_of(const struct view &v, uint32_t i, uint32_t least, uint32_t most)
{
    float x = v.logits[i];
    if (x == -INFINITY)
        return 0;
    x = scaled(x, v.scale);
    uint32_t key = draw_key(x);
    if (key < least || key > most || key < v.key || (key == v.key && i > v.id))
        return 0;
    if (M == COUNT)
        return 1;
    uint64_t w = draw_weight(x, v.most);
    return w >= v.least ? w : 0;
}

template <measure M> static __device__ __forceinline__ uint64_t mass(const struct view &v, uint32_t least, uint32_t most, uint64_t *part)
{
    uint64_t sum = 0;
    for (uint32_t i = threadIdx.x; i < v.vocab; i += DRAW_THREADS)
        sum += measure_of<M>(v, i, least, most);
    return block_sum(part, sum);
}

/* The first column, by id, up to which more than `beyond` is measured; there is such a one. Each warp measures a piece, the piece in
 * which it is is cut among all again. */
template <measure M>
static __device__ __forceinline__ uint32_t find(const struct view &v, uint32_t least, uint32_t most, uint64_t beyond, uint64_t *part)
{
    uint32_t first = 0, n = v.vocab, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    while (n > WARP) {
        uint32_t piece = ((n + WARPS - 1) / WARPS + WARP - 1) / WARP * WARP, w = 0;
        uint64_t sum = 0;
        for (uint32_t i = warp * piece + lane; i < min((warp + 1) * piece, n); i += WARP)
            sum += measure_of<M>(v, first + i, least, most);
        share(part, warp_sum_64(sum));
        while (w + 1 < WARPS && part[w] <= beyond)
            beyond -= part[w++];
        first += w * piece;
        n = min(piece, n - w * piece);
    }
    uint64_t sum = lane < n ? measure_of<M>(v, first + lane, least, most) : 0;
    for (int d = 1; d < WARP; d *= 2) {
        uint64_t left = __shfl_up_sync(ALL, (unsigned long long)sum, d);
        sum += lane >= d ? left : 0;
    }
    return first + __ffs((int)__ballot_sync(ALL, sum > beyond)) - 1;
}

/* Of what is kept, only the shortest beginning of the order that measures `want`, which is at least 1 and at most all of it. */
template <measure M> static __device__ __forceinline__ void cut(struct view &v, uint32_t best, uint64_t want, uint64_t *part)
{
    uint32_t low = v.key, high = best; /* up from `low` there is enough; above `high` there is `above`, not enough */
    uint64_t above = 0;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        uint64_t there = above + mass<M>(v, middle, high, part);
        if (there >= want) {
            low = middle;
        } else {
            above = there;
            high = middle - 1;
        }
    }
    uint32_t id = find<M>(v, low, low, want - above - 1, part);
    v.key = low;
    v.id = id;
}

/* All threads get the same. best: key of the likeliest, above its id's complement. */
static __device__ __forceinline__ struct draw_out choose(struct view &v, const struct draw_row &r, uint64_t best, uint64_t *part)
{
    uint32_t key = (uint32_t)(best >> 32), id = ~(uint32_t)best;
    struct draw_out d = {id, DRAW_OK};
    if (!(r.scale > 0))
        return d;
    v.most = scaled(v.logits[id], v.scale);
    if (r.top_k && mass<COUNT>(v, 0, key, part) > r.top_k)
        cut<COUNT>(v, key, r.top_k, part);
    if (r.top_p)
        cut<WEIGHT>(v, key, draw_share(mass<WEIGHT>(v, 0, key, part), r.top_p), part);
    v.least = r.least;
    d.token = find<WEIGHT>(v, 0, key, draw_scaled(mass<WEIGHT>(v, 0, key, part), r.uniform), part);
    return d;
}

extern "C" __global__ void __launch_bounds__(DRAW_THREADS, 1) draw(const __grid_constant__ struct draw_params p)
{
    __shared__ uint64_t part[WARPS];
    uint32_t row = blockIdx.x;
    if (row >= p.used[0])
        return;
    const struct draw_row r = p.row[row];
    float *logits = p.logits + (size_t)row * p.stride;
    struct draw_out d = {0, DRAW_NOT_ASKED};
    if (r.vocab) {
        for (uint32_t i = threadIdx.x; i < r.said; i += DRAW_THREADS) { /* each token once: no other thread has it */
            struct draw_said s = p.said[r.first + i];
            if (s.token < r.vocab)
                logits[s.token] = draw_penalized(logits[s.token], s.count, r.repetition, r.presence, r.frequency);
        }
        __syncthreads();
        uint64_t best = 0, bad = 0;
        for (uint32_t i = threadIdx.x; i < r.vocab; i += DRAW_THREADS) {
            float x = logits[i];
            uint64_t at = 0xffffffffu - i;
            if (isnan(x) || x == INFINITY)
                bad = bad > at ? bad : at;
            else if (x > -INFINITY)
                at |= (uint64_t)draw_key(scaled(x, r.scale)) << 32, best = best > at ? best : at;
        }
        bad = block_max(part, bad);
        best = block_max(part, best);
        struct view v = {logits, r.vocab, 0, 0xffffffffu, r.scale, 0, 0};
        if (bad)
            d = {~(uint32_t)bad, DRAW_BAD};
        else if (!best)
            d = {0, DRAW_NOTHING};
        else
            d = choose(v, r, best, part);
    }
    if (threadIdx.x == 0)
        p.out[row] = d;
}
