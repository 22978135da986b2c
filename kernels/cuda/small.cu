/* The small ops between products: a row each blockIdx.y, EL_THREADS columns each blockIdx.x. */
#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/decode_params.h"
#include "kernels/cuda/device.cuh"

static __device__ __forceinline__ bool element(uint32_t *row, uint32_t *c, const uint32_t *used, uint32_t cols)
{
    *row = blockIdx.y;
    *c = blockIdx.x * EL_THREADS + threadIdx.x;
    return *row < used[0] && *c < cols;
}

static __device__ __forceinline__ float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

#define KERNEL(name) extern "C" __global__ void __launch_bounds__(EL_THREADS) name(const __grid_constant__ struct name##_params p)

/* kind: enum glu_kind of decode.h */
KERNEL(glu)
{
    uint32_t row, c;
    if (!element(&row, &c, p.used, p.cols))
        return;
    float g = p.gate[(size_t)row * p.gate_stride + c], u = p.up[(size_t)row * p.up_stride + c], v;
    if (p.kind == 0)
        v = activate(g, 4) * u;
    else if (p.kind == 1)
        v = activate(g, 2) * u;
    else if (p.kind == 2)
        v = activate(g, 1) * u;
    else if (p.kind == 3)
        v = sigmoid(g) * u;
    else if (p.kind == 4)
        v = activate(g, 3) * u;
    else {
        g = fminf(g, p.limit);
        u = fmaxf(-p.limit, fminf(u, p.limit));
        v = g * sigmoid(p.alpha * g) * (u + 1);
    }
    p.y[(size_t)row * p.y_stride + c] = v;
}

KERNEL(add)
{
    uint32_t row, c;
    if (!element(&row, &c, p.used, p.cols))
        return;
    float scale = p.gate ? sigmoid(p.gate[(size_t)row * p.gate_stride]) : 1;
    p.y[(size_t)row * p.y_stride + c] += p.x[(size_t)row * p.x_stride + c] * scale;
}

KERNEL(columns)
{
    uint32_t row, c;
    if (!element(&row, &c, p.used, p.heads * p.n))
        return;
    uint32_t h = c / p.n, i = c % p.n;
    p.y[(size_t)row * p.y_stride + p.to + (size_t)h * p.to_step + i] =
        p.x[(size_t)row * p.x_stride + p.from + (size_t)h * p.from_step + i];
}

KERNEL(softcap)
{
    uint32_t row, c;
    if (!element(&row, &c, p.used, p.cols))
        return;
    float *y = p.y + (size_t)row * p.y_stride + c;
    *y = p.cap * tanhf(*y / p.cap);
}

/* What the experts said of a row, the best one first. */
KERNEL(combine)
{
    uint32_t row, c;
    if (!element(&row, &c, p.used, p.cols))
        return;
    float *y = p.y + (size_t)row * p.y_stride + c, sum = *y;
    for (uint32_t j = 0; j < p.slots; j++) {
        size_t at = (size_t)row * p.slots + j;
        sum += p.weight[at] * p.x[(size_t)p.of_row[at] * p.x_stride + c];
    }
    *y = sum;
}

/* Rows blockIdx.y, + gridDim.y, …: how many are in use only the device knows. */
KERNEL(gather)
{
    uint32_t c = blockIdx.x * EL_THREADS + threadIdx.x;
    for (uint32_t row = blockIdx.y; row < p.used[0] && c < p.words; row += gridDim.y)
        p.y[(size_t)row * p.words + c] = p.x[(size_t)p.from[row] * p.words + c];
}
