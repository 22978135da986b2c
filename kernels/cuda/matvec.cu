/* Products of a few rows with weights in the formats that most models are published in: one row, and up to MV_ROWS. */
#include "kernels/cuda/matvec.cuh"

MATVEC(bf16, matvec_half, false)
MATVEC(f16, matvec_half, true)
MATVEC(q8, matvec_held, HELD_Q8)
MATVEC(q4_k, matvec_held, HELD_Q4_K)
MATVEC(q6_k, matvec_held, HELD_Q6_K)
