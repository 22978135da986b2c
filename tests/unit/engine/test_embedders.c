/* From texts to vectors and scores, through engine.h, of every kind of model that embeds or reranks: the folders of
 * tests/parity/make_embedders.py (tokenizer, prompts, cut, model, pooling) and the same models as GGUF; cosine ≥ .9999. */
#include "engine/engine.h"
#include "tests/unit/engine/tiny_folder.h"
#include "tests/unit/engine/tiny_gguf.h"

#define TEXTS_MAX 8
#define COSINE .9999
#define COSINE_FAST .99  /* operands of the device's own kind; weights drawn hard, as in test_bert_parity.c */
#define SCORE 2e-4

struct made {
    struct tiny_folder f;
    char gguf[100];
    const char *text[TEXTS_MAX], *query;
    size_t n, dim;
    float *want;   /* [n, dim] */
    bool scores;
};

static const json_t *file_of(const struct made *m, const char *name)
{
    return tiny_file(&m->f, name);
}

static int64_t setting(const struct made *m, const char *key)
{
    return json_integer_value(json_object_get(file_of(m, "config.json"), key));
}

static void made_open(struct made *m, const char *name)
{
    char path[500];
    *m = (struct made){.n = 0};
    tiny_folder_open(&m->f, name);
    const json_t *texts = json_object_get(m->f.root, "texts");
    m->n = json_array_size(texts);
    for (size_t i = 0; i < m->n; i++)
        m->text[i] = json_string_value(json_array_get(texts, i));
    m->query = json_string_value(json_object_get(m->f.root, "query"));
    m->scores = json_is_true(json_object_get(m->f.root, "scores"));
    m->dim = m->scores ? 1 : (size_t)setting(m, "hidden_size");
    m->want = mem_alloc(m->n * m->dim * sizeof *m->want);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/embedders/%s.f32", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(m->want, sizeof *m->want, m->n * m->dim, f), m->n * m->dim);
    fclose(f);
    snprintf(m->gguf, sizeof m->gguf, "%s.gguf", m->f.folder);
}

static void made_close(struct made *m)
{
    tiny_folder_close(&m->f);
    unlink(m->gguf);
    free(m->want);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return dot / sqrt(aa * bb);
}

static void check_vectors(const struct made *m, struct model *model, double least, const char *how)
{
    float got[TEXTS_MAX * 64];
    struct err e;
    assert_int_equal(model_info(model)->dim, m->dim);
    for (size_t i = 0; i < m->n; i++) {
        enum embed_kind kind = i % 2 ? EMBED_QUERY : EMBED_DOCUMENT;
        if (model_embed(model, kind, &m->text[i], 1, PRIORITY_QUERY, got, NULL, NULL, &e))
            fail_msg("%s: %s", how, e.message);
        double c = cosine(got, m->want + i * m->dim, m->dim);
        if (!(c >= least))
            fail_msg("%s: text %zu has a cosine of %.7f", how, i, c);
    }
    float together[TEXTS_MAX * 64]; /* documents in one batch: as alone */
    uint32_t used[TEXTS_MAX];
    if (model_embed(model, EMBED_DOCUMENT, m->text, m->n, PRIORITY_DOCUMENT, together, used, NULL, &e))
        fail_msg("%s: %s", how, e.message);
    for (size_t i = 0; i < m->n; i += 2)
        assert_true(cosine(together + i * m->dim, m->want + i * m->dim, m->dim) >= least);
    assert_true(used[m->n - 2] > used[0]);
}

static void check_scores(const struct made *m, struct model *model, double tolerance, const char *how)
{
    float got[TEXTS_MAX];
    struct err e;
    assert_true(model_info(model)->scores && !model_info(model)->dim && !model_info(model)->context);
    if (model_rerank(model, m->query, m->text, m->n, got, NULL, &e))
        fail_msg("%s: %s", how, e.message);
    for (size_t i = 0; i < m->n; i++)
        if (!(fabs((double)got[i] - m->want[i]) <= tolerance * fmax(1, fabs((double)m->want[i]))))
            fail_msg("%s: pair %zu has the score %g for %g", how, i, (double)got[i], (double)m->want[i]);
    assert_int_equal(model_embed(model, EMBED_QUERY, m->text, 1, PRIORITY_QUERY, got, NULL, NULL, &e), ERR_UNSUPPORTED);
}

