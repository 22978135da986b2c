/* The CPU's rows of DECODE_OPS: what an op of decoders is asked is checked once here. */
#include "kernels/cpu/decode.h"

#include <string.h>

/* The queue, or NULL where it has failed already or a matrix is not fp32: its ops do nothing then. */
static struct cpu_queue *ready(void *queue, const struct mat *a, const struct mat *b, const struct mat *c)
{
    struct cpu_queue *q = queue;
    if (q->first.code)
        return NULL;
    if ((a && a->type != TYPE_F32) || (b && b->type != TYPE_F32) || (c && c->type != TYPE_F32)) {
        err_set(&q->first, ERR_INTERNAL, "an op of decoders over rows that are not fp32");
        return NULL;
    }
    return q;
}

void cpu_prepare(void *queue, struct mat *qkv, const struct prepare *how, const struct cache *c, const struct pages *p,
                 const struct rows *r)
{
    struct cpu_queue *q = ready(queue, qkv, NULL, NULL);
    if (q && (how->k_dim > HEAD_MAX || how->v_dim > HEAD_MAX || how->rope.first + how->rope.dims > how->k_dim))
        err_set(&q->first, ERR_INTERNAL, "heads of %u columns of which %u turn", how->k_dim, how->rope.dims);
    else if (q)
        scalar_prepare(q, qkv, how, c, p, r);
}

void cpu_attend(void *queue, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                const struct pages *p, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, query, NULL);
    if (q && (c->k_dim > HEAD_MAX || c->v_dim > HEAD_MAX || how->heads % c->heads))
        err_set(&q->first, ERR_INTERNAL, "%u heads of %u columns over %u of keys", how->heads, c->k_dim, c->heads);
    else if (q)
        q->dev->isa->attend(q, y, query, how, c, p, r);
}

void cpu_glu(void *queue, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how,
             const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, gate, up);
    if (q)
        q->dev->isa->glu(q, y, gate, up, how, r);
}

void cpu_route(void *queue, struct slots *s, const struct mat *logits, const struct route *how, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, logits, NULL, NULL);
    if (q && (how->experts > EXPERTS_MAX || how->used > EXPERTS_USED_MAX || how->used > how->experts))
        err_set(&q->first, ERR_INTERNAL, "%u of %u experts", how->used, how->experts);
    else if (q)
        scalar_route(q, s, logits, how, r);
}

void cpu_combine(void *queue, struct mat *y, const struct mat *x, const struct slots *s, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, NULL);
    if (q)
        scalar_combine(q, y, x, s, r);
}

void cpu_delta(void *queue, struct mat *y, const struct mat *x, const struct delta *how, const struct states *s,
               const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, NULL);
    if (q && (how->k_dim > HEAD_MAX || how->kernel > DELTA_KERNEL_MAX || how->v_heads % how->k_heads))
        err_set(&q->first, ERR_INTERNAL, "a delta rule over heads of %u columns", how->k_dim);
    else if (q)
        scalar_delta(q, y, x, how, s, r);
}

void cpu_add(void *queue, struct mat *y, const struct mat *x, const struct mat *gate, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, gate);
    if (q)
        scalar_add(q, y, x, gate, r);
}

void cpu_columns(void *queue, struct mat *y, uint32_t to, uint32_t to_step, const struct mat *x, uint32_t from,
                 uint32_t from_step, uint32_t heads, uint32_t n, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, NULL);
    if (q)
        scalar_columns(q, y, to, to_step, x, from, from_step, heads, n, r);
}

void cpu_softcap(void *queue, struct mat *y, float cap, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, NULL, NULL);
    if (q)
        scalar_softcap(q, y, cap, r);
}

void cpu_copy(void *queue, void *to, const void *from, size_t bytes)
{
    if (ready(queue, NULL, NULL, NULL))
        memcpy(to, from, bytes);
}
