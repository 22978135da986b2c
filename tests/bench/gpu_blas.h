/* cuBLAS as a peer, opened at run time: from the toolkit, or from the folder that CODEASK_CUBLAS names. */
#ifndef CODEASK_TESTS_GPU_BLAS_H
#define CODEASK_TESTS_GPU_BLAS_H

#include <stddef.h>
#include <stdint.h>

/* Seconds of y[rows, n] = x[rows, k]·w[n, k]ᵀ in bf16 with fp32 sums, the best of several; 0: there is no cuBLAS. A context of the
 * driver is current. */
double gpu_blas_seconds(uint32_t rows, uint32_t n, uint32_t k);
void gpu_blas_reason(char *text, size_t size); /* why it was 0 */

#endif
