/* Products of bytes with AVX-512 VNNI: vpdpbusd multiplies unsigned codes with signed bytes of x, four inputs into each int32.
 *
 * Tile over unpacked weights: 6 rows × 32 outputs = 12 int32 and 12 fp32 accumulators, 2 weights and 1 broadcast: 27 of 32
 * registers. Seven rows would fit into 31, and are 3% slower (measured on Zen 5, in turn). What is left to the instruction's peak
 * is the fp32 operations of a block and accumulator beside its eight dot products. */
#include "kernels/cpu/simd_avx512.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 6
#define PARTS 2
#define START_128 128
#define MANY_CASES(b) MANY_CASE(1, b) MANY_CASE(2, b) MANY_CASE(3, b) MANY_CASE(4, b) MANY_CASE(5, b) MANY_CASE(6, b)

typedef vb vw;
static inline vw w_small(vb codes) { return codes; }
static inline vw w_biased(vb codes) { return codes; }
static inline vi dot_small(vi acc, vw w, const int8_t *four)
{
    int x;
    memcpy(&x, four, 4);
    return _mm512_dpbusd_epi32(acc, w, _mm512_set1_epi32(x));
}
#define dot_biased dot_small

#include "kernels/cpu/body_matmul_held.h"

void avx512_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                      const struct matmul *how, const struct rows *r)
{
    matmul_held(y, x, w, how, r);
}
