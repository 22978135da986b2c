/* Ops that have a file of their own for an instruction set of AArch64; signatures as in struct cpu_isa. */
#ifndef CODEASK_KERNELS_CPU_OPS_AARCH64_H
#define CODEASK_KERNELS_CPU_OPS_AARCH64_H

#include "kernels/cpu/cpu.h"

void neon_matmul_q8(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
void neon_f32_matmul_q8(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);

bool aarch64_has_dotprod(void); /* isas_aarch64.c */

#endif
