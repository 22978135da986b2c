#include "kernels/cuda/cuda.h"

void cuda_norm(void *queue, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n, const struct rows *r)
{
    struct cuda_queue *q = queue;
    if (!plain_type(q, yq, "an operand"))
        return;
    struct norm_params p = {
        .y = y->data, .yq = yq ? yq->data : NULL, .x = x->data, .gain = n->gain, .bias = n->bias, .used = r->used,
        .cols = x->cols, .y_stride = y->stride, .yq_stride = yq ? yq->stride : 0, .x_stride = x->stride, .eps = n->eps,
        .yq_bf16 = yq && yq->type == TYPE_BF16, .rms = n->rms,
    };
    if (x->cols >= NORM_WIDE)
        launch(q, KERNEL_norm_wide, r->max_rows, 1, 0, &p);
    else
        launch(q, KERNEL_layernorm, div_up(r->max_rows, ROW_WARPS), 1, 0, &p);
}
