/* The alphabet of frames.h: integers, texts and heads, for the files that read and write payloads. */
#ifndef CODEASK_ENGINE_PROCESS_WIRE_H
#define CODEASK_ENGINE_PROCESS_WIRE_H

#include "engine/process/frames.h"

#include <string.h>

/* Reading: a cursor that remembers the first thing that did not fit. */
struct wire {
    const uint8_t *p, *end;
    bool bad;
};

static inline const uint8_t *wire_take(struct wire *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

static inline uint64_t wire_int(struct wire *c, int bytes)
{
    const uint8_t *p = wire_take(c, (size_t)bytes);
    uint64_t v = 0;
    for (int i = bytes - 1; p && i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static inline void wire_text(struct wire *c, char *to, size_t cap)
{
    size_t n = wire_int(c, 4);
    const uint8_t *p = n < cap ? wire_take(c, n) : NULL;
    if (!p || (n && memchr(p, 0, n))) {
        c->bad = true;
        *to = 0;
        return;
    }
    memcpy(to, p, n);
    to[n] = 0;
}

static inline struct wire wire_of(const struct frame *f)
{
    return (struct wire){f->payload, f->payload + f->len, false};
}

static inline int wire_done(const struct wire *c, const char *what, struct err *e)
{
    if (c->bad || c->p != c->end)
        return err_set(e, ERR_FORMAT, "engine process: a bad %s frame", what);
    return 0;
}

/* Writing. */
static inline void wire_put_int(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_addc(b, (char)(v >> 8 * i));
}

static inline void wire_put_text(struct buf *b, const char *s)
{
    size_t n = s ? strlen(s) : 0;
    wire_put_int(b, n, 4);
    buf_add(b, n ? s : "", n);
}

static inline size_t wire_begin(struct buf *b, enum frame_kind kind, uint64_t id)
{
    size_t at = b->len;
    wire_put_int(b, 0, 4);
    wire_put_int(b, kind, 2);
    wire_put_int(b, 0, 2);
    wire_put_int(b, id, 8);
    return at;
}

static inline void wire_end(struct buf *b, size_t at)
{
    uint32_t len = (uint32_t)(b->len - at - FRAME_HEAD);
    for (int i = 0; i < 4; i++)
        b->data[at + (size_t)i] = (char)(len >> 8 * i);
}

#endif
