/* The CPU's row of the backend table: memory is the host's, ops run at once in the calling thread. */
#include "base/mem.h"
#include "kernels/cpu/attend_tile.h"
#include "kernels/cpu/backward.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/decode.h"
#include "kernels/cpu/held.h"
#include "kernels/cpu/share.h"
#include "kernels/cpu/weight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cpu_open(void **out, const struct device_options *o, struct err *e)
{
    const struct cpu_isa *isa = cpu_isa_find(o ? o->isa : NULL);
    if (isa == NULL)
        return err_set(e, ERR_UNSUPPORTED, "this processor has no instruction set \"%s\"", o && o->isa ? o->isa : "");
    struct cpu_device *d = mem_zero(1, sizeof *d);
    d->isa = isa;
    d->info.fast = isa->fast;
    d->info.exact = TYPE_F32;
    d->info.slices = true;
    d->info.fast_qkv = isa->fast_qkv;
    snprintf(d->info.provider, sizeof d->info.provider, "cpu %s", isa->provider);
    *out = d;
    return 0;
}

static void cpu_close(void *dev)
{
    free(dev);
}

static enum type cpu_operand(void *dev, enum type held, uint32_t rows)
{
    const struct cpu_isa *isa = ((struct cpu_device *)dev)->isa;
    if (isa->bf16_rows && rows >= isa->bf16_rows && held != TYPE_F32)
        return TYPE_BF16;
    return held_of(held) ? TYPE_Q8 : TYPE_F32;
}

static const struct device_info *cpu_info(void *dev)
{
    return &((struct cpu_device *)dev)->info;
}

/* From calloc(), which gets zeros from the system where much is wanted: the pages of a large cache cost nothing until something is
 * written there. What is to be freed stands before the aligned bytes. */
static int cpu_memory(void *dev, void **p, size_t bytes, struct err *e)
{
    char *whole = bytes <= SIZE_MAX - ALIGN - sizeof whole ? calloc(1, bytes + ALIGN + sizeof whole) : NULL;
    if (whole == NULL)
        return err_set(e, ERR_MEMORY, "no memory for %zu bytes", bytes);
    char *aligned = (char *)(((uintptr_t)whole + sizeof whole + ALIGN - 1) / ALIGN * ALIGN);
    memcpy(aligned - sizeof whole, &whole, sizeof whole);
    *p = aligned;
    return 0;
}

static void cpu_release(void *dev, void *p)
{
    char *whole = NULL;
    if (p)
        memcpy(&whole, (char *)p - sizeof whole, sizeof whole);
    free(whole);
}

