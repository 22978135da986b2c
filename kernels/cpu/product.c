/* A product as callers state it (columns, experts) cut into plain ones: views of y, x, bias, residual and weight, so that no
 * kernel knows of either. The queue's team shares it by columns. */
#include "kernels/cpu/held.h"
#include "kernels/cpu/share.h"
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

struct product {
    matmul_op op;
    struct mat *y;
    const struct mat *x;
    const struct weight *w;
    const struct matmul *how;
    uint32_t rows; /* where there are no groups */
};

/* Rows [from, to) by `count` columns from `first` on. */
static void one_expert(struct cpu_queue *q, const struct product *p, uint32_t expert, uint32_t from, uint32_t to, uint32_t first,
                       uint32_t count)
{
    uint32_t used[2] = {to - from, 1};
    struct rows rows = {.used = used, .max_rows = to - from};
    struct mat yv = view(p->y, from, first, count), xv = view(p->x, from, 0, p->x->cols), add;
    struct weight part = *p->w;
    struct matmul plain = {.activation = p->how->activation};
    part.data = weight_panels(p->w, expert, first);
    part.n = count;
    part.scale = p->w->expert_scale[expert];
    if (p->how->bias)
        plain.bias = p->how->bias + (size_t)expert * p->w->n + first;
    if (p->how->residual) {
        add = view(p->how->residual, from, first, count);
        plain.residual = &add;
    }
    p->op(q, &yv, &xv, &part, &plain, &rows);
}

/* Columns [from, to) after how->first, of all experts. */
static void some_columns(struct cpu_queue *q, void *arg, uint32_t from, uint32_t to)
{
    const struct product *p = arg;
    const uint32_t *groups = p->how->groups;
    uint32_t first = p->how->first + from;
    if (groups == NULL)
        one_expert(q, p, 0, 0, p->rows, first, to - from);
    for (uint32_t e = 0; groups && e < p->w->experts; e++)
        if (groups[e + 1] > groups[e])
            one_expert(q, p, e, groups[e], groups[e + 1], first, to - from);
}

#define BYTE_NS .06  /* of weights, from memory by one core */
#define TERM_NS .001 /* of a row's product with one weight, by one core */

static void share_columns(struct cpu_queue *q, struct product *p, uint32_t columns)
{
    const struct weight *w = p->w;
    double all = (double)columns / w->n, experts = p->how->groups ? 0 : 1, rows = p->how->groups ? p->how->groups[w->experts] : p->rows;
    for (uint32_t e = 0; p->how->groups && e < w->experts; e++)
        experts += p->how->groups[e + 1] > p->how->groups[e];
    double ns = all * (experts * (double)w->bytes / w->experts * BYTE_NS + rows * w->n * w->k * TERM_NS);
    uint32_t threads = share_threads(q), step = MATMUL_COLUMNS;
    if (p->x->type == TYPE_BF16) { /* every part packs x anew: as wide as the kernel's blocks are, and as many as there are threads */
        uint32_t parts = threads * ((columns + threads * AMX_PASS_WIDTH - 1) / (threads * AMX_PASS_WIDTH));
        step = round_up((columns + parts - 1) / parts, MATMUL_COLUMNS);
    }
    share_spans(q, some_columns, p, columns, step, ns);
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
    uint32_t columns = how->count ? how->count : w->n - how->first;
    if (columns && (how->groups || r->used[0]))
        share_columns(q, &(struct product){op, y, x, w, how, how->groups ? 0 : r->used[0]}, columns);
}
