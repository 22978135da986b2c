/* Vectors of 8 floats: AVX2 with FMA. */
#ifndef CODEASK_KERNELS_CPU_SIMD_AVX2_H
#define CODEASK_KERNELS_CPU_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define VL 8
#define F32_ROWS 6 /* rows × 2 vectors: 12 of 16 registers accumulate */
typedef __m256 vf;

static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
static inline vf v_set(float x) { return _mm256_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf v_pow2(vf a) /* of an integral a in [-126, 127] */
{
    __m256i i = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(i, 23));
}
static inline float v_sum(vf a)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float v_top(vf a)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
static inline void v_store_i8(int8_t *p, vf a)
{
    __m256i i = _mm256_cvtps_epi32(a);
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(h, h));
}
static inline void v_store_bf16(uint16_t *p, vf a)
{
    __m256i u = _mm256_castps_si256(a);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    u = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(_mm256_castsi256_si128(u), _mm256_extracti128_si256(u, 1)));
}
static inline vf v_load_bf16(const uint16_t *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
static inline vf v_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

/* Bytes, 4·VL of them, and int32. Shifts are of 16-bit lanes. */
typedef __m256i vb;
typedef __m256i vi;
static inline vb b_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline void b_store(uint8_t *p, vb x) { _mm256_storeu_si256((__m256i *)p, x); }
static inline vb b_set(uint8_t x) { return _mm256_set1_epi8((char)x); }
static inline vb b_and(vb a, vb b) { return _mm256_and_si256(a, b); }
static inline vb b_or(vb a, vb b) { return _mm256_or_si256(a, b); }
static inline vb b_add(vb a, vb b) { return _mm256_add_epi8(a, b); }
static inline vb b_shl(vb a, int n) { return _mm256_slli_epi16(a, n); }
static inline vb b_shr(vb a, int n) { return _mm256_srli_epi16(a, n); }
static inline vb b_lookup(const uint8_t table[16], vb at) /* at < 16 */
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), at);
}
static inline vi i_set(int x) { return _mm256_set1_epi32(x); }
static inline vi i_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline vi i_load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
static inline vi i_load_i8(const uint8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
static inline vi i_and(vi a, vi b) { return _mm256_and_si256(a, b); }
static inline vi i_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
static inline vi i_min(vi a, vi b) { return _mm256_min_epi32(a, b); }
static inline vi i_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi i_shr(vi a, int n) { return _mm256_srli_epi32(a, n); } /* of what is not negative */
static inline vi i_shl(vi a, int n) { return _mm256_slli_epi32(a, n); }
static inline vi i_byte(vb a, int i) { return _mm256_and_si256(_mm256_srli_epi32(a, 8 * i), _mm256_set1_epi32(255)); }
static inline vf i_float(vi a) { return _mm256_cvtepi32_ps(a); }
static inline vf i_as_float(vi a) { return _mm256_castsi256_ps(a); }

#endif
