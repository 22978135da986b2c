/* Where a number that is none hides in weights. At the speed of memory where all are well. */
#ifndef CODEASK_ENGINE_FORMAT_FINITE_H
#define CODEASK_ENGINE_FORMAT_FINITE_H

#include "kernels/block.h"

/* The first of n blocks with a NaN or an infinity among its values or scales; n: none. */
size_t finite_blocks(enum block_type type, const void *bytes, size_t n);
/* The same of what is in safetensors alone. */
size_t finite_f64(const void *bytes, size_t n);
size_t finite_e4m3(const void *bytes, size_t n);
size_t finite_e8m0(const void *bytes, size_t n);

#endif
