#include "kernels/cuda/cuda.h"

void cuda_quantize(void *queue, struct mat *xq, const struct mat *x, const struct rows *r)
{
    struct cuda_queue *q = queue;
    if (!plain_type(q, xq, "an operand"))
        return;
    struct quantize_params p = {.y = xq->data, .x = x->data, .used = r->used, .cols = x->cols, .y_stride = xq->stride,
                                .x_stride = x->stride, .y_bf16 = xq->type == TYPE_BF16};
    launch(q, KERNEL_quantize, div_up(r->max_rows, ROW_WARPS), 1, 0, &p);
}
