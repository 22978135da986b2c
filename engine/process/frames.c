#include "engine/process/frames.h"

#include "base/mem.h"
#include "engine/model.h"
#include "engine/process/wire.h"

#include <stdlib.h>
#include <string.h>

long frame_read(struct frame *out, const uint8_t *p, size_t n, struct err *e)
{
    struct wire c = {p, p + n, false};
    if (n < FRAME_HEAD)
        return 0;
    uint64_t len = wire_int(&c, 4), kind = wire_int(&c, 2), zero = wire_int(&c, 2), id = wire_int(&c, 8);
    bool known = (kind >= FRAME_HELLO && kind < FRAME_ASK_END) || (kind >= FRAME_READY && kind < FRAME_ANSWER_END);
    if (len > FRAME_MAX || zero || !known)
        return err_set(e, ERR_FORMAT, "engine process: no frame of ours");
    if (n - FRAME_HEAD < len)
        return 0;
    *out = (struct frame){(enum frame_kind)kind, id, c.p, (size_t)len};
    return (long)(FRAME_HEAD + len);
}

int frame_get_hello(struct frame_hello *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    wire_text(&c, out->build, sizeof out->build);
    out->threads = (uint32_t)wire_int(&c, 4);
    out->max_memory = wire_int(&c, 8);
    wire_text(&c, out->backend, sizeof out->backend);
    wire_text(&c, out->isa, sizeof out->isa);
    wire_text(&c, out->instead, sizeof out->instead);
    wire_text(&c, out->prefix_folder, sizeof out->prefix_folder);
    out->prefix_bytes = wire_int(&c, 8);
    wire_text(&c, out->draft, sizeof out->draft);
    wire_text(&c, out->adapter, sizeof out->adapter);
    out->device_memory = wire_int(&c, 8);
    if (out->threads > 4096)
        c.bad = true;
    return wire_done(&c, "HELLO", e);
}

int frame_get_open(struct frame_open *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    out->model = (uint32_t)wire_int(&c, 4);
    wire_text(&c, out->path, sizeof out->path);
    return wire_done(&c, "OPEN", e);
}

int frame_get_embed(struct frame_embed *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    *out = (struct frame_embed){.model = (uint32_t)wire_int(&c, 4)};
    uint64_t kind = wire_int(&c, 1), priority = wire_int(&c, 1), zero = wire_int(&c, 2);
    uint32_t n = (uint32_t)wire_int(&c, 4);
    if (kind > EMBED_DOCUMENT || priority > PRIORITY_DOCUMENT || zero || n > FRAME_TEXTS)
        c.bad = true;
    out->kind = (enum embed_kind)kind;
    out->priority = (enum priority)priority;
    struct wire lens = {wire_take(&c, (size_t)n * 4), NULL, c.bad};
    if (c.bad)
        return wire_done(&c, "EMBED", e);
    lens.end = lens.p + (size_t)n * 4;
    out->n = n;
    out->text = mem_alloc(n * sizeof *out->text);
    out->len = mem_alloc(n * sizeof *out->len);
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        out->len[i] = wire_int(&lens, 4);
        out->text[i] = (const char *)wire_take(&c, out->len[i]);
        c.bad |= out->len[i] > TEXT_MAX;
    }
    int rc = wire_done(&c, "EMBED", e);
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
    struct wire c = wire_of(f);
    *model = (uint32_t)wire_int(&c, 4);
    return wire_done(&c, "CLOSE", e);
}

int frame_get_ready(char provider[64], const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    wire_text(&c, provider, 64);
    return wire_done(&c, "READY", e);
}

int frame_get_opened(struct model_info *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    memset(out, 0, sizeof *out);
    wire_text(&c, out->name, sizeof out->name);
    wire_text(&c, out->family, sizeof out->family);
    const uint8_t *hash = wire_take(&c, sizeof out->hash);
    if (hash)
        memcpy(out->hash, hash, sizeof out->hash);
    out->dim = (uint32_t)wire_int(&c, 4);
    uint64_t scores = wire_int(&c, 1);
    out->scores = scores;
    out->max_tokens = (uint32_t)wire_int(&c, 4);
    out->context = (uint32_t)wire_int(&c, 4);
    uint32_t rate = (uint32_t)wire_int(&c, 4), slope = (uint32_t)wire_int(&c, 4);
    memcpy(&out->prompt_rate, &rate, sizeof rate);
    memcpy(&out->prompt_slope, &slope, sizeof slope);
    out->bytes = wire_int(&c, 8);
    wire_text(&c, out->provider, sizeof out->provider);
    wire_text(&c, out->draft, sizeof out->draft);
    wire_text(&c, out->adapter, sizeof out->adapter);
    if (out->dim > 65536 || scores > 1 || (!out->dim && !out->context && !scores) || !(out->prompt_rate >= 0) ||
        !(out->prompt_slope >= 0))
        c.bad = true;
    return wire_done(&c, "OPENED", e);
}

