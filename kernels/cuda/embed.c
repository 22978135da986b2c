#include "kernels/cuda/cuda.h"

void cuda_embed(void *queue, struct mat *y, struct mat *yq, const struct rows *r, const struct embedding *t,
                const struct norm *n)
{
    struct cuda_queue *q = queue;
    if (!plain_type(q, yq, "an operand"))
        return;
    struct embed_params p = {
        .norm = {.y = y->data, .yq = yq ? yq->data : NULL, .gain = n->gain, .bias = n->bias, .used = r->used,
                 .cols = y->cols, .y_stride = y->stride, .yq_stride = yq ? yq->stride : 0, .eps = n->eps,
                 .yq_bf16 = yq && yq->type == TYPE_BF16, .rms = n->rms},
        .word = t->word, .position = t->position, .type = t->type, .token = r->token, .place = r->position, .kind = r->type,
    };
    launch(q, KERNEL_embed, div_up(r->max_rows, ROW_WARPS), 1, 0, &p);
}
