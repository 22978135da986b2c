/* What was quarantined is tried again: asked for by a person, never by a reconcile. */
#include "indexer/job.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct found {
    uint32_t repo;
    struct view_head *v;
    size_t n, cap;
};

static int add_view(void *arg, const struct view_head *h)
{
    struct found *f = arg;
    if (h->repo != f->repo)
        return 0;
    VEC_ROOM(f->v, f->n, f->cap);
    f->v[f->n++] = *h;
    return 0;
}

/* The quarantined rows of a view; forgets the quarantine of their contents. Rows of worktrees are only made to be read again
 * by the next run: their stat data goes. */
static int release_rows(struct items *out, struct job *j, const struct view_head *view, struct err *e)
{
    struct items rows;
    struct txn *t = NULL;
    items_init(&rows);
    int rc = store_read(&t, j->x->store, e);
    if (!rc)
        rc = items_of_view(&rows, t, view->id, true, e);
    txn_end(t);
    for (size_t i = 0; i < rows.n && !rc; i++) {
        const struct item *r = &rows.v[i];
        if (!(r->flags & OCC_QUARANTINED) || r->flags & (OCC_SKIPPED | OCC_DELETED))
            continue;
        struct item *again = items_add(out, r->path);
        struct str own = again->path;
        *again = *r;
        again->path = own;
        again->flags &= ~(uint32_t)OCC_QUARANTINED;
        again->from = FROM_ODB;
        again->done = view->kind != VIEW_TREE;
        again->mtime_ns = again->ctime_ns = 0;
    }
    items_release(&rows);
    return rc;
}

struct forgotten {
    struct quarantine_row *v;
    size_t n, cap;
    struct oid *of; /* sorted */
    size_t nof;
};

static int by_oid(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct oid));
}

static int forget(void *arg, const struct quarantine_row *q)
{
    struct forgotten *l = arg;
    if (bsearch(&q->key.oid, l->of, l->nof, sizeof *l->of, by_oid)) {
        VEC_ROOM(l->v, l->n, l->cap);
        l->v[l->n++] = *q;
    }
    return 0;
}

static int drop_quarantine(struct store *s, const struct items *of, struct err *e)
{
    struct forgotten l = {.of = mem_zero(of->n + 1, sizeof *l.of), .nof = of->n};
    struct txn *t = NULL;
    for (size_t i = 0; i < of->n; i++)
        l.of[i] = of->v[i].oid;
    qsort(l.of, l.nof, sizeof *l.of, by_oid);
    int rc = store_write(&t, s, e);
    if (!rc)
        rc = quarantine_each(t, forget, &l, e);
    for (size_t i = 0; i < l.n && !rc; i++)
        rc = quarantine_drop(t, &l.v[i].key, e);
    free(l.v);
    free(l.of);
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

static int write_back(struct job *j, const struct view_head *view, const struct items *rows, struct err *e)
{
    struct change *c = mem_zero(rows->n + 1, sizeof *c);
    for (size_t i = 0; i < rows->n; i++)
        c[i].item = &rows->v[i];
    size_t last = rows->n < CHANGES_AT_ONCE ? rows->n : 0;
    int rc = view_fill(j->x->store, view->id, c, rows->n - last, e);
    if (!rc)
        rc = view_publish(j->x->store, view, NULL, c + (rows->n - last), last, e);
    free(c);
    return rc;
}

static int there_is(void *arg, const struct quarantine_row *q)
{
    (void)q;
    *(bool *)arg = true;
    return 0;
}

int job_retry(struct job *j, struct err *e)
{
    struct found f = {.repo = j->repo->id};
    struct txn *t = NULL;
    bool any = false;
    int rc = store_read(&t, j->x->store, e);
    if (!rc)
        rc = quarantine_each(t, there_is, &any, e);
    if (!rc && any)
        rc = views_each(t, add_view, &f, e);
    txn_end(t);
    for (size_t i = 0; i < f.n && !rc; i++) {
        struct items rows;
        items_init(&rows);
        rc = release_rows(&rows, j, &f.v[i], e);
        if (!rc && rows.n)
            rc = drop_quarantine(j->x->store, &rows, e);
        if (!rc && rows.n)
            rc = job_cut(j, &rows, e);
        if (!rc && rows.n)
            rc = write_back(j, &f.v[i], &rows, e);
        items_release(&rows);
    }
    free(f.v);
    return rc;
}
