/* Which kernel multiplies: by the type of x first, which operand() has chosen by the number of rows. */
#include "kernels/cuda/weight.h"

static const enum cuda_kernel vectors[TYPE_COUNT][2] = { /* one row, up to MV_ROWS */
#define X2(file, type, name) [TYPE_##type] = {KERNEL_matvec_##name##_1, KERNEL_matvec_##name##_8},
    MATVEC_TYPES(X2)
#undef X2
};

struct tiles { /* a product of many rows, tiles of MM_LARGE and MM_SMALL */
    enum cuda_kernel large, small;
};
static const struct tiles held_tiles[TYPE_COUNT] = { /* other types in blocks: matmul_any */
    [TYPE_F16] = {KERNEL_matmul_f16_large, KERNEL_matmul_f16_small},
    [TYPE_Q8] = {KERNEL_matmul_q8_large, KERNEL_matmul_q8_small},
    [TYPE_Q4_K] = {KERNEL_matmul_q4_k_large, KERNEL_matmul_q4_k_small},
    [TYPE_Q6_K] = {KERNEL_matmul_q6_k_large, KERNEL_matmul_q6_k_small},
};

static bool fits(const struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how)
{
    bool types = x->type == TYPE_F32 || (x->type == TYPE_Q8 ? weight_held(w) : x->type == TYPE_BF16 && w->type != TYPE_F32);
    bool rows = x->type == TYPE_F32 || x->stride >= w->k_padded;
    return types && rows && x->cols == w->k && y->cols == w->n && y->stride % 64 == 0 && !how->first &&
           (!how->count || how->count == w->n) && (w->experts == 1 || how->groups);
}

/* Tiles of so many rows that may have work: each has a row at least. */
static uint32_t tiles_of(const struct rows *r, const struct matmul *how, const struct weight *w, uint32_t rows)
{
    uint32_t tiles = how->groups ? r->max_rows / rows + w->experts : div_up(r->max_rows, rows);
    return tiles < r->max_rows ? tiles : r->max_rows;
}

static void many_rows(struct cuda_queue *q, const struct matmul_params *p, const struct weight *w, const struct matmul *how,
                      const struct rows *r)
{
    struct tiles t = {KERNEL_matmul_large, KERNEL_matmul_small};
    uint32_t stages = MM_STAGES * 2, width = p->y_bf16 ? p->y_stride : p->n;
    if (w->type != TYPE_BF16) {
        t = held_tiles[w->type].large ? held_tiles[w->type] : (struct tiles){KERNEL_matmul_any_large, KERNEL_matmul_any_small};
        stages = MM_STAGES + 2;
    }
    /* large tiles read the operands half as often; small ones where large would leave processors without work */
    uint32_t columns = div_up(width, MM_LARGE), rows = tiles_of(r, how, w, MM_LARGE);
    if (columns * rows >= 2 * (uint32_t)q->dev->processors)
        launch(q, t.large, columns, rows, stages * MM_LARGE * MM_K * 2, p);
    else
        launch(q, t.small, div_up(width, MM_SMALL), tiles_of(r, how, w, MM_SMALL), stages * MM_SMALL * MM_K * 2, p);
}

void cuda_matmul(void *queue, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                 const struct rows *r)
{
    struct cuda_queue *q = queue;
    if (q->first.code || !plain_type(q, y, "a product"))
        return;
    if (!fits(y, x, w, how)) {
        err_set(&q->first, ERR_INTERNAL, "matmul [%u, type %d] of [%u, type %d] with a weight [%u, %u, type %d] of %u experts", y->cols,
                (int)y->type, x->cols, (int)x->type, w->n, w->k, (int)w->type, w->experts);
        return;
    }
    struct matmul_params p = {
        .y = y->data, .x = x->data, .quant = (const struct quant_block *)x->quant, .w = weight_held(w) ? NULL : w->data,
        .held = w->held, .bias = how->bias, .used = r->used, .groups = how->groups, .experts = w->experts,
        .residual = how->residual ? how->residual->data : NULL,
        .residual_stride = how->residual ? how->residual->stride : 0,
        .n = w->n, .k = w->k_padded, .k_used = w->k, .y_stride = y->stride, .x_stride = x->stride,
        .activation = how->activation, .y_bf16 = y->type == TYPE_BF16,
        .x_wide = (uintptr_t)x->data % 16 == 0, .y_wide = (uintptr_t)y->data % 8 == 0,
    };
    uint32_t tile = r->max_rows > 1 ? MV_ROWS : 1;
    if (x->type == TYPE_BF16)
        many_rows(q, &p, w, how, r);
    else if (w->type == TYPE_F32)
        launch(q, KERNEL_matmul_f32, div_up(w->n, MM_F32), tiles_of(r, how, w, MM_F32), 0, &p);
    else if (x->type == TYPE_F32 && weight_held(w))
        launch(q, KERNEL_matmul_held_f32, div_up(w->n, MV_WARPS), tiles_of(r, how, w, MV_ROWS), 0, &p);
    else
        launch(q, vectors[w->type][tile > 1], div_up(w->n, MV_WARPS * MV_OUTPUTS), tiles_of(r, how, w, tile), 0, &p);
}

void cuda_embed_rows(void *queue, struct mat *y, const struct weight *w, float scale, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, NULL, NULL);
    if (!q)
        return;
    struct embed_rows_params p = {.y = y->data, .w = weight_held(w) ? NULL : w->data, .held = w->held, .token = r->token,
                                  .used = r->used, .cols = w->k, .k = w->k_padded, .y_stride = y->stride, .scale = scale};
    launch(q, KERNEL_embed_rows, div_up(w->k, 16 * 64), r->max_rows, 0, &p);
}
