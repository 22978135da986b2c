/* C += scale·A·B in fp32, the one body of every product that training needs (backward_product.c). B comes in tiles that its owner
 * fills, so that it may be transposed or be made from blocks. An element's terms are added in the order of the depth, GEMM_DEPTH of
 * them into a register first: neither the cut into columns nor the number of rows changes a bit. */
#ifndef CODEASK_KERNELS_CPU_GEMM_H
#define CODEASK_KERNELS_CPU_GEMM_H

#include "kernels/cpu/cpu.h"

#define GEMM_WIDE QUANT_BLOCK /* columns of a tile: a block of weights, two vectors of AVX-512 */
#define GEMM_DEPTH 256        /* rows of a tile: 32 KB of it stay in L1 */

struct gemm {
    float *c;
    size_t c_stride;
    const float *a;          /* element (row, depth) at row·a_row + depth·a_depth */
    size_t a_row, a_depth;
    uint32_t rows, cols, depth;
    float scale;
    const void *b;
    size_t b_stride;
    /* tile [count][GEMM_WIDE]: B's rows depth .. depth+count-1, columns col .. col+width-1, width ≤ GEMM_WIDE; the rest is ignored */
    void (*fill)(const struct gemm *g, float *tile, uint32_t depth, uint32_t count, uint32_t col, uint32_t width);
};

/* Columns [from, to) of C; from is a multiple of GEMM_WIDE. */
void gemm_columns(const struct gemm *g, uint32_t from, uint32_t to);

#endif
