#include "engine/train/full.h"

#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "engine/run/rowset.h"
#include "engine/train/rewrite.h"
#include "engine/train/tape.h"
#include "kernels/backward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

struct full_map {
    const struct linear *linear;
    size_t at, bias;        /* of [n, k] and [n]; bias NONE: it has none */
};
struct full_gain {
    const float *gain;      /* the decoder's, on the device */
    uint32_t n;
    size_t at;
};

static struct mat plain(float *data, uint32_t rows, uint32_t cols)
{
    return (struct mat){.data = data, .rows = rows, .cols = cols, .stride = cols, .type = TYPE_F32};
}

/* -- which tensors there are -------------------------------------------------------------------------------------------------- */

struct building {
    struct full *f;
    const struct model_file *file;
    size_t tensors_cap, maps_cap, gains_cap;
    struct err *e;
    int rc;
};

static void add_tensor(struct building *b, const char *name, uint32_t n, uint32_t k)
{
    struct full *f = b->f;
    struct full_tensor t = {.n = n, .k = k, .at = f->count};
    if ((size_t)snprintf(t.name, sizeof t.name, "%s", name) >= sizeof t.name && !b->rc)
        b->rc = err_set(b->e, ERR_FORMAT, "the name %s is too long", name);
    VEC_ROOM(f->tensor, f->tensors, b->tensors_cap);
    f->tensor[f->tensors++] = t;
    f->count += (size_t)n * k;
}

/* "….weight" → "….bias". */
static void bias_name(char out[FULL_NAME], const char *weight)
{
    size_t n = strlen(weight), end = strlen(".weight");
    snprintf(out, FULL_NAME, "%.*s.bias", (int)(n > end ? n - end : 0), weight);
}

static void add_map(struct building *b, const struct linear *w)
{
    struct full *f = b->f;
    struct full_map m = {w, f->count, NONE};
    bool biased = false;
    uint64_t rows = 0;
    for (int i = 0; i < w->parts && !b->rc; i++) {
        biased |= w->part[i].bias != NULL;
        if (w->part[i].held != TYPE_F32)
            b->rc = err_set(b->e, ERR_USAGE, "weights that are trained are held in fp32: the decoder is not exact");
    }
    for (int i = 0; i < w->sources; i++) {
        const struct tensor *t = w->source[i];
        rows += t->shape[0];
        add_tensor(b, t->name, (uint32_t)t->shape[0], w->k);
    }
    if (!b->rc && rows != w->n)
        b->rc = err_set(b->e, ERR_UNSUPPORTED, "%s lies in its file in another order", w->sources ? w->source[0]->name : "a weight");
    m.bias = biased ? f->count : NONE;
    for (int i = 0; i < w->sources && biased; i++) { /* in one place, as the map has them */
        char name[FULL_NAME];
        bias_name(name, w->source[i]->name);
        add_tensor(b, name, 1, (uint32_t)w->source[i]->shape[0]);
        if (!b->rc && !model_file_find(b->file, name))
            b->rc = err_set(b->e, ERR_UNSUPPORTED, "%s has a bias, and %s has none", w->source[0]->name, name);
    }
    VEC_ROOM(f->map, f->maps, b->maps_cap);
    f->map[f->maps++] = m;
}

static void add_gain(struct building *b, enum weight_slot slot, uint32_t layer, const float *gain, uint32_t n)
{
    struct full *f = b->f;
    char name[ARCH_TENSOR_NAME + sizeof ".weight"];
    if (!gain)
        return;
    arch_tensor_name(name, f->d->w.arch, false, slot, layer);
    strcat(name, ".weight");
    struct full_gain g = {gain, n, f->count};
    add_tensor(b, name, 1, n);
    VEC_ROOM(f->gain, f->gains, b->gains_cap);
    f->gain[f->gains++] = g;
}

static void add_layer(struct building *b, uint32_t layer)
{
    const struct knobs *k = &b->f->d->w.k;
    const struct decoder_layer *y = &b->f->d->w.layer[layer];
    add_gain(b, W_NORM, layer, y->norm.gain, k->hidden);
    add_map(b, &y->qkv);
    add_gain(b, W_Q_NORM, layer, y->q_gain, k->head_dim);
    add_gain(b, W_K_NORM, layer, y->k_gain, k->head_dim);
    add_map(b, &y->o);
    add_gain(b, W_POST_NORM, layer, y->post_norm.gain, k->hidden);
    add_gain(b, W_FF_NORM, layer, y->ff_norm.gain, k->hidden);
    add_map(b, &y->gate_up);
    add_map(b, &y->down);
    add_gain(b, W_FF_POST_NORM, layer, y->ff_post_norm.gain, k->hidden);
}

static void add_all(struct building *b)
{
    const struct decoder_weights *w = &b->f->d->w;
    add_map(b, &w->embed);
    if (w->k.tied) {
        struct full_map same = {&w->head, b->f->map[0].at, NONE};
        VEC_ROOM(b->f->map, b->f->maps, b->maps_cap);
        b->f->map[b->f->maps++] = same;
    }
    for (uint32_t i = 0; i < w->k.layers; i++)
        add_layer(b, i);
    add_gain(b, W_LAST_NORM, 0, w->last_norm.gain, w->k.hidden);
    if (!w->k.tied)
        add_map(b, &w->head);
}

/* -- values ------------------------------------------------------------------------------------------------------------------- */

static int read_values(struct full *f, const struct model_file *file, struct err *e)
{
    for (size_t i = 0; i < f->tensors; i++) {
        const struct full_tensor *t = &f->tensor[i];
        const struct tensor *from = model_file_find(file, t->name);
        if (!from)
            return err_set(e, ERR_FORMAT, "the model has no tensor %s", t->name);
        float *x = tensor_floats(from, 0, t->n);
        memcpy(f->value + t->at, x, (size_t)t->n * t->k * sizeof *x);
        free(x);
    }
    return 0;
}

