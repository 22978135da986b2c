/* model_check MODEL TEXT LOGITS [exact]: what scripts/model-check says of one model that writes, as a JSON object on stdout. TEXT: a file
 * that the model reads; LOGITS: of its first tokens, fp32, and the ids beside it (LOGITS.ids, uint32), for the comparison. exact: the
 * logits alone, of fp32 weights and operands. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/format/json.h"
#include "engine/generate/conversation.h"
#include "engine/model.h"
#include "engine/run/decoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS 256
#define TEXT_BYTES (4u << 20)
#define ANSWERS 4       /* tries of each kind */
#define ANSWER_TOKENS 96
#define SHOWN 700       /* bytes of the rendered conversation */

struct check {
    const char *path, *logits;
    struct buf text;
    bool exact;
    json_t *out;
    struct model_file *file;
    struct tokenizer *tokenizer;
    struct tokenizer_memory *memory;
    struct conversation *conversation;
    struct engine *engine;
    struct model *model;
};

static int open_parts(struct check *c, struct err *e)
{
    int rc = model_file_open(&c->file, c->path, e);
    if (!rc)
        rc = tokenizer_open(&c->tokenizer, c->file, e);
    if (!rc)
        rc = conversation_open(&c->conversation, c->file, c->tokenizer, e);
    c->memory = tokenizer_memory_new();
    return rc;
}

/* -- the text, token by token ---------------------------------------------------------------------------------------------- */

/* -log of the probability of the token, in nats. */
static double surprise(const float *logits, uint32_t vocab, uint32_t token)
{
    double most = logits[0], sum = 0;
    for (uint32_t i = 1; i < vocab; i++)
        most = fmax(most, logits[i]);
    for (uint32_t i = 0; i < vocab; i++)
        sum += exp(logits[i] - most);
    return log(sum) + most - logits[token];
}

static int write_all(const char *path, const char *tail, const void *bytes, size_t n, struct err *e)
{
    struct buf name = BUF_INIT;
    buf_addf(&name, "%s%s", path, tail);
    FILE *f = fopen(name.data, "wb");
    int rc = f && fwrite(bytes, 1, n, f) == n ? 0 : err_set(e, ERR_IO, "cannot write %s", name.data);
    if (f && fclose(f) && !rc)
        rc = err_set(e, ERR_IO, "cannot write %s", name.data);
    buf_release(&name);
    return rc;
}

static int read_text(struct check *c, struct err *e)
{
    void *dev = NULL;
    struct decoder *d = NULL;
    struct sequence *s = NULL;
    struct decoder_info info;
    struct decoder_options o = {.kv = KV_F32, .context = TOKENS, .max_rows = TOKENS, .exact = c->exact};
    const struct tokenizer_info *t = tokenizer_info(c->tokenizer);
    uint32_t *token = NULL;
    size_t n = 0, cap = 0;
    float *logits = NULL;
    double loss = 0;
    int rc = backend_cpu.open(&dev, &(struct device_options){0}, e);
    if (!rc)
        rc = decoder_new(&d, c->file, &backend_cpu, dev, &o, e);
    if (rc)
        goto out;
    decoder_info(d, &info);
    if (t->add_bos && t->bos != TOKEN_NONE) {
        token = mem_grow(token, cap = 16, sizeof *token);
        token[n++] = t->bos;
    }
    tokenizer_encode(c->tokenizer, c->memory, c->text.data, c->text.len, NULL, &token, &n, &cap);
    n = n < TOKENS ? n : TOKENS;
    if (n < 2) {
        rc = err_set(e, ERR_USAGE, "the text has %zu tokens", n);
        goto out;
    }
    logits = mem_alloc(n * info.vocab * sizeof *logits);
    rc = sequence_new(&s, d, e);
    if (!rc)
        rc = decoder_step(d, &(struct step_part){s, token, (uint32_t)n, (uint32_t)n}, 1, logits, e);
    for (size_t i = 0; i + 1 < n && !rc; i++)
        loss += surprise(logits + i * info.vocab, info.vocab, token[i + 1]);
    if (!rc)
        rc = write_all(c->logits, "", logits, n * info.vocab * sizeof *logits, e);
    if (!rc)
        rc = write_all(c->logits, ".ids", token, n * sizeof *token, e);
    if (!rc)
        json_object_set_new(c->out, "text", json_pack("{sI, sI, sf}", "tokens", (json_int_t)n, "vocab", (json_int_t)info.vocab, "perplexity",
                                                      exp(loss / (double)(n - 1))));
out:
    sequence_free(s);
    decoder_free(d);
    if (dev)
        backend_cpu.close(dev);
    free(logits);
    free(token);
    return rc;
}

/* -- the template ------------------------------------------------------------------------------------------------------------ */

static json_t *shown(const char *s, size_t n)
{
    json_t *t = json_stringn(s, n < SHOWN ? n : SHOWN);
    for (size_t cut = n < SHOWN ? n : SHOWN; !t && cut;)
        t = json_stringn(s, --cut); /* not in the middle of a character */
    return t ? t : json_string("");
}

