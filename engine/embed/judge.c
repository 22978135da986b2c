#define _GNU_SOURCE
#include "engine/embed/judge.h"

#include "base/mem.h"
#include "engine/generate/conversation.h"
#include "engine/run/rowset.h"

#include <stdlib.h>
#include <string.h>

struct judge {
    const struct tokenizer *tokenizer;
    struct conversation *chat;   /* a folder's; NULL: form */
    char *form;                  /* GGUF's, or of forms[] */
    size_t form_len;
    char system[MODEL_PREFIX_MAX + 1]; /* empty: none */
    float *head;                 /* [hidden] of yes, less that of no */
    uint32_t hidden;
};

static const char *const heads[] = {"score.weight", "lm_head.weight", "model.lm_head.weight", "model.embed_tokens.weight", "embed_tokens.weight"};

static int add_row(float *to, const struct tensor *t, uint64_t row, uint32_t hidden, float sign, struct err *e)
{
    if (t->rank != 2 || t->shape[1] != hidden || row >= t->shape[0])
        return err_set(e, ERR_FORMAT, "tensor %s has no row %llu of %u columns", t->name, (unsigned long long)row, hidden);
    float *x = tensor_floats(t, row, 1);
    for (uint32_t i = 0; i < hidden; i++)
        to[i] += sign * x[i];
    free(x);
    return 0;
}

static int read_head(struct judge *j, const struct model_file *f, const struct model_config *c, struct err *e)
{
    const struct tensor *t = NULL;
    bool gguf = model_file_is_gguf(f);
    for (size_t i = 0; i < sizeof heads / sizeof *heads && !gguf && !t; i++)
        t = model_file_find(f, heads[i]);
    if (gguf)
        t = model_file_find(f, "cls.output.weight");
    if (!t)
        return err_set(e, ERR_UNSUPPORTED, gguf ? "a reranker that was converted without its classifier (cls.output.weight)"
                                                : "a reranker without score.weight, lm_head.weight or embed_tokens.weight");
    if (!strcmp(t->name, heads[0]) && t->shape[0] != 1)
        return err_set(e, ERR_UNSUPPORTED, "a classifier of %llu labels: tensor score.weight", (unsigned long long)t->shape[0]);
    j->head = mem_zero(j->hidden, sizeof *j->head);
    int rc = add_row(j->head, t, c->yes, j->hidden, 1, e);
    return rc || c->no == TOKEN_NONE ? rc : add_row(j->head, t, c->no, j->hidden, -1, e);
}

static void add_part(struct rendered *to, const char *text, size_t len, bool template)
{
    buf_add(&to->text, text, len);
    memset(buf_room(&to->origin, len), template, len);
    to->origin.len += len;
}

/* GGUF's form: {query} and {document} stand for the texts, all else is the template's. */
static void fill_form(struct rendered *to, const struct judge *j, const char *const text[2], const size_t len[2])
{
    static const char *const place[2] = {"{query}", "{document}"};
    const char *p = j->form, *end = p + j->form_len;
    while (p < end) {
        const char *at = end;
        int which = 0;
        for (int i = 0; i < 2; i++) {
            const char *found = memmem(p, (size_t)(end - p), place[i], strlen(place[i]));
            if (found && found < at) {
                at = found;
                which = i;
            }
        }
        add_part(to, p, (size_t)(at - p), true);
        if (at == end)
            break;
        add_part(to, text[which], len[which], false);
        p = at + strlen(place[which]);
    }
}

static int render(struct prompt_tokens *out, const struct judge *j, struct tokenizer_memory *m, const char *const text[2],
                  const size_t len[2], struct err *e)
{
    *out = (struct prompt_tokens){0};
    if (j->chat) {
        struct gen_message all[3] = {{"system", j->system, strlen(j->system)}, {"query", text[0], len[0]}, {"document", text[1], len[1]}};
        size_t skip = !j->system[0];
        return conversation_render(out, j->chat, m, all + skip, 3 - skip, false, e);
    }
    fill_form(&out->text, j, text, len);
    tokenizer_encode(j->tokenizer, m, out->text.text.data, out->text.text.len, (const uint8_t *)out->text.origin.data, &out->token, &out->n,
                     &out->cap);
    return 0;
}

/* A template that was made for conversations alone shows neither. */
static int check_template(const struct judge *j, struct err *e)
{
    static const char *const probe[2] = {"qUeStIoN", "dOcUmEnT"};
    struct tokenizer_memory *m = tokenizer_memory_new();
    struct prompt_tokens p;
    int rc = render(&p, j, m, probe, (size_t[2]){strlen(probe[0]), strlen(probe[1])}, e);
    buf_add(&p.text.text, "", 1);
    for (int i = 0; i < 2 && !rc; i++)
        if (!strstr(p.text.text.data, probe[i]))
            rc = err_set(e, ERR_UNSUPPORTED, "a reranker whose template shows no message of the role \"%s\"", i ? "document" : "query");
    if (rc == ERR_USAGE) /* raise_exception */
        rc = ERR_UNSUPPORTED;
    prompt_tokens_release(&p);
    tokenizer_memory_free(m);
    return rc;
}

