/* Tables view and occ.
 *
 *   view  view id u32                 struct view_head
 *   meta  "view.<id>"                 the number of the last write transaction that touched the view ("next.stamp" counts them)
 *   occ   view id u32, long_key(path) struct occ_stored | oid[20 or 32] | stat data (three numbers) | path, where it is cut
 *                                     in the key
 *
 * A row of a git tree is 44 bytes beside its path, one that was read from the disk 24 more. */
#include "store/unsaved_inside.h"

#include <stdio.h>

#define LEVELS_MAX 8 /* base of a base of …: an overlay over a difference over a full view is 3 */

struct occ_stored {
    uint32_t cut, mode, flags, has; /* has: of what follows */
    uint64_t size;
};
#define HAS_OID32 1u
#define HAS_STAT 2u
#define HAS_PATH 4u

struct stat_stored {
    int64_t mtime_ns, ctime_ns;
    uint64_t ino;
};

#define OCC_KEY_MAX (4 + LONG_KEY)

static size_t occ_key(uint8_t out[OCC_KEY_MAX], uint32_t view, struct str path)
{
    put_be32(out, view);
    return 4 + long_key(out + 4, path.p, path.n);
}

/* -- stamps ------------------------------------------------------------------------------------------------------- */
#define STAMP_NAME 24

static const char *stamp_name(char out[STAMP_NAME], uint32_t view)
{
    snprintf(out, STAMP_NAME, "view.%u", view);
    return out;
}

/* Once a transaction for a view that it writes many rows of. An LMDB code. */
static int stamp(struct txn *t, uint32_t view)
{
    char name[STAMP_NAME];
    int code = 0;
    if (t->stamped == view)
        return 0;
    if (!t->stamp) {
        t->stamp = meta_get(t, "next.stamp") + 1;
        code = meta_put(t, "next.stamp", t->stamp);
    }
    if (!code)
        code = meta_put(t, stamp_name(name, view), t->stamp);
    t->stamped = code ? VIEW_NONE : view;
    return code;
}

static int stamp_drop(struct txn *t, uint32_t view)
{
    char name[STAMP_NAME];
    stamp_name(name, view);
    if (t->stamped == view)
        t->stamped = VIEW_NONE;
    int code = tab_del(t, T_META, val(name, strlen(name)));
    return code == MDB_NOTFOUND ? 0 : code;
}

int view_stamp(uint64_t *out, struct txn *t, uint32_t view, struct err *e)
{
    struct view_head h;
    char name[STAMP_NAME];
    uint64_t sum = 0, unsaved = unsaved_stamp(t->unsaved, view);
    *out = 0;
    for (int level = 0; view != VIEW_NONE; level++, view = h.base) {
        int rc = level < LEVELS_MAX ? view_get(t, view, &h, e) : err_set(e, ERR_CORRUPT, "view %u: too many bases", view);
        uint64_t own = rc ? 0 : meta_get(t, stamp_name(name, view));
        if (rc || !own) /* written by a program that had none */
            return rc;
        uint64_t row[3] = {view, own, sum};
        sum = hash64(row, sizeof row);
    }
    uint64_t over[2] = {unsaved, sum};
    *out = unsaved ? hash64(over, sizeof over) : sum;
    return 0;
}

/* -- heads -------------------------------------------------------------------------------------------------------- */
static int head_put(struct txn *t, const struct view_head *h, struct err *e)
{
    uint8_t key[4];
    put_be32(key, h->id);
    int code = tab_put(t, T_VIEW, val(key, 4), val(h, sizeof *h), 0);
    return txn_err(t, code ? code : stamp(t, h->id), e, "storing a view");
}

int view_get(struct txn *t, uint32_t id, struct view_head *out, struct err *e)
{
    uint8_t key[4];
    MDB_val v;
    put_be32(key, id);
    int code = tab_get(t, T_VIEW, val(key, 4), &v);
    if (code == MDB_NOTFOUND)
        return err_set(e, ERR_NOT_FOUND, "view %u is not there", id);
    if (!code && v.mv_size != sizeof *out)
        code = MDB_CORRUPTED;
    if (!code)
        memcpy(out, v.mv_data, sizeof *out);
    return txn_err(t, code, e, "reading a view");
}

