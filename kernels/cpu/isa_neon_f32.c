/* NEON without the dot product instructions (plain Armv8.0): fp32 throughout, since Q8 would have no fast product there. */
#include "kernels/cpu/isa_neon.h"

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
    .matmul_q8 = scalar_matmul,
};
