/* NEON: the shared body at 4 floats, Q8 by the dot product instructions (Armv8.2 and later). */
#include "kernels/cpu/isa_neon.h"
#include "kernels/cpu/ops_aarch64.h"

const struct cpu_isa isa_neon = {
    SHARED,
    .name = "neon",
    .provider = "neon-dotprod",
    .there = aarch64_has_dotprod,
    .fast = TYPE_Q8,
    .matmul_q8 = neon_matmul_q8,
};
