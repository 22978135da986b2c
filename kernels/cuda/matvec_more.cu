/* The other formats, a kernel each as well: decoding is where their speed shows. */
#include "kernels/cuda/matvec.cuh"

MATVEC(q4_0, matvec_held, HELD_Q4_0, 8, 4)
MATVEC(q4_1, matvec_held, HELD_Q4_1, 8, 4)
MATVEC(q5_0, matvec_held, HELD_Q5_0, 8, 4)
MATVEC(q5_1, matvec_held, HELD_Q5_1, 8, 4)
MATVEC(q5_k, matvec_held, HELD_Q5_K, 7, 3)
MATVEC(iq4_nl, matvec_held, HELD_IQ4_NL, 8, 4)
MATVEC(iq4_xs, matvec_held, HELD_IQ4_XS, 8, 4)
MATVEC(mxfp4, matvec_held, HELD_MXFP4, 8, 4)
MATVEC(nvfp4, matvec_held, HELD_NVFP4, 8, 4)
