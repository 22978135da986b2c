#include "kernels/cuda/cuda.h"

#include <assert.h>

static_assert(sizeof(struct quant_block) == sizeof(struct quant), "a block is a block");

void cuda_quantize(void *queue, struct mat *xq, const struct mat *x, const struct rows *r)
{
    struct cuda_queue *q = queue;
    if (xq->type != TYPE_Q8 && !plain_type(q, xq, "an operand"))
        return;
    struct quantize_params p = {.y = xq->data, .quant = xq->type == TYPE_Q8 ? (struct quant_block *)xq->quant : NULL, .x = x->data,
                                .used = r->used, .cols = x->cols, .y_stride = xq->stride, .x_stride = x->stride,
                                .y_bf16 = xq->type == TYPE_BF16};
    launch(q, KERNEL_quantize, div_up(xq->stride, 1024), r->max_rows, 0, &p);
}
