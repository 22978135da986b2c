#include "kernels/cuda/cuda.h"

void cuda_matmul(void *queue, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                 const struct rows *r)
{
    struct cuda_queue *q = queue;
    if (q->first.code || !plain_type(q, y, "a product"))
        return;
    if (x->type != w->type || x->cols != w->k || y->cols != w->n || how->groups || how->first || (how->count && how->count != w->n) ||
        x->stride < w->k_padded || y->stride % 64) {
        err_set(&q->first, ERR_INTERNAL, "matmul [%u, type %d] of [%u, type %d] with a weight [%u, %u, type %d]", y->cols,
                (int)y->type, x->cols, (int)x->type, w->n, w->k, (int)w->type);
        return;
    }
    struct matmul_params p = {
        .y = y->data, .x = x->data, .w = w->data, .bias = how->bias, .used = r->used,
        .residual = how->residual ? how->residual->data : NULL,
        .residual_stride = how->residual ? how->residual->stride : 0,
        .n = w->n, .k = w->k_padded, .y_stride = y->stride, .x_stride = x->stride,
        .activation = how->activation, .y_bf16 = y->type == TYPE_BF16,
    };
    if (w->type == TYPE_F32) {
        launch(q, KERNEL_matmul_f32, div_up(y->stride, MM_F32), div_up(r->max_rows, MM_F32), 0, &p);
        return;
    }
    /* large tiles read the operands half as often; small ones where large would leave processors without work */
    uint32_t columns = div_up(y->stride, MM_LARGE), rows = div_up(r->max_rows, MM_LARGE);
    if (columns * rows >= 2 * (uint32_t)q->dev->processors)
        launch(q, KERNEL_matmul_large, columns, rows, MM_STAGES * 2 * MM_LARGE * MM_K * 2, &p);
    else
        launch(q, KERNEL_matmul_small, div_up(y->stride, MM_SMALL), div_up(r->max_rows, MM_SMALL),
               MM_STAGES * 2 * MM_SMALL * MM_K * 2, &p);
}
