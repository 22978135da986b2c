#include "kernels/cpu/decode.h"
#include "kernels/cpu/isa.h"

static bool always(void)
{
    return true;
}

const struct cpu_isa isa_scalar = {
    .name = "scalar",
    .provider = "scalar",
    .there = always,
    .fast = TYPE_F32,
    .fast_qkv = TYPE_F32,
    .panel_f32 = 1,
    .bf16_rows = UINT32_MAX,
    .embed = scalar_embed,
    .quantize = scalar_quantize,
    .matmul_f32 = scalar_matmul,
    .matmul_bf16 = scalar_matmul,
    .matmul_q8 = scalar_matmul,
    .attention_f32 = scalar_attention,
    .attention_bf16 = scalar_attention,
    .norm = scalar_norm,
    .pool = scalar_pool,
    .attend = scalar_attend,
    .glu = scalar_glu,
};
