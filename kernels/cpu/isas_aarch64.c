/* What an AArch64 machine can have, and how to ask it. */
#include "kernels/cpu/isa.h"
#include "kernels/cpu/ops_aarch64.h"

#include <sys/auxv.h>

#define HAS_ASIMDDP (1ul << 20) /* asm/hwcap.h: HWCAP_ASIMDDP */

bool aarch64_has_dotprod(void)
{
    return getauxval(AT_HWCAP) & HAS_ASIMDDP;
}

/* Best first. */
const struct cpu_isa *const cpu_isas[] = {&isa_neon, &isa_neon_f32, &isa_scalar, NULL};
