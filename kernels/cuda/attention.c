#include "kernels/cuda/cuda.h"

void cuda_attention(void *queue, struct mat *y, const struct mat *qkv, const struct attention *how, const struct rows *r)
{
    struct cuda_queue *q = queue;
    if (q->first.code || !plain_type(q, y, "an attention") || !plain_type(q, qkv, "an attention"))
        return;
    uint32_t hidden = how->heads * how->head_dim;
    if ((how->window && qkv->type != TYPE_F32) || how->head_dim > 256 || qkv->cols != 3 * hidden || qkv->stride % 8 || y->stride < hidden) {
        err_set(&q->first, ERR_INTERNAL, "attention of %u heads of %u over rows of %u", how->heads, how->head_dim, qkv->cols);
        return;
    }
    struct attention_params p = {
        .y = y->data, .qkv = qkv->data, .used = r->used, .offset = r->offset, .heads = how->heads,
        .head_dim = how->head_dim, .y_stride = y->stride, .qkv_stride = qkv->stride, .scale = how->scale,
        .window = how->window, .causal = how->causal, .y_bf16 = y->type == TYPE_BF16,
    };
    bool flash = qkv->type == TYPE_BF16 && how->head_dim % 8 == 0 && how->head_dim <= 128;
    uint32_t tile = flash ? FA_ROWS : 4 /* warps of attention_rows */;
    uint32_t tiles = r->max_rows / tile + r->max_sequences; /* sequence.cuh */
    if (!flash) {
        launch(q, qkv->type == TYPE_BF16 ? KERNEL_attention_rows_bf16 : KERNEL_attention_rows_f32, tiles, how->heads, 0, &p);
        return;
    }
    static const struct {
        uint32_t columns, keys;
        enum cuda_kernel kernel[2]; /* y in bf16, in fp32 */
    } shapes[] = {
        {32, FA_KEYS, {KERNEL_attention_32, KERNEL_attention_32_split}},
        {64, FA_KEYS, {KERNEL_attention_64, KERNEL_attention_64_split}},
        {128, FA_KEYS_WIDE, {KERNEL_attention_128, KERNEL_attention_128_split}},
    };
    int s = 0;
    while (shapes[s].columns < how->head_dim)
        s++;
    launch(q, shapes[s].kernel[y->type == TYPE_F32], tiles, how->heads, 4 * shapes[s].keys * shapes[s].columns * 2, &p);
}
