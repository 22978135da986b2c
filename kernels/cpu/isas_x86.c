/* What an x86-64 machine can have, and how to ask it. */
#include "kernels/cpu/isa.h"
#include "kernels/cpu/ops_x86.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023 /* asm/prctl.h */
#define XFEATURE_XTILEDATA 18

bool x86_has_avx2(void)
{
    unsigned a, b, c, d;
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
    return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool x86_has_avxvnni(void)
{
    unsigned a, b, c, d;
    return x86_has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

bool x86_has_avx512_vnni(void)
{
    return x86_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

bool x86_has_avx512_bf16(void)
{
    return x86_has_avx512_vnni() && __builtin_cpu_supports("avx512bf16");
}

bool x86_is_amd(void)
{
    return __builtin_cpu_is("amd");
}

bool x86_has_amx_bf16(void)
{
    unsigned a, b, c, d;
    if (!x86_has_avx512_bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    bool tile = d >> 24 & 1, bf16 = d >> 22 & 1;
    return tile && bf16 && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* Best first. */
const struct cpu_isa *const cpu_isas[] = {&isa_amx, &isa_avx512_bf16, &isa_avx512, &isa_avxvnni, &isa_avx2, &isa_scalar, NULL};
