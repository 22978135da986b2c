#include "indexer/items.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void items_init(struct items *l)
{
    *l = (struct items){0};
    arena_init(&l->mem);
}

void items_release(struct items *l)
{
    for (size_t i = 0; i < l->nparts; i++)
        items_release(&l->part[i]);
    free(l->part);
    free(l->v);
    arena_release(&l->mem);
    items_init(l);
}

struct item *items_add(struct items *l, struct str path)
{
    VEC_ROOM(l->v, l->n, l->cap);
    struct item *i = &l->v[l->n++];
    *i = (struct item){.path = {arena_strn(&l->mem, path.p, path.n), path.n}};
    return i;
}

int path_cmp(struct str a, struct str b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_path(const void *a, const void *b)
{
    return path_cmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

void items_sort(struct items *l)
{
    for (size_t i = 1; i < l->n; i++)
        if (by_path(&l->v[i - 1], &l->v[i]) > 0) {
            qsort(l->v, l->n, sizeof *l->v, by_path);
            return;
        }
}

struct item *items_find(const struct items *l, struct str path)
{
    struct item key = {.path = path};
    return l->n ? bsearch(&key, l->v, l->n, sizeof *l->v, by_path) : NULL;
}

void items_join(struct items *out, struct items *part, size_t n)
{
    size_t at[ITEMS_PARTS] = {0}, total = 0;
    for (size_t i = 0; i < n; i++)
        total += part[i].n;
    out->v = mem_alloc((total + 1) * sizeof *out->v);
    out->cap = total + 1;
    while (out->n < total) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (at[i] < part[i].n && (least == n || by_path(&part[i].v[at[i]], &part[least].v[at[least]]) < 0))
                least = i;
        out->v[out->n++] = part[least].v[at[least]++];
    }
    for (size_t i = 0; i < n; i++) {
        free(part[i].v);
        part[i].v = NULL;
        part[i].n = part[i].cap = 0;
    }
    out->part = part;
    out->nparts = n;
}

int items_add_occ(void *arg, const struct occ *o)
{
    struct item *i = items_add(arg, o->path);
    i->oid = o->oid;
    i->mode = o->mode;
    i->flags = o->flags;
    i->cut = o->cut;
    i->size = o->size;
    i->mtime_ns = o->mtime_ns;
    i->ctime_ns = o->ctime_ns;
    i->ino = o->ino;
    i->done = true;
    return 0;
}

int items_of_view(struct items *out, struct txn *t, uint32_t view, bool own, struct err *e)
{
    int rc = own ? occ_rows(t, view, items_add_occ, out, e) : occ_each(t, view, (struct str){"", 0}, items_add_occ, out, e);
    items_sort(out); /* paths longer than OCC_KEY_PATH are out of order in the table */
    return rc;
}

struct occ item_occ(const struct item *i)
{
    return (struct occ){.path = i->path, .oid = i->oid, .cut = i->cut, .mode = i->mode, .flags = i->flags, .size = i->size,
                        .mtime_ns = i->mtime_ns, .ctime_ns = i->ctime_ns, .ino = i->ino};
}

int items_merge(const struct items *a, const struct items *b, items_pair pair, void *arg)
{
    size_t i = 0, j = 0;
    int rc = 0;
    while (!rc && (i < a->n || j < b->n)) {
        int c = i == a->n ? 1 : j == b->n ? -1 : path_cmp(a->v[i].path, b->v[j].path);
        rc = pair(arg, c <= 0 ? &a->v[i] : NULL, c >= 0 ? &b->v[j] : NULL);
        i += c <= 0;
        j += c >= 0;
    }
    return rc;
}