int view_new(struct txn *t, const struct view_head *h, uint32_t *id, struct err *e)
{
    struct view_head new = *h, base = {0};
    uint64_t next = meta_get(t, "next.view");
    int rc = txn_writes(t, e);
    if (!rc && h->base != VIEW_NONE)
        rc = view_get(t, h->base, &base, e);
    if (rc)
        return rc;
    new.id = *id = (uint32_t)(next ? next : 1);
    new.rows = 0;
    new.files = base.files;
    new.bytes = base.bytes;
    rc = txn_err(t, meta_put(t, "next.view", (uint64_t)new.id + 1), e, "making a view");
    return rc ? rc : head_put(t, &new, e);
}

int views_each(struct txn *t, int (*each)(void *arg, const struct view_head *h), void *arg, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct view_head h;
    int code = tab_cursor(t, T_VIEW, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "listing views");
    while (!rc && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        if (v.mv_size != sizeof h)
            continue;
        memcpy(&h, v.mv_data, sizeof h);
        rc = each(arg, &h);
    }
    mdb_cursor_close(c);
    return rc || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "listing views");
}

/* -- rows --------------------------------------------------------------------------------------------------------- */
static bool unpack(struct occ *out, const MDB_val *k, const MDB_val *v)
{
    struct occ_stored s;
    const char *p = v->mv_data, *end = p + v->mv_size;
    if (v->mv_size < sizeof s + 20 || k->mv_size < 4)
        return false;
    memcpy(&s, p, sizeof s);
    p += sizeof s;
    *out = (struct occ){.cut = s.cut, .mode = s.mode, .flags = s.flags, .size = s.size};
    size_t oid = s.has & HAS_OID32 ? 32 : 20, stat = s.has & HAS_STAT ? sizeof(struct stat_stored) : 0;
    if ((size_t)(end - p) < oid + stat)
        return false;
    memcpy(out->oid.byte, p, oid);
    p += oid;
    if (stat) {
        struct stat_stored x;
        memcpy(&x, p, sizeof x);
        out->mtime_ns = x.mtime_ns, out->ctime_ns = x.ctime_ns, out->ino = x.ino;
        p += stat;
    }
    if (s.has & HAS_PATH)
        out->path = (struct str){p, (size_t)(end - p)};
    else
        out->path = (struct str){(const char *)k->mv_data + 4, k->mv_size - 4};
    return true;
}

static int pack(struct txn *t, MDB_val key, const struct occ *o)
{
    static const uint8_t zero[OID_MAX];
    struct occ_stored s = {.cut = o->cut, .mode = o->mode, .flags = o->flags, .size = o->size};
    struct stat_stored x = {o->mtime_ns, o->ctime_ns, o->ino};
    size_t oid = memcmp(o->oid.byte + 20, zero, 12) ? 32 : 20, stat = x.mtime_ns || x.ctime_ns || x.ino ? sizeof x : 0;
    size_t path = o->path.n > OCC_KEY_PATH ? o->path.n : 0;
    s.has = (oid == 32 ? HAS_OID32 : 0) | (stat ? HAS_STAT : 0) | (path ? HAS_PATH : 0);
    void *to;
    int code = tab_reserve(t, T_OCC, key, sizeof s + oid + stat + path, 0, &to);
    if (code)
        return code;
    char *p = to;
    memcpy(p, &s, sizeof s);
    memcpy(p += sizeof s, o->oid.byte, oid);
    memcpy(p += oid, &x, stat);
    if (path)
        memcpy(p + stat, o->path.p, path);
    return 0;
}

/* The row stored under this id itself. An LMDB code. */
static int row(struct txn *t, uint32_t view, struct str path, struct occ *out)
{
    uint8_t key[OCC_KEY_MAX];
    MDB_val k = val(key, occ_key(key, view, path)), v;
    int code = tab_get(t, T_OCC, k, &v);
    if (!code && !unpack(out, &k, &v))
        code = MDB_CORRUPTED;
    if (!code && path.n <= OCC_KEY_PATH)
        out->path = path; /* k is on the stack */
    else if (!code && (out->path.n != path.n || memcmp(out->path.p, path.p, path.n)))
        code = MDB_NOTFOUND; /* two long paths with one hash */
    return code;
}

