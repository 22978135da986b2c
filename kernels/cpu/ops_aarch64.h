/* Ops that have a file of their own for an instruction set of AArch64; signatures as in struct cpu_isa. */
#ifndef CODEASK_KERNELS_CPU_OPS_AARCH64_H
#define CODEASK_KERNELS_CPU_OPS_AARCH64_H

#include "kernels/cpu/cpu.h"


bool aarch64_has_dotprod(void); /* isas_aarch64.c */

#endif
