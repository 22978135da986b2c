/* Weights of a BERT encoder: found by name, checked, handed to the device once. */
#include "engine/run/encoder.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    struct model_weights *m;
    const struct tensor_source *from;
    struct err *e;
    int rc; /* first error: what follows is skipped */
};

static enum block_type block_of(enum type t)
{
    return t == TYPE_F32 ? BLOCK_F32 : t == TYPE_F16 ? BLOCK_F16 : BLOCK_BF16;
}

static const void *values_at(const struct tensor_view *t, size_t at)
{
    return (const uint8_t *)t->data + at * block_formats[block_of(t->type)].bytes;
}

static void convert(float *to, const struct tensor_view *t, size_t at, size_t n)
{
    block_formats[block_of(t->type)].decode(to, values_at(t, at), n);
}

/* The tensor of that name (or below "bert.") with shape [rows, cols], or [cols] where rows is 0. */
static bool get(struct loader *l, struct tensor_view *t, const char *name, uint32_t rows, uint32_t cols)
{
    char with[200];
    snprintf(with, sizeof with, "bert.%s", name);
    if (l->rc)
        return false;
    if (!l->from->find(l->from->self, name, t) && !l->from->find(l->from->self, with, t)) {
        l->rc = err_set(l->e, ERR_FORMAT, "the model has no tensor %s", name);
        return false;
    }
    bool shape = rows ? t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols : t->rank == 1 && t->shape[0] == cols;
    if (!shape)
        l->rc = err_set(l->e, ERR_FORMAT, "tensor %s is not [%u, %u] (0: a vector)", name, rows, cols);
    else if (t->type != TYPE_F32 && t->type != TYPE_F16 && t->type != TYPE_BF16)
        l->rc = err_set(l->e, ERR_FORMAT, "tensor %s is neither fp32, fp16 nor bf16", name);
    return l->rc == 0;
}

static float *device_floats(struct loader *l, size_t n)
{
    struct model_weights *m = l->m;
    void *p = NULL;
    if (l->rc == 0)
        l->rc = m->backend->memory(m->device, &p, n * sizeof(float), l->e);
    if (l->rc)
        return NULL;
    VEC_ROOM(m->memory, m->memory_count, m->memory_cap);
    m->memory[m->memory_count++] = p;
    m->bytes += n * sizeof(float);
    return p;
}

/* Copies rows [first, first + n) of a tensor of that width to device memory, through host memory and the queue. */
static void upload(struct loader *l, float *to, const struct tensor_view *t, size_t at, size_t n)
{
    struct model_weights *m = l->m;
    struct bounds b = {.rows = 1, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1};
    void *queue = NULL;
    l->rc = m->backend->queue(m->device, &b, &queue, l->e);
    if (l->rc)
        return;
    float *host = mem_alloc(n * sizeof *host);
    convert(host, t, at, n);
    m->backend->put(queue, to, host, n * sizeof *host);
    l->rc = m->backend->sync(queue, l->e);
    free(host);
    m->backend->queue_close(queue);
}

static float *table(struct loader *l, const char *name, uint32_t rows, uint32_t cols, uint32_t keep)
{
    struct tensor_view t;
    float *p = NULL;
    if (get(l, &t, name, rows, cols) && (p = device_floats(l, (size_t)keep * cols)))
        upload(l, p, &t, 0, (size_t)keep * cols);
    return p;
}

static float *vector(struct loader *l, uint32_t layer, const char *part, const char *what, uint32_t n)
{
    char name[160];
    struct tensor_view t;
    float *p = NULL;
    snprintf(name, sizeof name, "encoder.layer.%u.%s.%s", layer, part, what);
    if (get(l, &t, name, 0, n) && (p = device_floats(l, n)))
        upload(l, p, &t, 0, n);
    return p;
}

static struct norm norm(struct loader *l, uint32_t layer, const char *part)
{
    uint32_t hidden = l->m->config.hidden;
    struct norm n = {vector(l, layer, part, "weight", hidden), vector(l, layer, part, "bias", hidden),
                     l->m->config.norm_eps};
    return n;
}

/* Several tensors below one another, each [rows, k], read as one weight; as they are where they are of one type. */
struct stack {
    struct tensor_view part[3];
    uint32_t rows, k;
    float *row; /* [k]; NULL: rows are handed out as they lie */
};

static const void *read_stack(void *arg, uint32_t row)
{
    const struct stack *s = arg;
    const struct tensor_view *t = &s->part[row / s->rows];
    size_t at = (size_t)(row % s->rows) * s->k;
    if (s->row == NULL)
        return values_at(t, at);
    convert(s->row, t, at, s->k);
    return s->row;
}

