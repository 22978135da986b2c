/* The rows of the table of instruction sets, each in its isa_<x>.c; isas_<machine>.c lists what a machine can have. */
#ifndef CODEASK_KERNELS_CPU_ISA_H
#define CODEASK_KERNELS_CPU_ISA_H

#include "kernels/cpu/cpu.h"

extern const struct cpu_isa isa_scalar;

/* x86-64 */
extern const struct cpu_isa isa_avx2;        /* AVX2, FMA, F16C */
extern const struct cpu_isa isa_avxvnni;     /* and AVX-VNNI */
extern const struct cpu_isa isa_avx512;      /* AVX-512 F, BW, DQ, VL, VNNI */
extern const struct cpu_isa isa_avx512_bf16; /* and BF16 at full rate (AMD) */
extern const struct cpu_isa isa_amx;         /* AMX tiles, bf16 */

/* AArch64 */
extern const struct cpu_isa isa_neon;        /* NEON with the dot product instructions */
extern const struct cpu_isa isa_neon_f32;    /* NEON alone */

#endif