void full_put(struct full *f)
{
    const struct backend *b = f->d->w.backend;
    void *q = f->d->queue;
    for (size_t i = 0; i < f->maps; i++) {
        const struct full_map *m = &f->map[i];
        bool again = m->linear == &f->d->w.head && f->d->w.k.tied; /* the embedding's own */
        for (int p = 0; p < m->linear->parts && !again; p++) {
            const struct linear_part *part = &m->linear->part[p];
            struct mat values = plain(f->value + m->at + (size_t)part->first * m->linear->k, part->n, m->linear->k);
            b->backward->weight_put(q, part->w, &values);
            if (part->bias)
                b->put(q, part->bias, f->value + m->bias + part->first, part->n * sizeof(float));
        }
    }
    for (size_t i = 0; i < f->gains; i++) {
        const struct full_gain *g = &f->gain[i];
        float *x = mem_alloc(g->n * sizeof *x);
        for (uint32_t j = 0; j < g->n; j++)
            x[j] = f->value[g->at + j] + f->d->w.k.gain_offset;
        b->put(q, (float *)g->gain, x, g->n * sizeof *x);
        free(x);
    }
}

int full_new(struct full **out, struct decoder *d, const struct model_file *file, struct err *e)
{
    int rc = tape_supports(d, e);
    if (!rc && d->w.k.sinks)
        rc = err_set(e, ERR_UNSUPPORTED, "all weights of models with sinks are not trained yet");
    if (!rc && model_file_is_gguf(file))
        rc = err_set(e, ERR_UNSUPPORTED, "all weights are trained of folders of safetensors, not of GGUF files");
    if (rc)
        return rc;
    struct full *f = mem_zero(1, sizeof *f);
    struct building b = {.f = f, .file = file, .e = e};
    f->d = d;
    add_all(&b);
    rc = b.rc;
    if (!rc)
        rc = d->w.backend->memory(d->w.device, &f->memory, 2 * f->count * sizeof(float), e);
    if (!rc) {
        f->value = f->memory;
        f->gradient = f->value + f->count;
        rc = read_values(f, file, e);
    }
    if (rc)
        full_free(f);
    else
        *out = f;
    return rc;
}

void full_free(struct full *f)
{
    if (f == NULL)
        return;
    f->d->w.backend->release(f->d->w.device, f->memory);
    free(f->tensor);
    free(f->map);
    free(f->gain);
    free(f);
}

/* -- gradients ---------------------------------------------------------------------------------------------------------------- */

void full_back(struct full *f, struct mat *dx, const struct mat *dy, const struct mat *x, const struct linear *w, const struct rows *r)
{
    const struct backward_ops *b = f->d->w.backend->backward;
    for (size_t i = 0; i < f->maps; i++) {
        const struct full_map *m = &f->map[i];
        if (m->linear != w)
            continue;
        struct mat value = plain(f->value + m->at, w->n, w->k), gradient = plain(f->gradient + m->at, w->n, w->k);
        b->product_dw(f->d->queue, &gradient, dy, x, 1, r);
        if (m->bias != NONE)
            b->bias(f->d->queue, f->gradient + m->bias, dy, r);
        b->product_dx(f->d->queue, dx, dy, &value, 1, r);
    }
}

static float *gradient_of(const struct full *f, const float *gain)
{
    for (size_t i = 0; i < f->gains && gain; i++)
        if (f->gain[i].gain == gain)
            return f->gradient + f->gain[i].at;
    return NULL;
}

void full_norm_back(struct full *f, const struct mat *dy, const struct mat *x, const struct norm *n, const struct rows *r)
{
    f->d->w.backend->backward->gain(f->d->queue, gradient_of(f, n->gain), dy, x, n, r);
}

void full_prepare_back(struct full *f, const struct mat *dqkv, const struct mat *qkv, const struct prepare *how, const struct rows *r)
{
    f->d->w.backend->backward->head_gains(f->d->queue, gradient_of(f, how->q_gain), gradient_of(f, how->k_gain), dqkv, qkv, how, r);
}

void full_embed_back(struct full *f, const struct mat *dh, const struct rows *r)
{
    const struct decoder_weights *w = &f->d->w;
    struct mat gradient = plain(f->gradient + f->map[0].at, w->k.vocab, w->k.hidden);
    w->backend->backward->embed(f->d->queue, &gradient, dh, w->k.embedding_scale, r);
}

/* -- writing ------------------------------------------------------------------------------------------------------------------ */

static int replace(void *arg, const struct st_tensor *t, uint8_t *data, size_t *changed, struct err *e)
{
    const struct full *f = arg;
    for (size_t i = 0; i < f->tensors; i++) {
        const struct full_tensor *p = &f->tensor[i];
        if (strcmp(p->name, t->name))
            continue;
        int rc = rewrite_check(t, p->n > 1 ? 2 : t->rank, (size_t)p->n * p->k, e);
        for (size_t j = 0; j < (size_t)p->n * p->k && !rc; j++)
            rewrite_put(data, t->type, j, f->value[p->at + j]);
        ++*changed;
        return rc;
    }
    return 0;
}

int full_write(const char *to, const char *model, const struct full *f, struct err *e)
{
    size_t changed = 0;
    int rc = rewrite_folder(&changed, to, model, replace, (void *)f, e);
    if (!rc && changed != f->tensors)
        rc = err_set(e, ERR_FORMAT, "%s has %zu of the %zu tensors that were trained", model, changed, f->tensors);
    return rc;
}
