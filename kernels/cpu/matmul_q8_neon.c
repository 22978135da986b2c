/* Products of bytes with NEON's sdot: four signed products into each int32, so biased codes are signed first. Tile: 4 rows × 16
 * outputs = 16 int32 sums; the fp32 sums wait in L1. */
#include "kernels/cpu/simd_neon.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/body_q8_neon.h"
#include "kernels/cpu/ops_aarch64.h"

static inline vi dot_small(vi acc, vw w, const int8_t *four)
{
    return vdotq_s32(acc, w, four_of(four));
}
#define dot_biased dot_small

#include "kernels/cpu/body_matmul_held.h"

void neon_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                    const struct matmul *how, const struct rows *r)
{
    matmul_held(y, x, w, how, r);
}
