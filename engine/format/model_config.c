#include "engine/format/model_config.h"

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

/* key, or the name it had in the model's first configuration (GPT-2's, of NomicBERT). */
static const char *either(const json_t *o, const char *key, const char *before)
{
    return json_object_get(o, key) || !before || !json_object_get(o, before) ? key : before;
}

static int read_sizes(struct bert_config *b, const char *name, const json_t *o, bool types, struct err *e)
{
    int rc = 0;
    const struct {
        uint32_t *to;
        const char *key, *before;
        int64_t most;
    } size[] = {
        {&b->hidden, "hidden_size", "n_embd", 8192},           {&b->layers, "num_hidden_layers", "n_layer", 128},
        {&b->heads, "num_attention_heads", "n_head", 128},     {&b->intermediate, "intermediate_size", "n_inner", 32768},
        {&b->vocab, "vocab_size", NULL, 1000000},              {&b->max_position, "max_position_embeddings", "n_positions", 8192},
        {&b->type_vocab, "type_vocab_size", NULL, 64},
    };
    for (size_t i = 0; i < sizeof size / sizeof *size && !rc; i++)
        if (size[i].to != &b->type_vocab || types)
            rc = read_u32(size[i].to, o, name, either(o, size[i].key, size[i].before), size[i].most, e);
    if (!rc && b->hidden % b->heads)
        rc = err_set(e, ERR_FORMAT, "%s: hidden_size %u is no multiple of %u heads", name, b->hidden, b->heads);
    return rc;
}

static int read_activation(enum activation *out, const char *name, const char *act, struct err *e)
{
    size_t i = 0;
    while (i < sizeof activations / sizeof *activations && strcmp(activations[i].name, act))
        i++;
    if (i == sizeof activations / sizeof *activations)
        return err_set(e, ERR_UNSUPPORTED, "%s: hidden_act %.60s", name, act);
    *out = activations[i].is;
    return 0;
}

static int read_eps(struct bert_config *b, const char *name, const json_t *o, const char *key, double fallback, struct err *e)
{
    const json_t *eps = json_object_get(o, key);
    double v = json_is_number(eps) ? json_number_value(eps) : fallback;
    if (!(v >= 0 && v <= 0.1))
        return err_set(e, ERR_FORMAT, "%s: %s is out of bounds", name, key);
    b->norm_eps = (float)v;
    return 0;
}

/* The first of the keys ("a.b": of a member) that is a number above 1. */
static float base_of(const json_t *o, const char *const *key, double fallback)
{
    for (; *key; key++) {
        const json_t *at = o;
        char part[64];
        for (const char *p = *key; at && p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL) {
            snprintf(part, sizeof part, "%.*s", (int)strcspn(p, "."), p);
            at = json_object_get(at, part);
        }
        if (json_is_number(at) && json_number_value(at) > 1 && json_number_value(at) < 1e12)
            return (float)json_number_value(at);
    }
    return (float)fallback;
}

static bool made_as(const json_t *o, const char *architecture)
{
    const json_t *made = json_array_get(json_object_get(o, "architectures"), 0);
    return json_is_string(made) && !strcmp(json_string_value(made), architecture);
}

static int config_bert(struct bert_config *b, const char *name, const json_t *o, struct err *e)
{
    const char *position = json_get_text(o, "position_embedding_type", "absolute");
    if (strcmp(position, "absolute"))
        return err_set(e, ERR_UNSUPPORTED, "%s: position_embedding_type %.60s", name, position);
    int rc = read_sizes(b, name, o, true, e);
    if (!rc)
        rc = read_eps(b, name, o, "layer_norm_eps", 1e-12, e);
    b->scores = made_as(o, "BertForSequenceClassification");
    b->pooling = b->scores ? POOL_FIRST : POOL_MEAN;
    return rc ? rc : read_activation(&b->activation, name, json_get_text(o, "hidden_act", "gelu"), e);
}

static int config_nomic(struct bert_config *b, const char *name, const json_t *o, struct err *e)
{
    static const char *const bases[] = {"rope_parameters.rope_theta", "rotary_emb_base", NULL};
    const char *act = json_get_text(o, "activation_function", "swiglu");
    b->names = NAMES_NOMIC;
    b->gated = true;
    b->pooling = POOL_MEAN;
    b->rope_base[0] = base_of(o, bases, 1000);
    if (json_yes(o, "prenorm", false) || json_yes(o, "rotary_emb_interleaved", false) || json_yes(o, "qkv_proj_bias", false) ||
        json_number_value(json_object_get(o, "num_experts")) > 0)
        return err_set(e, ERR_UNSUPPORTED, "%s: a NomicBERT of another kind than the published embedders", name);
    int rc = read_sizes(b, name, o, true, e);
    if (!rc)
        rc = read_eps(b, name, o, either(o, "layer_norm_eps", "layer_norm_epsilon"), 1e-12, e);
    return rc ? rc : read_activation(&b->activation, name, strcmp(act, "swiglu") ? act : json_get_text(o, "hidden_act", "silu"), e);
}

