/* What searches share: loaded snapshots with their vector maps, and universes over them.
 *
 * A snapshot is kept as long as the view's rows are the same: the store's generation also moves when other views change and
 * with every 256 embedded texts, and loading 8 snapshots of 35k files again takes 0.9 s. That nothing touched a view is in its stamp;
 * where something did, its rows are hashed (20 ms for the 8).
 * Threads: all functions from any thread; one lock, held while something is loaded, so that several askers of one view wait
 * for one load instead of each doing it. */
#ifndef CODEASK_RETRIEVER_CACHE_H
#define CODEASK_RETRIEVER_CACHE_H

#include "retriever/dense.h"

#include <pthread.h>

#define CACHE_VIEWS 256
#define CACHE_BYTES ((size_t)96 << 20) /* of snapshots and vector maps; past it those go that no search holds */
#define CACHE_UNIVERSES 8              /* sets of targets that are asked again and again; one of 35k files is 1 MB */

struct cache_row {
    struct snapshot *snap;
    struct dense_map *map;
    uint64_t used, generation; /* generation: the rows were the same there */
    uint64_t over;             /* unsaved_stamp of what lies over the view; 0: nothing */
    size_t bytes;
};

struct cache_universe {
    struct universe_base *base;
    struct dense_owners *owners;
    uint64_t used;
};

struct cache {
    struct store *store;
    pthread_mutex_t lock;
    uint64_t clock;
    struct cache_row row[CACHE_VIEWS];
    struct cache_universe universe[CACHE_UNIVERSES];
    struct sketch *sketch; /* of the model that was asked last */
};

void cache_init(struct cache *c, struct store *s);
void cache_release(struct cache *c);
void cache_clear(struct cache *c); /* keeps nothing of what it has; searches that hold some of it go on with that */
/* The view's snapshot at the store's present generation, u (NULL) over it, with one reference for the caller. Of what lies over a view only
 * the last is kept. */
int cache_snapshot(struct snapshot **out, struct cache *c, uint32_t view, const struct unsaved *u, struct err *e);
/* The snapshot's vector map over t, with one reference for the caller. */
struct dense_map *cache_map(struct cache *c, const struct snapshot *s, uint16_t model, struct txn *t);
/* The universe of these snapshots and segments, with one reference for the caller. */
struct universe_base *cache_universe(struct cache *c, struct snapshot *const *snap, size_t nsnaps, const struct segment *seg,
                                     size_t nsegs);
/* Whose vectors are whose in it (over: it, over the caller's snapshots), with one reference for the caller. map: one per snapshot, of this model. */
struct dense_owners *cache_owners(struct cache *c, const struct universe_base *b, const struct universe *over,
                                  struct dense_map *const *map, uint16_t model, const struct dense_rows *rows);
/* The signs of all rows of a model, their transaction open, with one reference for the caller. */
struct sketch *cache_sketch(struct cache *c, uint16_t model, const struct dense_rows *rows, uint32_t dim);

#endif
