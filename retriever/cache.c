#include "retriever/cache.h"

void cache_init(struct cache *c, struct store *s)
{
    *c = (struct cache){.store = s};
    pthread_mutex_init(&c->lock, NULL);
}

static void drop_row(struct cache_row *r)
{
    snapshot_drop(r->snap);
    dense_map_drop(r->map);
    *r = (struct cache_row){0};
}

void cache_release(struct cache *c)
{
    for (size_t i = 0; i < CACHE_VIEWS; i++)
        drop_row(&c->row[i]);
    pthread_mutex_destroy(&c->lock);
}

int cache_snapshot(struct snapshot **out, struct cache *c, uint32_t view, struct err *e)
{
    struct txn *t;
    int rc = store_read(&t, c->store, e);
    if (rc)
        return rc;
    uint64_t generation = txn_generation(t);
    txn_end(t);
    /* held while loading: several askers of one view wait for one load instead of each doing it */
    pthread_mutex_lock(&c->lock);
    struct cache_row *at = &c->row[0];
    for (size_t i = 0; i < CACHE_VIEWS; i++) {
        struct cache_row *r = &c->row[i];
        if (r->snap && r->snap->head.id == view) {
            at = r;
            break;
        }
        if (r->used < at->used)
            at = r;
    }
    if (!at->snap || at->snap->head.id != view || at->snap->generation != generation) {
        struct snapshot *s;
        rc = snapshot_load(&s, c->store, view, e);
        if (!rc) {
            drop_row(at);
            at->snap = s;
        }
    }
    if (!rc) {
        at->used = ++c->clock;
        __atomic_add_fetch(&at->snap->refs, 1, __ATOMIC_RELAXED);
        *out = at->snap;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

int cache_map(struct dense_map **out, struct cache *c, const struct snapshot *s, uint16_t model, uint32_t vectors, struct txn *t,
              struct err *e)
{
    int rc = 0;
    struct dense_map *m = NULL;
    pthread_mutex_lock(&c->lock);
    struct cache_row *at = NULL;
    for (size_t i = 0; i < CACHE_VIEWS && !at; i++)
        if (c->row[i].snap == s)
            at = &c->row[i];
    if (at && at->map && at->map->model == model && at->map->vectors == vectors) {
        m = at->map;
    } else if (!(rc = dense_map_load(&m, s, model, vectors, t, e)) && at) {
        dense_map_drop(at->map);
        at->map = m;
    }
    if (!rc && at)
        __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    *out = m;
    pthread_mutex_unlock(&c->lock);
    return rc;
}
