/* Vectors of 16 floats: AVX-512. Every simd_<isa>.h defines the same names; see simd_avx2.h for another. */
#ifndef CODEASK_KERNELS_CPU_SIMD_AVX512_H
#define CODEASK_KERNELS_CPU_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define VL 16
#define F32_ROWS 12 /* rows × 2 vectors of the fp32 microkernel: 24 of 32 registers accumulate */
typedef __m512 vf;

static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf v_set(float x) { return _mm512_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); } /* a·b + c */
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf v_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf v_pow2(vf a) { return _mm512_scalef_ps(_mm512_set1_ps(1), a); } /* 2^a of an integral a */
static inline float v_sum(vf a) { return _mm512_reduce_add_ps(a); }
/* Lane i: the sum of a[i]'s lanes. 30 shuffles and 15 additions for 16 vectors, where v_sum() of each takes 64 and 64. */
#define V_SUMS
static inline __attribute__((always_inline)) vf v_sums(const vf a[VL])
{
    vf b[8], c[4], d[2];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        b[i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]) + _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512d x = _mm512_castps_pd(b[2 * i]), y = _mm512_castps_pd(b[2 * i + 1]);
        c[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y)) + _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
        d[i] = _mm512_shuffle_f32x4(c[2 * i], c[2 * i + 1], 0x88) + _mm512_shuffle_f32x4(c[2 * i], c[2 * i + 1], 0xdd);
    return _mm512_shuffle_f32x4(d[0], d[1], 0x88) + _mm512_shuffle_f32x4(d[0], d[1], 0xdd);
}
static inline float v_top(vf a) { return _mm512_reduce_max_ps(a); }
static inline void v_store_i8(int8_t *p, vf a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a))); }
static inline void v_store_bf16(uint16_t *p, vf a)
{
    __m512i u = _mm512_castps_si512(a);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    u = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(u, 16)));
}
static inline vf v_load_bf16(const uint16_t *p)
{
    __m512i u = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(u, 16));
}
static inline vf v_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }

/* Bytes, 4·VL of them, and int32. Shifts are of 16-bit lanes. */
typedef __m512i vb;
typedef __m512i vi;
static inline vb b_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
static inline void b_store(uint8_t *p, vb x) { _mm512_storeu_si512(p, x); }
static inline vb b_set(uint8_t x) { return _mm512_set1_epi8((char)x); }
static inline vb b_and(vb a, vb b) { return _mm512_and_si512(a, b); }
static inline vb b_or(vb a, vb b) { return _mm512_or_si512(a, b); }
static inline vb b_add(vb a, vb b) { return _mm512_add_epi8(a, b); }
static inline vb b_shl(vb a, int n) { return _mm512_slli_epi16(a, (unsigned)n); }
static inline vb b_shr(vb a, int n) { return _mm512_srli_epi16(a, (unsigned)n); }
static inline vb b_lookup(const uint8_t table[16], vb at) /* at < 16 */
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), at);
}
static inline vi i_set(int x) { return _mm512_set1_epi32(x); }
static inline vi i_load(const void *p) { return _mm512_loadu_si512(p); }
static inline vi i_load_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
static inline vi i_load_i8(const uint8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
static inline vi i_and(vi a, vi b) { return _mm512_and_si512(a, b); }
static inline vi i_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
static inline vi i_min(vi a, vi b) { return _mm512_min_epi32(a, b); }
static inline vi i_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi i_shr(vi a, int n) { return _mm512_srli_epi32(a, (unsigned)n); } /* of what is not negative */
static inline vi i_shl(vi a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
static inline vi i_byte(vb a, int i) { return _mm512_and_si512(_mm512_srli_epi32(a, (unsigned)(8 * i)), _mm512_set1_epi32(255)); }
static inline vf i_float(vi a) { return _mm512_cvtepi32_ps(a); }
static inline vf i_as_float(vi a) { return _mm512_castsi512_ps(a); }

#endif
