/* Weights of an encoder: found by name, checked, handed to the device once. */
#include "engine/run/arch.h"
#include "engine/run/encoder.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* To add a family: its names here, its knobs in format/model_config.c and model_config_gguf.c. Of a layer: below `layer`, whose %u is its number. */
static const struct names {
    const char *word, *position, *type, *norm, *last_norm, *layer;
    const char *qkv[3]; /* one name: queries, keys and values in one tensor */
    const char *out, *up[2], *down, *attention_norm, *output_norm;
    bool biases;        /* every product and norm has one; else none has, but NomicBERT's norms do */
    bool norm_biases;
    const char *pool, *pool_norm, *classify; /* of a cross-encoder */
} names[] = {
    [NAMES_BERT] = {"embeddings.word_embeddings", "embeddings.position_embeddings", "embeddings.token_type_embeddings",
                    "embeddings.LayerNorm", NULL, "encoder.layer.%u.",
                    {"attention.self.query", "attention.self.key", "attention.self.value"}, "attention.output.dense",
                    {"intermediate.dense"}, "output.dense", "attention.output.LayerNorm", "output.LayerNorm", true, true,
                    "pooler.dense", NULL, "classifier"},
    [NAMES_NOMIC] = {"embeddings.word_embeddings", NULL, "embeddings.token_type_embeddings", "emb_ln", NULL, "encoder.layers.%u.",
                     {"attn.Wqkv"}, "attn.out_proj", {"mlp.fc12", "mlp.fc11"}, "mlp.fc2", "norm1", "norm2", false, true, NULL, NULL, NULL},
    [NAMES_MODERN] = {"embeddings.tok_embeddings", NULL, NULL, "embeddings.norm", "final_norm", "layers.%u.",
                      {"attn.Wqkv"}, "attn.Wo", {"mlp.Wi"}, "mlp.Wo", "attn_norm", "mlp_norm", false, false,
                      "head.dense", "head.norm", "classifier"},
    [NAMES_BERT_GGUF] = {"token_embd", "position_embd", "token_types", "token_embd_norm", NULL, "blk.%u.",
                         {"attn_q", "attn_k", "attn_v"}, "attn_output", {"ffn_up"}, "ffn_down", "attn_output_norm",
                         "layer_output_norm", true, true, "cls", NULL, "cls.output"},
    [NAMES_NOMIC_GGUF] = {"token_embd", NULL, "token_types", "token_embd_norm", NULL, "blk.%u.", {"attn_qkv"}, "attn_output",
                          {"ffn_gate", "ffn_up"}, "ffn_down", "attn_output_norm", "layer_output_norm", false, true, NULL, NULL, NULL},
    [NAMES_MODERN_GGUF] = {"token_embd", NULL, NULL, "token_embd_norm", "output_norm", "blk.%u.", {"attn_qkv"}, "attn_output",
                           {"ffn_up"}, "ffn_down", "attn_norm", "ffn_norm", false, false, "cls", "cls.norm", "cls.output"},
};

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

