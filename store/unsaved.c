#include "store/unsaved_inside.h"

#include "base/mem.h"

#include <stdlib.h>

struct unsaved_text {
    uint32_t refs, cut; /* cut: also the id of its segment */
    struct oid oid;
    uint32_t size;
    struct cut_batch *batch;
};

int unsaved_text_new(struct unsaved_text **out, const struct cut_new *c, struct err *e)
{
    static uint32_t ids;
    struct cut_batch *b;
    int rc = cut_batch_build(&b, c, 1, e);
    if (rc)
        return rc;
    struct unsaved_text *x = mem_zero(1, sizeof *x);
    *x = (struct unsaved_text){.refs = 1, .oid = c->key.oid, .size = (uint32_t)c->text_len, .batch = b};
    x->cut = UNSAVED_FIRST + __atomic_fetch_add(&ids, 1, __ATOMIC_RELAXED) % (UINT32_MAX - UNSAVED_FIRST);
    if (batch_segment(b)->len)
        segment_rebase(batch_segment(b)->data, x->cut);
    *out = x;
    return 0;
}

struct unsaved_text *unsaved_text_hold(struct unsaved_text *x)
{
    if (x)
        __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
    return x;
}

void unsaved_text_drop(struct unsaved_text *x)
{
    if (!x || __atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL))
        return;
    cut_batch_free(x->batch);
    free(x);
}

struct str unsaved_record(const struct unsaved_text *x)
{
    return batch_record(x->batch);
}

struct str unsaved_packed(const struct unsaved_text *x)
{
    return batch_text(x->batch);
}

int unsaved_segment(struct segment *out, const struct unsaved_text *x, struct err *e)
{
    const struct buf *b = batch_segment(x->batch);
    return b->len ? segment_open(out, x->cut, b->data, b->len, e) : 0;
}

const struct oid *unsaved_text_oid(const struct unsaved_text *x)
{
    return &x->oid;
}

/* -- sets ---------------------------------------------------------------------------------------------------------------- */

struct unsaved *unsaved_new(void)
{
    return mem_zero(1, sizeof(struct unsaved));
}

void unsaved_drop(struct unsaved *u)
{
    for (size_t i = 0; u && i < u->n; i++) {
        free((char *)u->row[i].path.p);
        unsaved_text_drop(u->row[i].text);
    }
    if (u)
        free(u->row);
    free(u);
}

int unsaved_order(struct str a, struct str b)
{
    uint8_t x[LONG_KEY], y[LONG_KEY];
    size_t n = long_key(x, a.p, a.n), m = long_key(y, b.p, b.n);
    int order = memcmp(x, y, n < m ? n : m);
    return order ? order : n < m ? -1 : n > m;
}

void unsaved_add(struct unsaved *u, uint32_t view, struct str path, struct unsaved_text *x)
{
    size_t at = 0;
    while (at < u->n && (u->row[at].view < view || (u->row[at].view == view && unsaved_order(u->row[at].path, path) < 0)))
        at++;
    if (at < u->n && u->row[at].view == view && str_same(u->row[at].path, path)) {
        unsaved_text_drop(u->row[at].text);
        u->row[at].text = unsaved_text_hold(x);
        return;
    }
    VEC_ROOM(u->row, u->n, u->cap);
    memmove(u->row + at + 1, u->row + at, (u->n++ - at) * sizeof *u->row);
    u->row[at] = (struct unsaved_row){view, {mem_strn(path.p, path.n), path.n}, unsaved_text_hold(x)};
}

const struct unsaved_row *unsaved_rows(const struct unsaved *u, uint32_t view, size_t *n)
{
    size_t at = 0;
    *n = 0;
    while (u && at < u->n && u->row[at].view != view)
        at++;
    while (u && at + *n < u->n && u->row[at + *n].view == view)
        ++*n;
    return *n ? u->row + at : NULL;
}

size_t unsaved_count(const struct unsaved *u, uint32_t view)
{
    size_t n;
    unsaved_rows(u, view, &n);
    return n;
}

uint64_t unsaved_stamp(const struct unsaved *u, uint32_t view)
{
    size_t n;
    uint64_t stamp = 0;
    const struct unsaved_row *r = unsaved_rows(u, view, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t row[3] = {stamp, r[i].text ? r[i].text->cut : 0, hash64(r[i].path.p, r[i].path.n)};
        stamp = hash64(row, sizeof row) | 1;
    }
    return stamp;
}

const struct unsaved_text *unsaved_find(const struct unsaved *u, uint32_t cut)
{
    for (size_t i = 0; u && i < u->n; i++)
        if (u->row[i].text && u->row[i].text->cut == cut)
            return u->row[i].text;
    return NULL;
}

struct occ unsaved_occ(const struct unsaved_row *r, const struct occ *below)
{
    uint32_t kept = OCC_GENERATED | OCC_VENDORED | OCC_DOCUMENTATION | OCC_NOT_GENERATED | OCC_NOT_VENDORED;
    return (struct occ){.path = r->path, .oid = r->text->oid, .cut = r->text->cut, .mode = below ? below->mode : 0100644,
                        .flags = below ? below->flags & kept : 0, .size = r->text->size};
}

void txn_see(struct txn *t, const struct unsaved *u)
{
    t->unsaved = u;
}