/* Through the bases from this view on; *found false where nothing or a tombstone is met. */
static int visible(struct txn *t, uint32_t view, struct str path, struct occ *out, bool *found, struct err *e)
{
    *found = false;
    for (int level = 0; view != VIEW_NONE; level++) {
        struct view_head h;
        int rc = level < LEVELS_MAX ? view_get(t, view, &h, e) : err_set(e, ERR_CORRUPT, "view %u: too many bases", view);
        if (rc)
            return rc;
        int code = row(t, view, path, out);
        if (!code) {
            *found = !(out->flags & OCC_DELETED);
            return 0;
        }
        if (code != MDB_NOTFOUND)
            return txn_err(t, code, e, "reading an occurrence");
        view = h.base;
    }
    return 0;
}

static int bad_path(struct str path, struct err *e)
{
    return path.n && path.n <= 4095 ? 0 : err_set(e, ERR_LIMIT, "a path of %zu bytes", path.n);
}

int occ_get(struct txn *t, uint32_t view, struct str path, struct occ *out, struct err *e)
{
    bool found;
    size_t n;
    const struct unsaved_row *own = unsaved_rows(t->unsaved, view, &n);
    int rc = bad_path(path, e);
    if (!rc)
        rc = visible(t, view, path, out, &found, e);
    for (size_t i = 0; !rc && i < n; i++)
        if (str_same(own[i].path, path) && !own[i].text) {
            found = false;
            break;
        } else if (str_same(own[i].path, path)) {
            struct occ below = *out;
            *out = unsaved_occ(&own[i], found ? &below : NULL);
            return 0;
        }
    if (!rc && !found)
        rc = err_set(e, ERR_NOT_FOUND, "%.*s: not in view %u", (int)path.n, path.p, view);
    return rc;
}

static void count(struct view_head *h, const struct occ *o, int by)
{
    h->files += (uint32_t)by;
    if (!(o->flags & OCC_SKIPPED))
        h->bytes += (uint64_t)by * o->size;
}

/* Both ways to change a row: o NULL removes it. The head counts what the view shows. */
static int change(struct txn *t, uint32_t view, struct str path, const struct occ *o, struct err *e)
{
    struct view_head h;
    struct occ own, base;
    bool in_base = false;
    uint8_t key[OCC_KEY_MAX];
    int rc = txn_writes(t, e);
    if (rc || (rc = bad_path(path, e)) || (rc = view_get(t, view, &h, e)))
        return rc;
    if (h.base != VIEW_NONE && (rc = visible(t, h.base, path, &base, &in_base, e)))
        return rc;
    int code = row(t, view, path, &own);
    bool had = !code;
    if (code && code != MDB_NOTFOUND)
        return txn_err(t, code, e, "reading an occurrence");
    if (!had && !o)
        return err_set(e, ERR_NOT_FOUND, "%.*s: not in view %u", (int)path.n, path.p, view);

    if (had && !(own.flags & OCC_DELETED))
        count(&h, &own, -1);
    if (!had && in_base)
        count(&h, &base, -1);
    if (o && !(o->flags & OCC_DELETED))
        count(&h, o, 1);
    if (!o && in_base)
        count(&h, &base, 1);
    h.rows += (uint32_t)(o != NULL) - (uint32_t)had;

    MDB_val k = val(key, occ_key(key, view, path));
    code = o ? pack(t, k, o) : tab_del(t, T_OCC, k);
    return code ? txn_err(t, code, e, "storing an occurrence") : head_put(t, &h, e);
}

int occ_put(struct txn *t, uint32_t view, const struct occ *o, struct err *e)
{
    return change(t, view, o->path, o, e);
}

int occ_drop(struct txn *t, uint32_t view, struct str path, struct err *e)
{
    return change(t, view, path, NULL, e);
}

static int stored_rows(struct txn *t, uint32_t view, int (*each)(void *arg, const struct occ *o), void *arg, struct err *e)
{
    MDB_cursor *c;
    uint8_t key[4];
    put_be32(key, view);
    MDB_val k = val(key, 4), v;
    struct occ o;
    int code = tab_cursor(t, T_OCC, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "listing occurrences");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (memcmp(k.mv_data, key, 4))
            break;
        if (unpack(&o, &k, &v))
            rc = each(arg, &o);
        else
            rc = err_set(e, ERR_CORRUPT, "%s is damaged (view %u)", t->s->index.path, view);
    }
    mdb_cursor_close(c);
    return rc || !code || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "listing occurrences");
}

struct rebased {
    struct txn *t;
    struct view_head *h;
    struct err *e;
};

