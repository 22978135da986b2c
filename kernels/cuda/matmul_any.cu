/* Products of many rows with weights of any format, decided at run time: two kernels where eight formats would make sixteen. */
#include "kernels/cuda/matmul_held.cuh"

MATMUL_HELD(any, HELD_ANY)
