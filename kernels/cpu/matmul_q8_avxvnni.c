/* Products of bytes with AVX-VNNI: vpdpbusd on 256 bits, for processors without AVX-512 (Intel's desktops and laptops from 2021
 * on). Tile: 3 rows × 16 outputs = 6 int32 sums, 2 weights and 1 broadcast; the fp32 sums wait in L1. */
#include "kernels/cpu/simd_avx2.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 3
#define PARTS 2
#define START_128 128
#define MANY_CASES(b) MANY_CASE(1, b) MANY_CASE(2, b) MANY_CASE(3, b)

typedef vb vw;
static inline vw w_small(vb codes) { return codes; }
static inline vw w_biased(vb codes) { return codes; }
static inline vi dot_small(vi acc, vw w, const int8_t *four)
{
    int x;
    memcpy(&x, four, 4);
    return _mm256_dpbusd_avx_epi32(acc, w, _mm256_set1_epi32(x));
}
#define dot_biased dot_small

#include "kernels/cpu/body_matmul_held.h"

void avxvnni_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                       const struct matmul *how, const struct rows *r)
{
    matmul_held(y, x, w, how, r);
}
