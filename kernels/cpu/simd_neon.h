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

#endif
