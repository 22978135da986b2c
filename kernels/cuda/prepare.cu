/* QK-norm, rotation, and the way of keys and values into the cache: a warp a row and head, blockIdx.y the head (queries, keys,
 * values in this order). */
#include "kernels/cuda/cache.cuh"

/* Sine and cosine of position·frequency to about 2e-7, at every position below 2^24: the product as a sum of two floats, whole
 * quarter turns taken off in three parts (the first has 8 bits, so that its multiples are exact), polynomials of Cephes' sinf and
 * cosf. Double precision would be as slow as a hundred of these on most GPUs. */
static __device__ __forceinline__ void turn(float *cosine, float *sine, uint32_t position, float frequency)
{
    float p = (float)position, high = __fmul_rn(p, frequency), low = __fmaf_rn(p, frequency, -high);
    float n = rintf(__fmul_rn(high, .636619772f));
    float r = __fmaf_rn(-n, 1.5703125f, high);
    r = __fmaf_rn(-n, 4.83751297e-4f, r);
    r = __fmaf_rn(-n, 7.54978995e-8f, __fadd_rn(r, low));
    float more = rintf(__fmul_rn(r, .636619772f)); /* far out `low` itself may be half a radian */
    r = __fmaf_rn(-more, 1.57079633f, r);
    float s = r * r, quarter_sine = __fmaf_rn(r * s, __fmaf_rn(s, __fmaf_rn(s, -1.9515295891e-4f, 8.3321608736e-3f), -1.6666654611e-1f), r);
    float quarter_cosine = __fmaf_rn(s * s, __fmaf_rn(s, __fmaf_rn(s, 2.443315711809948e-5f, -1.388731625493765e-3f),
                                                      4.166664568298827e-2f), __fmaf_rn(s, -.5f, 1));
    int quarter = ((int)n + (int)more) & 3;
    float a = quarter & 1 ? quarter_sine : quarter_cosine, b = quarter & 1 ? quarter_cosine : quarter_sine;
    *cosine = quarter == 1 || quarter == 2 ? -a : a;
    *sine = quarter >= 2 ? -b : b;
}

extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP) prepare(const __grid_constant__ struct prepare_params p)
{
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / WARP, h = blockIdx.y, lane = threadIdx.x % WARP;
    if (row >= p.used[0])
        return;
    bool is_query = h < p.heads, is_value = h >= p.heads + p.kv_heads;
    uint32_t head = is_query ? h : is_value ? h - p.heads - p.kv_heads : h - p.heads;
    float *x = p.x + (size_t)row * p.stride;
    x += is_value ? (size_t)(p.heads + p.kv_heads) * p.k_dim + (size_t)head * p.v_dim : (size_t)h * p.k_dim;
    const float *gain = is_query ? p.q_gain : p.k_gain;
    if (!is_value && gain) {
        float square = 0;
        for (uint32_t c = lane; c < p.k_dim; c += WARP)
            square += x[c] * x[c];
        float scale = 1 / sqrtf(warp_sum(square) / p.k_dim + p.eps);
        for (uint32_t c = lane; c < p.k_dim; c += WARP)
            x[c] = x[c] * scale * gain[c];
        __syncwarp(); /* lanes turn what others have written */
    }
    if (!is_value && p.frequency) {
        uint32_t half = p.dims / 2, step = p.interleaved ? 2 : 1, apart = p.interleaved ? 1 : half;
        for (uint32_t i = lane; i < half; i += WARP) {
            float cosine, sine, *a = x + p.first + (size_t)i * step, *b = a + apart, u = *a, v = *b;
            turn(&cosine, &sine, p.position[row], p.frequency[i]);
            cosine *= p.magnitude;
            sine *= p.magnitude;
            *a = u * cosine - v * sine;
            *b = v * cosine + u * sine;
        }
        __syncwarp();
    }
    if (is_query || !p.cache.k)
        return;
    size_t line = cache_line(p.cache, p.sequence[row], p.position[row], head);
    if (is_value)
        store_cached(p.cache.v, p.cache.v_scale, p.cache.type, line, p.v_dim, [=](uint32_t c) { return x[c]; });
    else
        store_cached(p.cache.k, p.cache.k_scale, p.cache.type, line, p.k_dim, [=](uint32_t c) { return x[c]; });
}
