#include "kernels/cuda/cuda.h"

void cuda_pool(void *queue, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r)
{
    struct pool_params p = {.y = y->data, .x = x->data, .used = r->used, .offset = r->offset, .cols = y->cols,
                            .y_stride = y->stride, .x_stride = x->stride, .first = pool_first(how), .last = pool_last(how),
                            .as_is = pool_as_is(how)};
    launch(queue, KERNEL_pool, r->max_sequences, 1, 0, &p);
}