/* How a pair is put to classifiers whose folders do not say it: before and behind the instruction. To add a family: its row. */
static const struct {
    const char *family, *head, *instruction, *tail;
} forms[] = {
    {"qwen3", /* the card of Qwen3-Reranker */
     "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer "
     "can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n<Instruct>: ",
     "Given a web search query, retrieve relevant passages that answer the query",
     "\n<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"},
};

static int read_folder(struct judge *j, const struct model_file *f, const struct model_config *c, struct err *e)
{
    bool classifier = model_file_find(f, heads[0]) != NULL;
    int rc = conversation_open(&j->chat, f, j->tokenizer, e);
    if (!rc && classifier && conversation_plain(j->chat))
        rc = err_set(e, ERR_UNSUPPORTED, "a %s with a head of one label, and no chat template that shows a pair", c->family);
    if (!rc)
        rc = check_template(j, e);
    for (size_t i = 0; i < sizeof forms / sizeof *forms && rc && classifier; i++) {
        struct buf form = BUF_INIT;
        if (strcmp(forms[i].family, c->family))
            continue;
        conversation_close(j->chat);
        j->chat = NULL;
        buf_addf(&form, "%s%s%s", forms[i].head, j->system[0] ? j->system : forms[i].instruction, forms[i].tail);
        j->form_len = form.len;
        j->form = buf_take(&form);
        return 0;
    }
    return rc;
}

static int read_template(struct judge *j, const struct model_file *f, const struct model_config *c, struct err *e)
{
    struct meta m;
    if (!model_file_is_gguf(f))
        return read_folder(j, f, c, e);
    if (!model_file_meta(f, "tokenizer.chat_template.rerank", &m) || m.kind != META_TEXT)
        return err_set(e, ERR_UNSUPPORTED, "a reranker without tokenizer.chat_template.rerank");
    if (m.len > TEMPLATE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "tokenizer.chat_template.rerank has %zu bytes", m.len);
    j->form = mem_alloc(m.len + 1);
    memcpy(j->form, m.text, m.len);
    j->form_len = m.len;
    return 0;
}

int judge_open(struct judge **out, const struct model_file *f, const struct model_config *c, const struct tokenizer *t, uint32_t hidden,
               struct err *e)
{
    struct judge *j = mem_zero(1, sizeof *j);
    j->tokenizer = t;
    j->hidden = hidden;
    strcpy(j->system, c->query_prefix);
    int rc = read_head(j, f, c, e);
    if (!rc)
        rc = read_template(j, f, c, e);
    if (!rc && !j->chat)
        rc = check_template(j, e);
    if (rc)
        judge_close(j);
    else
        *out = j;
    return rc;
}

void judge_close(struct judge *j)
{
    if (!j)
        return;
    conversation_close(j->chat);
    free(j->form);
    free(j->head);
    free(j);
}

/* The bytes of a text's first `most` tokens; kept: how many those are. */
static size_t cut(const struct judge *j, struct tokenizer_memory *m, const char *text, size_t len, size_t most, size_t *kept)
{
    uint32_t *id = NULL;
    size_t n = 0, cap = 0, bytes = 0, one;
    tokenizer_encode(j->tokenizer, m, text, len, NULL, &id, &n, &cap);
    for (size_t i = 0; i < n && i < most; i++) {
        tokenizer_bytes(j->tokenizer, id[i], false, &one);
        bytes += one;
    }
    free(id);
    *kept = n < most ? n : most;
    return n <= most || bytes > len ? len : bytes;
}

int judge_pair(const struct judge *j, struct tokenizer_memory *m, const char *question, size_t question_len, const char *document,
               size_t document_len, uint32_t *ids, size_t *n, size_t max, struct err *e)
{
    const char *text[2] = {question, document};
    size_t room, len[2] = {cut(j, m, question, question_len, max / 2, &room), 0};
    len[1] = cut(j, m, document, document_len, max, &room);
    for (;;) {
        struct prompt_tokens p;
        int rc = render(&p, j, m, text, len, e);
        size_t over = !rc && p.n > max ? p.n - max : 0;
        if (!rc && !over) {
            memcpy(ids, p.token, p.n * sizeof *ids);
            *n = p.n;
        }
        prompt_tokens_release(&p);
        if (rc || !over)
            return rc;
        if (!len[1])
            return err_set(e, ERR_LIMIT, "question and template of a reranker take more than %zu tokens", max);
        len[1] = cut(j, m, document, len[1], over < room ? room - over : 0, &room); /* cut text may read as more tokens: look again */
    }
}

float judge_score(const struct judge *j, const float *last)
{
    double sum = 0;
    for (uint32_t i = 0; i < j->hidden; i++)
        sum += (double)j->head[i] * last[i];
    return (float)sum;
}
