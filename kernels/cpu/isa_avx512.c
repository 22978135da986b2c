/* AVX-512. The shared body at 16 floats, Q8 by VNNI. */
#include "kernels/cpu/simd_avx512.h"
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

/* BF16 dot products run at twice the rate of fp32 on AMD Zen 5 (measured: 505 against 271 GFLOP/s a core) and at half of it
 * on Intel's Sapphire Rapids: attention takes them only on AMD. Weights stay Q8 there: with block scales it reaches 780 GOP/s,
 * bf16 505 (tests/bench/bench_kernels_gemm.c), and it reads half of the bytes. */
static bool amd_bf16(void)
{
    return x86_is_amd() && x86_has_avx512_bf16();
}

#define SHARED(isa_name, type)                                                                                         \
    .name = isa_name, .fast = type, .panel_f32 = 2 * VL, .embed = simd_embed, .quantize = simd_quantize,            \
    .matmul_f32 = simd_matmul_f32, .matmul_q8 = avx512_matmul_q8, .attention_f32 = simd_attention_f32,                 \
    .norm = simd_norm, .pool = simd_pool, .attend = simd_attend, .glu = simd_glu,       \
    .attend_tile = simd_attend_tile, .panel_queries = QUERIES

const struct cpu_isa isa_avx512_bf16 = {
    SHARED("avx512", TYPE_Q8),
    .provider = "avx512-vnni-bf16",
    .there = amd_bf16,
    .fast_qkv = TYPE_BF16,
    .matmul_bf16 = avx512_matmul_bf16,
    .attention_bf16 = avx512_attention_bf16,
};

const struct cpu_isa isa_avx512 = {
    SHARED("avx512", TYPE_Q8),
    .provider = "avx512-vnni",
    .there = x86_has_avx512_vnni,
    .fast_qkv = TYPE_F32,
    .matmul_bf16 = scalar_matmul,
    .attention_bf16 = scalar_attention,
};

/* AMX for the matrices, the rest as above. From so many rows on: */
#define AMX_ROWS 32
const struct cpu_isa isa_amx = {
    SHARED("amx", TYPE_BF16),
    .provider = "amx-bf16",
    .there = x86_has_amx_bf16,
    .bf16_rows = AMX_ROWS,
    .sums = AMX_SUMS_BYTES,
    .fast_qkv = TYPE_F32,
    .matmul_bf16 = amx_matmul_bf16,
    .attention_bf16 = avx512_attention_bf16,
};
