/* fp32 rows as an operand of matmul, zeros up to its stride. */
#include "kernels/cuda/rows.cuh"

extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) quantize(const __grid_constant__ struct quantize_params p)
{
    uint32_t row;
    if (!row_of_warp(&row, p.used))
        return;
    const float *x = p.x + (size_t)row * p.x_stride;
    for (uint32_t c = threadIdx.x % WARP; c < p.y_stride; c += WARP)
        store(p.y, (size_t)row * p.y_stride + c, c < p.cols ? x[c] : 0, p.y_bf16);
}
