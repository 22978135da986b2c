/* How weights lie in model files: rows of blocks, each a fixed number of values in a fixed number of bytes, without padding.
 * Layouts are those of GGUF (ggml's block structs; ids of its enum ggml_type); safetensors' own types are read into them.
 *
 * The decode functions are the readable oracle that every kernel's repacking is tested against. Pure functions: any thread. */
#ifndef CODEASK_KERNELS_BLOCK_H
#define CODEASK_KERNELS_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK_NOT_GGUF 0x10000 /* ids from here on are this project's: no file may use them */

/* X(name, values of a block, its bytes, id in GGUF) */
#define BLOCK_TYPES(X)                                                                                                 \
    X(F32, 1, 4, 0) X(F16, 1, 2, 1) X(Q4_0, 32, 18, 2) X(Q4_1, 32, 20, 3) X(Q5_0, 32, 22, 6) X(Q5_1, 32, 24, 7)        \
    X(Q8_0, 32, 34, 8) X(Q4_K, 256, 144, 12) X(Q5_K, 256, 176, 13) X(Q6_K, 256, 210, 14) X(IQ4_NL, 32, 18, 20)         \
    X(IQ4_XS, 256, 136, 23) X(BF16, 1, 2, 30) X(MXFP4, 32, 17, 39) X(NVFP4, 64, 36, 40)        \
    X(F8_E4M3, 32, 36, BLOCK_NOT_GGUF) /* of safetensors, whose scales are tensors of their own */
enum block_type {
#define X(name, values, bytes, id) BLOCK_##name,
    BLOCK_TYPES(X)
#undef X
    BLOCK_COUNT
};

struct block_format {
    const char *name; /* "Q4_K" */
    uint32_t values, bytes, gguf;
    void (*decode)(float *to, const void *from, size_t blocks); /* to: [blocks · values] */
    /* NULL: this type is only read. from: [blocks · values], finite. importance NULL: where the format's reference quantiser
     * is a plain rounding, the same bytes as it. importance, positive and of the same shape: the weights of the squared
     * error that is made small. */
    void (*encode)(void *to, const float *from, const float *importance, size_t blocks);
};
/* To add a type: its row above, its functions in kernels/block/, whether it can be written in block.c. */
extern const struct block_format block_formats[BLOCK_COUNT];

/* Bytes of a row of k values; 0 where k is no multiple of the block's values. */
size_t block_row_bytes(enum block_type type, uint64_t k);

#endif
