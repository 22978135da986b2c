/* The CPU's gradients (kernels/backward.h), one file a kind. */
#ifndef CODEASK_KERNELS_CPU_BACKWARD_H
#define CODEASK_KERNELS_CPU_BACKWARD_H

#include "kernels/backward.h"

extern const struct backward_ops cpu_backward;

/* backward_product.c */
void cpu_product(void *, struct mat *, const struct mat *, const struct mat *, float, const struct rows *);
void cpu_product_dx(void *, struct mat *, const struct mat *, const struct mat *, float, const struct rows *);
void cpu_product_dw(void *, struct mat *, const struct mat *, const struct mat *, float, const struct rows *);
void cpu_matmul_dx(void *, struct mat *, const struct mat *, const struct weight *, const struct rows *);
/* backward_attend.c */
void cpu_attend_back(void *, struct mat *, const struct mat *, const struct mat *, const struct attend *, const struct cache *, const struct rows *);

#endif
