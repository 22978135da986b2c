#include "engine/train/lora.h"

#include "base/hash.h"
#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "engine/train/random.h"
#include "engine/train/tape.h"
#include "kernels/backward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct target { /* rows first .. first+n-1 of a linear map; n 0: the model has it not */
    const char *module;
    size_t member;
};
static const struct target targets[LORA_TARGET_COUNT] = {
#define X(symbol, module, member) {module, offsetof(struct decoder_layer, member)},
    LORA_TARGETS(X)
#undef X
};

static void place(const struct knobs *k, enum lora_target t, uint32_t *first, uint32_t *n)
{
    uint32_t q = k->heads * k->head_dim, key = k->kv_heads * k->head_dim, v = k->kv_heads * k->v_dim, mid = k->intermediate;
    bool qkv = k->fused_qkv, glu = k->fused_glu;
    const uint32_t at[LORA_TARGET_COUNT][2] = {
        [LORA_Q] = {0, qkv ? 0 : q},         [LORA_K] = {q, qkv ? 0 : key},      [LORA_V] = {q + key, qkv ? 0 : v},
        [LORA_QKV] = {0, qkv ? q + key + v : 0}, [LORA_O] = {0, k->hidden},      [LORA_GATE] = {0, glu ? 0 : mid},
        [LORA_UP] = {mid, glu ? 0 : mid},    [LORA_GATE_UP] = {0, glu ? 2 * mid : 0}, [LORA_DOWN] = {0, k->hidden},
    };
    *first = at[t][0];
    *n = at[t][1];
}

static int check(const struct decoder *d, const struct lora_options *o, struct err *e)
{
    int rc = tape_supports(d, e);
    if (rc)
        return rc;
    if (o->rank == 0 || o->rank > LORA_RANK_MAX || !(o->alpha > 0) || !isfinite(o->alpha))
        return err_set(e, ERR_USAGE, "a rank of %u and an alpha of %g", o->rank, (double)o->alpha);
    return 0;
}

static void place_parts(struct lora *l)
{
    const struct knobs *k = &l->d->w.k;
    l->part = mem_zero((size_t)k->layers * LORA_TARGET_COUNT, sizeof *l->part);
    for (uint32_t i = 0; i < k->layers; i++)
        for (int t = 0; t < LORA_TARGET_COUNT; t++) {
            const struct linear *w = (const struct linear *)((const char *)&l->d->w.layer[i] + targets[t].member);
            struct lora_part p = {.target = (enum lora_target)t, .layer = i, .k = w->k, .linear = w, .a = l->count};
            place(k, p.target, &p.first, &p.n);
            if (p.n == 0 || (l->o.targets && !(l->o.targets >> t & 1)))
                continue;
            p.b = p.a + (size_t)l->o.rank * p.k;
            l->count = p.b + (size_t)p.n * l->o.rank;
            l->part[l->parts++] = p;
        }
}

static size_t low_floats(const struct lora *l)
{
    return (size_t)l->d->o.max_rows * l->o.rank;
}

static void add(void *arg, struct mat *y, const struct mat *x, const struct linear *w, const struct rows *r);

int lora_new(struct lora **out, struct decoder *d, const struct lora_options *o, struct err *e)
{
    int rc = check(d, o, e);
    if (rc)
        return rc;
    struct lora *l = mem_zero(1, sizeof *l);
    l->o = *o;
    l->adapt = (struct pass_adapt){add, l};
    l->d = d;
    l->scale = o->rslora ? o->alpha / sqrtf((float)o->rank) : o->alpha / (float)o->rank;
    place_parts(l);
    if (l->parts == 0)
        rc = err_set(e, ERR_USAGE, "the model has none of those targets");
    else
        rc = d->w.backend->memory(d->w.device, &l->memory, (l->count + low_floats(l)) * sizeof(float), e);
    if (rc) {
        lora_free(l);
        return rc;
    }
    l->value = l->memory;
    l->low = l->value + l->count;
    *out = l;
    return 0;
}

int lora_learn(struct lora *l, struct err *e)
{
    int rc = l->learning ? 0 : l->d->w.backend->memory(l->d->w.device, &l->learning, (l->count + low_floats(l)) * sizeof(float), e);
    if (!rc) {
        l->gradient = l->learning;
        l->dlow = l->gradient + l->count;
    }
    return rc;
}

void lora_free(struct lora *l)
{
    if (l == NULL)
        return;
    l->d->w.backend->release(l->d->w.device, l->memory);
    l->d->w.backend->release(l->d->w.device, l->learning);
    free(l->part);
    free(l);
}

