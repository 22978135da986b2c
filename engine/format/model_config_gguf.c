/* GGUF's metadata of models that make vectors: the encoders, and decoders whose last token is pooled. */
#define _GNU_SOURCE
#include "engine/format/model_config.h"
#include "engine/run/settings.h"

#include <stdio.h>
#include <string.h>

enum { PLACE_NONE, PLACE_MEAN, PLACE_FIRST, PLACE_LAST, PLACE_RANK }; /* *.pooling_type */

/* The file does not hold the prompts that a model was trained with. To add a model: what its general.name holds, in small letters
 * and without signs, and its prompts; the first row that fits counts. */
static const struct {
    const char *name, *query, *document;
} prompts[] = {
    {"qwen3embedding", "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", ""},
    {"coderankembed", "Represent this query for searching relevant code: ", ""},
    {"nomicembedcode", "Represent this query for searching relevant code: ", ""},
    {"nomicembedtext", "search_query: ", "search_document: "},
    {"modernbertembed", "search_query: ", "search_document: "},
    {"e5", "query: ", "passage: "},
    {"bge", "Represent this sentence for searching relevant passages: ", ""},
    {"snowflakearcticembed", "Represent this sentence for searching relevant passages: ", ""},
};

static void take_prompts(struct model_config *out, const struct model_file *f)
{
    char plain[128];
    size_t n = 0;
    struct meta m;
    if (!model_file_meta(f, "general.name", &m) || m.kind != META_TEXT)
        return;
    for (size_t i = 0; i < m.len && n + 1 < sizeof plain; i++) {
        char c = m.text[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            plain[n++] = c | (c > '9' ? 0x20 : 0);
    }
    plain[n] = 0;
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++)
        if (strstr(plain, prompts[i].name)) {
            strcpy(out->query_prefix, prompts[i].query);
            strcpy(out->document_prefix, prompts[i].document);
            return;
        }
}

static uint32_t rows_of(const struct model_file *f, const char *name, uint32_t most)
{
    const struct tensor *t = model_file_find(f, name);
    return t && t->rank == 2 && t->shape[0] <= most ? (uint32_t)t->shape[0] : 0;
}

static int read_sizes(struct model_config *out, const struct settings *s, struct err *e)
{
    struct bert_config *b = &out->bert;
    const struct {
        uint32_t *to;
        const char *key;
        uint32_t most;
    } size[] = {{&b->hidden, "embedding_length", 8192},   {&b->layers, "block_count", 128},
                {&b->heads, "attention.head_count", 128}, {&b->intermediate, "feed_forward_length", 32768},
                {&b->max_position, "context_length", 8192}};
    int rc = 0;
    for (size_t i = 0; i < sizeof size / sizeof *size && !rc; i++) {
        rc = setting_uint(size[i].to, s, size[i].key, NULL, size[i].most, e);
        if (!rc && !*size[i].to)
            rc = err_set(e, ERR_FORMAT, "%s.%s is missing", s->arch, size[i].key);
    }
    b->norm_eps = 1e-12f;
    if (!rc)
        rc = setting_float(&b->norm_eps, s, "attention.layer_norm_epsilon", NULL, e);
    if (!rc && (!(b->norm_eps >= 0 && b->norm_eps <= .1f) || b->hidden % b->heads))
        rc = err_set(e, ERR_FORMAT, "%s: %u columns of %u heads, epsilon %g", s->arch, b->hidden, b->heads, (double)b->norm_eps);
    b->vocab = rows_of(s->file, "token_embd.weight", 1000000);
    return rc;
}

static int config_bert(struct model_config *out, const struct settings *s, uint32_t pooling, struct err *e)
{
    struct bert_config *b = &out->bert;
    uint32_t positions = rows_of(s->file, "position_embd.weight", 8192);
    b->names = NAMES_BERT_GGUF;
    b->activation = ACT_GELU;
    b->type_vocab = rows_of(s->file, "token_types.weight", 64);
    b->max_position = positions;
    b->scores = pooling == PLACE_RANK;
    if (b->scores)
        b->pooling = POOL_FIRST;
    return positions ? 0 : err_set(e, ERR_FORMAT, "position_embd.weight is missing or no table");
}

static int base(float *out, const struct settings *s, const char *key, float fallback, struct err *e)
{
    *out = fallback;
    int rc = setting_float(out, s, key, NULL, e);
    return rc || *out > 1 ? rc : err_set(e, ERR_FORMAT, "%s.%s is %g", s->arch, key, (double)*out);
}

static int config_nomic(struct model_config *out, const struct settings *s, uint32_t pooling, struct err *e)
{
    struct bert_config *b = &out->bert;
    b->names = NAMES_NOMIC_GGUF;
    b->activation = ACT_SILU;
    b->gated = true;
    b->type_vocab = rows_of(s->file, "token_types.weight", 64);
    return base(&b->rope_base[0], s, "rope.freq_base", 1000, e);
}