/* The marks of the conversation, written by a user, must stay text: as many special tokens as without them. */
static size_t specials(const struct check *c, const struct prompt_tokens *p)
{
    size_t n = 0, len, own;
    for (size_t i = 0; i < p->n; i++) {
        tokenizer_bytes(c->tokenizer, p->token[i], false, &own);
        tokenizer_bytes(c->tokenizer, p->token[i], true, &len);
        n += len && !own;
    }
    return n;
}

static int render(struct check *c, struct prompt_tokens *out, const char *question, struct err *e)
{
    const struct gen_message m[] = {{"system", "Be brief.", 9}, {"user", "Hello.", 6}, {"assistant", "Hello!", 6},
                                    {"user", question, strlen(question)}};
    *out = (struct prompt_tokens){0};
    return conversation_render(out, c->conversation, c->memory, m, 4, false, e);
}

static int check_template(struct check *c, struct err *e)
{
    const struct tokenizer_info *t = tokenizer_info(c->tokenizer);
    struct prompt_tokens plain = {0}, forged = {0};
    struct buf attack = BUF_INIT;
    size_t len, own;
    json_t *o = json_pack("{sb}", "own", !conversation_plain(c->conversation));
    json_object_set_new(c->out, "template", o);
    int rc = render(c, &plain, "Forget it.", e);
    buf_adds(&attack, "Forget it.");
    for (uint32_t id = 0; id < t->vocab && attack.len < 2000; id++) { /* every mark that the vocabulary has */
        const char *s = tokenizer_bytes(c->tokenizer, id, true, &len);
        tokenizer_bytes(c->tokenizer, id, false, &own);
        if (len && !own && !memchr(s, 0, len))
            buf_add(&attack, s, len);
    }
    if (!rc)
        rc = render(c, &forged, attack.data, e);
    if (rc)
        goto out;
    size_t twice = 0;
    for (size_t i = 1; i < plain.n && t->bos != TOKEN_NONE; i++)
        twice += plain.token[i] == t->bos && plain.token[i - 1] == t->bos;
    json_object_set_new(o, "text", shown(plain.text.text.data, plain.text.text.len));
    json_object_set_new(o, "tokens", json_integer((json_int_t)plain.n));
    json_object_set_new(o, "marks", json_integer((json_int_t)specials(c, &plain)));
    json_object_set_new(o, "forged", json_integer((json_int_t)specials(c, &forged) - (json_int_t)specials(c, &plain)));
    json_object_set_new(o, "begins_twice", json_boolean(twice > 0));
out:
    prompt_tokens_release(&plain);
    prompt_tokens_release(&forged);
    buf_release(&attack);
    return rc;
}

/* -- what it writes ------------------------------------------------------------------------------------------------------------ */

static const char *const questions[ANSWERS] = {"Say hello in one word.", "Which number comes after six?", "Name a colour.",
                                               "Is water wet? Answer yes or no."};

static bool hear(void *arg, const struct gen_piece *p)
{
    if (p->channel == GEN_ANSWER && p->len)
        buf_add(arg, p->text, p->len);
    return true;
}

static int ask(struct check *c, struct buf *said, struct gen_result *r, const char *question, const char *grammar, struct err *e)
{
    const struct gen_message m = {"user", question, strlen(question)};
    const struct gen_prompt p = {.message = &m, .n = 1, .options = {.max_tokens = ANSWER_TOKENS, .grammar = grammar}};
    buf_clear(said);
    return model_generate(c->model, &p, hear, said, r, NULL, e);
}

static bool marks_in(const struct check *c, const struct buf *said)
{
    size_t len, own;
    for (uint32_t id = 0; id < tokenizer_info(c->tokenizer)->vocab; id++) {
        const char *s = tokenizer_bytes(c->tokenizer, id, true, &len);
        if (len < 4 || !tokenizer_ends(c->tokenizer, id))
            continue;
        tokenizer_bytes(c->tokenizer, id, false, &own);
        char mark[64];
        if (!own && len < sizeof mark && said->len) {
            memcpy(mark, s, len);
            mark[len] = 0;
            if (strstr(said->data, mark))
                return true;
        }
    }
    return false;
}

static json_t *end_names(const struct check *c)
{
    json_t *a = json_array();
    for (uint32_t id = 0; id < tokenizer_info(c->tokenizer)->vocab && json_array_size(a) < 8; id++) {
        size_t len;
        const char *s = tokenizer_bytes(c->tokenizer, id, true, &len);
        if (tokenizer_ends(c->tokenizer, id))
            json_array_append_new(a, shown(s, len));
    }
    return a;
}

static int check_stop(struct check *c, struct err *e)
{
    struct buf said = BUF_INIT;
    int rc = 0, turns = 0, leaks = 0;
    json_t *first = json_null();
    for (int i = 0; i < ANSWERS && !rc; i++) {
        struct gen_result r = {0};
        rc = ask(c, &said, &r, questions[i], NULL, e);
        turns += !rc && r.end == GEN_END_TURN;
        leaks += !rc && marks_in(c, &said);
        if (!rc && !i)
            first = shown(said.data ? said.data : "", said.len);
    }
    json_object_set_new(c->out, "stop", json_pack("{so, si, si, si, so}", "tokens", end_names(c), "asked", ANSWERS, "ended", turns, "leaked", leaks,
                                                  "first", first));
    buf_release(&said);
    return rc;
}

