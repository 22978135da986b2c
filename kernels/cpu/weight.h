/* Repacking of weights into the panels of struct weight (cpu.h). */
#ifndef CODEASK_KERNELS_CPU_WEIGHT_H
#define CODEASK_KERNELS_CPU_WEIGHT_H

#include "kernels/cpu/cpu.h"

enum type cpu_held(void *dev, enum block_type file, bool exact);
int cpu_weight(void *dev, struct weight **w, enum type type, const struct weight_shape *shape,
               const struct weight_source *from, struct err *e);
void cpu_weight_release(void *dev, struct weight *w);
size_t cpu_weight_bytes(const struct weight *w);

/* The part of an expert's panels that holds outputs first and on; first is a multiple of the panel. */
static inline void *weight_panels(const struct weight *w, uint32_t expert, uint32_t first)
{
    size_t panels = (w->n + w->panel - 1) / w->panel;
    return (char *)w->data + (expert * panels + first / w->panel) * w->panel_bytes;
}
/* The values of output n of the first expert, before the scale of the whole matrix: to [k]. */
void weight_row(const struct weight *w, uint32_t n, float *to);
/* `count` of them from input `from` on, a multiple of QUANT_BLOCK. */
void weight_part(const struct weight *w, uint32_t n, uint32_t from, uint32_t count, float *to);

#endif
