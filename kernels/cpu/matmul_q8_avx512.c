/* Q8 matmul with AVX-512 VNNI: vpdpbusd multiplies biased activation bytes (x + 128, unsigned) with signed weights, four
 * inputs into each int32. A block of 32 inputs is summed exactly in int32, starting from -128·Σw which takes the bias off
 * again, then converted and added to fp32 sums with the scales of the block.
 *
 * Tile: 6 rows × 32 outputs = 12 int32 and 12 fp32 accumulators, 2 weights and 1 broadcast: 27 of 32 registers. Seven rows
 * would fit into 31, and are 3% slower (measured on Zen 5, in turn). What is left to the instruction's peak is the two fp32
 * operations a block and accumulator beside its eight dot products: 8/10 at best, 73–76% of the peak measured. Scales of
 * weights every 128 inputs instead of 32 would save one of them; the whole pass gains 1% by it and loses .0001 of cosine. */
#include "kernels/cpu/simd_avx512.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 6

static inline __attribute__((always_inline)) void tile_of(const int rows, float *tile, const uint8_t *x,
                                                          const float *scale, size_t stride,
                                                          const struct q8_block *w, uint32_t blocks)
{
    __m512 sum[ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (uint32_t b = 0; b < blocks; b++, w++, x += QUANT_BLOCK) {
        __m512i dot[ROWS][2];
        __m512i start0 = _mm512_load_si512(w->sum), start1 = _mm512_load_si512(w->sum + 16);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            dot[i][0] = start0;
            dot[i][1] = start1;
        }
#pragma GCC unroll 8
        for (int k = 0; k < QUANT_BLOCK / 4; k++) {
            __m512i w0 = _mm512_load_si512(w->w[k]), w1 = _mm512_load_si512(w->w[k][16]);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) {
                int four;
                memcpy(&four, x + (size_t)i * stride + 4 * k, 4);
                __m512i a = _mm512_set1_epi32(four);
                dot[i][0] = _mm512_dpbusd_epi32(dot[i][0], a, w0);
                dot[i][1] = _mm512_dpbusd_epi32(dot[i][1], a, w1);
            }
        }
        __m512 s0 = _mm512_load_ps(w->scale), s1 = _mm512_load_ps(w->scale + 16);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            __m512 s = _mm512_set1_ps(scale[(size_t)i * (stride / QUANT_BLOCK) + b]);
            sum[i][0] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot[i][0]), s0), s, sum[i][0]);
            sum[i][1] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot[i][1]), s1), s, sum[i][1]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(tile + i * PANEL, sum[i][0]);
        _mm512_storeu_ps(tile + i * PANEL + 16, sum[i][1]);
    }
}

static void rows_of(uint32_t rows, float *tile, const uint8_t *x, const float *scale, size_t stride,
                    const struct q8_block *w, uint32_t blocks)
{
    switch (rows) {
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        tile_of(n, tile, x, scale, stride, w, blocks);                                                                 \
        break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
    }
}

void avx512_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                      const struct matmul *how, const struct rows *r)
{
    float tile[ROWS * PANEL] __attribute__((aligned(64)));
    uint32_t rows = r->used[0], blocks = round_up(w->k, QUANT_BLOCK) / QUANT_BLOCK;
    uint32_t tiles = (rows + ROWS - 1) / ROWS, step = tiles ? (rows + tiles - 1) / tiles : 1; /* even tiles */
    for (uint32_t n = 0; n < w->n; n += PANEL) {
        const struct q8_block *panel = (const struct q8_block *)w->data + (size_t)(n / PANEL) * (w->k_padded / QUANT_BLOCK);
        for (uint32_t i = 0; i < rows; i += step) {
            uint32_t some = rows - i < step ? rows - i : step;
            rows_of(some, tile, (const uint8_t *)x->data + (size_t)i * x->stride,
                    x->scale + (size_t)i * (x->stride / QUANT_BLOCK), x->stride, panel, blocks);
            finish(tile, some, PANEL, y, i, n, w->n, how);
        }
    }
}
