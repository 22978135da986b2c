#include "kernels/cuda/cuda.h"

#include <assert.h>

static_assert(DL_KERNEL == DELTA_KERNEL_MAX, "the kernel's size");

void cuda_delta(void *queue, struct mat *y, const struct mat *x, const struct delta *how, const struct states *s, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, x, NULL);
    if (!q)
        return;
    if (how->k_dim > HEAD_MAX || how->v_dim > HEAD_MAX || how->kernel > DELTA_KERNEL_MAX || how->v_heads % how->k_heads) {
        err_set(&q->first, ERR_INTERNAL, "a delta rule over heads of %u columns", how->k_dim);
        return;
    }
    struct delta_params p = {
        .y = y->data, .x = x->data, .base = s->base, .from = s->from, .to = s->to, .used = r->used, .offset = r->offset,
        .conv = how->conv, .decay = how->decay, .dt_bias = how->dt_bias, .gain = how->gain, .size = s->size, .y_stride = y->stride,
        .x_stride = x->stride, .k_heads = how->k_heads, .v_heads = how->v_heads, .k_dim = how->k_dim, .v_dim = how->v_dim,
        .kernel = how->kernel, .eps = how->eps,
    };
    uint32_t columns = 2 * how->k_heads * how->k_dim + how->v_heads * how->v_dim;
    launch(q, KERNEL_delta_conv, div_up(columns, DL_THREADS), r->max_sequences, 0, &p);
    launch(q, KERNEL_delta_heads, how->v_heads, r->max_sequences, (2 * how->k_dim + how->v_dim) * (uint32_t)sizeof(float), &p);
}
