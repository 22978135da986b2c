/* Reads memory and nothing else: how fast this device can read is what every figure of bandwidth is held against. */
#include "kernels/cuda/params.h"

#define UNROLL 4 /* loads of 16 bytes on their way for each thread */

extern "C" __global__ void __launch_bounds__(PROBE_THREADS) probe(const __grid_constant__ struct probe_params p)
{
    uint4 sum = make_uint4(0, 0, 0, 0);
    uint64_t step = (uint64_t)gridDim.x * PROBE_THREADS, at = (uint64_t)blockIdx.x * PROBE_THREADS + threadIdx.x;
    for (; at + (UNROLL - 1) * step < p.n; at += UNROLL * step)
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
            uint4 v = p.from[at + i * step];
            sum.x ^= v.x, sum.y ^= v.y, sum.z ^= v.z, sum.w ^= v.w;
        }
    for (; at < p.n; at += step) {
        uint4 v = p.from[at];
        sum.x ^= v.x, sum.y ^= v.y, sum.z ^= v.z, sum.w ^= v.w;
    }
    atomicXor(p.out, sum.x ^ sum.y ^ sum.z ^ sum.w); /* all words, whatever the order */
}
