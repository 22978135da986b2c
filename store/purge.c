#include "store/purge.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/vector.h"
#include "store/vector_sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS_IN_STEP 1500 /* of one write transaction, as a sweep's (sweep.c) */
#define CUTS_IN_STEP 300

/* -- tombstones ----------------------------------------------------------------------------------------------------------- */

/* Sorted and immutable: a reader takes the pointer and needs no lock. One that was replaced stays until the store is closed, for
 * somebody may be looking at it; purges are rare. */
struct purge_set {
    struct purge_set *before;
    size_t n;
    struct oid oid[];
};

static int by_oid(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct oid));
}

bool purged(const struct store *s, const struct oid *oid)
{
    const struct purge_set *p = __atomic_load_n(&s->purged, __ATOMIC_ACQUIRE);
    return p && p->n && bsearch(oid, p->oid, p->n, sizeof *oid, by_oid);
}

void purge_unload(struct store *s)
{
    for (struct purge_set *p = s->purged, *before; p; p = before) {
        before = p->before;
        free(p);
    }
    s->purged = NULL;
}

struct stored {
    int64_t at_ns, done_ns;
    uint32_t contents, places, quotes, pad;
};

static bool row_of(struct purge_row *r, const MDB_val *k, const MDB_val *v)
{
    struct stored x;
    if (k->mv_size != sizeof r->oid || v->mv_size != sizeof x)
        return false;
    memcpy(&x, v->mv_data, sizeof x);
    *r = (struct purge_row){.at_ns = x.at_ns, .done_ns = x.done_ns, .contents = x.contents, .places = x.places, .quotes = x.quotes};
    memcpy(&r->oid, k->mv_data, sizeof r->oid);
    return true;
}

static int row_put(struct store *s, MDB_txn *m, const struct purge_row *r)
{
    struct stored x = {r->at_ns, r->done_ns, r->contents, r->places, r->quotes, 0};
    MDB_val k = val(&r->oid, sizeof r->oid), v = val(&x, sizeof x);
    return mdb_put(m, s->state_purged, &k, &v, 0);
}

static int row_get(struct store *s, MDB_txn *m, const struct oid *oid, struct purge_row *r)
{
    MDB_val k = val(oid, sizeof *oid), v;
    int code = mdb_get(m, s->state_purged, &k, &v);
    return code ? code : row_of(r, &k, &v) ? 0 : MDB_CORRUPTED;
}

int purge_list(struct store *s, struct purge_row **out, size_t *n, struct err *e)
{
    MDB_txn *m;
    MDB_cursor *c;
    MDB_val k, v;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_cursor_open(m, s->state_purged, &c);
    if (!code) {
        while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
            VEC_ROOM(*out, *n, cap);
            if (!row_of(&(*out)[*n], &k, &v)) {
                code = MDB_CORRUPTED;
                break;
            }
            ++*n;
        }
        mdb_cursor_close(c);
    }
    env_abort(&s->state, m, false);
    if (code == MDB_NOTFOUND)
        return 0;
    free(*out);
    *out = NULL;
    *n = 0;
    return env_err(&s->state, code, e, "reading what was purged");
}

int purge_get(struct store *s, const struct oid *oid, struct purge_row *out, struct err *e)
{
    MDB_txn *m;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = row_get(s, m, oid, out);
    env_abort(&s->state, m, false);
    return env_err(&s->state, code, e, "reading what was purged");
}

