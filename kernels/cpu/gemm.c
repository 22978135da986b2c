#include "kernels/cpu/gemm.h"

#include <string.h>

#ifndef GEMM_VECTORS /* versions for several instruction sets, where the compiler makes them */
#define GEMM_VECTORS
#endif
#define TALL 6 /* rows of a block: 6 × 2 vectors accumulate */
#define LANES 16

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));

/* C[rows][width] += scale · A[rows][count] · tile; rows is constant where it is inlined. */
static inline __attribute__((always_inline)) void block(const struct gemm *g, const float *tile, uint32_t row, uint32_t rows, uint32_t depth,
                                                        uint32_t count, uint32_t col, uint32_t width)
{
    vec sum[TALL][GEMM_WIDE / LANES] = {0};
    const float *a = g->a + row * g->a_row + depth * g->a_depth;
    for (uint32_t d = 0; d < count; d++, tile += GEMM_WIDE, a += g->a_depth) {
        vec left = *(const vec *)tile, right = *(const vec *)(tile + LANES);
        for (uint32_t i = 0; i < rows; i++) {
            float x = a[i * g->a_row];
            sum[i][0] += left * x;
            sum[i][1] += right * x;
        }
    }
    for (uint32_t i = 0; i < rows; i++) {
        float *c = g->c + (row + i) * g->c_stride + col, line[GEMM_WIDE];
        memcpy(line, sum[i], sizeof line);
        for (uint32_t j = 0; j < width; j++)
            c[j] += g->scale * line[j];
    }
}

GEMM_VECTORS static void blocks(const struct gemm *g, const float *tile, uint32_t depth, uint32_t count, uint32_t col, uint32_t width)
{
    uint32_t row = 0;
    for (; row + TALL <= g->rows; row += TALL)
        block(g, tile, row, TALL, depth, count, col, width);
    for (; row < g->rows; row++)
        block(g, tile, row, 1, depth, count, col, width);
}

void gemm_columns(const struct gemm *g, uint32_t from, uint32_t to)
{
    _Alignas(64) float tile[GEMM_DEPTH * GEMM_WIDE] = {0};
    for (uint32_t col = from; col < to; col += GEMM_WIDE) {
        uint32_t width = to - col < GEMM_WIDE ? to - col : GEMM_WIDE;
        for (uint32_t depth = 0; depth < g->depth; depth += GEMM_DEPTH) {
            uint32_t count = g->depth - depth < GEMM_DEPTH ? g->depth - depth : GEMM_DEPTH;
            g->fill(g, tile, depth, count, col, width);
            blocks(g, tile, depth, count, col, width);
        }
    }
}
