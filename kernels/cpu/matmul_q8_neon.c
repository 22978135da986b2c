/* Q8 matmul with NEON's sdot: four signed products into each int32, so the bias of 128 is taken off the bytes first and no
 * sum is needed. Tile: 4 rows × 16 outputs = 16 int32 accumulators; fp32 sums wait in L1 between blocks. */
#include "kernels/cpu/simd_neon.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_aarch64.h"

#define ROWS 4
#define HALF 16 /* outputs of half a panel */

static inline __attribute__((always_inline)) void tile_of(const int rows, float *tile, const uint8_t *x,
                                                          const float *scale, size_t stride, const struct q8_block *w,
                                                          uint32_t blocks, uint32_t half)
{
    const uint8x16_t bias = vdupq_n_u8(0x80);
    for (int i = 0; i < rows; i++)
        memset(tile + i * PANEL + half * HALF, 0, HALF * sizeof *tile);
    for (uint32_t b = 0; b < blocks; b++, w++, x += QUANT_BLOCK) {
        int32x4_t dot[ROWS][4];
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < 4; j++)
                dot[i][j] = vdupq_n_s32(0);
        for (int quarter = 0; quarter < 2; quarter++) { /* 16 inputs: four lanes of four */
            int8x16_t a[ROWS];
            for (int i = 0; i < rows; i++)
                a[i] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(x + (size_t)i * stride + quarter * 16), bias));
#define LANE(lane)                                                                                                     \
    for (int j = 0; j < 4; j++) {                                                                                      \
        int8x16_t v = vld1q_s8(w->w[quarter * 4 + lane][half * HALF + j * 4]);                                         \
        for (int i = 0; i < rows; i++)                                                                                 \
            dot[i][j] = vdotq_laneq_s32(dot[i][j], v, a[i], lane);                                                     \
    }
            LANE(0) LANE(1) LANE(2) LANE(3)
#undef LANE
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < 4; j++) {
                float *sum = tile + i * PANEL + half * HALF + j * VL;
                vf s = v_load(w->scale + half * HALF + j * VL) * v_set(scale[(size_t)i * (stride / QUANT_BLOCK) + b]);
                v_store(sum, v_fma(vcvtq_f32_s32(dot[i][j]), s, v_load(sum)));
            }
    }
}

#include "kernels/cpu/body_matmul_q8.h"

void neon_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                    const struct matmul *how, const struct rows *r)
{
    half_panels(y, x, w, how, r);
}
