/* NEON without the dot product instructions (plain Armv8.0): fp32 throughout, since Q8 would have no fast product there. */
#include "kernels/cpu/simd_neon.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_rows.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_matmul_f32.h"
#include "kernels/cpu/body_attention_f32.h"
#include "kernels/cpu/isa.h"

static bool always(void)
{
    return true; /* part of Armv8.0 */
}

const struct cpu_isa isa_neon_f32 = {
    .name = "neon-f32",
    .provider = "neon",
    .there = always,
    .fast = TYPE_F32,
    .fast_qkv = TYPE_F32,
    .panel_f32 = 2 * VL,
    .embed = simd_embed,
    .quantize = simd_quantize,
    .matmul_f32 = simd_matmul_f32,
    .matmul_bf16 = scalar_matmul,
    .matmul_q8 = scalar_matmul,
    .attention_f32 = simd_attention_f32,
    .attention_bf16 = scalar_attention,
    .norm = simd_norm,
    .pool = simd_pool,
};
