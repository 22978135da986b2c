/* Loaded snapshots and vector maps, a few of each, shared by all searches. */
#ifndef CODEASK_RETRIEVER_CACHE_H
#define CODEASK_RETRIEVER_CACHE_H

#include "retriever/dense.h"

#include <pthread.h>

#define CACHE_VIEWS 16 /* a snapshot of 50k files is about 8 MB */

struct cache_row {
    struct snapshot *snap;
    struct dense_map *map;
    uint64_t used;
};

struct cache {
    struct store *store;
    pthread_mutex_t lock;
    uint64_t clock;
    struct cache_row row[CACHE_VIEWS];
};

void cache_init(struct cache *c, struct store *s);
void cache_release(struct cache *c);
/* The view's snapshot at the store's present generation, with one reference for the caller. */
int cache_snapshot(struct snapshot **out, struct cache *c, uint32_t view, struct err *e);
/* The snapshot's vector map over t, with one reference for the caller. */
int cache_map(struct dense_map **out, struct cache *c, const struct snapshot *s, uint16_t model, uint32_t vectors, struct txn *t,
              struct err *e);

#endif