static int config_modern(struct model_config *out, const struct settings *s, uint32_t pooling, struct err *e)
{
    struct bert_config *b = &out->bert;
    uint32_t local = 0;
    const char *act = setting_text(s, "hidden_activation", NULL, "gelu");
    b->names = NAMES_MODERN_GGUF;
    b->pre_norm = b->gated = true;
    b->global_every = 3;
    if (strcmp(act, "gelu") && strcmp(act, "silu"))
        return err_set(e, ERR_UNSUPPORTED, "%s.hidden_activation is %.40s", s->arch, act);
    b->activation = *act == 'g' ? ACT_GELU : ACT_SILU;
    int rc = base(&b->rope_base[0], s, "rope.freq_base", 160000, e);
    if (!rc)
        rc = base(&b->rope_base[1], s, "rope.freq_base_swa", 10000, e);
    if (!rc)
        rc = setting_uint(&local, s, "attention.sliding_window", NULL, 1 << 20, e);
    if (!rc)
        rc = setting_uint(&b->global_every, s, "attention.sliding_window_pattern", NULL, 128, e);
    b->window = local / 2;
    b->scores = pooling == PLACE_RANK; /* of the mean: so llama.cpp computes them, the file does not say it */
    b->head = ACT_GELU;
    return rc || b->global_every ? rc : err_set(e, ERR_FORMAT, "%s: no layer sees everything", s->arch);
}

static const struct {
    const char *arch, *family;
    int (*read)(struct model_config *out, const struct settings *s, uint32_t pooling, struct err *e);
} encoders[] = {{"bert", "bert", config_bert}, {"nomic-bert", "nomic_bert", config_nomic}, {"modern-bert", "modernbert", config_modern}};
#define ENCODERS (sizeof encoders / sizeof *encoders)

static int read_encoder(struct model_config *out, const struct settings *s, size_t which, uint32_t pooling, struct err *e)
{
    strcpy(out->family, encoders[which].family);
    out->bert.pooling = pooling == PLACE_FIRST ? POOL_FIRST : POOL_MEAN;
    if (pooling == PLACE_LAST || (pooling == PLACE_RANK && encoders[which].read == config_nomic))
        return err_set(e, ERR_UNSUPPORTED, "%s: vectors of the pooling_type %u", s->arch, pooling);
    int rc = read_sizes(out, s, e);
    if (!rc)
        rc = encoders[which].read(out, s, pooling, e);
    out->max_tokens = out->bert.max_position;
    return rc;
}

/* A decoder that judges: which rows of cls.output.weight are "yes" and "no"; they lie in this order where no labels say it. */
static int read_judge(struct model_config *out, const struct settings *s, struct err *e)
{
    char key[80];
    struct meta m;
    const struct tensor *t = model_file_find(s->file, "cls.output.weight");
    uint64_t rows = t && t->rank == 2 ? t->shape[0] : 1;
    snprintf(key, sizeof key, "%.40s.classifier.output_labels", s->arch);
    out->bert.scores = true;
    out->yes = 0;
    out->no = rows == 2 ? 1 : UINT32_MAX;
    if (rows > 2)
        return err_set(e, ERR_UNSUPPORTED, "%s: a classifier of %llu labels", s->arch, (unsigned long long)rows);
    if (rows == 2 && model_file_meta(s->file, key, &m) && m.kind == META_TEXTS && m.len == 2) {
        size_t n;
        const char *first = meta_text(&m, 0, &n);
        if (n == 2 && !memcmp(first, "no", 2)) {
            out->yes = 1;
            out->no = 0;
        }
    }
    return 0;
}

int model_config_gguf(struct model_config *out, const struct model_file *f, struct err *e)
{
    struct settings s;
    uint32_t pooling = PLACE_NONE, context = 0;
    size_t which = 0;
    *out = (struct model_config){0};
    int rc = settings_open(&s, f, e);
    if (!rc)
        rc = setting_uint(&pooling, &s, "pooling_type", NULL, 64, e);
    if (rc)
        goto out;
    while (which < ENCODERS && strcmp(encoders[which].arch, s.arch))
        which++;
    if (which < ENCODERS) {
        rc = read_encoder(out, &s, which, pooling, e);
    } else if (pooling == PLACE_LAST || pooling == PLACE_RANK) {
        out->decoder = true;
        snprintf(out->family, sizeof out->family, "%.31s", s.arch);
        rc = setting_uint(&context, &s, "context_length", NULL, 1 << 24, e);
        out->max_tokens = context;
        if (!rc && pooling == PLACE_RANK)
            rc = read_judge(out, &s, e);
    } else if (pooling == PLACE_NONE || pooling > PLACE_RANK) {
        rc = err_set(e, ERR_UNSUPPORTED, "a model of the architecture %.40s that makes no vectors", s.arch);
    } else {
        snprintf(out->family, sizeof out->family, "%.31s", s.arch);
        rc = err_set(e, ERR_UNSUPPORTED, "%s: vectors of the pooling_type %u; of decoders only the last token's are supported", s.arch, pooling);
    }
    if (!rc && out->max_tokens < 3)
        rc = err_set(e, ERR_FORMAT, "%s: fewer than 3 positions", s.arch);
    if (!rc)
        take_prompts(out, f);
out:
    settings_release(&s);
    return rc;
}