/* ModernBertForSequenceClassification: the first token's state, or the mean, through dense, activation, norm and classifier. */
static int head_modern(struct bert_config *b, const char *name, const json_t *o, struct err *e)
{
    const char *pooling = json_get_text(o, "classifier_pooling", "cls");
    b->scores = made_as(o, "ModernBertForSequenceClassification");
    b->pooling = b->scores && !strcmp(pooling, "cls") ? POOL_FIRST : POOL_MEAN;
    if (!b->scores)
        return 0;
    if ((strcmp(pooling, "cls") && strcmp(pooling, "mean")) || json_yes(o, "classifier_bias", false))
        return err_set(e, ERR_UNSUPPORTED, "%s: a classifier with a bias, or of the classifier_pooling %.40s", name, pooling);
    return read_activation(&b->head, name, json_get_text(o, "classifier_activation", "gelu"), e);
}

static int config_modern(struct bert_config *b, const char *name, const json_t *o, struct err *e)
{
    static const char *const all[] = {"rope_parameters.full_attention.rope_theta", "global_rope_theta", NULL};
    static const char *const near[] = {"rope_parameters.sliding_attention.rope_theta", "local_rope_theta", NULL};
    uint32_t local = 128;
    b->names = NAMES_MODERN;
    b->pre_norm = b->gated = true;
    b->rope_base[0] = base_of(o, all, 160000);
    b->rope_base[1] = base_of(o, near, 10000);
    b->global_every = 3;
    if (json_yes(o, "norm_bias", false) || json_yes(o, "attention_bias", false) || json_yes(o, "mlp_bias", false))
        return err_set(e, ERR_UNSUPPORTED, "%s: a ModernBERT with biases", name);
    int rc = read_sizes(b, name, o, false, e);
    if (!rc && json_object_get(o, "local_attention"))
        rc = read_u32(&local, o, name, "local_attention", 1 << 20, e);
    b->window = local / 2;
    if (!rc && json_object_get(o, "global_attn_every_n_layers"))
        rc = read_u32(&b->global_every, o, name, "global_attn_every_n_layers", 128, e);
    const json_t *types = json_object_get(o, "layer_types");
    for (size_t i = 1; !rc && i < json_array_size(types); i++) { /* today's way to say how often */
        const char *kind = json_string_value(json_array_get(types, i));
        if (kind && strcmp(kind, "full_attention") == 0) {
            b->global_every = (uint32_t)i;
            break;
        }
    }
    if (!rc)
        rc = read_eps(b, name, o, "norm_eps", 1e-5, e);
    if (!rc)
        rc = read_activation(&b->activation, name, json_get_text(o, "hidden_activation", "gelu"), e);
    return rc ? rc : head_modern(b, name, o, e);
}

/* To add a family: its model_type here, its architecture in model_config_gguf.c, its names of tensors in run/encoder.c. */
static const struct {
    const char *type;
    int (*read)(struct bert_config *b, const char *name, const json_t *o, struct err *e);
} families[] = {{"bert", config_bert}, {"nomic_bert", config_nomic}, {"modernbert", config_modern}};

static int read_bert(struct model_config *out, const char *name, const json_t *o, struct err *e)
{
    const char *type = json_get_text(o, "model_type", "of no type");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].type, type) == 0) {
            strcpy(out->family, type);
            int rc = families[i].read(&out->bert, name, o, e);
            out->max_tokens = out->bert.max_position;
            return rc;
        }
    return err_set(e, ERR_UNSUPPORTED, "%s: the model is %.60s; only bert, nomic_bert and modernbert are supported", name, type);
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