int frame_get_resident(struct residency_report *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    *out = (struct residency_report){0};
    uint64_t planned = wire_int(&c, 1), unified = wire_int(&c, 1), zero = wire_int(&c, 2);
    out->room.total = wire_int(&c, 8);
    out->room.free = wire_int(&c, 8);
    out->room.held = wire_int(&c, 8);
    out->budget = wire_int(&c, 8);
    uint32_t n = (uint32_t)wire_int(&c, 4);
    out->planned = planned;
    out->room.unified = unified;
    c.bad |= planned > 1 || unified > 1 || zero || n > RESIDENCY_CLAIMS_MAX;
    for (; out->n < n && !c.bad; out->n++) {
        struct claim *x = &out->claim[out->n];
        uint64_t tenant = wire_int(&c, 1), placed = wire_int(&c, 1), busy = wire_int(&c, 1), none = wire_int(&c, 1);
        c.bad |= tenant >= TENANTS || placed > 1 || busy > 1 || none;
        x->tenant = (enum tenant)tenant;
        x->placed = placed;
        x->busy = busy;
        x->floor = wire_int(&c, 8);
        x->ceiling = wire_int(&c, 8);
        x->grant = wire_int(&c, 8);
        wire_text(&c, x->name, sizeof x->name);
    }
    return wire_done(&c, "RESIDENT", e);
}

int frame_get_vectors(struct frame_vectors *out, const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    out->n = (uint32_t)wire_int(&c, 4);
    out->dim = (uint32_t)wire_int(&c, 4);
    if (out->n > FRAME_TEXTS || out->dim > 65536)
        c.bad = true;
    out->used = wire_take(&c, (size_t)out->n * 4);
    out->rows = wire_take(&c, (size_t)out->n * out->dim * 4);
    return wire_done(&c, "VECTORS", e);
}

int frame_get_fail(const struct frame *f, struct err *e)
{
    struct wire c = wire_of(f);
    struct err got = {0};
    got.code = (int)(int32_t)(uint32_t)wire_int(&c, 4);
    wire_text(&c, got.message, sizeof got.message);
    wire_text(&c, got.hint, sizeof got.hint);
    int rc = wire_done(&c, "FAIL", e);
    if (!rc && (got.code >= 0 || (got.code != ERR_INTERNAL && !strcmp(err_name(got.code), "internal"))))
        rc = err_set(e, ERR_FORMAT, "engine process: a failure without a code");
    if (rc)
        return rc;
    if (e)
        *e = got;
    return got.code;
}

/* Writing. */
void frame_put_hello(struct buf *b, uint64_t id, const struct frame_hello *h)
{
    size_t at = wire_begin(b, FRAME_HELLO, id);
    wire_put_text(b, h->build);
    wire_put_int(b, h->threads, 4);
    wire_put_int(b, h->max_memory, 8);
    wire_put_text(b, h->backend);
    wire_put_text(b, h->isa);
    wire_put_text(b, h->instead);
    wire_put_text(b, h->prefix_folder);
    wire_put_int(b, h->prefix_bytes, 8);
    wire_put_text(b, h->draft);
    wire_put_text(b, h->adapter);
    wire_put_int(b, h->device_memory, 8);
    wire_end(b, at);
}

void frame_put_open(struct buf *b, uint64_t id, uint32_t model, const char *path)
{
    size_t at = wire_begin(b, FRAME_OPEN, id);
    wire_put_int(b, model, 4);
    wire_put_text(b, path);
    wire_end(b, at);
}

