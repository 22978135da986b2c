/* Repacking of weights into the panels of struct weight (cpu.h). */
#ifndef CODEASK_KERNELS_CPU_WEIGHT_H
#define CODEASK_KERNELS_CPU_WEIGHT_H

#include "kernels/cpu/cpu.h"

int cpu_weight(void *dev, struct weight **out, enum type type, uint32_t n, uint32_t k, read_row from, void *arg,
               struct err *e);
void cpu_weight_release(void *dev, struct weight *w);
size_t cpu_weight_bytes(const struct weight *w);

#endif
