/* Which rows of which sequence a block of attention works on. */
#ifndef CODEASK_KERNELS_CUDA_SEQUENCE_CUH
#define CODEASK_KERNELS_CUDA_SEQUENCE_CUH

#include "kernels/cuda/device.cuh"

/* Sequences are cut into tiles of `rows` rows, and tiles are counted through: rows/TILE + sequences of them at most, however long
 * the longest sequence may be. Finds tile number `tile`: the sequence's first row, its length, the tile's first row within it, and
 * which sequence; false past the last tile. Every warp for itself, 32 sequences at a time. */
static __device__ __forceinline__ bool find_tile(uint32_t *start, uint32_t *length, uint32_t *at, uint32_t *which,
                                                 const uint32_t *offset, uint32_t sequences, uint32_t tile, uint32_t rows)
{
    uint32_t lane = threadIdx.x % WARP, before = 0;
    for (uint32_t base = 0; base < sequences; base += WARP) {
        uint32_t s = base + lane;
        uint32_t tiles = s < sequences ? (offset[s + 1] - offset[s] + rows - 1) / rows : 0, sum = tiles;
        for (int d = 1; d < WARP; d *= 2) {
            uint32_t left = __shfl_up_sync(ALL, sum, d);
            sum += lane >= d ? left : 0;
        }
        uint32_t found = __ballot_sync(ALL, before + sum > tile);
        if (found) {
            uint32_t who = __ffs(found) - 1;
            uint32_t first = __shfl_sync(ALL, before + sum - tiles, who);
            *which = base + who;
            *start = offset[base + who];
            *length = offset[base + who + 1] - *start;
            *at = (tile - first) * rows;
            return true;
        }
        before += __shfl_sync(ALL, sum, WARP - 1);
    }
    return false;
}

#endif
