#include "engine/train/tape.h"

#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "kernels/backward.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)16 << 20) /* of kept rows: a layer's of a small model */

struct tape_block {
    void *p;
    size_t size;
};

struct taped {
    struct pass_op op;
    struct mat x, x2;  /* kept; data NULL: not */
    size_t now, used;  /* where the blocks stood before */
};

static const struct backward_ops *ops(const struct tape *t)
{
    return t->p->w->backend->backward;
}

struct mat tape_gradient(const struct tape *t, const struct mat *m)
{
    struct mat g = *m;
    g.data = (char *)t->mirror + ((const char *)m->data - (const char *)t->p->memory);
    return g;
}

/* Each op's way back, and what it keeps of what it reads. To add an op: its kind in run/pass.h, a row here. */
enum keeps { KEEPS_NOTHING, KEEPS_X, KEEPS_BOTH, KEEPS_X_FOR_WEIGHTS, KEEPS_X_FOR_GAINS };

static void back_gather(struct tape *t, const struct taped *o)
{
    struct mat dx = tape_gradient(t, &o->op.x), dy = tape_gradient(t, &o->op.y);
    ops(t)->scatter(t->p->queue, &dx, &dy, o->op.from, o->op.r->used);
    ops(t)->clear(t->p->queue, &dy, o->op.r);
}

static void back_norm(struct tape *t, const struct taped *o)
{
    struct mat dx = tape_gradient(t, &o->op.x), dy = tape_gradient(t, &o->op.y);
    if (t->f)
        full_norm_back(t->f, &dy, &o->x, &o->op.norm, o->op.r);
    ops(t)->norm(t->p->queue, &dx, &dy, &o->x, &o->op.norm, o->op.r);
    if (dx.data != dy.data)
        ops(t)->clear(t->p->queue, &dy, o->op.r);
}

static void back_linear(struct tape *t, const struct taped *o)
{
    const struct linear *w = o->op.w;
    struct mat dx = tape_gradient(t, &o->op.x), dy = tape_gradient(t, &o->op.y);
    if (t->f)
        full_back(t->f, &dx, &dy, &o->x, w, o->op.r);
    else if (o->x.data)
        lora_back(t->l, &dx, &dy, &o->x, w, o->op.r);
    for (int i = 0; i < w->parts && !t->f; i++) {
        struct mat part = dy;
        part.data = (float *)dy.data + w->part[i].first;
        part.cols = w->part[i].n;
        ops(t)->matmul_dx(t->p->queue, &dx, &part, w->part[i].w, o->op.r);
    }
    ops(t)->clear(t->p->queue, &dy, o->op.r);
}

static void back_prepare(struct tape *t, const struct taped *o)
{
    struct mat d = tape_gradient(t, &o->op.y);
    if (t->f && o->x.data)
        full_prepare_back(t->f, &d, &o->x, &o->op.prepare, o->op.r);
    ops(t)->prepare(t->p->queue, &d, &o->x, &o->op.prepare, o->op.r);
}

static void back_attend(struct tape *t, const struct taped *o)
{
    struct mat dx = tape_gradient(t, &o->op.x), dy = tape_gradient(t, &o->op.y);
    ops(t)->attend(t->p->queue, &dx, &dy, &o->x, &o->op.attend, o->op.cache, o->op.r);
    ops(t)->clear(t->p->queue, &dy, o->op.r);
}

static void back_glu(struct tape *t, const struct taped *o)
{
    struct mat dgate = tape_gradient(t, &o->op.x), dup = tape_gradient(t, &o->op.x2), dy = tape_gradient(t, &o->op.y);
    ops(t)->glu(t->p->queue, &dgate, &dup, &dy, &o->x, &o->x2, &o->op.glu, o->op.r);
    ops(t)->clear(t->p->queue, &dy, o->op.r);
}

static void back_add(struct tape *t, const struct taped *o) /* y += x: y's gradient stays */
{
    struct mat dx = tape_gradient(t, &o->op.x), dy = tape_gradient(t, &o->op.y);
    t->p->w->backend->add(t->p->queue, &dx, &dy, NULL, o->op.r);
}

static void back_softcap(struct tape *t, const struct taped *o)
{
    struct mat d = tape_gradient(t, &o->op.y);
    ops(t)->softcap(t->p->queue, &d, &o->x, o->op.cap, o->op.r);
}

