/* Q8 matmul with AVX2: vpmaddubsw on |w| and sign(w)·x, so that no pair of products leaves 16 bits (2·127·127 < 32768; with
 * biased bytes it would). Two rows × 16 outputs: 16 registers are few. */
#include "kernels/cpu/simd_avx2.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 4
#define HALF 16 /* outputs of half a panel */

static inline __attribute__((always_inline)) void tile_of(const int rows, float *tile, const uint8_t *x,
                                                          const float *scale, size_t stride, const struct q8_block *w,
                                                          uint32_t blocks, uint32_t half)
{
    const __m256i ones = _mm256_set1_epi16(1), bias = _mm256_set1_epi8((char)0x80);
    float sum[ROWS][HALF];
    memset(sum, 0, sizeof sum);
    for (uint32_t b = 0; b < blocks; b++, w++, x += QUANT_BLOCK) {
        __m256i dot[ROWS][2];
        for (int i = 0; i < rows; i++)
            dot[i][0] = dot[i][1] = _mm256_setzero_si256();
        for (int k = 0; k < QUANT_BLOCK / 4; k++) {
            __m256i w0 = _mm256_loadu_si256((const __m256i *)w->w[k][half * HALF]);
            __m256i w1 = _mm256_loadu_si256((const __m256i *)w->w[k][half * HALF + 8]);
            __m256i a0 = _mm256_abs_epi8(w0), a1 = _mm256_abs_epi8(w1);
            for (int i = 0; i < rows; i++) {
                int four;
                memcpy(&four, x + (size_t)i * stride + 4 * k, 4);
                __m256i a = _mm256_xor_si256(_mm256_set1_epi32(four), bias); /* x itself, signed */
                __m256i p0 = _mm256_madd_epi16(_mm256_maddubs_epi16(a0, _mm256_sign_epi8(a, w0)), ones);
                __m256i p1 = _mm256_madd_epi16(_mm256_maddubs_epi16(a1, _mm256_sign_epi8(a, w1)), ones);
                dot[i][0] = _mm256_add_epi32(dot[i][0], p0);
                dot[i][1] = _mm256_add_epi32(dot[i][1], p1);
            }
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < 2; j++) {
                vf s = v_load(w->scale + half * HALF + j * VL) * v_set(scale[(size_t)i * (stride / QUANT_BLOCK) + b]);
                v_store(sum[i] + j * VL, v_fma(_mm256_cvtepi32_ps(dot[i][j]), s, v_load(sum[i] + j * VL)));
            }
    }
    for (int i = 0; i < rows; i++)
        memcpy(tile + i * PANEL + half * HALF, sum[i], sizeof sum[i]);
}

#include "kernels/cpu/body_matmul_q8.h"

void avx2_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                    const struct matmul *how, const struct rows *r)
{
    half_panels(y, x, w, how, r);
}
