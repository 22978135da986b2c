/* The functions that each file of this folder gives to block.c. */
#ifndef CODEASK_KERNELS_BLOCK_FORMATS_H
#define CODEASK_KERNELS_BLOCK_FORMATS_H

#include "kernels/block.h"

#define X(name, values, bytes, id)                                                                                     \
    void decode_##name(float *to, const void *from, size_t blocks);                                                    \
    void encode_##name(void *to, const float *from, const float *importance, size_t blocks);
BLOCK_TYPES(X)
#undef X

#endif