static void put_texts(struct buf *b, enum frame_kind frame, uint64_t id, uint32_t model, enum embed_kind kind, enum priority p,
                      const char *const *text, const size_t *len, uint32_t n)
{
    size_t at = wire_begin(b, frame, id);
    wire_put_int(b, model, 4);
    wire_put_int(b, kind, 1);
    wire_put_int(b, p, 1);
    wire_put_int(b, 0, 2);
    wire_put_int(b, n, 4);
    for (uint32_t i = 0; i < n; i++)
        wire_put_int(b, len[i], 4);
    for (uint32_t i = 0; i < n; i++)
        buf_add(b, text[i], len[i]);
    wire_end(b, at);
}

void frame_put_embed(struct buf *b, uint64_t id, uint32_t model, enum embed_kind kind, enum priority p,
                     const char *const *text, const size_t *len, uint32_t n)
{
    put_texts(b, FRAME_EMBED, id, model, kind, p, text, len, n);
}

void frame_put_rerank(struct buf *b, uint64_t id, uint32_t model, const char *const *text, const size_t *len, uint32_t n)
{
    put_texts(b, FRAME_RERANK, id, model, EMBED_QUERY, PRIORITY_QUERY, text, len, n);
}

void frame_put_cancel(struct buf *b, uint64_t id)
{
    wire_end(b, wire_begin(b, FRAME_CANCEL, id));
}

void frame_put_close(struct buf *b, uint32_t model)
{
    size_t at = wire_begin(b, FRAME_CLOSE, 0);
    wire_put_int(b, model, 4);
    wire_end(b, at);
}

void frame_put_resident(struct buf *b, const struct residency_report *r)
{
    size_t at = wire_begin(b, FRAME_RESIDENT, 0);
    wire_put_int(b, r->planned, 1);
    wire_put_int(b, r->room.unified, 1);
    wire_put_int(b, 0, 2);
    wire_put_int(b, r->room.total, 8);
    wire_put_int(b, r->room.free, 8);
    wire_put_int(b, r->room.held, 8);
    wire_put_int(b, r->budget, 8);
    wire_put_int(b, r->n, 4);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct claim *x = &r->claim[i];
        wire_put_int(b, x->tenant, 1);
        wire_put_int(b, x->placed, 1);
        wire_put_int(b, x->busy, 1);
        wire_put_int(b, 0, 1);
        wire_put_int(b, x->floor, 8);
        wire_put_int(b, x->ceiling, 8);
        wire_put_int(b, x->grant, 8);
        wire_put_text(b, x->name);
    }
    wire_end(b, at);
}

void frame_put_ready(struct buf *b, uint64_t id, const char *provider)
{
    size_t at = wire_begin(b, FRAME_READY, id);
    wire_put_text(b, provider);
    wire_end(b, at);
}

void frame_put_opened(struct buf *b, uint64_t id, const struct model_info *info)
{
    size_t at = wire_begin(b, FRAME_OPENED, id);
    wire_put_text(b, info->name);
    wire_put_text(b, info->family);
    buf_add(b, info->hash, sizeof info->hash);
    wire_put_int(b, info->dim, 4);
    wire_put_int(b, info->scores, 1);
    wire_put_int(b, info->max_tokens, 4);
    wire_put_int(b, info->context, 4);
    uint32_t rate, slope;
    memcpy(&rate, &info->prompt_rate, sizeof rate);
    memcpy(&slope, &info->prompt_slope, sizeof slope);
    wire_put_int(b, rate, 4);
    wire_put_int(b, slope, 4);
    wire_put_int(b, info->bytes, 8);
    wire_put_text(b, info->provider);
    wire_put_text(b, info->draft);
    wire_put_text(b, info->adapter);
    wire_end(b, at);
}

void frame_put_vectors(struct buf *b, uint64_t id, uint32_t n, uint32_t dim, const uint32_t *used, const float *rows)
{
    size_t at = wire_begin(b, FRAME_VECTORS, id);
    wire_put_int(b, n, 4);
    wire_put_int(b, dim, 4);
    /* both ends are one little-endian build: words go as they lie */
    buf_add(b, used, (size_t)n * 4);
    buf_add(b, rows, (size_t)n * dim * 4);
    wire_end(b, at);
}

void frame_put_fail(struct buf *b, uint64_t id, const struct err *e)
{
    size_t at = wire_begin(b, FRAME_FAIL, id);
    wire_put_int(b, (uint32_t)(e->code < 0 ? e->code : ERR_INTERNAL), 4);
    wire_put_text(b, e->message);
    wire_put_text(b, e->hint);
    wire_end(b, at);
}