/* One flag a way (every published folder), or the way's name. */
static int read_pooling(struct model_config *out, bool *last, const char *name, const json_t *o, struct err *e)
{
    static const struct {
        const char *flag, *name;
    } way[] = {{"pooling_mode_mean_tokens", "mean"}, {"pooling_mode_cls_token", "cls"}, {"pooling_mode_lasttoken", "lasttoken"},
               {"pooling_mode_max_tokens", "max"}, {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
               {"pooling_mode_weightedmean_tokens", "weightedmean"}};
    const char *named = json_get_text(o, "pooling_mode", NULL);
    int found = -1, ways = 0;
    for (int i = 0; i < (int)(sizeof way / sizeof *way); i++)
        if (named ? !strcmp(named, way[i].name) : json_yes(o, way[i].flag, false)) {
            found = i;
            ways++;
        }
    *last = found == 2;
    if (ways != 1 || found > 2)
        return err_set(e, ERR_UNSUPPORTED, "%s: only the mean of the tokens, the first or the last one is supported", name);
    if (!json_yes(o, "include_prompt", true))
        return err_set(e, ERR_UNSUPPORTED, "%s: a prompt that the mean leaves out (include_prompt)", name);
    out->bert.pooling = found == 0 ? POOL_MEAN : POOL_FIRST;
    return 0;
}

/* What follows the pooling: bringing to unit length, which is done always; nothing else. judge: the folder of LogitScore, which
 * makes a decoder a reranker; empty: there is none. */
static int read_modules(char judge[64], const char *name, const json_t *list, struct err *e)
{
    static const char *const known[] = {"Transformer", "Pooling", "Normalize", "LogitScore"};
    size_t i;
    const json_t *m;
    judge[0] = 0;
    json_array_foreach(list, i, m) {
        const char *type = json_get_text(m, "type", ""), *last = strrchr(type, '.'), *path = json_get_text(m, "path", "");
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(last ? last + 1 : type, known[k]))
            k++;
        if (k == sizeof known / sizeof *known)
            return err_set(e, ERR_UNSUPPORTED, "%s: a module of the type %.80s", name, type);
        if (k < 3)
            continue;
        if (!*path || strlen(path) >= 64 || strchr(path, '/') || path[0] == '.')
            return err_set(e, ERR_FORMAT, "%s: the path of LogitScore is %.80s", name, path);
        strcpy(judge, path);
    }
    return 0;
}

/* A decoder's config.json: what it is in run/arch.h's terms is read there. */
static int read_decoder(struct model_config *out, const char *name, const json_t *o, struct err *e)
{
    out->decoder = true;
    out->bert = (struct bert_config){0};
    return read_u32(&out->max_tokens, o, name, "max_position_embeddings", 1 << 24, e);
}

/* LogitScore's tokens: true_token_id, and false_token_id, which may be null. */
static int read_judge(struct model_config *out, const char *dir, const char *folder, const json_t *root, struct err *e)
{
    char name[4096];
    json_t *o = NULL;
    int64_t v;
    snprintf(name, sizeof name, "%s/config.json", dir);
    snprintf(out->family, sizeof out->family, "%.31s", json_get_text(root, "model_type", "?"));
    int rc = read_decoder(out, name, root, e);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "%s/%s/config.json", dir, folder);
    rc = json_file(&o, name, FILE_MAX, DEPTH_MAX, VALUES_MAX, e);
    if (!rc)
        rc = json_int(&v, o, name, "true_token_id", 0, 1 << 24, e);
    out->yes = rc ? 0 : (uint32_t)v;
    out->no = UINT32_MAX;
    if (!rc && !json_is_null(json_object_get(o, "false_token_id")) && json_object_get(o, "false_token_id")) {
        rc = json_int(&v, o, name, "false_token_id", 0, 1 << 24, e);
        out->no = rc ? 0 : (uint32_t)v;
    }
    out->bert.scores = true;
    json_decref(o);
    return rc;
}

/* A decoder that was made to give one number for its last token's state (transformers' …ForSequenceClassification): row 0 of score.weight. */
static int read_classifier(struct model_config *out, const char *name, const json_t *root, struct err *e)
{
    snprintf(out->family, sizeof out->family, "%.31s", json_get_text(root, "model_type", "?"));
    out->yes = 0;
    out->no = UINT32_MAX;
    int rc = read_decoder(out, name, root, e);
    out->bert.scores = true;
    return rc;
}

