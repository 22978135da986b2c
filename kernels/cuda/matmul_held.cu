/* Products of many rows with weights in the formats that most models are published in; matmul_any.cu has the others. */
#include "kernels/cuda/matmul_held.cuh"

MATMUL_HELD(f16, HELD_F16)
MATMUL_HELD(q8, HELD_Q8)
MATMUL_HELD(q4_k, HELD_Q4_K)
MATMUL_HELD(q6_k, HELD_Q6_K)
