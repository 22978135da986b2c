/* Vectors of 4 floats: NEON on AArch64. */
#ifndef CODEASK_KERNELS_CPU_SIMD_NEON_H
#define CODEASK_KERNELS_CPU_SIMD_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define VL 4
#define F32_ROWS 12 /* rows × 2 vectors: 24 of 32 registers accumulate */
typedef float32x4_t vf;

static inline vf v_load(const float *p) { return vld1q_f32(p); }
static inline void v_store(float *p, vf x) { vst1q_f32(p, x); }
static inline vf v_set(float x) { return vdupq_n_f32(x); }
static inline vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf v_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf v_min(vf a, vf b) { return vminq_f32(a, b); }
static inline vf v_abs(vf a) { return vabsq_f32(a); }
static inline vf v_round(vf a) { return vrndnq_f32(a); }
static inline vf v_pow2(vf a) /* of an integral a in [-126, 127] */
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(a), vdupq_n_s32(127)), 23));
}
static inline float v_sum(vf a) { return vaddvq_f32(a); }
static inline float v_top(vf a) { return vmaxvq_f32(a); }
static inline void v_store_i8(int8_t *p, vf a)
{
    int16x4_t h = vqmovn_s32(vcvtnq_s32_f32(a));
    uint32_t four = vget_lane_u32(vreinterpret_u32_s8(vqmovn_s16(vcombine_s16(h, h))), 0);
    memcpy(p, &four, 4);
}
static inline void v_store_bf16(uint16_t *p, vf a)
{
    uint32x4_t u = vreinterpretq_u32_f32(a);
    u = vaddq_u32(u, vaddq_u32(vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1)), vdupq_n_u32(0x7fff)));
    vst1_u16(p, vshrn_n_u32(u, 16));
}
static inline vf v_load_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
static inline vf v_load_f16(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }

/* Bytes, 4·VL of them, and int32. Shifts are of bytes here, of 16-bit lanes elsewhere. */
typedef uint8x16_t vb;
typedef int32x4_t vi;
static inline vb b_load(const uint8_t *p) { return vld1q_u8(p); }
static inline void b_store(uint8_t *p, vb x) { vst1q_u8(p, x); }
static inline vb b_set(uint8_t x) { return vdupq_n_u8(x); }
static inline vb b_and(vb a, vb b) { return vandq_u8(a, b); }
static inline vb b_or(vb a, vb b) { return vorrq_u8(a, b); }
static inline vb b_add(vb a, vb b) { return vaddq_u8(a, b); }
static inline vb b_shl(vb a, int n) { return vshlq_u8(a, vdupq_n_s8((int8_t)n)); }
static inline vb b_shr(vb a, int n) { return vshlq_u8(a, vdupq_n_s8((int8_t)-n)); }
static inline vb b_lookup(const uint8_t table[16], vb at) { return vqtbl1q_u8(vld1q_u8(table), at); } /* at < 16 */
static inline vi i_set(int x) { return vdupq_n_s32(x); }
static inline uint8x8_t four_bytes(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return vreinterpret_u8_u32(vdup_n_u32(x));
}
static inline vi i_load(const void *p) { return vld1q_s32((const int32_t *)p); }
static inline vi i_load_u8(const uint8_t *p) { return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(four_bytes(p))))); }
static inline vi i_load_i8(const uint8_t *p) { return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(four_bytes(p))))); }
static inline vi i_and(vi a, vi b) { return vandq_s32(a, b); }
static inline vi i_max(vi a, vi b) { return vmaxq_s32(a, b); }
static inline vi i_min(vi a, vi b) { return vminq_s32(a, b); }
static inline vi i_add(vi a, vi b) { return vaddq_s32(a, b); }
static inline vi i_shr(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(-n)); } /* of what is not negative */
static inline vi i_shl(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(n)); }
static inline vi i_byte(vb a, int i)
{
    uint32x4_t x = vshlq_u32(vreinterpretq_u32_u8(a), vdupq_n_s32(-8 * i));
    return vreinterpretq_s32_u32(vandq_u32(x, vdupq_n_u32(255)));
}
static inline vf i_float(vi a) { return vcvtq_f32_s32(a); }
static inline vf i_as_float(vi a) { return vreinterpretq_f32_s32(a); }

#endif
