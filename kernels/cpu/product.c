/* A product as callers state it (columns, experts) cut into plain ones: views of y, x, bias, residual and weight, so that no
 * kernel knows of either. */
#include "kernels/cpu/held.h"
#include "kernels/cpu/weight.h"

typedef void (*matmul_op)(struct cpu_queue *, struct mat *, const struct mat *, const struct weight *,
                          const struct matmul *, const struct rows *);

static size_t width(enum type t)
{
    return t == TYPE_F32 ? 4 : t == TYPE_Q8 ? 1 : 2;
}

/* Rows from `row` and columns from `col` (a multiple of QUANT_BLOCK where m is Q8) of m. */
static struct mat view(const struct mat *m, uint32_t row, uint32_t col, uint32_t cols)
{
    struct mat v = *m;
    size_t at = (size_t)row * m->stride + col;
    v.data = (char *)m->data + at * width(m->type);
    v.quant = m->type == TYPE_Q8 ? m->quant + at / QUANT_BLOCK : NULL;
    v.cols = cols;
    return v;
}

static void one_expert(struct cpu_queue *q, matmul_op op, struct mat *y, const struct mat *x, const struct weight *w,
                       const struct matmul *how, uint32_t expert, uint32_t from, uint32_t to)
{
    uint32_t count = how->count ? how->count : w->n - how->first, used[2] = {to - from, 1};
    struct rows rows = {.used = used, .max_rows = to - from};
    struct mat yv = view(y, from, how->first, count), xv = view(x, from, 0, x->cols), add;
    struct weight part = *w;
    struct matmul plain = {.activation = how->activation};
    part.data = weight_panels(w, expert, how->first);
    part.n = count;
    part.scale = w->expert_scale[expert];
    if (how->bias)
        plain.bias = how->bias + (size_t)expert * w->n + how->first;
    if (how->residual) {
        add = view(how->residual, from, how->first, count);
        plain.residual = &add;
    }
    op(q, &yv, &xv, &part, &plain, &rows);
}

/* What multiplies that pair of types; NULL: nothing does. */
static matmul_op op_of(const struct cpu_isa *isa, enum type x, enum type w)
{
    if (x == TYPE_F32)
        return isa->matmul_f32;
    if (x == TYPE_BF16)
        return w == TYPE_BF16 || (isa->bf16_rows && w != TYPE_F32) ? isa->matmul_bf16 : NULL;
    return x == TYPE_Q8 && held_of(w) ? isa->matmul_q8 : NULL;
}

void cpu_matmul(void *queue, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (q->first.code)
        return;
    matmul_op op = op_of(q->dev->isa, x->type, w->type);
    bool y_type = y->type == TYPE_F32 || y->type == TYPE_BF16 || (y->type == TYPE_Q8 && x->type == TYPE_Q8);
    bool part = how->first % MATMUL_COLUMNS == 0 && how->first <= w->n && how->count <= w->n - how->first;
    if (op == NULL || !y_type || !part || x->cols != w->k || y->cols != w->n || (w->experts > 1 && how->groups == NULL)) {
        err_set(&q->first, ERR_INTERNAL, "matmul [%u, type %d] of [%u, type %d] with a weight [%u, %u, type %d], columns %u + %u",
                y->cols, (int)y->type, x->cols, (int)x->type, w->n, w->k, (int)w->type, how->first, how->count);
        return;
    }
    if (how->first == w->n)
        return;
    if (how->groups == NULL)
        one_expert(q, op, y, x, w, how, 0, 0, r->used[0]);
    for (uint32_t e = 0; how->groups && e < w->experts; e++)
        if (how->groups[e + 1] > how->groups[e])
            one_expert(q, op, y, x, w, how, e, how->groups[e], how->groups[e + 1]);
}
