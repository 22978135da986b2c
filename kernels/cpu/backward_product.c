/* Products of training: a product's gradients by its input and by its weights are products again, of the same rows turned around. */
#include "kernels/cpu/backward.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/share.h"
#include "kernels/cpu/weight.h"

#include <string.h>

#define TERM_NS .02 /* of one multiplication and addition, by one core */

static void fill_rows(const struct gemm *g, float *tile, uint32_t depth, uint32_t count, uint32_t col, uint32_t width)
{
    for (uint32_t d = 0; d < count; d++)
        memcpy(tile + (size_t)d * GEMM_WIDE, (const float *)g->b + (depth + d) * g->b_stride + col, width * sizeof *tile);
}

static void fill_turned(const struct gemm *g, float *tile, uint32_t depth, uint32_t count, uint32_t col, uint32_t width)
{
    for (uint32_t j = 0; j < width; j++) {
        const float *b = (const float *)g->b + (col + j) * g->b_stride + depth;
        for (uint32_t d = 0; d < count; d++)
            tile[(size_t)d * GEMM_WIDE + j] = b[d];
    }
}

static void fill_weight(const struct gemm *g, float *tile, uint32_t depth, uint32_t count, uint32_t col, uint32_t width)
{
    for (uint32_t d = 0; d < count; d++)
        weight_part(g->b, depth + d, col, width, tile + (size_t)d * GEMM_WIDE);
}

static void some_columns(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    gemm_columns(arg, from, to);
}

static void run(struct cpu_queue *q, struct gemm *g)
{
    share_spans(q, some_columns, g, g->cols, GEMM_WIDE, (double)g->rows * g->cols * g->depth * TERM_NS);
}

/* The queue, or NULL where it has failed already or the shapes do not fit. */
static struct cpu_queue *ready(void *queue, const struct mat *y, const struct mat *x, uint32_t n, uint32_t k)
{
    struct cpu_queue *q = queue;
    if (q->first.code)
        return NULL;
    if (y->type == TYPE_F32 && x->type == TYPE_F32 && y->cols == n && x->cols == k)
        return q;
    err_set(&q->first, ERR_INTERNAL, "a product of training of %u and %u columns with a matrix of %u x %u", y->cols, x->cols, n, k);
    return NULL;
}

void cpu_product(void *queue, struct mat *y, const struct mat *x, const struct mat *w, float scale, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, w->rows, w->cols);
    if (q)
        run(q, &(struct gemm){.c = y->data, .c_stride = y->stride, .a = x->data, .a_row = x->stride, .a_depth = 1, .rows = r->used[0],
                              .cols = w->rows, .depth = w->cols, .scale = scale, .b = w->data, .b_stride = w->stride, .fill = fill_turned});
}

void cpu_product_dx(void *queue, struct mat *dx, const struct mat *dy, const struct mat *w, float scale, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, dy, dx, w->rows, w->cols);
    if (q)
        run(q, &(struct gemm){.c = dx->data, .c_stride = dx->stride, .a = dy->data, .a_row = dy->stride, .a_depth = 1, .rows = r->used[0],
                              .cols = w->cols, .depth = w->rows, .scale = scale, .b = w->data, .b_stride = w->stride, .fill = fill_rows});
}

void cpu_product_dw(void *queue, struct mat *dw, const struct mat *dy, const struct mat *x, float scale, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, dy, x, dw->rows, dw->cols);
    if (q)
        run(q, &(struct gemm){.c = dw->data, .c_stride = dw->stride, .a = dy->data, .a_row = 1, .a_depth = dy->stride, .rows = dw->rows,
                              .cols = dw->cols, .depth = r->used[0], .scale = scale, .b = x->data, .b_stride = x->stride, .fill = fill_rows});
}

void cpu_matmul_dx(void *queue, struct mat *dx, const struct mat *dy, const struct weight *w, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, dy, dx, w->n, w->k);
    if (q && w->experts > 1)
        err_set(&q->first, ERR_INTERNAL, "the gradient of a product with %u experts", w->experts);
    else if (q)
        run(q, &(struct gemm){.c = dx->data, .c_stride = dx->stride, .a = dy->data, .a_row = dy->stride, .a_depth = 1, .rows = r->used[0],
                              .cols = w->k, .depth = w->n, .scale = w->expert_scale[0], .b = w, .fill = fill_weight});
}
