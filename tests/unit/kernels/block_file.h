/* A matrix in a type of block that files have, drawn byte by byte, and its values. */
#ifndef CODEASK_TESTS_BLOCK_FILE_H
#define CODEASK_TESTS_BLOCK_FILE_H

#include "base/mem.h"
#include "kernels/block.h"
#include "kernels/block/numbers.h"
#include "tests/unit/kernels/number.h"

#include <stdlib.h>

/* Where a block's f16 numbers are; -1: none. The other bytes of a block may be anything. */
static const int16_t halves[BLOCK_COUNT][2] = {
    [BLOCK_Q4_0] = {0, -1},  [BLOCK_Q4_1] = {0, 2},     [BLOCK_Q5_0] = {0, -1},   [BLOCK_Q5_1] = {0, 2}, [BLOCK_Q8_0] = {0, -1},
    [BLOCK_Q4_K] = {0, 2},   [BLOCK_Q5_K] = {0, 2},     [BLOCK_Q6_K] = {208, -1}, [BLOCK_IQ4_NL] = {0, -1},
    [BLOCK_IQ4_XS] = {0, -1}, [BLOCK_MXFP4] = {-1, -1}, [BLOCK_NVFP4] = {-1, -1},   [BLOCK_F8_E4M3] = {-1, -1},
};

static uint32_t bits(uint32_t stream, uint64_t i)
{
    return (uint32_t)((number(stream, i) + 1) * 8388607);
}

struct file { /* a matrix as a file has it, and its values */
    enum block_type type;
    uint32_t rows, k;
    size_t row_bytes;
    uint8_t *bytes;
    float *value; /* [rows, k] */
};

static void fill_block(uint8_t *p, enum block_type type, uint64_t at)
{
    const struct block_format *f = &block_formats[type];
    if (type == BLOCK_F32) {
        store_u32(p, bits_from_f32(number(5, at)));
    } else if (type == BLOCK_F16) {
        store_u16(p, f16_from_f32(number(5, at)));
    } else if (type == BLOCK_BF16) {
        store_u16(p, bf16_from_f32(number(5, at)));
    } else {
        for (uint32_t i = 0; i < f->bytes; i++)
            p[i] = (uint8_t)bits(6, at * 1024 + i);
        for (int i = 0; i < 2; i++)
            if (halves[type][i] >= 0) /* between 2^-8 and 2^-5, either sign */
                store_u16(p + halves[type][i], (uint16_t)(0x1c00 + bits(7, 2 * at + i) % 0xc00 + (bits(8, 2 * at + i) & 0x8000)));
        if (type == BLOCK_MXFP4)
            p[0] = (uint8_t)(118 + bits(7, at) % 5);
        for (int i = 0; i < 4 && type == BLOCK_NVFP4; i++)
            p[i] = (uint8_t)(8 + bits(7, 4 * at + i) % 24);
        for (int i = 4; i < 36 && type == BLOCK_F8_E4M3; i++)
            if ((p[i] & 0x7F) == 0x7F) /* NaN */
                p[i] = 0;
        if (type == BLOCK_F8_E4M3) /* bf16 holds it: nothing but the four bits of its values */
            store_u32(p, bits_from_f32(.125f));
    }
}

static inline struct file file_new(enum block_type type, uint32_t rows, uint32_t k)
{
    const struct block_format *format = &block_formats[type];
    struct file f = {type, rows, k, block_row_bytes(type, k), NULL, NULL};
    uint32_t blocks = k / format->values;
    f.bytes = mem_alloc(f.row_bytes * rows);
    f.value = mem_alloc((size_t)rows * k * sizeof *f.value);
    for (uint64_t b = 0; b < (uint64_t)rows * blocks; b++)
        fill_block(f.bytes + b * format->bytes, type, b);
    format->decode(f.value, f.bytes, (size_t)rows * blocks);
    return f;
}

static inline void file_free(struct file *f)
{
    free(f->bytes);
    free(f->value);
}

static inline const void *file_row(void *arg, uint32_t row)
{
    const struct file *f = arg;
    return f->bytes + row * f->row_bytes;
}

#endif