/* The set as state.mdb has it now; one that was read before another was put in its place is read again. */
int purge_load(struct store *s, struct err *e)
{
    for (;;) {
        struct purge_set *before = __atomic_load_n(&s->purged, __ATOMIC_ACQUIRE), *p;
        struct purge_row *row;
        size_t n;
        int rc = purge_list(s, &row, &n, e);
        if (rc || (!n && !before))
            return rc;
        p = mem_alloc(sizeof *p + n * sizeof *p->oid);
        *p = (struct purge_set){.before = before, .n = n};
        for (size_t i = 0; i < n; i++)
            p->oid[i] = row[i].oid;
        free(row);
        if (__atomic_compare_exchange_n(&s->purged, &before, p, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return 0;
        free(p);
    }
}

int purge_add(struct store *s, const struct oid *oid, struct err *e)
{
    MDB_txn *m;
    struct purge_row r;
    int rc = env_begin(&s->state, true, &m, e);
    if (rc)
        return rc;
    int code = row_get(s, m, oid, &r);
    if (code == MDB_NOTFOUND) {
        r = (struct purge_row){.oid = *oid, .at_ns = clock_wall_ns()};
        code = 0;
    }
    r.done_ns = 0;
    if (!code)
        code = row_put(s, m, &r);
    rc = state_finish(s, m, code, e, "noting what is purged");
    return rc ? rc : purge_load(s, e);
}

int purge_done(struct store *s, const struct purge_row *sum, size_t n, struct err *e)
{
    MDB_txn *m;
    struct purge_row r;
    int rc = env_begin(&s->state, true, &m, e), code = 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !code; i++) {
        if ((code = row_get(s, m, &sum[i].oid, &r)))
            break;
        if (!r.done_ns)
            r.done_ns = clock_wall_ns();
        r.contents += sum[i].contents;
        r.places += sum[i].places;
        r.quotes += sum[i].quotes;
        code = row_put(s, m, &r);
    }
    return state_finish(s, m, code, e, "noting what was purged");
}

/* -- out of index.mdb ------------------------------------------------------------------------------------------------------- */

/* Calls each with the keys of the table (cutkey, quarantine) that begin with the content. An LMDB code. */
static int keys_of(struct txn *t, enum table table, const struct oid *oid, int (*each)(void *arg, MDB_cursor *c, const MDB_val *v), void *arg)
{
    MDB_cursor *c;
    MDB_val k = val(oid->byte, OID_MAX), v;
    int code = tab_cursor(t, table, &c);
    if (code)
        return code;
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT))
        if (k.mv_size < OID_MAX || memcmp(k.mv_data, oid->byte, OID_MAX) || (code = each(arg, c, &v)))
            break;
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

struct ids {
    uint32_t *v;
    size_t n, cap;
};

static int add_id(void *arg, MDB_cursor *c, const MDB_val *v)
{
    struct ids *l = arg;
    (void)c;
    if (v->mv_size != sizeof *l->v)
        return MDB_CORRUPTED;
    VEC_ROOM(l->v, l->n, l->cap);
    memcpy(&l->v[l->n++], v->mv_data, sizeof *l->v);
    return 0;
}

int cuts_of(struct txn *t, const struct oid *oid, uint32_t **out, size_t *n, struct err *e)
{
    struct ids l = {0};
    int rc = txn_err(t, keys_of(t, T_CUTKEY, oid, add_id, &l), e, "looking for a content");
    *out = l.v;
    *n = l.n;
    return rc;
}

static int drop_key(void *arg, MDB_cursor *c, const MDB_val *v)
{
    (void)arg, (void)v;
    return mdb_cursor_del(c, 0);
}

struct place {
    uint32_t view, of; /* of: the row in the list of tombstones */
    char *path;
    size_t len;
    struct occ occ;
};

struct places {
    struct txn *t;
    const struct purge_row *row;
    size_t nrows;
    uint32_t view;
    struct place *v;
    size_t n, cap;
    struct based { /* views that are a difference to another */
        uint32_t view, base;
        bool counted;
    } *based;
    size_t nbased, cap_based;
    struct err *e;
};

static int see_row(void *arg, const struct occ *o)
{
    struct places *l = arg;
    const struct purge_row *is = bsearch(&o->oid, l->row, l->nrows, sizeof *l->row, by_oid); /* the oid is its first field */
    if (!is || o->flags & OCC_DELETED || (o->cut == CUT_NONE && o->flags & OCC_SKIPPED))
        return 0;
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = (struct place){l->view, (uint32_t)(is - l->row), mem_strn(o->path.p, o->path.n), o->path.n, *o};
    return 0;
}

static int see_view(void *arg, const struct view_head *h)
{
    struct places *l = arg;
    l->view = h->id;
    if (h->base != VIEW_NONE) {
        VEC_ROOM(l->based, l->nbased, l->cap_based);
        l->based[l->nbased++] = (struct based){h->id, h->base, false};
    }
    return occ_rows(l->t, h->id, see_row, l, l->e);
}

