/* Products of bytes with plain NEON (Armv8.0): vmull and pairwise sums. */
#include "kernels/cpu/simd_neon.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/body_q8_neon.h"
#include "kernels/cpu/ops_aarch64.h"

static inline vi dot_small(vi acc, vw w, const int8_t *four)
{
    int8x16_t x = four_of(four);
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)));
    int32x4_t high = vpaddlq_s16(vmull_s8(vget_high_s8(w), vget_high_s8(x)));
    return vaddq_s32(acc, vpaddq_s32(low, high));
}
#define dot_biased dot_small

#include "kernels/cpu/body_matmul_held.h"

void neon_f32_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                        const struct matmul *how, const struct rows *r)
{
    matmul_held(y, x, w, how, r);
}
