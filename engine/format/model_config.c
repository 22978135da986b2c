#include "engine/format/model_config.h"

#include "base/buf.h"
#include "base/file.h"
#include "engine/format/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1 << 20)
#define DEPTH_MAX 16
#define VALUES_MAX 20000

/* To add an activation: its names in config.json. */
static const struct {
    const char *name;
    enum activation is;
} activations[] = {
    {"gelu", ACT_GELU},         {"gelu_new", ACT_GELU_TANH}, {"gelu_pytorch_tanh", ACT_GELU_TANH},
    {"gelu_fast", ACT_GELU_TANH}, {"relu", ACT_RELU},        {"silu", ACT_SILU}, {"swish", ACT_SILU},
};

static int read_u32(uint32_t *out, const json_t *o, const char *name, const char *key, int64_t most, struct err *e)
{
    int64_t v;
    int rc = json_int(&v, o, name, key, 1, most, e);
    if (!rc)
        *out = (uint32_t)v;
    return rc;
}

static int read_bert(struct model_config *out, const char *name, const json_t *o, struct err *e)
{
    struct bert_config *b = &out->bert;
    const char *type = json_get_text(o, "model_type", "of no type");
    if (strcmp(type, "bert"))
        return err_set(e, ERR_UNSUPPORTED, "%s: the model is %.60s; only bert is supported", name, type);
    const char *position = json_get_text(o, "position_embedding_type", "absolute");
    if (strcmp(position, "absolute"))
        return err_set(e, ERR_UNSUPPORTED, "%s: position_embedding_type %.60s", name, position);
    strcpy(out->family, "bert");
    int rc = 0;
    const struct {
        uint32_t *to;
        const char *key;
        int64_t most;
    } size[] = {
        {&b->hidden, "hidden_size", 8192},           {&b->layers, "num_hidden_layers", 128},
        {&b->heads, "num_attention_heads", 128},     {&b->intermediate, "intermediate_size", 32768},
        {&b->vocab, "vocab_size", 1000000},          {&b->max_position, "max_position_embeddings", 8192},
        {&b->type_vocab, "type_vocab_size", 64},
    };
    for (size_t i = 0; i < sizeof size / sizeof *size && !rc; i++)
        rc = read_u32(size[i].to, o, name, size[i].key, size[i].most, e);
    if (rc)
        return rc;
    if (b->hidden % b->heads)
        return err_set(e, ERR_FORMAT, "%s: hidden_size %u is no multiple of %u heads", name, b->hidden, b->heads);
    const json_t *eps = json_object_get(o, "layer_norm_eps");
    double v = json_is_number(eps) ? json_number_value(eps) : 1e-12;
    if (!(v >= 0 && v <= 0.1))
        return err_set(e, ERR_FORMAT, "%s: layer_norm_eps is out of bounds", name);
    b->norm_eps = (float)v;
    const char *act = json_get_text(o, "hidden_act", "gelu");
    size_t i = 0;
    while (i < sizeof activations / sizeof *activations && strcmp(activations[i].name, act))
        i++;
    if (i == sizeof activations / sizeof *activations)
        return err_set(e, ERR_UNSUPPORTED, "%s: hidden_act %.60s", name, act);
    b->activation = activations[i].is;
    b->pooling = POOL_MEAN;
    out->max_tokens = b->max_position;
    return 0;
}

int model_config_bert(struct model_config *out, const char *name, const void *bytes, size_t n, struct err *e)
{
    json_t *o = NULL;
    *out = (struct model_config){0};
    int rc = json_bounded(&o, name, bytes, n, DEPTH_MAX, VALUES_MAX, e);
    if (!rc)
        rc = read_bert(out, name, o, e);
    json_decref(o);
    return rc;
}

/* Parses <dir>/<file>; 0 with *o NULL where there is none. */
static int optional(json_t **o, char name[4096], const char *dir, const char *file, struct err *e)
{
    *o = NULL;
    snprintf(name, 4096, "%s/%s", dir, file);
    int rc = json_file(o, name, FILE_MAX, DEPTH_MAX, VALUES_MAX, e);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int read_pooling(struct model_config *out, const char *name, const json_t *o, struct err *e)
{
    bool mean = json_yes(o, "pooling_mode_mean_tokens", false), first = json_yes(o, "pooling_mode_cls_token", false);
    if (mean == first || json_yes(o, "pooling_mode_max_tokens", false) ||
        json_yes(o, "pooling_mode_mean_sqrt_len_tokens", false))
        return err_set(e, ERR_UNSUPPORTED, "%s: only the mean of the tokens or the first one is supported", name);
    out->bert.pooling = mean ? POOL_MEAN : POOL_FIRST;
    return 0;
}

static int read_prefix(char *to, const json_t *prompts, const char *const *keys, const char *name, struct err *e)
{
    for (; *keys; keys++) {
        const char *s = json_get_text(prompts, *keys, NULL);
        if (!s)
            continue;
        if (strlen(s) > MODEL_PREFIX_MAX)
            return err_set(e, ERR_LIMIT, "%s: a prompt of more than %d bytes", name, MODEL_PREFIX_MAX);
        strcpy(to, s);
        return 0;
    }
    return 0;
}

int model_config_read(struct model_config *out, const char *dir, struct err *e)
{
    static const char *const query[] = {"query", NULL}, *const document[] = {"document", "passage", NULL};
    char name[4096];
    struct buf b = BUF_INIT;
    json_t *o = NULL;
    int64_t v;
    snprintf(name, sizeof name, "%s/config.json", dir);
    int rc = file_read(&b, name, FILE_MAX, e);
    if (!rc)
        rc = model_config_bert(out, name, b.len ? b.data : "", b.len, e);
    if (!rc)
        rc = optional(&o, name, dir, "sentence_bert_config.json", e);
    if (!rc && json_is_integer(json_object_get(o, "max_seq_length"))) {
        rc = json_int(&v, o, name, "max_seq_length", 3, 1 << 20, e);
        if (!rc && v < out->max_tokens)
            out->max_tokens = (uint32_t)v;
    }
    json_decref(o);
    o = NULL;
    if (!rc)
        rc = optional(&o, name, dir, "1_Pooling/config.json", e);
    if (!rc && o)
        rc = read_pooling(out, name, o, e);
    json_decref(o);
    o = NULL;
    if (!rc)
        rc = optional(&o, name, dir, "config_sentence_transformers.json", e);
    if (!rc && o) {
        const json_t *prompts = json_object_get(o, "prompts");
        rc = read_prefix(out->query_prefix, prompts, query, name, e);
        if (!rc)
            rc = read_prefix(out->document_prefix, prompts, document, name, e);
    }
    json_decref(o);
    buf_release(&b);
    if (!rc && out->max_tokens < 3)
        rc = err_set(e, ERR_FORMAT, "%s: fewer than 3 positions", dir);
    return rc;
}
