/* What both kernels of attend share: which queries a block has, and how a row ends. */
#ifndef CODEASK_KERNELS_CUDA_ATTEND_CUH
#define CODEASK_KERNELS_CUDA_ATTEND_CUH

#include "kernels/cuda/cache.cuh"

struct tile {
    uint32_t row, rows, head, heads, kv, sequence; /* rows of the matrices, and of which sequence */
};

static __device__ __forceinline__ bool find(struct tile *t, const struct attend_params &p)
{
    uint32_t start, length, at, share = p.heads / p.cache.heads, chunks = (share + p.tile_heads - 1) / p.tile_heads;
    if (!find_tile(&start, &length, &at, &t->sequence, p.offset, p.used[1], blockIdx.x, p.tile_rows))
        return false;
    t->row = start + at;
    t->rows = length - at < p.tile_rows ? length - at : p.tile_rows;
    t->kv = blockIdx.y / chunks;
    uint32_t first = blockIdx.y % chunks * p.tile_heads;
    t->head = t->kv * share + first;
    t->heads = share - first < p.tile_heads ? share - first : p.tile_heads;
    return true;
}

/* Everything after the groups have been joined: sinks, and the division. */
static __device__ __forceinline__ float whole_weight(const struct attend_params &p, uint32_t head, float max, float weight)
{
    return p.sinks ? __fadd_rn(weight, exp2_fast(__fsub_rn(__fmul_rn(p.sinks[head], LOG2_E), max))) : weight;
}

#endif
