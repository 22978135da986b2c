/* Products of bytes with AVX2: vpmaddubsw, whose sums of two products must stay in 16 bits. Codes up to 63 do; those biased by
 * 128 are multiplied as |w| and sign(w)·x (2·128·127 < 32768). Tile: 4 rows × 16 outputs, fp32 sums in L1. */
#include "kernels/cpu/simd_avx2.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 4
#define PARTS 2
#define START_128 0 /* the signed product has no bias */
#define MANY_CASES(b) MANY_CASE(1, b) MANY_CASE(2, b) MANY_CASE(3, b) MANY_CASE(4, b)

typedef struct {
    __m256i size, sign;
} vw;
static inline vw w_small(vb codes) { return (vw){codes, codes}; }
static inline vw w_biased(vb codes)
{
    __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
    return (vw){_mm256_abs_epi8(w), w};
}
static inline __m256i broadcast(const int8_t *four)
{
    int x;
    memcpy(&x, four, 4);
    return _mm256_set1_epi32(x);
}
static inline vi add_pairs(vi acc, __m256i pairs)
{
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
static inline vi dot_small(vi acc, vw w, const int8_t *four)
{
    return add_pairs(acc, _mm256_maddubs_epi16(w.size, broadcast(four)));
}
static inline vi dot_biased(vi acc, vw w, const int8_t *four)
{
    return add_pairs(acc, _mm256_maddubs_epi16(w.size, _mm256_sign_epi8(broadcast(four), w.sign)));
}

#include "kernels/cpu/body_matmul_held.h"

void avx2_matmul_q8(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                    const struct matmul *how, const struct rows *r)
{
    matmul_held(y, x, w, how, r);
}