static int rebase_row(void *arg, const struct occ *o)
{
    struct rebased *x = arg;
    struct occ base;
    bool in_base = false;
    int rc = x->h->base == VIEW_NONE ? 0 : visible(x->t, x->h->base, o->path, &base, &in_base, x->e);
    if (in_base)
        count(x->h, &base, -1);
    if (!(o->flags & OCC_DELETED))
        count(x->h, o, 1);
    return rc;
}

/* What its rows hide and add is counted anew. */
static int recount(struct txn *t, struct view_head *h, struct err *e)
{
    struct view_head base = {0};
    struct rebased x = {t, h, e};
    int rc = h->base == VIEW_NONE ? 0 : view_get(t, h->base, &base, e);
    h->files = base.files;
    h->bytes = base.bytes;
    return rc ? rc : stored_rows(t, h->id, rebase_row, &x, e);
}

int view_set(struct txn *t, const struct view_head *h, struct err *e)
{
    struct view_head old, new = *h;
    int rc = txn_writes(t, e);
    if (rc || (rc = view_get(t, h->id, &old, e)))
        return rc;
    new.rows = old.rows;
    new.files = old.files;
    new.bytes = old.bytes;
    if (new.base != old.base && (rc = recount(t, &new, e)))
        return rc;
    return head_put(t, &new, e);
}

int view_recount(struct txn *t, uint32_t id, struct err *e)
{
    struct view_head h;
    int rc = view_get(t, id, &h, e);
    if (rc || (rc = recount(t, &h, e)))
        return rc;
    return head_put(t, &h, e);
}

int view_drop(struct txn *t, uint32_t id, uint32_t most, bool *done, struct err *e)
{
    struct view_head h;
    MDB_cursor *c;
    uint8_t key[4];
    put_be32(key, id);
    *done = false;
    int rc = txn_writes(t, e);
    if (rc || (rc = view_get(t, id, &h, e)))
        return rc;
    int code = tab_cursor(t, T_OCC, &c);
    if (code)
        return txn_err(t, code, e, "dropping a view");
    MDB_val k = val(key, 4), v;
    uint32_t dropped = 0;
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE)) && !memcmp(k.mv_data, key, 4) && dropped < most) {
        if ((code = mdb_cursor_del(c, 0)))
            break;
        dropped++;
        k = val(key, 4);
    }
    bool more = !code && dropped == most && !memcmp(k.mv_data, key, 4);
    mdb_cursor_close(c);
    if (code && code != MDB_NOTFOUND)
        return txn_err(t, code, e, "dropping a view");
    if (more) {
        h.rows -= dropped < h.rows ? dropped : h.rows;
        return head_put(t, &h, e);
    }
    *done = true;
    code = tab_del(t, T_VIEW, val(key, 4));
    return txn_err(t, code ? code : stamp_drop(t, id), e, "dropping a view");
}

/* -- all that a view shows ---------------------------------------------------------------------------------------- */
struct level {
    MDB_cursor *c;
    uint32_t view;
    bool more;
    MDB_val k, v; /* k without the view id */
};

static int step(struct level *l, MDB_cursor_op op)
{
    uint8_t id[4];
    put_be32(id, l->view);
    int code = mdb_cursor_get(l->c, &l->k, &l->v, op);
    l->more = !code && !memcmp(l->k.mv_data, id, 4);
    if (l->more) {
        l->k.mv_data = (char *)l->k.mv_data + 4;
        l->k.mv_size -= 4;
    }
    return code == MDB_NOTFOUND ? 0 : code;
}

static int by_bytes(const MDB_val *a, const MDB_val *b)
{
    int order = memcmp(a->mv_data, b->mv_data, a->mv_size < b->mv_size ? a->mv_size : b->mv_size);
    return order ? order : a->mv_size < b->mv_size ? -1 : a->mv_size > b->mv_size;
}

static bool has_prefix(struct str s, struct str prefix, size_t most)
{
    size_t n = prefix.n < most ? prefix.n : most;
    return !n || (s.n >= n && !memcmp(s.p, prefix.p, n));
}