static struct weight *matrix(struct loader *l, uint32_t layer, const char *const *part, uint32_t parts, uint32_t rows,
                             uint32_t k)
{
    struct stack s = {.rows = rows, .k = k};
    struct weight *w = NULL;
    bool mixed = false;
    for (uint32_t i = 0; i < parts; i++) {
        char name[160];
        snprintf(name, sizeof name, "encoder.layer.%u.%s.weight", layer, part[i]);
        if (!get(l, &s.part[i], name, rows, k))
            return NULL;
        mixed |= s.part[i].type != s.part[0].type;
    }
    if (mixed)
        s.row = mem_alloc(k * sizeof *s.row);
    struct weight_source source = {.type = mixed ? BLOCK_F32 : block_of(s.part[0].type), .row = read_stack, .arg = &s};
    l->rc = l->m->backend->weight(l->m->device, &w, l->m->operand, &(struct weight_shape){.n = rows * parts, .k = k}, &source,
                                  l->e);
    free(s.row);
    if (l->rc)
        return NULL;
    l->m->bytes += l->m->backend->weight_bytes(w);
    return w;
}

static void load_layer(struct loader *l, uint32_t i)
{
    static const char *const qkv[] = {"attention.self.query", "attention.self.key", "attention.self.value"};
    static const char *const out[] = {"attention.output.dense"}, *const up[] = {"intermediate.dense"},
                      *const down[] = {"output.dense"};
    const struct bert_config *c = &l->m->config;
    struct layer *y = &l->m->layer[i];
    y->qkv = matrix(l, i, qkv, 3, c->hidden, c->hidden);
    y->out = matrix(l, i, out, 1, c->hidden, c->hidden);
    y->up = matrix(l, i, up, 1, c->intermediate, c->hidden);
    y->down = matrix(l, i, down, 1, c->hidden, c->intermediate);
    y->qkv_bias = device_floats(l, 3 * (size_t)c->hidden);
    for (uint32_t part = 0; part < 3; part++) {
        char name[160];
        struct tensor_view t;
        snprintf(name, sizeof name, "encoder.layer.%u.%s.bias", i, qkv[part]);
        if (get(l, &t, name, 0, c->hidden))
            upload(l, y->qkv_bias + (size_t)part * c->hidden, &t, 0, c->hidden);
    }
    y->out_bias = vector(l, i, out[0], "bias", c->hidden);
    y->up_bias = vector(l, i, up[0], "bias", c->intermediate);
    y->down_bias = vector(l, i, down[0], "bias", c->hidden);
    y->attention_norm = norm(l, i, "attention.output.LayerNorm");
    y->output_norm = norm(l, i, "output.LayerNorm");
}

static int check(const struct bert_config *c, struct err *e)
{
    bool small = c->hidden && c->hidden <= 1 << 14 && c->layers && c->layers <= 256 && c->intermediate &&
                 c->intermediate <= 1 << 16 && c->vocab && c->vocab <= 1 << 24 && c->max_position &&
                 c->max_position <= 1 << 16 && c->type_vocab <= 1024;
    if (!small || c->heads == 0 || c->hidden % c->heads != 0)
        return err_set(e, ERR_FORMAT, "an encoder of width %u, %u layers, %u heads, %u positions, %u words", c->hidden,
                       c->layers, c->heads, c->max_position, c->vocab);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return err_set(e, ERR_FORMAT, "layer_norm_eps is not between 0 and 1");
    return 0;
}

int weights_load(struct model_weights *m, const struct tensor_source *from, struct err *e)
{
    struct loader l = {.m = m, .from = from, .e = e};
    const struct bert_config *c = &m->config;
    l.rc = check(c, e);
    if (l.rc)
        return l.rc;
    m->layer = mem_zero(c->layers, sizeof *m->layer);
    m->embedding = (struct embedding){
        .word = table(&l, "embeddings.word_embeddings.weight", c->vocab, c->hidden, c->vocab),
        .position = table(&l, "embeddings.position_embeddings.weight", c->max_position, c->hidden, c->max_position),
        .type = c->type_vocab ? table(&l, "embeddings.token_type_embeddings.weight", c->type_vocab, c->hidden, 1) : NULL,
        .vocab = c->vocab,
        .max_position = c->max_position,
    };
    m->embedding_norm = (struct norm){table(&l, "embeddings.LayerNorm.weight", 0, c->hidden, 1),
                                      table(&l, "embeddings.LayerNorm.bias", 0, c->hidden, 1), c->norm_eps};
    for (uint32_t i = 0; i < c->layers && l.rc == 0; i++)
        load_layer(&l, i);
    return l.rc;
}

void weights_release(struct model_weights *m)
{
    for (uint32_t i = 0; m->layer && i < m->config.layers; i++) {
        struct layer *y = &m->layer[i];
        m->backend->weight_release(m->device, y->qkv);
        m->backend->weight_release(m->device, y->out);
        m->backend->weight_release(m->device, y->up);
        m->backend->weight_release(m->device, y->down);
    }
    for (size_t i = 0; i < m->memory_count; i++)
        m->backend->release(m->device, m->memory[i]);
    free(m->memory);
    free(m->layer);
    memset(m, 0, sizeof *m);
}
