/* Q8 matmul with AVX-VNNI: vpdpbusd on 256 bits, for processors without AVX-512 (Intel's desktops and laptops from 2021 on).
 * As matmul_q8_avx512.c; tile: 3 rows × 16 outputs = 6 int32 and 6 fp32 accumulators, 2 weights and 1 broadcast: 15 of 16
 * registers. */
#include "kernels/cpu/simd_avx2.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 3
#define HALF 16 /* outputs of half a panel */

static inline __attribute__((always_inline)) void tile_of(const int rows, float *tile, const uint8_t *x,
                                                          const float *scale, size_t stride, const struct q8_block *w,
                                                          uint32_t blocks, uint32_t at)
{
    __m256 sum[ROWS][2];
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (uint32_t b = 0; b < blocks; b++, w++, x += QUANT_BLOCK) {
        __m256i dot[ROWS][2];
        __m256i start0 = _mm256_load_si256((const __m256i *)(w->sum + at));
        __m256i start1 = _mm256_load_si256((const __m256i *)(w->sum + at + 8));
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) {
            dot[i][0] = start0;
            dot[i][1] = start1;
        }
#pragma GCC unroll 8
        for (int k = 0; k < QUANT_BLOCK / 4; k++) {
            __m256i w0 = _mm256_load_si256((const __m256i *)w->w[k][at]);
            __m256i w1 = _mm256_load_si256((const __m256i *)w->w[k][at + 8]);
#pragma GCC unroll 3
            for (int i = 0; i < rows; i++) {
                int four;
                memcpy(&four, x + (size_t)i * stride + 4 * k, 4);
                __m256i a = _mm256_set1_epi32(four);
                dot[i][0] = _mm256_dpbusd_avx_epi32(dot[i][0], a, w0);
                dot[i][1] = _mm256_dpbusd_avx_epi32(dot[i][1], a, w1);
            }
        }
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < 2; j++) {
                vf s = v_load(w->scale + at + j * VL) * v_set(scale[(size_t)i * (stride / QUANT_BLOCK) + b]);
                sum[i][j] = v_fma(_mm256_cvtepi32_ps(dot[i][j]), s, sum[i][j]);
            }
    }
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++) {
        v_store(tile + i * PANEL + at, sum[i][0]);
        v_store(tile + i * PANEL + at + VL, sum[i][1]);
    }
}

void avxvnni_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                       const struct matmul *how, const struct rows *r)
{
    float tile[ROWS * PANEL];
    uint32_t rows = r->used[0], blocks = round_up(w->k, QUANT_BLOCK) / QUANT_BLOCK;
    for (uint32_t n = 0; n < w->n; n += PANEL) {
        const struct q8_block *panel = (const struct q8_block *)w->data + (size_t)(n / PANEL) * (w->k_padded / QUANT_BLOCK);
        for (uint32_t i = 0; i < rows; i += ROWS) {
            const uint8_t *from = (const uint8_t *)x->data + (size_t)i * x->stride;
            const float *scale = x->scale + (size_t)i * (x->stride / QUANT_BLOCK);
            uint32_t some = rows - i < ROWS ? rows - i : ROWS;
            for (uint32_t at = 0; at < PANEL; at += HALF)
                if (some == 3)
                    tile_of(3, tile, from, scale, x->stride, panel, blocks, at);
                else if (some == 2)
                    tile_of(2, tile, from, scale, x->stride, panel, blocks, at);
                else
                    tile_of(1, tile, from, scale, x->stride, panel, blocks, at);
            finish(tile, some, PANEL, y, i, n, w->n, how);
        }
    }
}
