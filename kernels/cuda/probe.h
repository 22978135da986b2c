/* What benchmarks and tests ask of the CUDA backend beside its ops. */
#ifndef CODEASK_KERNELS_CUDA_PROBE_H
#define CODEASK_KERNELS_CUDA_PROBE_H

#include <stddef.h>
#include <stdint.h>

/* Reads bytes (a multiple of 16) of device memory once; out, a word of device memory, is xored with every word of them. */
void cuda_probe(void *queue, const void *from, size_t bytes, uint32_t *out);

#endif
