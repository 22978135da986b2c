#include "engine/process/frames.h"

#include "base/mem.h"
#include "engine/model.h"

#include <stdlib.h>
#include <string.h>

/* Reading: a cursor that remembers the first thing that did not fit. */
struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

static uint64_t take_int(struct cursor *c, int bytes)
{
    const uint8_t *p = take(c, (size_t)bytes);
    uint64_t v = 0;
    for (int i = bytes - 1; p && i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void take_text(struct cursor *c, char *to, size_t cap)
{
    size_t n = take_int(c, 4);
    const uint8_t *p = n < cap ? take(c, n) : NULL;
    if (!p || (n && memchr(p, 0, n))) {
        c->bad = true;
        *to = 0;
        return;
    }
    memcpy(to, p, n);
    to[n] = 0;
}

static struct cursor cursor_of(const struct frame *f)
{
    return (struct cursor){f->payload, f->payload + f->len, false};
}

static int done(const struct cursor *c, const char *what, struct err *e)
{
    if (c->bad || c->p != c->end)
        return err_set(e, ERR_FORMAT, "engine process: a bad %s frame", what);
    return 0;
}

long frame_read(struct frame *out, const uint8_t *p, size_t n, struct err *e)
{
    struct cursor c = {p, p + n, false};
    if (n < FRAME_HEAD)
        return 0;
    uint64_t len = take_int(&c, 4), kind = take_int(&c, 2), zero = take_int(&c, 2), id = take_int(&c, 8);
    bool known = (kind >= FRAME_HELLO && kind <= FRAME_CLOSE) || (kind >= FRAME_READY && kind <= FRAME_FAIL);
    if (len > FRAME_MAX || zero || !known)
        return err_set(e, ERR_FORMAT, "engine process: no frame of ours");
    if (n - FRAME_HEAD < len)
        return 0;
    *out = (struct frame){(enum frame_kind)kind, id, c.p, (size_t)len};
    return (long)(FRAME_HEAD + len);
}

int frame_get_hello(struct frame_hello *out, const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    take_text(&c, out->build, sizeof out->build);
    out->threads = (uint32_t)take_int(&c, 4);
    out->max_memory = take_int(&c, 8);
    take_text(&c, out->backend, sizeof out->backend);
    take_text(&c, out->isa, sizeof out->isa);
    if (out->threads > 4096)
        c.bad = true;
    return done(&c, "HELLO", e);
}

int frame_get_open(struct frame_open *out, const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    out->model = (uint32_t)take_int(&c, 4);
    take_text(&c, out->path, sizeof out->path);
    return done(&c, "OPEN", e);
}

int frame_get_embed(struct frame_embed *out, const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    *out = (struct frame_embed){.model = (uint32_t)take_int(&c, 4)};
    uint64_t kind = take_int(&c, 1), priority = take_int(&c, 1), zero = take_int(&c, 2);
    uint32_t n = (uint32_t)take_int(&c, 4);
    if (kind > EMBED_DOCUMENT || priority > PRIORITY_DOCUMENT || zero || n > FRAME_TEXTS)
        c.bad = true;
    out->kind = (enum embed_kind)kind;
    out->priority = (enum priority)priority;
    struct cursor lens = {take(&c, (size_t)n * 4), NULL, c.bad};
    if (c.bad)
        return done(&c, "EMBED", e);
    lens.end = lens.p + (size_t)n * 4;
    out->n = n;
    out->text = mem_alloc(n * sizeof *out->text);
    out->len = mem_alloc(n * sizeof *out->len);
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        out->len[i] = take_int(&lens, 4);
        out->text[i] = (const char *)take(&c, out->len[i]);
        c.bad |= out->len[i] > TEXT_MAX;
    }
    int rc = done(&c, "EMBED", e);
    if (rc)
        frame_embed_release(out);
    return rc;
}

void frame_embed_release(struct frame_embed *m)
{
    free(m->text);
    free(m->len);
    m->text = NULL;
    m->len = NULL;
}

int frame_get_close(uint32_t *model, const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    *model = (uint32_t)take_int(&c, 4);
    return done(&c, "CLOSE", e);
}

int frame_get_ready(char provider[64], const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    take_text(&c, provider, 64);
    return done(&c, "READY", e);
}

int frame_get_opened(struct model_info *out, const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    memset(out, 0, sizeof *out);
    take_text(&c, out->name, sizeof out->name);
    take_text(&c, out->family, sizeof out->family);
    const uint8_t *hash = take(&c, sizeof out->hash);
    if (hash)
        memcpy(out->hash, hash, sizeof out->hash);
    out->dim = (uint32_t)take_int(&c, 4);
    out->max_tokens = (uint32_t)take_int(&c, 4);
    out->bytes = take_int(&c, 8);
    take_text(&c, out->provider, sizeof out->provider);
    if (!out->dim || out->dim > 65536)
        c.bad = true;
    return done(&c, "OPENED", e);
}

int frame_get_vectors(struct frame_vectors *out, const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    out->n = (uint32_t)take_int(&c, 4);
    out->dim = (uint32_t)take_int(&c, 4);
    if (out->n > FRAME_TEXTS || out->dim > 65536)
        c.bad = true;
    out->used = take(&c, (size_t)out->n * 4);
    out->rows = take(&c, (size_t)out->n * out->dim * 4);
    return done(&c, "VECTORS", e);
}

int frame_get_fail(const struct frame *f, struct err *e)
{
    struct cursor c = cursor_of(f);
    struct err got = {0};
    got.code = (int)(int32_t)(uint32_t)take_int(&c, 4);
    take_text(&c, got.message, sizeof got.message);
    take_text(&c, got.hint, sizeof got.hint);
    int rc = done(&c, "FAIL", e);
    if (!rc && (got.code >= 0 || (got.code != ERR_INTERNAL && !strcmp(err_name(got.code), "internal"))))
        rc = err_set(e, ERR_FORMAT, "engine process: a failure without a code");
    if (rc)
        return rc;
    if (e)
        *e = got;
    return got.code;
}

/* Writing. */
static void put_int(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_addc(b, (char)(v >> 8 * i));
}

static void put_text(struct buf *b, const char *s)
{
    size_t n = s ? strlen(s) : 0;
    put_int(b, n, 4);
    buf_add(b, n ? s : "", n);
}

static size_t begin(struct buf *b, enum frame_kind kind, uint64_t id)
{
    size_t at = b->len;
    put_int(b, 0, 4);
    put_int(b, kind, 2);
    put_int(b, 0, 2);
    put_int(b, id, 8);
    return at;
}

static void end(struct buf *b, size_t at)
{
    uint32_t len = (uint32_t)(b->len - at - FRAME_HEAD);
    for (int i = 0; i < 4; i++)
        b->data[at + (size_t)i] = (char)(len >> 8 * i);
}

void frame_put_hello(struct buf *b, uint64_t id, const struct frame_hello *h)
{
    size_t at = begin(b, FRAME_HELLO, id);
    put_text(b, h->build);
    put_int(b, h->threads, 4);
    put_int(b, h->max_memory, 8);
    put_text(b, h->backend);
    put_text(b, h->isa);
    end(b, at);
}

void frame_put_open(struct buf *b, uint64_t id, uint32_t model, const char *path)
{
    size_t at = begin(b, FRAME_OPEN, id);
    put_int(b, model, 4);
    put_text(b, path);
    end(b, at);
}

void frame_put_embed(struct buf *b, uint64_t id, uint32_t model, enum embed_kind kind, enum priority p,
                     const char *const *text, const size_t *len, uint32_t n)
{
    size_t at = begin(b, FRAME_EMBED, id);
    put_int(b, model, 4);
    put_int(b, kind, 1);
    put_int(b, p, 1);
    put_int(b, 0, 2);
    put_int(b, n, 4);
    for (uint32_t i = 0; i < n; i++)
        put_int(b, len[i], 4);
    for (uint32_t i = 0; i < n; i++)
        buf_add(b, text[i], len[i]);
    end(b, at);
}

void frame_put_cancel(struct buf *b, uint64_t id)
{
    end(b, begin(b, FRAME_CANCEL, id));
}

void frame_put_close(struct buf *b, uint32_t model)
{
    size_t at = begin(b, FRAME_CLOSE, 0);
    put_int(b, model, 4);
    end(b, at);
}

void frame_put_ready(struct buf *b, uint64_t id, const char *provider)
{
    size_t at = begin(b, FRAME_READY, id);
    put_text(b, provider);
    end(b, at);
}

void frame_put_opened(struct buf *b, uint64_t id, const struct model_info *info)
{
    size_t at = begin(b, FRAME_OPENED, id);
    put_text(b, info->name);
    put_text(b, info->family);
    buf_add(b, info->hash, sizeof info->hash);
    put_int(b, info->dim, 4);
    put_int(b, info->max_tokens, 4);
    put_int(b, info->bytes, 8);
    put_text(b, info->provider);
    end(b, at);
}

void frame_put_vectors(struct buf *b, uint64_t id, uint32_t n, uint32_t dim, const uint32_t *used, const float *rows)
{
    size_t at = begin(b, FRAME_VECTORS, id);
    put_int(b, n, 4);
    put_int(b, dim, 4);
    /* both ends are one little-endian build: words go as they lie */
    buf_add(b, used, (size_t)n * 4);
    buf_add(b, rows, (size_t)n * dim * 4);
    end(b, at);
}

void frame_put_fail(struct buf *b, uint64_t id, const struct err *e)
{
    size_t at = begin(b, FRAME_FAIL, id);
    put_int(b, (uint32_t)(e->code < 0 ? e->code : ERR_INTERNAL), 4);
    put_text(b, e->message);
    put_text(b, e->hint);
    end(b, at);
}
