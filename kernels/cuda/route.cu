/* Which experts a row goes to, and the rows of each expert. */
#include "kernels/cuda/decode_params.h"
#include "kernels/cuda/device.cuh"

/* The greatest of x[first .. first+n), the first of equals, by the whole warp. */
static __device__ __forceinline__ uint32_t best_of(const float *x, uint32_t first, uint32_t n, float *value)
{
    float most = -INFINITY;
    uint32_t at = 0xffffffffu;
    for (uint32_t i = threadIdx.x % WARP; i < n; i += WARP)
        if (x[first + i] > most || at == 0xffffffffu) {
            most = x[first + i];
            at = first + i;
        }
    for (int d = WARP / 2; d; d /= 2) {
        float other = __shfl_xor_sync(ALL, most, d);
        uint32_t place = __shfl_xor_sync(ALL, at, d);
        if (place != 0xffffffffu && (at == 0xffffffffu || other > most || (other == most && place < at))) {
            most = other;
            at = place;
        }
    }
    *value = most;
    return at;
}

/* choice: [experts], then a mark for each expert, 0 now; experts outside of the best groups become -∞. good: [groups] */
static __device__ __forceinline__ void limit_groups(float *choice, float *good, const struct route_params &p)
{
    uint32_t lane = threadIdx.x % WARP, size = p.experts / p.groups;
    float value, second;
    for (uint32_t g = 0; g < p.groups; g++) {
        uint32_t first = best_of(choice, g * size, size, &value);
        second = -INFINITY;
        for (uint32_t i = lane; i < size; i += WARP)
            if (g * size + i != first)
                second = fmaxf(second, choice[g * size + i]);
        second = warp_max(second);
        if (lane == 0)
            good[g] = p.group_max ? value : value + second;
    }
    __syncwarp();
    for (uint32_t i = 0; i < p.top_groups; i++) {
        uint32_t g = best_of(good, 0, p.groups, &value);
        __syncwarp();
        if (lane == 0)
            good[g] = -INFINITY;
        for (uint32_t e = lane; e < size; e += WARP)
            choice[p.experts + g * size + e] = 1; /* kept */
        __syncwarp();
    }
    for (uint32_t e = lane; e < p.experts; e += WARP)
        if (choice[p.experts + e] == 0)
            choice[e] = -INFINITY; /* what this lane itself looks at next */
}

/* A warp, and block, a row. of_row becomes the experts themselves. */
extern "C" __global__ void __launch_bounds__(WARP) route_choose(const __grid_constant__ struct route_params p)
{
    __shared__ float score[RT_EXPERTS], choice[2 * RT_EXPERTS], good[RT_EXPERTS];
    uint32_t row = blockIdx.x, lane = threadIdx.x;
    if (row >= p.used[0])
        return;
    const float *logits = p.logits + (size_t)row * p.stride;
    float most = -INFINITY, sum = 0, value;
    for (uint32_t e = lane; e < p.experts; e += WARP)
        most = fmaxf(most, logits[e]);
    most = warp_max(most);
    for (uint32_t e = lane; e < p.experts; e += WARP) {
        float v = logits[e];
        v = p.kind == 1 ? 1 / (1 + expf(-v)) : p.kind == 0 ? expf(v - most) : v;
        score[e] = v;
        sum += v;
    }
    sum = warp_sum(sum);
    for (uint32_t e = lane; e < p.experts; e += WARP) {
        if (p.kind == 0)
            score[e] /= sum;
        choice[e] = score[e] + (p.bias ? p.bias[e] : 0);
        choice[p.experts + e] = 0;
    }
    __syncwarp();
    if (p.groups)
        limit_groups(choice, good, p);
    float mine = 0; /* of lane j: the j-th choice */
    for (uint32_t j = 0; j < p.slots; j++) {
        uint32_t e = best_of(choice, 0, p.experts, &value);
        if (lane == j) {
            p.of_row[(size_t)row * p.slots + j] = e;
            mine = score[e];
        }
        __syncwarp();
        if (lane == 0)
            choice[e] = -INFINITY;
        __syncwarp();
    }
    bool chosen = lane < p.slots;
    if (p.kind == 2) { /* softmax over the chosen */
        most = warp_max(chosen ? mine : -INFINITY);
        mine = chosen ? expf(mine - most) : 0;
        mine /= warp_sum(mine);
    }
    sum = warp_sum(chosen ? mine : 0);
    if (chosen)
        p.weight[(size_t)row * p.slots + lane] = mine / (p.normalise ? sum + 1e-20f : 1) * p.scale;
}

/* One block, a thread an expert: how many slots each has, where its first is, and then, in the order of rows, which is whose. A
 * piece of of_row is read into shared memory before its slots are written over it. */
extern "C" __global__ void __launch_bounds__(RT_EXPERTS) route_sort(const __grid_constant__ struct route_params p)
{
    __shared__ uint32_t piece[RT_EXPERTS], warp_total[WARP];
    uint32_t e = threadIdx.x, total = p.used[0] * p.slots, count = 0, lane = e % WARP;
    for (uint32_t at = 0; at < total; at += RT_EXPERTS) {
        uint32_t n = min(total - at, RT_EXPERTS);
        if (e < n)
            piece[e] = p.of_row[at + e];
        __syncthreads();
        for (uint32_t i = 0; i < n; i++)
            count += piece[i] == e;
        __syncthreads();
    }
    uint32_t sum = count;
    for (int d = 1; d < WARP; d *= 2) {
        uint32_t left = __shfl_up_sync(ALL, sum, d);
        sum += lane >= d ? left : 0;
    }
    if (lane == WARP - 1)
        warp_total[e / WARP] = sum;
    __syncthreads();
    uint32_t next = sum - count;
    for (uint32_t w = 0; w < e / WARP; w++)
        next += warp_total[w];
    if (e < p.experts)
        p.group[e] = next;
    if (e == 0)
        p.group[p.experts] = total;
    for (uint32_t at = 0; at < total; at += RT_EXPERTS) {
        uint32_t n = min(total - at, RT_EXPERTS);
        if (e < n)
            piece[e] = p.of_row[at + e];
        __syncthreads();
        for (uint32_t i = 0; i < n; i++)
            if (piece[i] == e) {
                p.from[next] = (at + i) / p.slots;
                p.of_row[at + i] = next++;
            }
        __syncthreads();
    }
}