static size_t round_up_bytes(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

size_t queue_scratch(const struct cpu_device *d, const struct bounds *b)
{
    uint32_t wide = b->heads ? round_up(b->hidden / b->heads, ATTEND_QUERIES_MAX) : 0;
    size_t bytes = round_up_bytes(attention_scratch(b)) + d->isa->sums + (d->isa->attend_tile ? attend_tile_floats(wide) * sizeof(float) : 0);
    return round_up_bytes(bytes);
}

static int cpu_plan(void *dev, const struct bounds *b, size_t *scratch, struct err *e)
{
    if (b->heads == 0 || b->hidden % b->heads != 0 || b->longest > 1u << 20 || b->hidden > 1u << 20)
        return err_set(e, ERR_UNSUPPORTED, "%u heads over a width of %u, sequences of %u", b->heads, b->hidden, b->longest);
    *scratch = queue_scratch(dev, b) * share_wanted(b);
    return 0;
}

static int cpu_queue(void *dev, const struct bounds *b, void **out, struct err *e)
{
    size_t scratch;
    int rc = cpu_plan(dev, b, &scratch, e);
    if (rc)
        return rc;
    struct cpu_queue *q = mem_zero(1, sizeof *q);
    void *p = NULL;
    rc = cpu_memory(dev, &p, scratch, e);
    if (rc) {
        free(q);
        return rc;
    }
    q->dev = dev;
    q->bounds = *b;
    q->sums = p; /* a multiple of ALIGN */
    q->scratch = (float *)p + q->dev->isa->sums / sizeof(float);
    q->tile = q->scratch + round_up_bytes(attention_scratch(b)) / sizeof(float);
    rc = share_open(q, e);
    if (rc) {
        cpu_release(dev, p);
        free(q);
        return rc;
    }
    *out = q;
    return 0;
}

static void cpu_queue_close(void *queue)
{
    struct cpu_queue *q = queue;
    if (q == NULL)
        return;
    share_close(q);
    cpu_release(q->dev, q->sums);
    free(q);
}

static void cpu_put(void *queue, void *to, const void *host, size_t bytes)
{
    memcpy(to, host, bytes);
}

static void cpu_get(void *queue, void *host, const void *from, size_t bytes)
{
    memcpy(host, from, bytes);
}

static int cpu_sync(void *queue, struct err *e)
{
    struct cpu_queue *q = queue;
    int code = q->first.code;
    if (code && e)
        *e = q->first;
    q->first.code = 0;
    return code;
}

static bool refused(struct cpu_queue *q)
{
    return q->first.code != 0;
}

static void cpu_embed(void *queue, struct mat *y, struct mat *yq, const struct rows *r, const struct embedding *t,
                      const struct norm *n)
{
    struct cpu_queue *q = queue;
    if (!refused(q))
        q->dev->isa->embed(q, y, yq, r, t, n);
}

/* About what a column takes in one row, ns: of plain passes over it, and of table rows that are spread over panels. */
#define COLUMN_NS .15
#define SPREAD_NS 2

static void embed_some(struct cpu_queue *q, struct call *c)
{
    scalar_embed_rows(q, &c->mat[0], c->beside[0], *(const float *)c->how, &c->rows);
}

static void cpu_embed_rows(void *queue, struct mat *y, const struct weight *w, float scale, const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (!refused(q))
        share_rows(q, embed_some, &(struct call){.mat = {*y}, .how = &scale, .beside = {w}}, r, SPREAD_NS * w->k);
}

static void gather_some(struct cpu_queue *q, struct call *c)
{
    scalar_gather(q, &c->mat[0], c->beside[0], (const uint32_t *)c->beside[1] + c->from, c->used);
}

static void cpu_gather(void *queue, struct mat *y, const struct mat *x, const uint32_t *from, const uint32_t *used)
{
    struct cpu_queue *q = queue;
    if (refused(q))
        return;
    if (y->type != x->type || y->stride != x->stride)
        err_set(&q->first, ERR_INTERNAL, "gather of rows of type %d to rows of type %d", (int)x->type, (int)y->type);
    else
        share_rows(q, gather_some, &(struct call){.mat = {*y}, .beside = {x, from}}, &(struct rows){.used = used},
                   COLUMN_NS * x->stride);
}

static void quantize_some(struct cpu_queue *q, struct call *c)
{
    q->dev->isa->quantize(q, &c->mat[0], &c->mat[1], &c->rows);
}

static void cpu_quantize(void *queue, struct mat *xq, const struct mat *x, const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (!refused(q))
        share_rows(q, quantize_some, &(struct call){.mat = {*xq, *x}}, r, COLUMN_NS * 2 * x->cols);
}

static void cpu_attention(void *queue, struct mat *y, const struct mat *qkv, const struct attention *how,
                          const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (refused(q))
        return;
    if (r->longest > q->bounds.longest || how->head_dim > q->bounds.hidden / q->bounds.heads) { /* scratch is sized so */
        err_set(&q->first, ERR_INTERNAL, "attention over %u rows of %u, planned for %u of %u", r->longest, how->head_dim,
                q->bounds.longest, q->bounds.hidden / q->bounds.heads);
        return;
    }
    if (how->window && qkv->type != TYPE_F32) {
        err_set(&q->first, ERR_INTERNAL, "attention within a window over rows of type %d", (int)qkv->type);
        return;
    }
    const struct cpu_isa *isa = q->dev->isa;
    (qkv->type == TYPE_BF16 ? isa->attention_bf16 : isa->attention_f32)(q, y, qkv, how, r);
}

static void norm_some(struct cpu_queue *q, struct call *c)
{
    q->dev->isa->norm(q, &c->mat[0], mat_of(c, 1), &c->mat[2], c->how, &c->rows);
}

static void cpu_norm(void *queue, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n,
                     const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (!refused(q))
        share_rows(q, norm_some, &(struct call){.mat = {*y, mat_or_none(yq), *x}, .how = n}, r, COLUMN_NS * 2 * x->cols);
}

static void cpu_pool(void *queue, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r)
{
    struct cpu_queue *q = queue;
    if (!refused(q))
        q->dev->isa->pool(q, y, x, how, r);
}

const struct backend backend_cpu = {
    .name = "cpu",
    .exact_rows = CPU_EXACT_ROWS,
    .write_rows = CPU_EXACT_ROWS,
    .open = cpu_open,
    .close = cpu_close,
    .info = cpu_info,
    .memory = cpu_memory,
    .release = cpu_release,
    .held = cpu_held,
    .operand = cpu_operand,
    .weight = cpu_weight,
    .weight_release = cpu_weight_release,
    .weight_bytes = cpu_weight_bytes,
    .plan = cpu_plan,
    .queue = cpu_queue,
    .queue_close = cpu_queue_close,
    .put = cpu_put,
    .get = cpu_get,
    .embed = cpu_embed,
    .embed_rows = cpu_embed_rows,
    .quantize = cpu_quantize,
    .gather = cpu_gather,
    .matmul = cpu_matmul,
    .attention = cpu_attention,
    .norm = cpu_norm,
    .pool = cpu_pool,
    CPU_DECODE_OPS,
    .backward = &cpu_backward,
    .sync = cpu_sync,
};