void lora_name(char out[96], const struct lora_part *p)
{
    snprintf(out, 96, "model.layers.%u.%s", p->layer, targets[p->target].module);
}

const char *lora_module(enum lora_target target)
{
    return strchr(targets[target].module, '.') + 1;
}

#define LAYERS_PREFIX "model.layers."
bool lora_named(uint32_t *layer, enum lora_target *target, const char *name, size_t len)
{
    size_t at = strlen(LAYERS_PREFIX);
    if (len <= at || memcmp(name, LAYERS_PREFIX, at) != 0)
        return false;
    for (*layer = 0; at < len && name[at] >= '0' && name[at] <= '9' && *layer < LAYERS_MAX; at++)
        *layer = 10 * *layer + (uint32_t)(name[at] - '0');
    if (at == strlen(LAYERS_PREFIX) || at == len || name[at++] != '.')
        return false;
    for (int t = 0; t < LORA_TARGET_COUNT; t++)
        if (strlen(targets[t].module) == len - at && memcmp(targets[t].module, name + at, len - at) == 0) {
            *target = (enum lora_target)t;
            return true;
        }
    return false;
}

void lora_draw(struct lora *l, uint64_t seed)
{
    memset(l->value, 0, l->count * sizeof *l->value);
    for (size_t i = 0; i < l->parts; i++) {
        const struct lora_part *p = &l->part[i];
        char name[96];
        lora_name(name, p);
        uint64_t stream = hash64_seed(name, strlen(name), seed);
        for (size_t j = 0; j < (size_t)l->o.rank * p->k; j++)
            l->value[p->a + j] = (float)((2 * random_unit(stream, j) - 1) / sqrt(p->k));
    }
}

static struct mat plain(float *data, uint32_t rows, uint32_t cols)
{
    return (struct mat){.data = data, .rows = rows, .cols = cols, .stride = cols, .type = TYPE_F32};
}

static struct mat columns(const struct mat *m, uint32_t first, uint32_t n)
{
    struct mat v = *m;
    v.data = (float *)m->data + first;
    v.cols = n;
    return v;
}

/* low = x·Aᵀ of a part. */
static struct mat lower(struct lora *l, const struct lora_part *p, const struct mat *x, const struct rows *r)
{
    const struct backward_ops *b = l->d->w.backend->backward;
    struct mat low = plain(l->low, l->d->o.max_rows, l->o.rank), a = plain(l->value + p->a, l->o.rank, p->k);
    b->clear(l->d->queue, &low, r);
    b->product(l->d->queue, &low, x, &a, 1, r);
    return low;
}

static void add(void *arg, struct mat *y, const struct mat *x, const struct linear *w, const struct rows *r)
{
    struct lora *l = arg;
    for (size_t i = 0; i < l->parts; i++) {
        const struct lora_part *p = &l->part[i];
        if (p->linear != w)
            continue;
        struct mat low = lower(l, p, x, r), b = plain(l->value + p->b, p->n, l->o.rank), to = columns(y, p->first, p->n);
        l->d->w.backend->backward->product(l->d->queue, &to, &low, &b, l->scale, r);
    }
}

bool lora_has(const struct lora *l, const struct linear *w)
{
    for (size_t i = 0; i < l->parts; i++)
        if (l->part[i].linear == w)
            return true;
    return false;
}

void lora_back(struct lora *l, struct mat *dx, const struct mat *dy, const struct mat *x, const struct linear *w, const struct rows *r)
{
    const struct backward_ops *ops = l->d->w.backend->backward;
    void *q = l->d->queue;
    for (size_t i = 0; i < l->parts; i++) {
        const struct lora_part *p = &l->part[i];
        if (p->linear != w)
            continue;
        struct mat from = columns(dy, p->first, p->n), low = lower(l, p, x, r), dlow = plain(l->dlow, l->d->o.max_rows, l->o.rank);
        struct mat a = plain(l->value + p->a, l->o.rank, p->k), b = plain(l->value + p->b, p->n, l->o.rank);
        struct mat da = plain(l->gradient + p->a, l->o.rank, p->k), db = plain(l->gradient + p->b, p->n, l->o.rank);
        ops->product_dw(q, &db, &from, &low, l->scale, r);
        ops->clear(q, &dlow, r);
        ops->product_dx(q, &dlow, &from, &b, l->scale, r);
        ops->product_dw(q, &da, &dlow, x, 1, r);
        ops->product_dx(q, dx, &dlow, &a, 1, r);
    }
}
