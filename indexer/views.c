#include "indexer/job.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FILL_ROWS 4000 /* a transaction: about 15 ms */

static int put_rows(struct txn *t, uint32_t view, const struct change *c, size_t n, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (c[i].drop) {
            rc = occ_drop(t, view, c[i].item->path, e);
            rc = rc == ERR_NOT_FOUND ? 0 : rc;
        } else {
            struct occ o = item_occ(c[i].item);
            rc = occ_put(t, view, &o, e);
        }
    }
    return rc;
}

static int end(struct txn *t, int rc, struct err *e)
{
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

int view_make(struct store *s, const struct view_head *head, uint32_t *id, struct err *e)
{
    struct txn *t = NULL;
    int rc = store_write(&t, s, e);
    return rc ? rc : end(t, view_new(t, head, id, e), e);
}

int view_fill(struct store *s, uint32_t view, const struct change *c, size_t n, struct err *e)
{
    int rc = 0;
    for (size_t at = 0; at < n && !rc; at += FILL_ROWS) {
        struct txn *t = NULL;
        rc = store_write(&t, s, e);
        if (!rc)
            rc = end(t, put_rows(t, view, c + at, n - at < FILL_ROWS ? n - at : FILL_ROWS, e), e);
    }
    return rc;
}

static int publish(struct txn *t, const struct view_head *head, const struct ref_row *ref, const struct change *c, size_t n, struct err *e)
{
    struct view_head now;
    int rc = put_rows(t, head->id, c, n, e);
    if (!rc)
        rc = view_get(t, head->id, &now, e);
    if (!rc) {
        uint32_t rows = now.rows;
        now = *head;
        now.rows = rows;
        rc = view_set(t, &now, e);
    }
    if (!rc && ref)
        rc = ref_put(t, ref, e);
    if (!rc)
        txn_bump(t);
    return rc;
}

int view_publish(struct store *s, const struct view_head *head, const struct ref_row *ref, const struct change *c, size_t n, struct err *e)
{
    struct txn *t = NULL;
    int rc = store_write(&t, s, e);
    return rc ? rc : end(t, publish(t, head, ref, c, n, e), e);
}

int view_write(struct store *s, struct view_head *head, struct ref_row *ref, const struct change *c, size_t n, struct err *e)
{
    struct view_head made = *head;
    struct txn *t = NULL;
    made.tree = (struct oid){0};
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    rc = view_new(t, &made, &head->id, e);
    ref->view = head->id;
    if (!rc && n < CHANGES_AT_ONCE)
        return end(t, publish(t, head, ref, c, n, e), e);
    rc = end(t, rc, e);
    if (!rc)
        rc = view_fill(s, head->id, c, n, e);
    return rc ? rc : view_publish(s, head, ref, NULL, 0, e);
}

int view_drop_all(struct store *s, uint32_t view, struct err *e)
{
    bool done = false;
    int rc = 0;
    while (!rc && !done) {
        struct txn *t = NULL;
        rc = store_write(&t, s, e);
        if (!rc)
            rc = end(t, view_drop(t, view, FILL_ROWS, &done, e), e);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* -- tidying ------------------------------------------------------------------------------------------------------------------ */

struct listed {
    struct view_head head;
    bool used; /* by a ref, or as a base of one that stays */
};

struct list {
    struct listed *v;
    size_t n, cap;
};

static int add_view(void *arg, const struct view_head *h)
{
    struct list *l = arg;
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = (struct listed){.head = *h};
    return 0;
}

static struct listed *listed(struct list *l, uint32_t id)
{
    for (size_t i = 0; id && i < l->n; i++)
        if (l->v[i].head.id == id)
            return &l->v[i];
    return NULL;
}

static int mark(void *arg, const struct ref_row *r)
{
    struct list *l = arg;
    for (struct listed *v = listed(l, r->view); v && !v->used; v = listed(l, v->head.base))
        v->used = true;
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    uint32_t x = ((const struct listed *)a)->head.id, y = ((const struct listed *)b)->head.id;
    return (x < y) - (x > y);
}

int views_tidy(struct store *s, uint32_t repo, struct err *e)
{
    struct list l = {0};
    struct txn *t = NULL;
    int rc = store_read(&t, s, e);
    if (!rc)
        rc = views_each(t, add_view, &l, e);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, newest_first);
    for (size_t i = 0; i < l.n && !rc; i++) {
        size_t first = 0;
        while (l.v[first].head.repo != l.v[i].head.repo)
            first++;
        if (first == i)
            rc = refs_each(t, l.v[i].head.repo, mark, &l, e);
    }
    txn_end(t);
    size_t kept = 0;
    for (size_t i = 0; i < l.n; i++) {
        struct listed *v = &l.v[i];
        bool whole = v->head.kind == VIEW_TREE && !oid_zero(&v->head.tree);
        if (v->used || (whole && (!repo || v->head.repo != repo || kept++ < VIEWS_KEPT)))
            for (struct listed *b = v; b; b = listed(&l, b->head.base))
                b->used = true;
    }
    for (size_t i = 0; i < l.n && !rc; i++)
        if (!l.v[i].used && (!repo || l.v[i].head.repo == repo))
            rc = view_drop_all(s, l.v[i].head.id, e);
    free(l.v);
    return rc;
}
