/* Ops that have a file of their own for an instruction set of x86-64; signatures as in struct cpu_isa. */
#ifndef CODEASK_KERNELS_CPU_OPS_X86_H
#define CODEASK_KERNELS_CPU_OPS_X86_H

#include "kernels/cpu/cpu.h"

void avx512_matmul_q8(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
void avxvnni_matmul_q8(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
void avx2_matmul_q8(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
void avx512_matmul_bf16(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
void amx_matmul_bf16(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *, const struct matmul *, const struct rows *);
/* head_dim a multiple of 32 up to 128; falls back to the reference for others and for causal attention */
void avx512_attention_bf16(struct cpu_queue *, struct mat *, const struct mat *, const struct attention *, const struct rows *);

/* What the processor and the system offer (isas_x86.c). */
bool x86_has_avx2(void);        /* with FMA and F16C */
bool x86_has_avxvnni(void);     /* and AVX-VNNI */
bool x86_has_avx512_vnni(void); /* F, BW, DQ, VL, VNNI */
bool x86_has_avx512_bf16(void); /* and BF16 */
bool x86_is_amd(void);
bool x86_has_amx_bf16(void);    /* asks the kernel for the tile state: once granted it is the process's */

#endif
