/* AdamW with a cosine schedule and clipping by the global norm. Values and moments are fp32, what is computed of them double.
 *
 * Step t = 0, 1, …, as torch.optim.AdamW does it (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101):
 *   g   = gradient · min(1, clip / (‖gradient‖ + 1e-6))                    ‖·‖ over all values together
 *   x  -= rate·decay·x
 *   m   = β1·m + (1 - β1)·g          v = β2·v + (1 - β2)·g²
 *   x  -= rate · m/(1 - β1^(t+1)) / (√(v/(1 - β2^(t+1))) + eps) */
#ifndef CODEASK_ENGINE_TRAIN_ADAMW_H
#define CODEASK_ENGINE_TRAIN_ADAMW_H

#include <stddef.h>
#include <stdint.h>

struct adamw_options {
    double rate;             /* the highest */
    double beta1, beta2, eps, decay;
    double clip;             /* 0: none */
    uint64_t warmup, steps;  /* the rate rises linearly for warmup steps, then falls as a cosine until `steps` */
    double least;            /* of the rate, as a part of it, at the end */
};

/* rate·(t+1)/warmup, then rate·(least + (1 - least)·(1 + cos(π·(t - warmup)/(steps - warmup)))/2), and rate·least from `steps` on. */
double adamw_rate(const struct adamw_options *o, uint64_t step);
/* In one order, so that the same gradient gives the same number: √Σ g². */
double adamw_norm(const float *gradient, size_t n);
/* One step of n values; norm: adamw_norm() of the gradient, finite. */
void adamw_step(float *value, float *m, float *v, const float *gradient, size_t n, double norm, uint64_t step, const struct adamw_options *o);

#endif