static bool classifies(const json_t *root)
{
    static const char what[] = "ForSequenceClassification";
    const char *made = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    size_t n = made ? strlen(made) : 0;
    return n > sizeof what - 1 && !strcmp(made + n - (sizeof what - 1), what);
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

static int read_max(struct model_config *out, const char *name, const json_t *o, struct err *e)
{
    int64_t v;
    if (!json_is_integer(json_object_get(o, "max_seq_length")))
        return 0;
    int rc = json_int(&v, o, name, "max_seq_length", 3, 1 << 20, e);
    if (!rc && v < out->max_tokens)
        out->max_tokens = (uint32_t)v;
    return rc;
}

static int read_prompts(struct model_config *out, const char *name, const json_t *o, struct err *e)
{
    static const char *const query[] = {"query", NULL}, *const document[] = {"document", "passage", NULL};
    const json_t *prompts = json_object_get(o, "prompts");
    int rc = read_prefix(out->query_prefix, prompts, query, name, e);
    return rc ? rc : read_prefix(out->document_prefix, prompts, document, name, e);
}

/* Texts of a model without learned positions are cut where its buffers are to end. */
static void bound_texts(struct model_config *out)
{
    bool turns = out->decoder || out->bert.rope_base[0] > 0;
    if (turns && out->max_tokens > EMBED_TOKENS_MAX)
        out->max_tokens = EMBED_TOKENS_MAX;
    if (!out->decoder && turns && out->bert.max_position > out->max_tokens)
        out->bert.max_position = out->max_tokens;
}

/* The files that may be missing; root: config.json; encoder: what became of reading it as one. */
static int read_beside(struct model_config *out, const char *dir, const json_t *root, int encoder, struct err *e)
{
    char name[4096], judge[64];
    json_t *modules = NULL, *max = NULL, *pooling = NULL, *prompts = NULL;
    bool last = false;
    bool decoder = encoder && !out->family[0];
    struct err known = e ? *e : (struct err){0}; /* what it has said as an encoder */
    int rc = optional(&modules, name, dir, "modules.json", e);
    if (!rc)
        rc = read_modules(judge, name, modules, e);
    if (rc && decoder) /* a folder of sentence-transformers' */
        snprintf(out->family, sizeof out->family, "%.31s", json_get_text(root, "model_type", "?"));
    if (!rc)
        rc = optional(&pooling, name, dir, "1_Pooling/config.json", e);
    if (!rc && pooling && decoder) /* whatever it is, it is to embed */
        snprintf(out->family, sizeof out->family, "%.31s", json_get_text(root, "model_type", "?"));
    if (!rc && pooling)
        rc = read_pooling(out, &last, name, pooling, e);
    if (!rc && decoder && pooling) {
        char config[4096];
        snprintf(config, sizeof config, "%s/config.json", dir);
        rc = read_decoder(out, config, root, e);
        if (!rc && !last)
            rc = err_set(e, ERR_UNSUPPORTED, "%s: of a decoder only the last token can be pooled", name);
    } else if (!rc && decoder && judge[0]) {
        rc = read_judge(out, dir, judge, root, e);
    } else if (!rc && decoder && classifies(root)) {
        char config[4096];
        snprintf(config, sizeof config, "%s/config.json", dir);
        rc = read_classifier(out, config, root, e);
    } else if (!rc && encoder) {
        rc = encoder;
        if (e)
            *e = known;
    }
    if (!rc && !out->decoder && last)
        rc = err_set(e, ERR_UNSUPPORTED, "%s: the last token of a model that reads both ways", name);
    if (!rc && !out->decoder && judge[0])
        rc = err_set(e, ERR_UNSUPPORTED, "%s: LogitScore behind a model that reads both ways", dir);
    if (!rc)
        rc = optional(&max, name, dir, "sentence_bert_config.json", e);
    if (!rc)
        rc = read_max(out, name, max, e);
    if (!rc)
        rc = optional(&prompts, name, dir, "config_sentence_transformers.json", e);
    if (!rc)
        rc = read_prompts(out, name, prompts, e);
    json_decref(modules);
    json_decref(max);
    json_decref(pooling);
    json_decref(prompts);
    return rc;
}

int model_config_read(struct model_config *out, const char *dir, struct err *e)
{
    char name[4096];
    json_t *root = NULL;
    snprintf(name, sizeof name, "%s/config.json", dir);
    *out = (struct model_config){0};
    int rc = json_file(&root, name, FILE_MAX, DEPTH_MAX, VALUES_MAX, e);
    if (rc)
        return rc;
    rc = read_bert(out, name, root, e);
    if (!rc || rc == ERR_UNSUPPORTED)
        rc = read_beside(out, dir, root, rc, e);
    json_decref(root);
    if (!rc && out->max_tokens < 3)
        rc = err_set(e, ERR_FORMAT, "%s: fewer than 3 positions", dir);
    return rc;
}

int model_config_open(struct model_config *out, const struct model_file *f, struct err *e)
{
    int rc = model_file_is_gguf(f) ? model_config_gguf(out, f, e) : model_config_read(out, model_file_folder(f), e);
    if (!rc)
        bound_texts(out);
    return rc;
}
