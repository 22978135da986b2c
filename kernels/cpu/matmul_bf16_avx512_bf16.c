/* BF16 matmul with vdpbf16ps: 12 rows × 32 outputs, 24 accumulators. Beside Q8 where nearly exact vectors are wanted
 * (cosine .99998 against .9997) at about half of its speed. */
#include "kernels/cpu/simd_avx512.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 12

static inline __attribute__((always_inline)) void tile_of(const int rows, float *tile, const uint16_t *x, size_t stride,
                                                          const uint16_t *w, uint32_t k)
{
    __m512 sum[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (uint32_t c = 0; c < k; c += 2, w += 2 * PANEL) {
        __m512bh w0 = (__m512bh)_mm512_loadu_si512(w), w1 = (__m512bh)_mm512_loadu_si512(w + PANEL);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            int two;
            memcpy(&two, x + (size_t)i * stride + c, 4);
            __m512bh a = (__m512bh)_mm512_set1_epi32(two);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], a, w0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], a, w1);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(tile + i * PANEL, sum[i][0]);
        _mm512_storeu_ps(tile + i * PANEL + 16, sum[i][1]);
    }
}

static void rows_of(uint32_t rows, float *tile, const uint16_t *x, size_t stride, const uint16_t *w, uint32_t k)
{
    switch (rows) {
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        tile_of(n, tile, x, stride, w, k);                                                                             \
        break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#undef CASE
    }
}

void avx512_matmul_bf16(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                        const struct matmul *how, const struct rows *r)
{
    float tile[ROWS * PANEL] __attribute__((aligned(64)));
    uint32_t rows = r->used[0], k = round_up(w->k, 2);
    uint32_t tiles = (rows + ROWS - 1) / ROWS, step = tiles ? (rows + tiles - 1) / tiles : 1; /* even tiles */
    for (uint32_t n = 0; n < w->n; n += PANEL) {
        const uint16_t *panel = (const uint16_t *)w->data + (size_t)n * w->k_padded;
        for (uint32_t i = 0; i < rows; i += step) {
            uint32_t some = rows - i < step ? rows - i : step;
            rows_of(some, tile, (const uint16_t *)x->data + (size_t)i * x->stride, x->stride, panel, k);
            finish(tile, some, PANEL, y, i, n, w, how);
        }
    }
}
