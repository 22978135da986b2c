/* The gated delta rule of Qwen3-Next (kernels/cpu/delta.c has it in plain C), token by token:
 *   S ← S·exp(g);  S ← S + k ⊗ (v - Sᵀk)·β;  y = Sᵀq
 * First the short convolution of all columns, then a block a sequence and value head. A thread keeps its columns of S to itself. */
#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/decode_params.h"
#include "kernels/cuda/device.cuh"

#define UNIT_EPS 1e-6f /* of queries' and keys' length, a constant of the model family */
#define NONE 0xffffffffu

static __device__ __forceinline__ float block_sum(float x, float *part)
{
    x = warp_sum(x);
    __syncthreads(); /* who still reads the sum before */
    if (threadIdx.x % WARP == 0)
        part[threadIdx.x / WARP] = x;
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < DL_THREADS / WARP; w++)
        sum += part[w];
    return sum;
}

/* blockIdx.y a sequence, a thread a column; its last inputs stay in registers. */
extern "C" __global__ void __launch_bounds__(DL_THREADS) delta_conv(const __grid_constant__ struct delta_params p)
{
    uint32_t n = 2 * p.k_heads * p.k_dim + p.v_heads * p.v_dim, c = blockIdx.x * DL_THREADS + threadIdx.x, s = blockIdx.y;
    if (c >= n || s >= p.used[1])
        return;
    uint32_t keep = p.kernel - 1;
    const float *old = p.from[s] == NONE ? NULL : p.base + p.from[s] * p.size;
    float *state = p.base + p.to[s] * p.size, past[DL_KERNEL], weight[DL_KERNEL];
#pragma unroll
    for (uint32_t j = 0; j < DL_KERNEL; j++) {
        past[j] = j < keep && old ? old[(size_t)j * n + c] : 0;
        weight[j] = j < p.kernel ? p.conv[(size_t)c * p.kernel + j] : 0;
    }
    for (uint32_t row = p.offset[s]; row < p.offset[s + 1]; row++) {
        float *x = p.x + (size_t)row * p.x_stride + c, in = *x, sum = 0;
#pragma unroll
        for (uint32_t j = 0; j < DL_KERNEL; j++) {
            if (j == keep)
                past[j] = in;
            if (j < p.kernel)
                sum += weight[j] * past[j];
        }
#pragma unroll
        for (uint32_t j = 0; j + 1 < DL_KERNEL; j++)
            past[j] = past[j + 1];
        *x = activate(sum, 4);
    }
#pragma unroll
    for (uint32_t j = 0; j < DL_KERNEL; j++)
        if (j < keep)
            state[(size_t)j * n + c] = past[j];
}

/* Unit length times `scale`, into shared memory. */
static __device__ __forceinline__ void unit(float *to, const float *x, uint32_t n, float scale, float *part)
{
    float square = 0;
    for (uint32_t c = threadIdx.x; c < n; c += DL_THREADS)
        square += x[c] * x[c];
    scale /= sqrtf(block_sum(square, part) + UNIT_EPS);
    for (uint32_t c = threadIdx.x; c < n; c += DL_THREADS)
        to[c] = x[c] * scale;
}

static __device__ __forceinline__ float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}

/* blockIdx.x a value head, .y a sequence. Dynamic shared memory: q and k [k_dim] each, y [v_dim]. */
extern "C" __global__ void __launch_bounds__(DL_THREADS, 8) delta_heads(const __grid_constant__ struct delta_params p)
{
    extern __shared__ __align__(128) float memory[];
    __shared__ float part[DL_THREADS / WARP];
    uint32_t h = blockIdx.x, s = blockIdx.y, share = p.v_heads / p.k_heads, keys = p.k_heads * p.k_dim, values = p.v_heads * p.v_dim;
    if (s >= p.used[1])
        return;
    float *q = memory, *k = q + p.k_dim, *out = k + p.k_dim;
    size_t at = (size_t)(p.kernel - 1) * (2 * keys + values) + (size_t)h * p.k_dim * p.v_dim;
    const float *old = p.from[s] == NONE ? NULL : p.base + p.from[s] * p.size + at;
    float *S = p.base + p.to[s] * p.size + at;
    for (uint32_t j = threadIdx.x; j < p.v_dim; j += DL_THREADS)
        for (uint32_t i = 0; i < p.k_dim && old != S; i++)
            S[(size_t)i * p.v_dim + j] = old ? old[(size_t)i * p.v_dim + j] : 0;
    for (uint32_t row = p.offset[s]; row < p.offset[s + 1]; row++) {
        const float *x = p.x + (size_t)row * p.x_stride, *query = x + (size_t)(h / share) * p.k_dim, *v = x + 2 * keys + (size_t)h * p.v_dim;
        const float *gate = x + 2 * keys + values + (size_t)h * p.v_dim, *last = x + 2 * keys + 2 * values;
        float beta = 1 / (1 + expf(-last[h])), decay = expf(p.decay[h] * softplus(last[p.v_heads + h] + p.dt_bias[h])), square = 0;
        unit(q, query, p.k_dim, 1 / sqrtf((float)p.k_dim), part);
        unit(k, query + keys, p.k_dim, 1, part);
        __syncthreads();
        for (uint32_t j = threadIdx.x; j < p.v_dim; j += DL_THREADS) {
            float known = 0, sum = 0;
            for (uint32_t i = 0; i < p.k_dim; i++)
                known += S[(size_t)i * p.v_dim + j] * decay * k[i];
            float more = (v[j] - known) * beta;
            for (uint32_t i = 0; i < p.k_dim; i++) {
                float *to = &S[(size_t)i * p.v_dim + j], now = *to * decay + k[i] * more;
                *to = now;
                sum += now * q[i];
            }
            out[j] = sum;
            square += sum * sum;
        }
        float scale = 1 / sqrtf(block_sum(square, part) / p.v_dim + p.eps);
        for (uint32_t j = threadIdx.x; j < p.v_dim; j += DL_THREADS)
            p.y[(size_t)row * p.y_stride + (size_t)h * p.v_dim + j] = out[j] * scale * p.gain[j] * activate(gate[j], 4);
        __syncthreads(); /* q and k have been read */
    }
}
