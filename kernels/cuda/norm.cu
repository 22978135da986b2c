/* Layernorm of every row, and the row again as an operand. */
#include "kernels/cuda/rows.cuh"

extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) layernorm(const __grid_constant__ struct norm_params p)
{
    uint32_t row;
    if (row_of_warp(&row, p.used))
        norm_row(p, row, p.x + (size_t)row * p.x_stride);
}
