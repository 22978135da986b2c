#include "store/touch.h"

#include "base/mem.h"
#include "store/varint.h"

#include <stdlib.h>
#include <string.h>

void touch_release(struct touch *t)
{
    for (unsigned i = 0; i < t->nsides; i++)
        free(t->side[i].hunk);
    t->nsides = 0;
}

void touch_copy(struct touch *to, const struct touch *from)
{
    *to = *from;
    for (unsigned i = 0; i < from->nsides; i++) {
        const struct touch_side *s = &from->side[i];
        to->side[i].hunk = mem_alloc((s->nhunks + 1) * sizeof *s->hunk);
        if (s->nhunks)
            memcpy(to->side[i].hunk, s->hunk, s->nhunks * sizeof *s->hunk);
    }
}

static bool has_lines(uint8_t how)
{
    return how == TOUCH_HERE || how == TOUCH_RENAMED;
}

static void write_side(struct buf *out, const struct touch_side *s)
{
    uint32_t at = 0, old = 0;
    buf_addc(out, (char)s->how);
    if (s->how == TOUCH_RENAMED || s->how == TOUCH_RENAMED_UNREAD)
        varint_put(out, s->from);
    if (!has_lines(s->how))
        return;
    varint_put(out, s->nhunks);
    for (uint32_t i = 0; i < s->nhunks; i++) {
        const struct touch_hunk *h = &s->hunk[i];
        varint_put(out, h->at - at);
        varint_put(out, h->n * 2 + h->elsewhere);
        varint_put(out, h->old_at - old);
        varint_put(out, h->old_n);
        at = h->at + h->n;
        old = h->old_at + h->old_n;
    }
}

void touch_write(struct buf *out, const struct touch *t)
{
    buf_addc(out, (char)t->kind);
    buf_addc(out, (char)t->same);
    buf_addc(out, (char)t->nsides);
    for (unsigned i = 0; i < t->nsides; i++)
        write_side(out, &t->side[i]);
}

/* A count is never more than the bytes that follow can hold (each entry takes `least` bytes at least). */
static bool read_count(uint32_t *n, const uint8_t **p, const uint8_t *end, size_t least)
{
    return varint_get(n, p, end) && *n <= (size_t)(end - *p) / least;
}

static bool read_side(struct touch_side *s, const uint8_t **p, const uint8_t *end)
{
    uint32_t at = 0, old = 0, gap, old_gap, lines;
    if (*p == end)
        return false;
    s->how = *(*p)++;
    if (s->how > TOUCH_UNSOUGHT)
        return false;
    if ((s->how == TOUCH_RENAMED || s->how == TOUCH_RENAMED_UNREAD) && !varint_get(&s->from, p, end))
        return false;
    if (!has_lines(s->how))
        return true;
    if (!read_count(&s->nhunks, p, end, 4))
        return false;
    s->hunk = mem_alloc((s->nhunks + 1) * sizeof *s->hunk);
    for (uint32_t i = 0; i < s->nhunks; i++) {
        struct touch_hunk *h = &s->hunk[i];
        if (!varint_get(&gap, p, end) || !varint_get(&lines, p, end) || !varint_get(&old_gap, p, end) ||
            !varint_get(&h->old_n, p, end))
            return false;
        h->n = lines / 2;
        h->elsewhere = lines % 2;
        if (__builtin_add_overflow(at, gap, &h->at) || __builtin_add_overflow(h->at, h->n, &at) ||
            __builtin_add_overflow(old, old_gap, &h->old_at) ||
            __builtin_add_overflow(h->old_at, h->old_n, &old))
            return false;
    }
    return true;
}

int touch_read(struct touch *out, struct str bytes, struct err *e)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    *out = (struct touch){0};
    if (bytes.n < 3 || p[0] > TOUCH_DELETED || p[1] > TOUCH_SIDES || p[2] > TOUCH_SIDES)
        goto bad;
    out->kind = p[0];
    out->same = p[1];
    unsigned n = p[2];
    p += 3;
    for (unsigned i = 0; i < n; i++) {
        out->nsides++;
        if (!read_side(&out->side[i], &p, end))
            goto bad;
    }
    if (p == end)
        return 0;
bad:
    touch_release(out);
    return err_set(e, ERR_CORRUPT, "a damaged row of the table touch");
}
