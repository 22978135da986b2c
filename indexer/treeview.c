/* Tree views: immutable once published, shared by every ref with the same tree, stored as a difference to a full one where
 * that is small. */
#include "indexer/job.h"

#include "base/mem.h"
#include "indexer/tree.h"

#include <stdlib.h>
#include <string.h>

#define BASES_TRIED 4 /* full views that a tree is compared with, the current one of the ref first */
#define FLAGS_OF_ATTRIBUTES                                                                                             \
    (OCC_GENERATED | OCC_VENDORED | OCC_DOCUMENTATION | OCC_NOT_GENERATED | OCC_NOT_VENDORED | OCC_SYMLINK | OCC_SUBMODULE)

/* -- which views there are ------------------------------------------------------------------------------------------------------ */

struct known {
    const struct job *j;
    const struct oid *tree;
    struct view_head same;              /* a view of this very tree, id VIEW_NONE when there is none */
    struct view_head base[BASES_TRIED]; /* [nbase] full ones, the best bet first */
    size_t nbase;
};

static int look(void *arg, const struct view_head *h)
{
    struct known *k = arg;
    if (h->repo != k->j->repo->id || h->kind != VIEW_TREE || h->id < k->j->x->first_view || oid_zero(&h->tree))
        return 0;
    if (oid_same(&h->tree, k->tree))
        k->same = *h;
    if (h->base != VIEW_NONE)
        return 0;
    /* newer ones before older ones, behind the ref's own at [0] */
    size_t first = k->nbase && k->base[0].id == h->id ? BASES_TRIED : 1;
    if (!k->base[0].id)
        first = 0;
    if (first >= BASES_TRIED)
        return 0;
    if (k->nbase < BASES_TRIED)
        k->nbase++;
    memmove(&k->base[first + 1], &k->base[first], (BASES_TRIED - first - 1) * sizeof k->base[0]);
    k->base[first] = *h;
    return 0;
}

/* What is stored under the ref's name now, or failing that under HEAD's, gives the likeliest base. */
static int know(struct known *k, struct txn *t, const char *name, uint32_t *view, struct ref_row *ref, struct err *e)
{
    struct view_head h;
    *view = VIEW_NONE;
    if (ref_get(t, k->j->repo->id, name, ref, NULL) == 0)
        *view = ref->view;
    struct ref_row head;
    uint32_t from = *view;
    if (!from && ref_get(t, k->j->repo->id, "HEAD", &head, NULL) == 0)
        from = head.view;
    if (from && view_get(t, from, &h, NULL) == 0 && h.id >= k->j->x->first_view) {
        if (oid_same(&h.tree, k->tree)) {
            k->same = h;
            return 0;
        }
        if (h.base == VIEW_NONE || view_get(t, h.base, &h, NULL) == 0) {
            k->base[0] = h;
            k->nbase = 1;
        }
    }
    return views_each(t, look, k, e);
}

/* -- a new view ----------------------------------------------------------------------------------------------------------------- */

struct compare {
    struct items *out;
};

static int changed(void *arg, struct item *base, struct item *now)
{
    struct compare *c = arg;
    if (base && now && oid_same(&base->oid, &now->oid) && base->mode == now->mode &&
        !((base->flags ^ now->flags) & FLAGS_OF_ATTRIBUTES) && !((base->flags ^ now->flags) & OCC_SKIPPED))
        return 0;
    struct item *i = items_add(c->out, (now ? now : base)->path);
    if (now) {
        struct str own = i->path;
        *i = *now;
        i->path = own;
    } else {
        i->flags = OCC_DELETED;
        i->done = true;
    }
    return 0;
}

/* The difference of the tree to a full view, by their trees, or by listing where a rule file changed or the old tree is gone.
 * listing: of the new tree, filled when it was needed. */
static int difference(struct items *out, struct job *j, const struct view_head *base, const struct oid *tree, struct items *listing,
                      bool *listed, struct err *e)
{
    bool rules = false;
    int rc = tree_diff(out, j->git, &base->tree, tree, &rules, NULL);
    if (!rc && !rules)
        return 0;
    struct items rows;
    struct txn *t = NULL;
    items_release(out);
    items_init(&rows);
    if (!*listed) {
        *listed = true;
        rc = tree_list(listing, j->git, tree, e);
        if (rc)
            goto out;
    }
    rc = store_read(&t, j->x->store, e);
    if (!rc)
        rc = items_of_view(&rows, t, base->id, false, e);
    txn_end(t);
    if (!rc)
        rc = items_merge(&rows, listing, changed, &(struct compare){out});
out:
    items_release(&rows);
    return rc;
}

