/* NEON: the shared body at 4 floats, Q8 by the dot product instructions (Armv8.2 and later). */
#include "kernels/cpu/simd_neon.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_rows.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_matmul_f32.h"
#include "kernels/cpu/body_attention_f32.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/ops_aarch64.h"

const struct cpu_isa isa_neon = {
    .name = "neon",
    .provider = "neon-dotprod",
    .there = aarch64_has_dotprod,
    .fast = TYPE_Q8,
    .fast_qkv = TYPE_F32,
    .panel_f32 = 2 * VL,
    .embed = simd_embed,
    .quantize = simd_quantize,
    .matmul_f32 = simd_matmul_f32,
    .matmul_bf16 = scalar_matmul,
    .matmul_q8 = neon_matmul_q8,
    .attention_f32 = simd_attention_f32,
    .attention_bf16 = scalar_attention,
    .norm = simd_norm,
    .pool = simd_pool,
};
