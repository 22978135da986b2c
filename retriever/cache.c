#include "retriever/cache.h"

void cache_init(struct cache *c, struct store *s)
{
    *c = (struct cache){.store = s};
    pthread_mutex_init(&c->lock, NULL);
}

static void drop_universe(struct cache_universe *u)
{
    universe_drop(u->base);
    dense_owners_drop(u->owners);
    *u = (struct cache_universe){0};
}

/* With the snapshot go the universes over it, which nobody can ask for any more: eight of them, each with a number for every vector
 * ever made, were most of what a daemon grew by while files were saved. */
static void drop_row(struct cache *c, struct cache_row *r)
{
    for (size_t i = 0; i < CACHE_UNIVERSES && r->snap; i++)
        if (c->universe[i].base && universe_has(c->universe[i].base, r->snap))
            drop_universe(&c->universe[i]);
    snapshot_drop(r->snap);
    dense_map_drop(r->map);
    *r = (struct cache_row){0};
}

void cache_clear(struct cache *c)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CACHE_VIEWS; i++)
        drop_row(c, &c->row[i]);
    for (size_t i = 0; i < CACHE_UNIVERSES; i++)
        drop_universe(&c->universe[i]);
    sketch_drop(c->sketch);
    c->sketch = NULL;
    pthread_mutex_unlock(&c->lock);
}

void cache_release(struct cache *c)
{
    cache_clear(c);
    pthread_mutex_destroy(&c->lock);
}

/* -- views ------------------------------------------------------------------------------------------------------------ */

static void make_room(struct cache *c, const struct cache_row *keep)
{
    for (;;) {
        struct cache_row *oldest = NULL;
        size_t bytes = 0;
        for (size_t i = 0; i < CACHE_VIEWS; i++) {
            struct cache_row *r = &c->row[i];
            bytes += r->bytes;
            /* one that a search holds would not be freed; and a search over many views takes them one after the other */
            if (r->snap && r != keep && __atomic_load_n(&r->snap->refs, __ATOMIC_RELAXED) == 1 && (!oldest || r->used < oldest->used))
                oldest = r;
        }
        if (bytes <= CACHE_BYTES || !oldest)
            return;
        drop_row(c, oldest);
    }
}

/* The view's row, or the one that it may have: that of an older overlay of it, else the oldest. *before: of the view, whatever lies
 * over it; NULL. */
static struct cache_row *row_for(struct cache *c, uint32_t view, uint64_t over, const struct snapshot **before)
{
    struct cache_row *at = &c->row[0], *older = NULL;
    *before = NULL;
    for (size_t i = 0; i < CACHE_VIEWS; i++) {
        struct cache_row *r = &c->row[i];
        bool ours = r->snap && r->snap->head.id == view;
        if (ours && (!*before || r->over == over))
            *before = r->snap;
        if (ours && r->over == over)
            return r;
        if (ours && r->over && over)
            older = r;
        if (r->used < at->used)
            at = r;
    }
    return older ? older : at;
}

static int refresh(struct cache *c, struct cache_row *at, uint32_t view, const struct unsaved *u, uint64_t over, uint64_t generation,
                   const struct snapshot *before, struct err *e)
{
    bool same = false;
    if (at->snap && at->snap->head.id == view && at->over == over) {
        int rc = at->generation == generation ? 0 : snapshot_unchanged(&same, at->snap, c->store, u, e);
        if (rc)
            return rc;
        if (same)
            at->generation = generation;
        if (at->generation == generation)
            return 0;
    }
    struct snapshot *s;
    int rc = snapshot_load(&s, c->store, view, u, before, e);
    if (rc)
        return rc;
    drop_row(c, at);
    at->snap = s;
    at->over = over;
    at->generation = s->generation;
    at->bytes = snapshot_bytes(s);
    make_room(c, at);
    return 0;
}

int cache_snapshot(struct snapshot **out, struct cache *c, uint32_t view, const struct unsaved *u, struct err *e)
{
    struct txn *t;
    const struct snapshot *before;
    uint64_t over = unsaved_stamp(u, view);
    int rc = store_read(&t, c->store, e);
    if (rc)
        return rc;
    uint64_t generation = txn_generation(t);
    txn_end(t);
    pthread_mutex_lock(&c->lock);
    struct cache_row *at = row_for(c, view, over, &before);
    rc = refresh(c, at, view, u, over, generation, before, e);
    if (!rc) {
        at->used = ++c->clock;
        __atomic_add_fetch(&at->snap->refs, 1, __ATOMIC_RELAXED);
        *out = at->snap;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

struct dense_map *cache_map(struct cache *c, const struct snapshot *s, uint16_t model, struct txn *t)
{
    struct dense_map *m = NULL;
    uint64_t stamp = vecof_stamp(t);
    pthread_mutex_lock(&c->lock);
    struct cache_row *at = NULL;
    for (size_t i = 0; i < CACHE_VIEWS && !at; i++)
        if (c->row[i].snap == s)
            at = &c->row[i];
    if (at && at->map && at->map->model == model && at->map->stamp >= stamp) { /* one that knows more does no harm: those have no row */
        m = at->map;
    } else {
        m = dense_map_load(s, model, at ? at->map : NULL, t);
        if (at) {
            dense_map_drop(at->map);
            at->map = m;
            at->bytes = snapshot_bytes(s) + dense_map_bytes(m, s);
        }
    }
    if (at)
        __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&c->lock);
    return m;
}

/* -- universes -------------------------------------------------------------------------------------------------------- */

struct universe_base *cache_universe(struct cache *c, struct snapshot *const *snap, size_t nsnaps, const struct segment *seg,
                                     size_t nsegs)
{
    pthread_mutex_lock(&c->lock);
    struct cache_universe *at = &c->universe[0];
    for (size_t i = 0; i < CACHE_UNIVERSES; i++) {
        struct cache_universe *u = &c->universe[i];
        if (u->base && universe_over_same(u->base, snap, nsnaps)) { /* over other segments it is the past */
            at = u;
            break;
        }
        if (u->used < at->used)
            at = u;
    }
    if (!at->base || !universe_is(at->base, snap, nsnaps, seg, nsegs)) {
        drop_universe(at);
        at->base = universe_new(snap, nsnaps, seg, nsegs);
    }
    at->used = ++c->clock;
    struct universe_base *b = at->base;
    __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&c->lock);
    return b;
}

struct dense_owners *cache_owners(struct cache *c, const struct universe_base *b, const struct universe *over,
                                  struct dense_map *const *map, uint16_t model, const struct dense_rows *rows)
{
    struct dense_owners *o = NULL;
    struct cache_universe *at = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CACHE_UNIVERSES && !at; i++)
        if (c->universe[i].base == b)
            at = &c->universe[i];
    if (at && at->owners && at->owners->model == model && at->owners->mark == rows->mark &&
        at->owners->stamp == dense_stamp(map, over->nsnaps)) {
        o = at->owners;
    } else {
        o = dense_owners_new(over, map, model, rows);
        if (at) {
            dense_owners_drop(at->owners);
            at->owners = o;
        }
    }
    if (at)
        __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&c->lock);
    return o;
}

struct sketch *cache_sketch(struct cache *c, uint16_t model, const struct dense_rows *rows, uint32_t dim)
{
    pthread_mutex_lock(&c->lock);
    struct sketch *s = c->sketch;
    if (!s || s->model != model || s->mark != rows->mark) {
        c->sketch = sketch_new(s, model, rows, dim);
        sketch_drop(s);
        s = c->sketch;
    }
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&c->lock);
    return s;
}
