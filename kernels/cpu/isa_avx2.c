/* AVX2 with FMA: the shared body at 8 floats; with AVX-VNNI where there is that. */
#include "kernels/cpu/simd_avx2.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_rows.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/body_matmul_f32.h"
#include "kernels/cpu/body_attention_f32.h"
#include "kernels/cpu/body_attend.h"
#include "kernels/cpu/body_attend_tile.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/ops_x86.h"

#define SHARED                                                                                                         \
    .fast = TYPE_Q8, .fast_qkv = TYPE_F32, .panel_f32 = 2 * VL, .embed = simd_embed, .quantize = simd_quantize,        \
    .matmul_f32 = simd_matmul_f32, .matmul_bf16 = scalar_matmul, .attention_f32 = simd_attention_f32,                  \
    .attention_bf16 = scalar_attention, .norm = simd_norm, .pool = simd_pool, .attend = simd_attend, .glu = simd_glu,       \
    .attend_tile = simd_attend_tile, .panel_queries = QUERIES

const struct cpu_isa isa_avx2 = {
    SHARED,
    .name = "avx2",
    .provider = "avx2",
    .there = x86_has_avx2,
    .matmul_q8 = avx2_matmul_q8,
};

const struct cpu_isa isa_avxvnni = {
    SHARED,
    .name = "avxvnni",
    .provider = "avx2-vnni",
    .there = x86_has_avxvnni,
    .matmul_q8 = avxvnni_matmul_q8,
};
