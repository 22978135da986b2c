/* y = activation(x·wᵀ + bias) + residual with weights that are held in blocks: bf16 x by cp.async; a thread loads the block of
 * one output (two share it, 16 inputs each) into registers while the step before is multiplied, and writes its values as bf16
 * where mma.sync reads them. A step is one block wide. */
#include "kernels/cuda/held.cuh"
#include "kernels/cuda/mma.cuh"

#define W_STAGES 2 /* what is written at step s was read at s - 2, and the barrier of s - 1 lies between */

template <int T> static __device__ __forceinline__ int type_of(const struct held_weight &w)
{
    return T == HELD_ANY ? (int)w.type : T;
}

/* 16 values of row threadIdx.x/2 of the tile. */
template <int B> static __device__ __forceinline__ void store_half(unsigned char *to, const float (&v)[16])
{
    uint32_t row = threadIdx.x / 2, half = threadIdx.x % 2;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        uint4 packed = make_uint4(pack_bf16(v[8 * i], v[8 * i + 1]), pack_bf16(v[8 * i + 2], v[8 * i + 3]),
                                  pack_bf16(v[8 * i + 4], v[8 * i + 5]), pack_bf16(v[8 * i + 6], v[8 * i + 7]));
        *(uint4 *)(to + chunk_at<shape<B>::bytes>(row, half * 2 + i)) = packed;
    }
}

/* fp16 weights lie as they are: [experts · n, k], 16 of this thread's output. */
static __device__ __forceinline__ void load_f16(uint4 (&raw)[2], const struct matmul_params &p, size_t line, uint32_t step)
{
    const uint4 *from = (const uint4 *)((const uint16_t *)p.w + line * p.k + step * MM_K) + threadIdx.x % 2 * 2;
    raw[0] = from[0];
    raw[1] = from[1];
}
static __device__ __forceinline__ void values_f16(float (&v)[16], const uint4 (&raw)[2])
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        uint4 r = raw[i / 4];
        uint32_t pair = i % 4 == 0 ? r.x : i % 4 == 1 ? r.y : i % 4 == 2 ? r.z : r.w;
        v[2 * i] = from_f16(pair & 0xffff);
        v[2 * i + 1] = from_f16(pair >> 16);
    }
}

template <int T, int B> static __device__ __forceinline__ void matmul_held(const struct matmul_params &p)
{
    extern __shared__ __align__(128) unsigned char memory[];
    struct part part;
    if (!find_part(&part, p, blockIdx.y, B))
        return;
    int t = type_of<T>(p.held);
    uint32_t x = shared_address(memory), column = blockIdx.x * B, output = column + threadIdx.x / 2;
    unsigned char *w = memory + MM_STAGES * shape<B>::tile;
    size_t line = (size_t)part.expert * p.n + (output < p.n ? output : p.n - 1); /* what it gives for others is dropped */
    const uint16_t *rows = (const uint16_t *)p.x;
    struct sums<B> sum;
    struct block block;
    uint4 raw[2];
    clear(sum);
    int steps = p.k / MM_K;
    for (int s = 0; s < MM_STAGES - 1; s++) {
        fetch<B>(x + s * shape<B>::tile, rows, p.x_stride, part.first, part.end, s * MM_K);
        async_commit();
    }
    if (T == HELD_F16)
        load_f16(raw, p, line, 0);
    else
        load_block(block, t, p.held, line, 0);
    for (int s = 0; s < steps; s++) {
        float v[16];
        if (T == HELD_F16)
            values_f16(v, raw);
        else
            values_of(v, t, block, threadIdx.x % 2);
        store_half<B>(w + s % W_STAGES * shape<B>::tile, v);
        async_wait<MM_STAGES - 2>();
        __syncthreads(); /* step s is there for everyone, and everyone has done with step s - 1 */
        int next = s + MM_STAGES - 1;
        if (next < steps)
            fetch<B>(x + next % MM_STAGES * shape<B>::tile, rows, p.x_stride, part.first, part.end, next * MM_K);
        async_commit();
        if (s + 1 < steps) {
            if (T == HELD_F16)
                load_f16(raw, p, line, s + 1);
            else
                load_block(block, t, p.held, line, s + 1);
        }
        multiply<B>(sum, x + s % MM_STAGES * shape<B>::tile, shared_address(w) + s % W_STAGES * shape<B>::tile);
    }
    async_wait<0>();
    write<B>(sum, p, part, column, T == HELD_F16 ? 1 : p.held.matrix[part.expert]);
}

#define MATMUL_HELD(name, type)                                                                                        \
    extern "C" __global__ void __launch_bounds__(256, 2)                                                               \
        matmul_##name##_large(const __grid_constant__ struct matmul_params p)                                         \
    {                                                                                                                  \
        matmul_held<type, MM_LARGE>(p);                                                                                \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(128, 4)                                                               \
        matmul_##name##_small(const __grid_constant__ struct matmul_params p)                                         \
    {                                                                                                                  \
        matmul_held<type, MM_SMALL>(p);                                                                                \
    }
