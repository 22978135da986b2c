/* NEON without the dot product instructions (plain Armv8.0): encoders in fp32 throughout, since Q8 has no fast product there. */
#include "kernels/cpu/isa_neon.h"
#include "kernels/cpu/ops_aarch64.h"

static bool always(void)
{
    return true; /* part of Armv8.0 */
}

const struct cpu_isa isa_neon_f32 = {
    SHARED,
    .name = "neon-f32",
    .provider = "neon",
    .there = always,
    .fast = TYPE_F32,
    .matmul_q8 = neon_f32_matmul_q8,
};
