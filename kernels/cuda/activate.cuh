/* enum activation of backend.h, as cpu/matmul.c computes it. */
#ifndef CODEASK_KERNELS_CUDA_ACTIVATE_CUH
#define CODEASK_KERNELS_CUDA_ACTIVATE_CUH

static __device__ __forceinline__ float activate(float x, int how)
{
    switch (how) { /* the same for a whole grid */
    case 1: /* ACT_GELU */
        return .5f * x * (1 + erff(x * .70710678f));
    case 2: /* ACT_GELU_TANH */
        return .5f * x * (1 + tanhf(.79788456f * (x + .044715f * x * x * x)));
    case 3: /* ACT_RELU */
        return fmaxf(x, 0);
    case 4: /* ACT_SILU */
        return x / (1 + expf(-x));
    }
    return x;
}

#endif
