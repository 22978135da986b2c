#include "engine/train/encode.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char cut[] = "\n…\n"; /* stands where a prompt was shortened */
#define TRIES 8 /* to cut a prompt: each takes off what is too long by what a token was lately */

struct ids {
    uint32_t *v;
    size_t n, cap;
};

static void push(struct ids *t, uint32_t id)
{
    VEC_ROOM(t->v, t->n, t->cap);
    t->v[t->n++] = id;
}

static void encode(const struct encoder_of_records *c, struct ids *t, struct str s)
{
    tokenizer_encode(c->tokenizer, c->memory, s.n ? s.p : "", s.n, NULL, &t->v, &t->n, &t->cap);
}

/* Not within a character. */
static size_t to_character(struct str s, size_t n)
{
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* n bytes of it at most: its beginning and its end, where the question stands behind its sources. */
static void shortened(struct buf *out, struct str s, size_t n)
{
    size_t head = to_character(s, n * 2 / 3), tail = s.n - (n - n * 2 / 3);
    while (tail < s.n && ((unsigned char)s.p[tail] & 0xc0) == 0x80)
        tail++;
    buf_clear(out);
    buf_add(out, s.p, head);
    buf_adds(out, cut);
    buf_add(out, s.p + tail, s.n - tail);
}

static int ask(struct ids *t, const struct encoder_of_records *c, struct str whole, size_t room, struct err *e)
{
    struct buf less = BUF_INIT;
    struct str prompt = whole;
    size_t keep = whole.n;
    int rc = 0;
    for (int i = 0; i < TRIES; i++) {
        struct gen_message m = {"user", prompt.p, prompt.n};
        struct prompt_tokens p = {0};
        rc = conversation_render(&p, c->conversation, c->memory, &m, 1, false, e);
        if (!rc && p.n <= room)
            for (size_t k = 0; k < p.n; k++)
                push(t, p.token[k]);
        size_t n = p.n;
        prompt_tokens_release(&p);
        if (rc || n <= room)
            break;
        keep = (size_t)((double)keep * (double)room / (double)n * .9);
        shortened(&less, whole, keep);
        prompt = (struct str){less.data, less.len};
    }
    buf_release(&less);
    return rc;
}

/* X(prefix, suffix, middle): how models mark what is to be filled in */
static const char *const fills[][3] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"}, /* Qwen Coder, Granite */
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},       /* StarCoder */
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},  /* DeepSeek Coder, whose suffix stands behind the hole as well */
    {"[PREFIX]", "[SUFFIX]", "[MIDDLE]"},
};

static bool fill_marks(uint32_t id[3], const struct tokenizer *t)
{
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        bool all = true;
        for (int k = 0; k < 3; k++) {
            id[k] = tokenizer_special(t, fills[i][k], strlen(fills[i][k]));
            all &= id[k] != TOKEN_NONE;
        }
        if (all)
            return true;
    }
    return false;
}

/* The last tokens of what stands before, the first of what follows. */
static void go_on(struct ids *t, const struct encoder_of_records *c, const struct corpus_record *r, size_t room)
{
    const struct tokenizer_info *info = tokenizer_info(c->tokenizer);
    uint32_t mark[3];
    bool fills_in = r->suffix.n && fill_marks(mark, c->tokenizer);
    size_t head = info->add_bos && info->bos != TOKEN_NONE, marks = fills_in ? 3 : 0;
    struct ids before = {0}, after = {0};
    encode(c, &before, r->prompt);
    if (fills_in)
        encode(c, &after, r->suffix);
    if (room < head + marks + 1)
        goto out;
    room -= head + marks;
    if (after.n > room / 3)
        after.n = room / 3;
    size_t n = before.n < room - after.n ? before.n : room - after.n;
    if (head)
        push(t, info->bos);
    if (fills_in)
        push(t, mark[0]);
    for (size_t i = before.n - n; i < before.n; i++)
        push(t, before.v[i]);
    if (fills_in) {
        push(t, mark[1]);
        for (size_t i = 0; i < after.n; i++)
            push(t, after.v[i]);
        push(t, mark[2]);
    }
out:
    free(before.v);
    free(after.v);
}

int record_encode(struct example *x, const struct encoder_of_records *c, const struct corpus_record *r, int i, struct err *e)
{
    const struct tokenizer_info *info = tokenizer_info(c->tokenizer);
    struct ids t = {0}, said = {0};
    bool chat = corpus_is_chat(r->kind);
    uint32_t end = info->eot != TOKEN_NONE ? info->eot : info->eos;
    *x = (struct example){0};
    encode(c, &said, r->text[i]);
    if (chat && end != TOKEN_NONE)
        push(&said, end);
    if (said.n > c->context / 2)
        said.n = c->context / 2;
    size_t room = c->context - said.n;
    int rc = 0;
    if (chat)
        rc = ask(&t, c, r->prompt, room, e);
    else
        go_on(&t, c, r, room);
    if (rc || !t.n || !said.n) { /* no prompt at all: the first token would have nothing before it */
        free(t.v);
        free(said.v);
        return rc;
    }
    x->learn = (uint32_t)t.n;
    for (size_t k = 0; k < said.n; k++)
        push(&t, said.v[k]);
    free(said.v);
    x->token = t.v;
    x->n = (uint32_t)t.n;
    return 0;
}