/* The tensor of that name (or below "bert." or "model.") with shape [rows, cols], or [cols] where rows is 0. */
static bool get(struct loader *l, struct tensor_view *t, const char *name, uint32_t rows, uint32_t cols)
{
    char bert[200], model[200];
    snprintf(bert, sizeof bert, "bert.%s", name);
    snprintf(model, sizeof model, "model.%s", name);
    if (l->rc)
        return false;
    if (!l->from->find(l->from->self, name, t) && !l->from->find(l->from->self, bert, t) &&
        !l->from->find(l->from->self, model, t)) {
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

static const struct names *names_of(const struct loader *l)
{
    return &names[l->m->config.names];
}

static void layer_name(char out[160], const struct loader *l, uint32_t layer, const char *part, const char *what)
{
    const char *format = names_of(l)->layer, *mark = strstr(format, "%u");
    snprintf(out, 160, "%.*s%u%s%s.%s", (int)(mark - format), format, layer, mark + 2, part, what);
}

static float *vector(struct loader *l, uint32_t layer, const char *part, const char *what, uint32_t n)
{
    char name[160];
    layer_name(name, l, layer, part, what);
    return table(l, name, 0, n, 1);
}

static struct norm norm(struct loader *l, uint32_t layer, const char *part)
{
    uint32_t hidden = l->m->config.hidden;
    return (struct norm){.gain = vector(l, layer, part, "weight", hidden),
                         .bias = names_of(l)->norm_biases ? vector(l, layer, part, "bias", hidden) : NULL,
                         .eps = l->m->config.norm_eps};
}

static struct norm plain_norm(struct loader *l, const char *part)
{
    char weight[100], bias[100];
    uint32_t hidden = l->m->config.hidden;
    snprintf(weight, sizeof weight, "%s.weight", part);
    snprintf(bias, sizeof bias, "%s.bias", part);
    return (struct norm){.gain = table(l, weight, 0, hidden, 1),
                         .bias = names_of(l)->norm_biases ? table(l, bias, 0, hidden, 1) : NULL, .eps = l->m->config.norm_eps};
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
        layer_name(name, l, layer, part[i], "weight");
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

static uint32_t parts_of(const char *const *name, uint32_t most)
{
    uint32_t n = 0;
    while (n < most && name[n])
        n++;
    return n;
}

static void load_biases(struct loader *l, struct layer *y, uint32_t i)
{
    const struct bert_config *c = &l->m->config;
    const struct names *n = names_of(l);
    y->qkv_bias = device_floats(l, 3 * (size_t)c->hidden);
    for (uint32_t part = 0; part < 3; part++) {
        char name[160];
        struct tensor_view t;
        layer_name(name, l, i, n->qkv[part], "bias");
        if (get(l, &t, name, 0, c->hidden))
            upload(l, y->qkv_bias + (size_t)part * c->hidden, &t, 0, c->hidden);
    }
    y->out_bias = vector(l, i, n->out, "bias", c->hidden);
    y->up_bias = vector(l, i, n->up[0], "bias", c->intermediate);
    y->down_bias = vector(l, i, n->down, "bias", c->hidden);
}

static void load_layer(struct loader *l, uint32_t i)
{
    const struct bert_config *c = &l->m->config;
    const struct names *n = names_of(l);
    struct layer *y = &l->m->layer[i];
    uint32_t qkv = parts_of(n->qkv, 3), up = parts_of(n->up, 2), wide = c->intermediate * (c->gated ? 2 : 1);
    y->qkv = matrix(l, i, n->qkv, qkv, 3 * c->hidden / qkv, c->hidden);
    y->out = matrix(l, i, &n->out, 1, c->hidden, c->hidden);
    y->up = matrix(l, i, n->up, up, wide / up, c->hidden);
    y->down = matrix(l, i, &n->down, 1, c->hidden, c->intermediate);
    if (n->biases)
        load_biases(l, y, i);
    if (i > 0 || !c->pre_norm) /* ModernBERT's first layer has none: the embeddings' is right before it */
        y->attention_norm = norm(l, i, n->attention_norm);
    y->output_norm = norm(l, i, n->output_norm);
}

static void load_rope(struct loader *l)
{
    const struct bert_config *c = &l->m->config;
    struct bounds b = {.rows = 1, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1};
    for (int i = 0; i < 2 && c->rope_base[i] > 0 && l->rc == 0; i++) {
        struct rope_knobs how = {.dims = c->hidden / c->heads, .base = c->rope_base[i], .factor = 1};
        float host[HEAD_MAX / 2];
        void *queue = NULL;
        rope_frequencies(host, &how);
        l->m->frequency[i] = device_floats(l, how.dims / 2);
        if (l->rc == 0)
            l->rc = l->m->backend->queue(l->m->device, &b, &queue, l->e);
        if (l->rc)
            return;
        l->m->backend->put(queue, l->m->frequency[i], host, how.dims / 2 * sizeof *host);
        l->rc = l->m->backend->sync(queue, l->e);
        l->m->backend->queue_close(queue);
    }
}

static int check(const struct bert_config *c, struct err *e)
{
    bool small = c->hidden && c->hidden <= 1 << 14 && c->layers && c->layers <= 256 && c->intermediate &&
                 c->intermediate <= 1 << 16 && c->vocab && c->vocab <= 1 << 24 && c->max_position &&
                 c->max_position <= 1 << 16 && c->type_vocab <= 1024;
    if (!small || c->heads == 0 || c->hidden % c->heads != 0)
        return err_set(e, ERR_FORMAT, "an encoder of width %u, %u layers, %u heads, %u positions, %u words", c->hidden,
                       c->layers, c->heads, c->max_position, c->vocab);
    if (c->rope_base[0] > 0 && (c->hidden / c->heads > HEAD_MAX || c->hidden / c->heads % 2))
        return err_set(e, ERR_FORMAT, "heads of %u columns cannot turn", c->hidden / c->heads);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return err_set(e, ERR_FORMAT, "layer_norm_eps is not between 0 and 1");
    return 0;
}

static float *word_table(struct loader *l, const char *part, uint32_t rows, uint32_t keep)
{
    char name[100];
    snprintf(name, sizeof name, "%s.weight", part);
    return table(l, name, rows, l->m->config.hidden, keep);
}

/* Of host memory: a few rows are computed there. */
static float *head_floats(struct loader *l, const char *part, const char *what, uint32_t rows, uint32_t cols, float *last)
{
    struct tensor_view t;
    char name[100];
    snprintf(name, sizeof name, "%s.%s", part, what);
    if (!get(l, &t, name, rows, cols))
        return NULL;
    size_t n = (size_t)(rows ? rows : 1) * cols;
    float *to = mem_zero(n + 1, sizeof *to);
    convert(to, &t, 0, n);
    if (last)
        to[n] = *last;
    return to;
}

static void load_head(struct loader *l)
{
    uint32_t hidden = l->m->config.hidden;
    const struct names *n = names_of(l);
    float *bias = head_floats(l, n->classify, "bias", 0, 1, NULL);
    l->m->head.dense = head_floats(l, n->pool, "weight", hidden, hidden, NULL);
    if (n->biases)
        l->m->head.bias = head_floats(l, n->pool, "bias", 0, hidden, NULL);
    if (n->pool_norm)
        l->m->head.gain = head_floats(l, n->pool_norm, "weight", 0, hidden, NULL);
    l->m->head.classify = head_floats(l, n->classify, "weight", 1, hidden, bias);
    free(bias);
}

int weights_load(struct model_weights *m, const struct tensor_source *from, struct err *e)
{
    struct loader l = {.m = m, .from = from, .e = e};
    const struct bert_config *c = &m->config;
    l.rc = check(c, e);
    if (l.rc)
        return l.rc;
    m->layer = mem_zero(c->layers, sizeof *m->layer);
    const struct names *n = names_of(&l);
    m->embedding = (struct embedding){.vocab = c->vocab, .max_position = c->max_position};
    m->embedding.word = word_table(&l, n->word, c->vocab, c->vocab);
    if (n->position)
        m->embedding.position = word_table(&l, n->position, c->max_position, c->max_position);
    if (n->type && c->type_vocab)
        m->embedding.type = word_table(&l, n->type, c->type_vocab, c->type_vocab);
    m->embedding_norm = plain_norm(&l, n->norm);
    if (n->last_norm)
        m->last_norm = plain_norm(&l, n->last_norm);
    load_rope(&l);
    if (c->scores)
        load_head(&l);
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
    free(m->head.dense);
    free(m->head.bias);
    free(m->head.gain);
    free(m->head.classify);
    free(m->memory);
    free(m->layer);
    memset(m, 0, sizeof *m);
}
