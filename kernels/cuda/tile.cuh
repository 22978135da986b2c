/* Tiles of 16-bit operands in shared memory: BYTES a row, its chunks of 16 bytes permuted so that the eight rows that ldmatrix
 * reads at once lie in different banks. */
#ifndef CODEASK_KERNELS_CUDA_TILE_CUH
#define CODEASK_KERNELS_CUDA_TILE_CUH

#include "kernels/cuda/device.cuh"

/* Bytes from the tile's start to a chunk. 64 bytes a row: two rows share the 128 bytes of all banks. */
template <int BYTES> static __device__ __forceinline__ uint32_t chunk_at(uint32_t row, uint32_t chunk)
{
    static_assert(BYTES % 64 == 0, "a row is whole groups of four chunks");
    uint32_t swap = BYTES == 64 ? row / 2 % 4 : row % 8;
    return row * BYTES + (chunk ^ swap) * 16;
}

/* The address that this lane hands to ldmatrix for the 16×16 elements at (row, column chunk): matrices in the order of an A
 * fragment (rows 0-7, rows 8-15, then the right half). Not transposed that is a[0..3]; a B operand that lies [n][k] gets
 * b0 of both its 8-column halves, then b1 of both; one that lies [k][n], transposed: b0 and b1 of the left half, then right. */
template <int BYTES> static __device__ __forceinline__ uint32_t fragment_at(uint32_t tile, uint32_t row, uint32_t chunk)
{
    uint32_t lane = threadIdx.x % WARP;
    return tile + chunk_at<BYTES>(row + lane % 16, chunk + lane / 16);
}

#endif
