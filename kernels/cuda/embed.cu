/* Word + position + type embedding of every row, then its norm in place. */
#include "kernels/cuda/rows.cuh"

extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) embed(const __grid_constant__ struct embed_params p)
{
    uint32_t row;
    if (!row_of_warp(&row, p.norm.used))
        return;
    const float *word = p.word + (size_t)p.token[row] * p.norm.cols;
    const float *position = p.position ? p.position + (size_t)p.place[row] * p.norm.cols : NULL;
    const float *type = p.type ? p.type + (p.kind ? (size_t)p.kind[row] * p.norm.cols : 0) : NULL;
    float *y = p.norm.y + (size_t)row * p.norm.y_stride;
    for (uint32_t c = threadIdx.x % WARP; c < p.norm.cols; c += WARP)
        y[c] = word[c] + (position ? position[c] : 0) + (type ? type[c] : 0);
    norm_row_of_warp(p.norm, row, y);
}