/* Rows to write for a difference: what equals the base is left out; counts what is visible. */
static int settle(struct change *c, size_t *n, struct view_head *head, struct job *j, const struct view_head *base,
                  const struct items *rows, struct err *e)
{
    struct txn *t = NULL;
    int rc = base ? store_read(&t, j->x->store, e) : 0;
    head->files = base ? base->files : 0;
    head->bytes = base ? base->bytes : 0;
    *n = 0;
    for (size_t i = 0; i < rows->n && !rc; i++) {
        const struct item *r = &rows->v[i];
        struct occ was = {0};
        bool had = base && occ_get(t, base->id, r->path, &was, NULL) == 0;
        bool has = !(r->flags & OCC_DELETED);
        if ((!had && !has) || (had && has && oid_same(&was.oid, &r->oid) && was.cut == r->cut && was.flags == r->flags &&
                               was.mode == r->mode))
            continue;
        head->files += has;
        head->files -= had;
        head->bytes += has ? r->size : 0;
        head->bytes -= had ? was.size : 0;
        c[(*n)++] = (struct change){r, false};
    }
    txn_end(t);
    return rc;
}

static int write_view(struct job *j, const struct git_target *to, const struct view_head *base, const struct items *rows,
                      const struct ref_row *ref, uint32_t *view, struct err *e)
{
    struct view_head head = {.base = base ? base->id : VIEW_NONE, .repo = j->repo->id, .kind = VIEW_TREE};
    struct change *c = mem_zero(rows->n + 1, sizeof *c);
    struct ref_row to_new = *ref;
    size_t n;
    int rc = settle(c, &n, &head, j, base, rows, e);
    j->tidy = true;
    head.tree = to->tree;
    if (!rc)
        rc = view_write(j->x->store, &head, &to_new, c, n, e);
    *view = rc ? *view : head.id;
    j->noted = !rc;
    free(c);
    return rc;
}

static int build(struct job *j, const struct git_target *to, const struct known *k, const struct ref_row *ref, uint32_t *view, struct err *e)
{
    struct items rows, listing;
    bool listed = false;
    const struct view_head *base = NULL;
    items_init(&rows);
    items_init(&listing);
    int rc = 0;
    for (size_t i = 0; i < k->nbase && !base && !rc; i++) {
        items_release(&rows);
        rc = difference(&rows, j, &k->base[i], &to->tree, &listing, &listed, e);
        if (!rc && rows.n <= k->base[i].files / VIEW_REBASE)
            base = &k->base[i];
    }
    struct items *use = base ? &rows : &listing;
    if (!rc && !base && !listed)
        rc = tree_list(&listing, j->git, &to->tree, e);
    if (!rc)
        rc = job_cut(j, use, e);
    if (!rc)
        rc = write_view(j, to, base, use, ref, view, e);
    items_release(&rows);
    items_release(&listing);
    return rc;
}

int treeview_bring(struct job *j, const struct git_target *to, uint32_t *view, struct err *e)
{
    struct known k = {.j = j, .tree = &to->tree};
    struct ref_row was = {0};
    struct txn *t = NULL;
    uint32_t had;
    int rc = store_read(&t, j->x->store, e);
    if (!rc)
        rc = know(&k, t, to->name, &had, &was, e);
    txn_end(t);
    if (rc)
        return rc;
    struct ref_row ref = {.repo = j->repo->id, .name = str_of(to->name), .commit = to->commit, .oid_len = GIT_ID_BYTES,
                          .view = k.same.id, .reconciled_ns = j->looked_ns};
    *view = k.same.id;
    if (!k.same.id)
        return build(j, to, &k, &ref, view, e);
    if (had == k.same.id && oid_same(&was.commit, &to->commit))
        return 0;
    return view_publish(j->x->store, &k.same, &ref, NULL, 0, e);
}