static int open_levels(struct txn *t, uint32_t view, struct str prefix, struct level *l, size_t *n, struct err *e)
{
    uint8_t key[OCC_KEY_MAX];
    struct view_head h;
    int code = 0;
    *n = 0;
    for (; view != VIEW_NONE && !code; view = h.base) {
        int rc = *n < LEVELS_MAX ? view_get(t, view, &h, e) : err_set(e, ERR_CORRUPT, "view %u: too many bases", view);
        if (rc)
            return rc;
        struct level *x = &l[*n];
        *x = (struct level){.view = view};
        if ((code = tab_cursor(t, T_OCC, &x->c)))
            break;
        (*n)++;
        put_be32(key, view);
        size_t at = prefix.n < OCC_KEY_PATH ? prefix.n : OCC_KEY_PATH;
        if (at)
            memcpy(key + 4, prefix.p, at);
        x->k = val(key, 4 + at);
        code = step(x, MDB_SET_RANGE);
    }
    return txn_err(t, code, e, "listing a view");
}

static int stored_each(struct txn *t, uint32_t view, struct str prefix, int (*each)(void *arg, const struct occ *o), void *arg,
                       struct err *e)
{
    struct level l[LEVELS_MAX];
    size_t n = 0;
    int code = 0, rc = open_levels(t, view, prefix, l, &n, e);
    while (!rc && !code) {
        struct level *first = NULL;
        for (size_t i = 0; i < n; i++) /* of equal paths the topmost counts */
            if (l[i].more && (!first || by_bytes(&l[i].k, &first->k) < 0))
                first = &l[i];
        if (!first || !has_prefix((struct str){first->k.mv_data, first->k.mv_size}, prefix, OCC_KEY_PATH))
            break;
        MDB_val at = first->k, whole = {at.mv_size + 4, (char *)at.mv_data - 4};
        struct occ o;
        if (!unpack(&o, &whole, &first->v))
            rc = err_set(e, ERR_CORRUPT, "%s is damaged (view %u)", t->s->index.path, view);
        else if (!(o.flags & OCC_DELETED) && has_prefix(o.path, prefix, prefix.n))
            rc = each(arg, &o);
        for (size_t i = 0; i < n && !code; i++)
            if (&l[i] != first && l[i].more && !by_bytes(&l[i].k, &at))
                code = step(&l[i], MDB_NEXT);
        if (!code)
            code = step(first, MDB_NEXT);
    }
    for (size_t i = 0; i < n; i++)
        mdb_cursor_close(l[i].c);
    return rc ? rc : txn_err(t, code, e, "listing a view");
}

/* -- with unsaved texts over it ----------------------------------------------------------------------------------- */
struct over {
    const struct unsaved_row *row;
    size_t n, next;
    struct str prefix;
    int (*each)(void *arg, const struct occ *o);
    void *arg;
};

static int give(struct over *x, const struct occ *below)
{
    const struct unsaved_row *r = &x->row[x->next++];
    if (!r->text)
        return 0;
    struct occ o = unsaved_occ(r, below);
    return has_prefix(r->path, x->prefix, x->prefix.n) ? x->each(x->arg, &o) : 0;
}

/* Both lists in the order of paths; of equal paths the unsaved one. */
static int give_merged(void *arg, const struct occ *o)
{
    struct over *x = arg;
    int rc = 0, order = 1;
    while (!rc && x->next < x->n && (order = unsaved_order(x->row[x->next].path, o->path)) < 0)
        rc = give(x, NULL);
    if (rc)
        return rc;
    return x->next < x->n && !order ? give(x, o) : x->each(x->arg, o);
}

int occ_each(struct txn *t, uint32_t view, struct str prefix, int (*each)(void *arg, const struct occ *o), void *arg, struct err *e)
{
    struct over x = {.prefix = prefix, .each = each, .arg = arg};
    x.row = unsaved_rows(t->unsaved, view, &x.n);
    int rc = x.n ? stored_each(t, view, prefix, give_merged, &x, e) : stored_each(t, view, prefix, each, arg, e);
    while (!rc && x.next < x.n)
        rc = give(&x, NULL);
    return rc;
}

static int give_other(void *arg, const struct occ *o)
{
    struct over *x = arg;
    for (size_t i = 0; i < x->n; i++)
        if (str_same(x->row[i].path, o->path))
            return 0;
    return x->each(x->arg, o);
}

int occ_rows(struct txn *t, uint32_t view, int (*each)(void *arg, const struct occ *o), void *arg, struct err *e)
{
    struct over x = {.each = each, .arg = arg};
    x.row = unsaved_rows(t->unsaved, view, &x.n);
    int rc = x.n ? stored_rows(t, view, give_other, &x, e) : stored_rows(t, view, each, arg, e);
    while (!rc && x.next < x.n)
        rc = give(&x, NULL);
    return rc;
}