/* exact and as usual. */
static void check(const struct made *m, const char *path, bool exact)
{
    struct engine *en;
    struct model *model;
    struct err e;
    assert_int_equal(engine_open(&en, &(struct engine_options){.threads = 2, .backend = "cpu", .exact = exact}, &e), 0);
    if (model_open(&model, en, path, &e))
        fail_msg("%s", e.message);
    if (m->scores)
        check_scores(m, model, exact ? SCORE : .2, path);
    else
        check_vectors(m, model, exact ? COSINE : COSINE_FAST, path);
    if (!m->scores)
        assert_int_equal(model_rerank(model, "a", m->text, 1, &(float){0}, NULL, &e), ERR_UNSUPPORTED);
    model_close(model);
    engine_close(en);
}

/* -- GGUF -- */

static const struct {
    const char *hf, *gguf; /* parts of a name; longer ones first */
} names[] = {
    {"head.dense", "cls"}, {"head.norm", "cls.norm"}, {"token_type_embeddings", "token_types"}, {"word_embeddings", "token_embd"}, {"position_embeddings", "position_embd"},
    {"tok_embeddings", "token_embd"}, {"embed_tokens", "token_embd"}, {"embeddings.LayerNorm", "token_embd_norm"}, {"embeddings.norm", "token_embd_norm"},
    {"emb_ln", "token_embd_norm"}, {"final_norm", "output_norm"}, {"pooler.dense", "cls"}, {"classifier", "cls.output"},
    {"attention.self.query", "attn_q"}, {"attention.self.key", "attn_k"}, {"attention.self.value", "attn_v"},
    {"attention.output.LayerNorm", "attn_output_norm"}, {"attention.output.dense", "attn_output"}, {"intermediate.dense", "ffn_up"},
    {"output.LayerNorm", "layer_output_norm"}, {"output.dense", "ffn_down"}, {"attn.Wqkv", "attn_qkv"}, {"attn.out_proj", "attn_output"},
    {"attn.Wo", "attn_output"}, {"mlp.Wi", "ffn_up"}, {"mlp.Wo", "ffn_down"}, {"attn_norm", "attn_norm"}, {"mlp_norm", "ffn_norm"},
    {"mlp.fc11", "ffn_up"}, {"mlp.fc12", "ffn_gate"}, {"mlp.fc2", "ffn_down"}, {"norm1", "attn_output_norm"}, {"norm2", "layer_output_norm"},
    {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"}, {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"}, {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"}, {"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"},
    {"norm", "output_norm"},
};

static void add_drawn(struct gguf *g, const json_t *t)
{
    const char *name = json_string_value(json_array_get(t, 0)), *number = strpbrk(name, "0123456789"), *what = strrchr(name, '.');
    const json_t *shape = json_array_get(t, 1);
    bool inside = strstr(name, "layers.") || strstr(name, ".layer.");
    char full[100];
    uint64_t dims[2] = {0};
    size_t n, i = 0;
    while (i < sizeof names / sizeof *names && !strstr(name, names[i].hf))
        i++;
    if (i == sizeof names / sizeof *names)
        fail_msg("no name for %s", name);
    for (size_t d = 0; d < json_array_size(shape); d++)
        dims[d] = (uint64_t)json_integer_value(json_array_get(shape, d));
    if (inside)
        snprintf(full, sizeof full, "blk.%d.%s%s", atoi(number), names[i].gguf, what);
    else
        snprintf(full, sizeof full, "%s%s", names[i].gguf, what);
    float *x = tiny_draw(t, &n);
    add_tensor(g, full, x, dims, (uint32_t)json_array_size(shape));
    free(x);
}

static void add_float(struct gguf *g, const char *key, double value)
{
    float v = (float)value;
    add_key(g, key, GGUF_FLOAT32, &v);
}

static double number_at(const struct made *m, const char *a, const char *b, const char *c)
{
    const json_t *at = json_object_get(file_of(m, "config.json"), a);
    at = b ? json_object_get(at, b) : at;
    return json_number_value(c ? json_object_get(at, c) : at);
}

static void add_settings(struct gguf *g, const struct made *m)
{
    static const char *const ways[] = {"mean_tokens", "cls_token", "lasttoken"};
    const json_t *seq = json_object_get(file_of(m, "sentence_bert_config.json"), "max_seq_length");
    uint32_t pooling = 4;
    add_key(g, "general.architecture", GGUF_STRING, g->arch);
    add_number(g, "context_length", (uint32_t)(seq ? json_integer_value(seq) : setting(m, "max_position_embeddings")));
    add_number(g, "embedding_length", (uint32_t)setting(m, "hidden_size"));
    add_number(g, "block_count", (uint32_t)setting(m, "num_hidden_layers"));
    add_number(g, "feed_forward_length", (uint32_t)setting(m, "intermediate_size"));
    add_number(g, "attention.head_count", (uint32_t)setting(m, "num_attention_heads"));
    for (uint32_t i = 0; i < 3; i++) {
        char key[64];
        snprintf(key, sizeof key, "pooling_mode_%s", ways[i]);
        if (json_is_true(json_object_get(file_of(m, "1_Pooling/config.json"), key)))
            pooling = i + 1;
    }
    add_number(g, "pooling_type", pooling);
    if (!strcmp(g->arch, "qwen3")) {
        add_number(g, "attention.head_count_kv", (uint32_t)setting(m, "num_key_value_heads"));
        add_number(g, "attention.key_length", (uint32_t)setting(m, "head_dim"));
        add_number(g, "attention.value_length", (uint32_t)setting(m, "head_dim"));
        add_float(g, "attention.layer_norm_rms_epsilon", number_at(m, "rms_norm_eps", NULL, NULL));
        add_float(g, "rope.freq_base", number_at(m, "rope_parameters", "rope_theta", NULL));
    } else if (!strcmp(g->arch, "modern-bert")) {
        add_float(g, "attention.layer_norm_epsilon", number_at(m, "norm_eps", NULL, NULL));
        add_float(g, "rope.freq_base", number_at(m, "rope_parameters", "full_attention", "rope_theta"));
        add_float(g, "rope.freq_base_swa", number_at(m, "rope_parameters", "sliding_attention", "rope_theta"));
        add_number(g, "attention.sliding_window", (uint32_t)setting(m, "local_attention"));
    } else {
        add_float(g, "attention.layer_norm_epsilon", number_at(m, "layer_norm_eps", NULL, NULL));
        if (!strcmp(g->arch, "nomic-bert"))
            add_float(g, "rope.freq_base", number_at(m, "rope_parameters", "rope_theta", NULL));
    }
}

/* Pieces as GGUF writes them: U+2581 before what begins a word, nothing before what goes on. */
static void add_token(struct buf *b, const char *s, bool pieces)
{
    char full[200];
    if (pieces && !strncmp(s, "##", 2))
        snprintf(full, sizeof full, "%s", s + 2);
    else
        snprintf(full, sizeof full, "%s%s", pieces && s[0] != '[' ? "\xe2\x96\x81" : "", s);
    add_string(b, pieces && s[0] == '[' && !s[1] ? "\xe2\x96\x81[" : full);
}

static uint32_t id_of(const struct made *m, const char *name)
{
    const json_t *t = file_of(m, "tokenizer.json"), *a;
    size_t i;
    json_array_foreach(json_object_get(t, "added_tokens"), i, a)
        if (!strcmp(json_string_value(json_object_get(a, "content")), name))
            return (uint32_t)json_integer_value(json_object_get(a, "id"));
    fail_msg("no token %s", name);
    return 0;
}

static void add_tokenizer(struct gguf *g, const struct made *m)
{
    const json_t *t = file_of(m, "tokenizer.json"), *model = json_object_get(t, "model"), *merges = json_object_get(model, "merges"), *a;
    bool pieces = !strcmp(json_string_value(json_object_get(model, "type")), "WordPiece"), yes = true, no = false;
    const char *token[1024] = {NULL}, *s;
    int32_t kind[1024] = {0};
    size_t n = 0, i;
    json_t *v;
    json_object_foreach(json_object_get(model, "vocab"), s, v) {
        size_t id = (size_t)json_integer_value(v);
        token[id] = s;
        kind[id] = 1;
        n = id >= n ? id + 1 : n;
    }
    json_array_foreach(json_object_get(t, "added_tokens"), i, a) {
        size_t id = (size_t)json_integer_value(json_object_get(a, "id"));
        token[id] = json_string_value(json_object_get(a, "content"));
        kind[id] = 3;
        n = id >= n ? id + 1 : n;
    }
    add_key(g, "tokenizer.ggml.model", GGUF_STRING, pieces ? "bert" : "gpt2");
    add_list(g, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (i = 0; i < n; i++) {
        char unused[24];
        snprintf(unused, sizeof unused, "[unused%zu]", i);
        add_token(&g->keys, token[i] ? token[i] : unused, pieces);
    }
    add_list(g, "tokenizer.ggml.token_type", GGUF_INT32, n);
    for (i = 0; i < n; i++)
        buf_add(&g->keys, (const char *)&kind[i], 4);
    if (pieces) {
        add_number(g, "tokenizer.ggml.unknown_token_id", id_of(m, "[UNK]"));
        add_number(g, "tokenizer.ggml.bos_token_id", id_of(m, "[CLS]"));
        add_number(g, "tokenizer.ggml.seperator_token_id", id_of(m, "[SEP]"));
        return;
    }
    bool decoder = !strcmp(g->arch, "qwen3");
    add_key(g, "tokenizer.ggml.pre", GGUF_STRING, "qwen2");
    add_list(g, "tokenizer.ggml.merges", GGUF_STRING, json_array_size(merges));
    json_array_foreach(merges, i, a) {
        char both[200];
        snprintf(both, sizeof both, "%s %s", json_string_value(json_array_get(a, 0)), json_string_value(json_array_get(a, 1)));
        add_string(&g->keys, json_is_string(a) ? json_string_value(a) : both);
    }
    add_number(g, "tokenizer.ggml.eos_token_id", id_of(m, decoder ? "<|endoftext|>" : "[SEP]"));
    add_number(g, "tokenizer.ggml.bos_token_id", id_of(m, decoder ? "<|endoftext|>" : "[CLS]"));
    add_key(g, "tokenizer.ggml.add_bos_token", GGUF_BOOL, decoder ? &no : &yes);
    add_key(g, "tokenizer.ggml.add_eos_token", GGUF_BOOL, &yes);
}

/* As llama.cpp's converter writes a model that judges: its head's two rows in place of the head, the template as a form. */
static void add_judge(struct gguf *g, const json_t *head)
{
    static const char form[] = "<|im_start|>system\nSay \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n<Instruct>: Code?\n<Query>: {query}\n"
                               "<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n";
    size_t n;
    uint64_t dims[2] = {2, (uint64_t)json_integer_value(json_array_get(json_array_get(head, 1), 1))};
    float *x = tiny_draw(head, &n), *row = mem_alloc(2 * dims[1] * sizeof *row);
    memcpy(row, x + 41 * dims[1], dims[1] * sizeof *row); /* in the other order, which the labels say */
    memcpy(row + dims[1], x + 40 * dims[1], dims[1] * sizeof *row);
    add_tensor(g, "cls.output.weight", row, dims, 2);
    add_list(g, "classifier.output_labels", GGUF_STRING, 2);
    add_string(&g->keys, "no");
    add_string(&g->keys, "yes");
    add_key(g, "tokenizer.chat_template.rerank", GGUF_STRING, form);
    free(row);
    free(x);
}

static void write_gguf(const struct made *m, const char *arch, const char *title)
{
    struct gguf g = {.keys = BUF_INIT, .infos = BUF_INIT, .data = BUF_INIT, .arch = arch};
    size_t i;
    const json_t *t;
    add_settings(&g, m);
    add_key(&g, "general.name", GGUF_STRING, title);
    add_tokenizer(&g, m);
    json_array_foreach(json_object_get(m->f.root, "tensors"), i, t) {
        const char *tensor = json_string_value(json_array_get(t, 0));
        if (!strcmp(tensor, "lm_head.weight"))
            add_judge(&g, t);
        else if (m->scores || !strstr(tensor, "pooler"))
            add_drawn(&g, t);
    }
    gguf_end(&g, m->gguf);
}

static void one(const char *name, const char *arch, const char *title)
{
    struct made m;
    made_open(&m, name);
    check(&m, m.f.folder, true);
    check(&m, m.f.folder, false);
    write_gguf(&m, arch, title);
    check(&m, m.gguf, true);
    made_close(&m);
}

static void qwen3_embedding(void **state)
{
    one("qwen3_embedding", "qwen3", "Qwen3 Embedding 0.6B");
}

static void coderank(void **state)
{
    one("coderank", "nomic-bert", "CodeRankEmbed");
}

static void modernbert(void **state)
{
    one("modernbert_embed", "modern-bert", "modernbert-embed-base");
}

static void bert(void **state)
{
    one("bert_embed", "bert", "all-MiniLM-L6-v2");
}

static void reranker(void **state)
{
    one("reranker", "bert", "ms-marco");
}

static void modernbert_reranker(void **state)
{
    one("modernbert_reranker", "modern-bert", "gte-reranker-modernbert-base");
}

/* A GGUF does not say that the first token is the one: the folder alone. */
static void modernbert_reranker_first(void **state)
{
    struct made m;
    made_open(&m, "modernbert_reranker_first");
    check(&m, m.f.folder, true);
    check(&m, m.f.folder, false);
    made_close(&m);
}

static void qwen3_reranker(void **state)
{
    one("qwen3_reranker", "qwen3", "Qwen3 Reranker 0.6B");
}

/* A head of one row behind a decoder, and no template: pairs are put as the family's card says. */
static void qwen3_classifier(void **state)
{
    struct made m;
    made_open(&m, "qwen3_classifier");
    check(&m, m.f.folder, true);
    check(&m, m.f.folder, false);
    made_close(&m);
}

/* What a folder says that nothing here does is refused by name, and not taken for a model that writes. */
static void refused(void **state)
{
    static const struct {
        const char *model, *file, *from, *to, *says;
    } bad[] = {
        {"qwen3_embedding", "1_Pooling/config.json", "lasttoken\": true", "lasttoken\": false", "1_Pooling"},
        {"qwen3_embedding", "modules.json", "models.Normalize", "models.Dense", "Dense"},
        {"coderank", "1_Pooling/config.json", "max_tokens\": false", "max_tokens\": true", "1_Pooling"},
        {"reranker", "config.json", "\"type_vocab_size\": 2", "\"type_vocab_size\": 1", "token_type"},
        {"modernbert_reranker", "config.json", "\"classifier_pooling\": \"mean\"", "\"classifier_pooling\": \"max\"", "classifier_pooling max"},
        {"qwen3_reranker", "tokenizer_config.json", "\\\"role\\\", \\\"eq\\\", \\\"document\\\"", "\\\"role\\\", \\\"eq\\\", \\\"user\\\"", "document"},
        {"qwen3_reranker", "1_LogitScore/config.json", "true_token_id", "token_id", "true_token_id"},
        {"modernbert_embed", "config.json", "\"hidden_activation\": \"gelu\"", "\"hidden_activation\": \"tan\"", "tan"},
    };
    struct engine *en;
    struct err e;
    assert_int_equal(engine_open(&en, &(struct engine_options){.threads = 1, .backend = "cpu"}, &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct made m;
        struct model *model;
        made_open(&m, bad[i].model);
        char *text = json_dumps(file_of(&m, bad[i].file), 0), *at = strstr(text, bad[i].from);
        struct buf b = BUF_INIT;
        assert_non_null(at);
        buf_addf(&b, "%.*s%s%s", (int)(at - text), text, bad[i].to, at + strlen(bad[i].from));
        tiny_write(m.f.folder, bad[i].file, b.data, b.len);
        if (!model_open(&model, en, m.f.folder, &e))
            fail_msg("%s is opened all the same", bad[i].model);
        if (!strstr(e.message, bad[i].says))
            fail_msg("%zu: %s", i, e.message);
        buf_release(&b);
        free(text);
        made_close(&m);
    }
    engine_close(en);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(qwen3_embedding), cmocka_unit_test(coderank), cmocka_unit_test(modernbert),
                                       cmocka_unit_test(bert), cmocka_unit_test(reranker),
                                       cmocka_unit_test(modernbert_reranker), cmocka_unit_test(modernbert_reranker_first),
                                       cmocka_unit_test(qwen3_reranker), cmocka_unit_test(qwen3_classifier), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
