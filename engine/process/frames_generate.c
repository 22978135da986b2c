#include "engine/process/frames_generate.h"

#include "base/mem.h"
#include "engine/process/wire.h"

#include <stdlib.h>

static const char *const roles[] = {"system", "user", "assistant"};
#define ROLES (sizeof roles / sizeof *roles)
#define HASH_BYTES 20

static float take_f32(struct wire *c)
{
    uint32_t bits = (uint32_t)wire_int(c, 4);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double take_f64(struct wire *c)
{
    uint64_t bits = wire_int(c, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void put_f32(struct buf *b, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    wire_put_int(b, bits, 4);
}

static void put_f64(struct buf *b, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    wire_put_int(b, bits, 8);
}

/* whole: a NUL inside is refused, for the reader would take its end there. */
static const char *take_textz(struct wire *c, size_t *len, bool whole)
{
    size_t n = wire_int(c, 4);
    const uint8_t *p = n < FRAME_MAX ? wire_take(c, n + 1) : NULL;
    if (!p || p[n] || (whole && memchr(p, 0, n))) {
        c->bad = true;
        *len = 0;
        return "";
    }
    *len = n;
    return (const char *)p;
}

static void put_textz(struct buf *b, const char *s, size_t n)
{
    wire_put_int(b, n, 4);
    buf_add(b, n ? s : "", n);
    buf_addc(b, 0);
}

static void get_messages(struct frame_generate *out, struct wire *c, size_t n)
{
    out->message = mem_zero(n + 1, sizeof *out->message);
    out->prompt.message = out->message;
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct gen_message *m = &out->message[i];
        uint64_t role = wire_int(c, 1);
        if (role >= ROLES)
            c->bad = true;
        m->role = roles[role < ROLES ? role : 0];
        m->text = take_textz(c, &m->len, false);
        out->prompt.n++;
    }
}

int frame_get_generate(struct frame_generate *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    size_t len;
    *out = (struct frame_generate){.model = (uint32_t)wire_int(&c, 4)};
    struct gen_options *o = &out->prompt.options;
    o->max_tokens = (uint32_t)wire_int(&c, 4);
    o->max_reasoning = (uint32_t)wire_int(&c, 4);
    o->temperature = take_f32(&c);
    o->top_p = take_f32(&c);
    o->min_p = take_f32(&c);
    o->top_k = (uint32_t)wire_int(&c, 4);
    o->repetition = take_f32(&c);
    o->seed = wire_int(&c, 8);
    uint64_t lookup = wire_int(&c, 1), stops = wire_int(&c, 1), messages = wire_int(&c, 2);
    if (lookup > 1 || stops > GENERATE_STOPS || messages > FRAME_MESSAGES)
        c.bad = true;
    o->lookup = lookup;
    for (uint64_t i = 0; i < stops && !c.bad; i++)
        o->stop[i] = take_textz(&c, &len, true);
    o->grammar = take_textz(&c, &len, true);
    if (!len)
        o->grammar = NULL;
    get_messages(out, &c, c.bad ? 0 : messages);
    uint64_t contents = wire_int(&c, 4);
    const uint8_t *hash = contents <= GENERATE_SOURCES ? wire_take(&c, contents * HASH_BYTES) : NULL;
    if (!hash)
        c.bad = true;
    out->prompt.provenance = (struct gen_provenance){contents ? (const uint8_t (*)[HASH_BYTES])hash : NULL, contents,
                                                     take_textz(&c, &len, true)};
    out->prompt.adapter = take_textz(&c, &len, true);
    if (!len)
        out->prompt.adapter = NULL;
    int rc = wire_done(&c, "GENERATE", e);
    if (rc)
        frame_generate_release(out);
    return rc;
}

void frame_generate_release(struct frame_generate *g)
{
    free(g->message);
    *g = (struct frame_generate){0};
}

int frame_put_generate(struct buf *b, uint64_t id, uint32_t model, const struct gen_prompt *p, struct err *e)
{
    const struct gen_options *o = &p->options;
    unsigned stops = 0;
    if (p->n > FRAME_MESSAGES || p->provenance.ncontent > GENERATE_SOURCES)
        return err_set(e, ERR_USAGE, "generate: %zu messages of %zu contents", p->n, p->provenance.ncontent);
    while (stops < GENERATE_STOPS && o->stop[stops])
        stops++;
    size_t at = wire_begin(b, FRAME_GENERATE, id);
    wire_put_int(b, model, 4);
    wire_put_int(b, o->max_tokens, 4);
    wire_put_int(b, o->max_reasoning, 4);
    put_f32(b, o->temperature);
    put_f32(b, o->top_p);
    put_f32(b, o->min_p);
    wire_put_int(b, o->top_k, 4);
    put_f32(b, o->repetition);
    wire_put_int(b, o->seed, 8);
    wire_put_int(b, o->lookup, 1);
    wire_put_int(b, stops, 1);
    wire_put_int(b, p->n, 2);
    for (unsigned i = 0; i < stops; i++)
        put_textz(b, o->stop[i], strlen(o->stop[i]));
    put_textz(b, o->grammar, o->grammar ? strlen(o->grammar) : 0);
    for (size_t i = 0; i < p->n; i++) {
        size_t role = 0;
        while (role < ROLES && strcmp(roles[role], p->message[i].role))
            role++;
        if (role == ROLES)
            return err_set(e, ERR_USAGE, "generate: no role \"%.40s\"", p->message[i].role);
        wire_put_int(b, role, 1);
        put_textz(b, p->message[i].text, p->message[i].len);
    }
    wire_put_int(b, p->provenance.ncontent, 4);
    buf_add(b, p->provenance.content ? (const void *)p->provenance.content : "", p->provenance.ncontent * HASH_BYTES);
    const char *scope = p->provenance.scope ? p->provenance.scope : "";
    put_textz(b, scope, strlen(scope));
    put_textz(b, p->adapter, p->adapter ? strlen(p->adapter) : 0);
    wire_end(b, at);
    return 0;
}

int frame_get_count(struct frame_count *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    *out = (struct frame_count){.model = (uint32_t)wire_int(&c, 4), .n = (uint32_t)wire_int(&c, 4)};
    if (out->n > FRAME_TEXTS)
        c.bad = true;
    size_t n = c.bad ? 0 : out->n;
    out->text = mem_zero(n + 1, sizeof *out->text);
    out->len = mem_zero(n + 1, sizeof *out->len);
    for (size_t i = 0; i < n; i++)
        out->text[i] = take_textz(&c, &out->len[i], false);
    int rc = wire_done(&c, "COUNT", e);
    if (rc)
        frame_count_release(out);
    return rc;
}

void frame_count_release(struct frame_count *c)
{
    free(c->text);
    free(c->len);
    *c = (struct frame_count){0};
}

void frame_put_count(struct buf *b, uint64_t id, uint32_t model, const char *const *text, const size_t *len, uint32_t n)
{
    size_t at = wire_begin(b, FRAME_COUNT, id);
    wire_put_int(b, model, 4);
    wire_put_int(b, n, 4);
    for (uint32_t i = 0; i < n; i++)
        put_textz(b, text[i], len[i]);
    wire_end(b, at);
}

int frame_get_forget(uint32_t *model, const uint8_t **content, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    *model = (uint32_t)wire_int(&c, 4);
    uint64_t all = wire_int(&c, 1);
    *content = wire_take(&c, HASH_BYTES);
    if (all > 1)
        c.bad = true;
    if (all)
        *content = NULL;
    return wire_done(&c, "FORGET", e);
}

void frame_put_forget(struct buf *b, uint64_t id, uint32_t model, const uint8_t *content)
{
    static const uint8_t none[HASH_BYTES];
    size_t at = wire_begin(b, FRAME_FORGET, id);
    wire_put_int(b, model, 4);
    wire_put_int(b, !content, 1);
    buf_add(b, content ? content : none, HASH_BYTES);
    wire_end(b, at);
}

int frame_get_piece(struct gen_piece *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    uint64_t channel = wire_int(&c, 1), zero = wire_int(&c, 3);
    *out = (struct gen_piece){.prompt_done = (uint32_t)wire_int(&c, 4), .prompt_total = (uint32_t)wire_int(&c, 4)};
    if (channel > GEN_TOOL || zero)
        c.bad = true;
    out->channel = (enum gen_channel)channel;
    out->len = wire_int(&c, 4);
    out->text = (const char *)wire_take(&c, out->len);
    return wire_done(&c, "PIECE", e);
}

void frame_put_piece(struct buf *b, uint64_t id, const struct gen_piece *p)
{
    size_t at = wire_begin(b, FRAME_PIECE, id);
    wire_put_int(b, p->channel, 1);
    wire_put_int(b, 0, 3);
    wire_put_int(b, p->prompt_done, 4);
    wire_put_int(b, p->prompt_total, 4);
    wire_put_int(b, p->len, 4);
    buf_add(b, p->len ? p->text : "", p->len);
    wire_end(b, at);
}

int frame_get_generated(struct gen_result *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    uint64_t end = wire_int(&c, 4);
    if (end > GEN_END_SINK)
        c.bad = true;
    out->end = (enum gen_end)end;
    out->prompt_tokens = (uint32_t)wire_int(&c, 4);
    out->reused_tokens = (uint32_t)wire_int(&c, 4);
    out->reasoning_tokens = (uint32_t)wire_int(&c, 4);
    out->answer_tokens = (uint32_t)wire_int(&c, 4);
    out->drafted = (uint32_t)wire_int(&c, 4);
    out->accepted = (uint32_t)wire_int(&c, 4);
    out->ms_prompt = take_f64(&c);
    out->ms_first = take_f64(&c);
    out->ms_total = take_f64(&c);
    out->ms_read = take_f64(&c);
    return wire_done(&c, "GENERATED", e);
}

void frame_put_generated(struct buf *b, uint64_t id, const struct gen_result *r)
{
    size_t at = wire_begin(b, FRAME_GENERATED, id);
    const uint32_t count[] = {(uint32_t)r->end, r->prompt_tokens, r->reused_tokens, r->reasoning_tokens, r->answer_tokens,
                              r->drafted, r->accepted};
    for (size_t i = 0; i < sizeof count / sizeof *count; i++)
        wire_put_int(b, count[i], 4);
    put_f64(b, r->ms_prompt);
    put_f64(b, r->ms_first);
    put_f64(b, r->ms_total);
    put_f64(b, r->ms_read);
    wire_end(b, at);
}

int frame_get_counts(uint32_t *count, uint32_t n, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    if (wire_int(&c, 4) != n)
        c.bad = true;
    for (uint32_t i = 0; i < n && !c.bad; i++)
        count[i] = (uint32_t)wire_int(&c, 4);
    return wire_done(&c, "COUNTS", e);
}

void frame_put_counts(struct buf *b, uint64_t id, const uint32_t *count, uint32_t n)
{
    size_t at = wire_begin(b, FRAME_COUNTS, id);
    wire_put_int(b, n, 4);
    for (uint32_t i = 0; i < n; i++)
        wire_put_int(b, count[i], 4);
    wire_end(b, at);
}
