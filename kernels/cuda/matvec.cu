/* Products of a few rows with weights in the formats that most models are published in: one row, and up to MV_ROWS. */
#include "kernels/cuda/matvec.cuh"

MATVEC(bf16, matvec_half, false, 8, 4)
MATVEC(f16, matvec_half, true, 8, 4)
MATVEC(q8, matvec_held, HELD_Q8, 8, 4)
MATVEC(q4_k, matvec_held, HELD_Q4_K, 8, 4)
MATVEC(q6_k, matvec_held, HELD_Q6_K, 7, 3)