static const struct {
    enum keeps keeps;
    void (*run)(struct tape *t, const struct taped *o);
} backward[OP_KINDS] = {
    [OP_GATHER] = {KEEPS_NOTHING, back_gather},
    [OP_NORM] = {KEEPS_X, back_norm},
    [OP_LINEAR] = {KEEPS_X_FOR_WEIGHTS, back_linear},  /* of an adapter, or the model's own */
    [OP_PREPARE] = {KEEPS_X_FOR_GAINS, back_prepare},  /* a rotation needs positions alone */
    [OP_ATTEND] = {KEEPS_X, back_attend},              /* queries, keys and values; scores are computed again */
    [OP_GLU] = {KEEPS_BOTH, back_glu},
    [OP_ADD] = {KEEPS_NOTHING, back_add},
    [OP_SOFTCAP] = {KEEPS_X, back_softcap},
};

static bool kept(const struct tape *t, const struct pass_op *op)
{
    switch (backward[op->kind].keeps) {
    case KEEPS_NOTHING:
        return false;
    case KEEPS_X_FOR_WEIGHTS:
        return t->f || lora_has(t->l, op->w);
    case KEEPS_X_FOR_GAINS:
        return op->prepare.q_gain || op->prepare.k_gain;
    default:
        return true;
    }
}

static void *room(struct tape *t, size_t bytes)
{
    const struct backend *b = t->p->w->backend;
    for (; t->now < t->blocks && t->used + bytes > t->block[t->now].size; t->now++)
        t->used = 0;
    if (t->now == t->blocks) {
        struct tape_block new = {.size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES};
        t->rc = b->memory(t->p->w->device, &new.p, new.size, &t->err);
        if (t->rc)
            return NULL;
        VEC_ROOM(t->block, t->blocks, t->blocks_cap);
        t->block[t->blocks++] = new;
        t->bytes += new.size;
        t->used = 0;
    }
    void *p = (char *)t->block[t->now].p + t->used;
    t->used += (bytes + 63) & ~(size_t)63;
    return p;
}

static struct mat keep(struct tape *t, const struct mat *x, const struct rows *r)
{
    struct mat to = {.rows = r->max_rows, .cols = x->cols, .stride = x->cols, .type = TYPE_F32};
    to.data = room(t, (size_t)to.rows * to.stride * sizeof(float));
    if (to.data)
        t->p->w->backend->columns(t->p->queue, &to, 0, 0, x, 0, 0, 1, x->cols, r);
    return to;
}

static void saw(void *arg, const struct pass_op *op)
{
    struct tape *t = arg;
    if (t->rc)
        return;
    struct taped o = {.op = *op, .now = t->now, .used = t->used};
    if (kept(t, op))
        o.x = keep(t, &op->x, op->r);
    if (!t->rc && backward[op->kind].keeps == KEEPS_BOTH)
        o.x2 = keep(t, &op->x2, op->r);
    VEC_ROOM(t->op, t->n, t->cap);
    t->op[t->n++] = o;
}

int tape_supports(const struct decoder *d, struct err *e)
{
    const struct knobs *k = &d->w.k;
    const char *what = NULL;
    for (uint32_t i = 0; i < k->layers && !what; i++)
        what = k->layer[i].mixer == MIX_LATENT  ? "latent attention"
               : k->layer[i].mixer == MIX_DELTA ? "recurrent layers"
               : k->layer[i].experts            ? "mixtures of experts"
                                                : NULL;
    if (!what && k->gated)
        what = "gated attention";
    if (!what && (k->glu.kind == GLU_SIGMOID || k->glu.kind == GLU_CLAMPED))
        what = "that feed-forward";
    if (what)
        return err_set(e, ERR_UNSUPPORTED, "models with %s are not tuned yet", what);
    if (!d->w.backend->backward)
        return err_set(e, ERR_UNSUPPORTED, "the backend \"%s\" tunes nothing yet", d->w.backend->name);
    return 0;
}

int tape_open(struct tape *t, struct pass *p, struct lora *l, struct full *f, struct err *e)
{
    *t = (struct tape){.p = p, .l = l, .f = f, .watch = {saw, t}};
    return p->w->backend->memory(p->w->device, &t->mirror, p->bytes, e);
}

void tape_close(struct tape *t)
{
    if (t->p == NULL)
        return;
    for (size_t i = 0; i < t->blocks; i++)
        t->p->w->backend->release(t->p->w->device, t->block[i].p);
    t->p->w->backend->release(t->p->w->device, t->mirror);
    free(t->block);
    free(t->op);
    *t = (struct tape){0};
}

void tape_back(struct tape *t, size_t to)
{
    while (t->n > to && !t->rc) {
        const struct taped *o = &t->op[--t->n];
        backward[o->op.kind].run(t, o);
        t->now = o->now;
        t->used = o->used;
    }
}

int tape_reset(struct tape *t, struct err *e)
{
    int rc = t->rc;
    if (rc && e)
        *e = t->err;
    t->rc = 0;
    t->n = t->now = t->used = 0;
    memset(t->mirror, 0, t->p->bytes); /* the CPU's device memory is the host's */
    return rc;
}
