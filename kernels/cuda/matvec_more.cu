/* The other formats, a kernel each as well: decoding is where their speed shows. */
#include "kernels/cuda/matvec.cuh"

MATVEC(q4_0, matvec_held, HELD_Q4_0)
MATVEC(q4_1, matvec_held, HELD_Q4_1)
MATVEC(q5_0, matvec_held, HELD_Q5_0)
MATVEC(q5_1, matvec_held, HELD_Q5_1)
MATVEC(q5_k, matvec_held, HELD_Q5_K)
MATVEC(iq4_nl, matvec_held, HELD_IQ4_NL)
MATVEC(iq4_xs, matvec_held, HELD_IQ4_XS)
MATVEC(mxfp4, matvec_held, HELD_MXFP4)
MATVEC(nvfp4, matvec_held, HELD_NVFP4)
