/* The small ops between products. */
#include "kernels/cuda/cuda.h"

#include <assert.h>

static_assert((int)GLU_SILU == 0 && (int)GLU_GELU_TANH == 1 && (int)GLU_GELU == 2 && (int)GLU_SIGMOID == 3 && (int)GLU_RELU == 4,
              "glu in small.cu");

static void launch_elements(struct cuda_queue *q, enum cuda_kernel k, uint32_t rows, uint32_t cols, const void *params)
{
    launch(q, k, div_up(cols, EL_THREADS), rows, 0, params);
}

void cuda_glu(void *queue, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, gate, up);
    struct glu_params p = {.y = y->data, .gate = gate->data, .up = up->data, .used = r->used, .cols = y->cols, .y_stride = y->stride,
                           .gate_stride = gate->stride, .up_stride = up->stride, .kind = how->kind, .limit = how->limit,
                           .alpha = how->alpha};
    if (q)
        launch_elements(q, KERNEL_glu, r->max_rows, y->cols, &p);
}

void cuda_add(void *queue, struct mat *y, const struct mat *x, const struct mat *gate, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, x, gate);
    struct add_params p = {.y = y->data, .x = x->data, .gate = gate ? gate->data : NULL, .used = r->used, .cols = y->cols,
                           .y_stride = y->stride, .x_stride = x->stride, .gate_stride = gate ? gate->stride : 0};
    if (q)
        launch_elements(q, KERNEL_add, r->max_rows, y->cols, &p);
}

void cuda_columns(void *queue, struct mat *y, uint32_t to, uint32_t to_step, const struct mat *x, uint32_t from, uint32_t from_step,
                  uint32_t heads, uint32_t n, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, x, NULL);
    struct columns_params p = {.y = y->data, .x = x->data, .used = r->used, .y_stride = y->stride, .x_stride = x->stride, .to = to,
                               .to_step = to_step, .from = from, .from_step = from_step, .heads = heads, .n = n};
    if (q)
        launch_elements(q, KERNEL_columns, r->max_rows, heads * n, &p);
}

void cuda_softcap(void *queue, struct mat *y, float cap, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, NULL, NULL);
    struct softcap_params p = {.y = y->data, .used = r->used, .cols = y->cols, .y_stride = y->stride, .cap = cap};
    if (q)
        launch_elements(q, KERNEL_softcap, r->max_rows, y->cols, &p);
}

void cuda_combine(void *queue, struct mat *y, const struct mat *x, const struct slots *s, const struct rows *r)
{
    struct cuda_queue *q = ready(queue, y, x, NULL);
    struct combine_params p = {.y = y->data, .x = x->data, .weight = s->weight, .of_row = s->of_row, .used = r->used, .cols = y->cols,
                               .y_stride = y->stride, .x_stride = x->stride, .slots = s->used};
    if (q)
        launch_elements(q, KERNEL_combine, r->max_rows, y->cols, &p);
}

/* Blocks of a gather, each for several rows where there are more: as many rows as y has memory for may be far more than are used. */
#define GATHER_ROWS 256

void cuda_gather(void *queue, struct mat *y, const struct mat *x, const uint32_t *from, const uint32_t *used)
{
    struct cuda_queue *q = queue;
    if (q->first.code)
        return;
    if (y->type != x->type || y->stride != x->stride) {
        err_set(&q->first, ERR_INTERNAL, "gather of rows of type %d to rows of type %d", (int)x->type, (int)y->type);
        return;
    }
    uint32_t words = x->stride / (x->type == TYPE_F32 ? 1 : x->type == TYPE_Q8 ? 4 : 2);
    struct gather_params p = {.y = y->data, .x = x->data, .from = from, .used = used, .words = words};
    uint32_t rows = y->rows < GATHER_ROWS ? y->rows : GATHER_ROWS;
    launch_elements(q, KERNEL_gather, rows, words, &p);
    if (x->type == TYPE_Q8) {
        p = (struct gather_params){.y = (uint32_t *)y->quant, .x = (const uint32_t *)x->quant, .from = from, .used = used,
                                   .words = x->stride / QUANT_BLOCK * (uint32_t)(sizeof(struct quant) / 4)};
        launch_elements(q, KERNEL_gather, rows, p.words, &p);
    }
}
