/* What both NEON sets share. They are two files because only one may be compiled with the dot product instructions. */
#include "kernels/cpu/simd_neon.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_rows.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/body_held.h"
#include "kernels/cpu/body_matmul_f32.h"
#include "kernels/cpu/body_attention_f32.h"
#include "kernels/cpu/body_attend.h"
#include "kernels/cpu/body_attend_tile.h"
#include "kernels/cpu/isa.h"

#define SHARED                                                                                                         \
    .fast_qkv = TYPE_F32, .panel_f32 = 2 * VL, .embed = simd_embed, .quantize = simd_quantize,                         \
    .matmul_f32 = simd_matmul_f32, .matmul_bf16 = scalar_matmul, .attention_f32 = simd_attention_f32,                  \
    .attention_bf16 = scalar_attention, .norm = simd_norm, .pool = simd_pool, .attend = simd_attend, .glu = simd_glu,       \
    .attend_tile = simd_attend_tile, .panel_queries = QUERIES