/* A place that lost its content reads as one that is too large: known, and nothing of it is in. */
static int hide_places(struct store *s, struct purge_row *row, const struct places *l, struct err *e)
{
    int rc = 0;
    for (size_t at = 0; at < l->n && !rc;) {
        struct txn *t;
        size_t end = l->n - at < ROWS_IN_STEP ? l->n : at + ROWS_IN_STEP;
        if ((rc = store_write(&t, s, e)))
            break;
        for (size_t i = at; i < end && !rc; i++) {
            struct occ o = l->v[i].occ;
            o.path = (struct str){l->v[i].path, l->v[i].len};
            o.cut = CUT_NONE;
            o.flags = (o.flags & ~(uint32_t)OCC_QUARANTINED) | OCC_SKIPPED;
            rc = occ_put(t, l->v[i].view, &o, e);
        }
        if (rc) {
            txn_end(t);
            break;
        }
        txn_bump(t);
        if ((rc = txn_commit(t, e)))
            break;
        for (; at < end; at++)
            row[l->v[at].of].places++;
    }
    return rc;
}

/* What a view shows is counted with what its base has, which comes first. */
static int count_one(struct store *s, const struct places *l, size_t i, struct err *e)
{
    struct txn *t;
    int rc = 0;
    if (l->based[i].counted)
        return 0;
    l->based[i].counted = true;
    for (size_t k = 0; k < l->nbased && !rc; k++)
        if (l->based[k].view == l->based[i].base)
            rc = count_one(s, l, k, e);
    if (rc || (rc = store_write(&t, s, e)))
        return rc;
    if (!(rc = view_recount(t, l->based[i].view, e)))
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

static int hide(struct store *s, struct purge_row *row, size_t n, struct err *e)
{
    struct places l = {.row = row, .nrows = n, .e = e};
    int rc = store_read(&l.t, s, e);
    if (rc)
        return rc;
    rc = views_each(l.t, see_view, &l, e);
    txn_end(l.t);
    if (!rc)
        rc = hide_places(s, row, &l, e);
    for (size_t i = 0; i < l.nbased && !rc; i++) /* a purge that was killed here may have hidden all places already */
        rc = count_one(s, &l, i, e);
    for (size_t i = 0; i < l.n; i++)
        free(l.v[i].path);
    free(l.v);
    free(l.based);
    return rc;
}

/* At most CUTS_IN_STEP of them; *more: there were as many. */
static int drop_some(struct store *s, struct purge_row *row, bool *more, struct err *e)
{
    struct txn *t;
    uint32_t *cut = NULL;
    size_t n = 0;
    *more = false;
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    rc = cuts_of(t, &row->oid, &cut, &n, e);
    *more = n > CUTS_IN_STEP;
    n = *more ? CUTS_IN_STEP : n;
    for (size_t i = 0; i < n && !rc; i++)
        if (!(rc = vecof_drop(t, cut[i], e)))
            rc = cut_drop(t, cut[i], e);
    free(cut);
    if (!rc)
        rc = txn_err(t, keys_of(t, T_QUARANTINE, &row->oid, drop_key, NULL), e, "dropping a quarantined content");
    if (rc) {
        txn_end(t);
        return rc;
    }
    if (n)
        txn_bump(t);
    row->contents += (uint32_t)n;
    return txn_commit(t, e);
}

static int drop_vectors(struct store *s, struct err *e)
{
    struct vector_sweep *v;
    uint64_t gone = 0;
    bool more = true;
    int rc = vector_sweep_open(&v, s, true, e);
    while (!rc && more)
        rc = vector_sweep_step(v, ROWS_IN_STEP, &gone, &more, e);
    vector_sweep_close(v);
    return rc;
}

int purge_index(struct store *s, struct purge_row *row, size_t n, struct err *e)
{
    if (!n)
        return 0;
    int rc = hide(s, row, n, e);
    for (size_t i = 0; i < n && !rc; i++)
        for (bool more = true; more && !rc;)
            rc = drop_some(s, &row[i], &more, e);
    if (!rc)
        rc = segments_clean(s, e);
    return rc ? rc : drop_vectors(s, e);
}

int store_drop_aside(struct store *s, struct err *e)
{
    struct buf old = BUF_INIT;
    buf_addf(&old, "%s.old", s->index.path);
    int rc = unlink(old.data) && errno != ENOENT ? err_errno(e, errno, "removing %s", old.data) : 0;
    if (!rc)
        rc = env_folder_sync(s->index.path, e);
    buf_release(&old);
    return rc;
}
