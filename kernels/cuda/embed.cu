/* Word + position + type embedding of every row, then layernorm in place. */
#include "kernels/cuda/rows.cuh"

extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) embed(const __grid_constant__ struct embed_params p)
{
    uint32_t row;
    if (!row_of_warp(&row, p.norm.used))
        return;
    const float *word = p.word + (size_t)p.token[row] * p.norm.cols;
    const float *position = p.position + (size_t)p.place[row] * p.norm.cols;
    float *y = p.norm.y + (size_t)row * p.norm.y_stride;
    for (uint32_t c = threadIdx.x % WARP; c < p.norm.cols; c += WARP)
        y[c] = word[c] + position[c] + (p.type ? p.type[c] : 0);
    norm_row(p.norm, row, y);
}
