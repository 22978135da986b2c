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
/* backward.c: the rotation's inverse times its magnitude, its transpose, of one head */
void cpu_turn_back(float *x, const struct rope *how, uint32_t position);
/* backward_weights.c */
void cpu_gain_back(void *, float *, const struct mat *, const struct mat *, const struct norm *, const struct rows *);
void cpu_head_gains_back(void *, float *, float *, const struct mat *, const struct mat *, const struct prepare *, const struct rows *);
void cpu_bias_back(void *, float *, const struct mat *, const struct rows *);
void cpu_embed_back(void *, struct mat *, const struct mat *, float, const struct rows *);
void cpu_weight_put(void *, struct weight *, const struct mat *);

#endif
