#include "kernels/cuda/cuda.h"

void cuda_pool(void *queue, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r)
{
    struct pool_params p = {.y = y->data, .x = x->data, .used = r->used, .offset = r->offset, .cols = y->cols,
                            .y_stride = y->stride, .x_stride = x->stride, .first = how == POOL_FIRST || how == POOL_FIRST_AS_IS,
                            .last = how == POOL_LAST, .as_is = how == POOL_FIRST_AS_IS};
    launch(queue, KERNEL_pool, r->max_sequences, 1, 0, &p);
}