static int check_json(struct check *c, struct err *e)
{
    static const char schema[] = "{\"type\": \"object\", \"properties\": {\"answer\": {\"type\": \"string\", \"maxLength\": 24}, \"sure\": {\"type\": "
                                 "\"boolean\"}}, \"required\": [\"answer\", \"sure\"], \"additionalProperties\": false}";
    struct buf said = BUF_INIT;
    int rc = 0, good = 0, cut = 0;
    for (int i = 0; i < ANSWERS && !rc; i++) {
        struct gen_result r = {0};
        rc = ask(c, &said, &r, questions[i], schema, e);
        json_t *o = rc ? NULL : json_loadb(said.data ? said.data : "", said.len, 0, NULL);
        good += o && json_is_string(json_object_get(o, "answer")) && json_is_boolean(json_object_get(o, "sure")) && json_object_size(o) == 2;
        cut += !rc && r.end == GEN_END_LENGTH; /* its tokens ran out first: no fault of the mode */
        json_decref(o);
    }
    json_object_set_new(c->out, "json", json_pack("{si, si, si}", "asked", ANSWERS, "valid", good, "cut", cut));
    buf_release(&said);
    return rc;
}

static int check_speed(struct check *c, struct err *e)
{
    struct buf said = BUF_INIT;
    struct gen_result r = {0};
    size_t n = c->text.len < 2048 ? c->text.len : 2048;
    char *text = mem_strn(c->text.data, n); /* some 500 tokens of code */
    const struct gen_message m = {"user", text, n};
    const struct gen_prompt p = {.message = &m, .n = 1, .options = {.max_tokens = ANSWER_TOKENS, .temperature = 1, .seed = 1}};
    int rc = model_generate(c->model, &p, hear, &said, &r, NULL, e);
    double written = r.answer_tokens + r.reasoning_tokens, read = r.prompt_tokens - r.reused_tokens;
    if (!rc)
        json_object_set_new(c->out, "speed", json_pack("{sf, sf, sI, sI}", "prompt", read / (r.ms_prompt / 1000), "answer",
                                                       written / ((r.ms_total - r.ms_prompt) / 1000), "prompt_tokens", (json_int_t)r.prompt_tokens,
                                                       "answer_tokens", (json_int_t)written));
    free(text);
    buf_release(&said);
    return rc;
}

static int check_model(struct check *c, struct err *e)
{
    int64_t began = clock_ns();
    int rc = engine_open(&c->engine, &(struct engine_options){0}, e);
    if (!rc)
        rc = model_open(&c->model, c->engine, c->path, e);
    if (rc)
        return rc;
    const struct model_info *i = model_info(c->model);
    if (!i->context)
        return err_set(e, ERR_UNSUPPORTED, "%s: a model that %s; `codeask model verify` tries it", c->path, i->scores ? "reranks" : "embeds");
    json_object_set_new(c->out, "model", json_pack("{ss, ss, sI, sI, ss, sf}", "name", i->name, "family", i->family, "context", (json_int_t)i->context,
                                                   "bytes", (json_int_t)i->bytes, "provider", i->provider, "open_ms",
                                                   (double)(clock_ns() - began) / 1e6));
    return 0;
}

int main(int argc, char **argv)
{
    struct check c = {.out = json_object()};
    struct err e = {0};
    static const struct {
        const char *name;
        int (*run)(struct check *c, struct err *e);
    } steps[] = {{"files", open_parts}, {"text", read_text}, {"template", check_template}, {"open", check_model}, {"stop", check_stop},
                 {"json", check_json}, {"speed", check_speed}}; /* the decoder of `text` is gone before the engine's is there */
    if (argc < 4) {
        fprintf(stderr, "usage: model_check MODEL TEXT LOGITS [exact]\n");
        return 2;
    }
    c.path = argv[1];
    c.logits = argv[3];
    c.exact = argc > 4 && !strcmp(argv[4], "exact");
    int rc = file_read(&c.text, argv[2], TEXT_BYTES, &e);
    for (size_t i = 0; i < (c.exact ? 2 : sizeof steps / sizeof *steps) && !rc; i++)
        if ((rc = steps[i].run(&c, &e)))
            json_object_set_new(c.out, "error", json_pack("{ss, ss}", "step", steps[i].name, "message", e.message));
    char *text = json_dumps(c.out, JSON_INDENT(1));
    puts(text ? text : "{}");
    free(text);
    model_close(c.model);
    engine_close(c.engine);
    conversation_close(c.conversation);
    tokenizer_memory_free(c.memory);
    tokenizer_close(c.tokenizer);
    model_file_close(c.file);
    buf_release(&c.text);
    json_decref(c.out);
    return rc ? 2 : 0;
}
