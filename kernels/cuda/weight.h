/* Weights on the device: plain rows, or the planes of struct held_weight (params.h). */
#ifndef CODEASK_KERNELS_CUDA_WEIGHT_H
#define CODEASK_KERNELS_CUDA_WEIGHT_H

#include "kernels/cuda/cuda.h"

enum plane { PLANE_CODES, PLANE_HIGH, PLANE_SCALE, PLANE_SUPER, PLANE_MATRIX, PLANES };

struct weight {
    enum type type;
    uint32_t n, k, k_padded, experts; /* k_padded: a multiple of 64 */
    size_t bytes;
    void *data; /* [experts · n, k_padded] where type is not quantised, zeros past k; else the planes */
    struct held_weight held;
};

bool weight_held(const struct weight *w); /* in blocks */

#endif
