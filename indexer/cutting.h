/* From files to cuts in the store: what is missing is read by one thread, cut by the pool, and written in batches by the
 * calling thread. Cuts are keyed by content, so a run that was killed goes on where it stopped. */
#ifndef CODEASK_INDEXER_CUTTING_H
#define CODEASK_INDEXER_CUTTING_H

#include "indexer/indexer.h"
#include "indexer/items.h"

#include <pthread.h>

struct cutting {
    struct store *store;
    struct indexer *indexer; /* whose pool is used, and started only when something is to be cut */
    struct pool *pool;       /* or this one */
    const char *git;       /* path of the repository, NULL without one */
    const char *root;      /* of FROM_FILE items, NULL without any */
    uint64_t max_bytes;    /* larger files are OCC_SKIPPED */
    uint64_t max_index;    /* no batch is written that would make the index larger (store_room); 0: no limit */
    index_progress_cb cb;  /* may be NULL */
    void *arg;
    struct index_progress *progress;
    uint64_t cuts_made;    /* out: contents that were cut now */
};

/* Finds or makes the cut of every item that is not done: sets oid, cut, size, stat data and flags. An unreadable or poisonous
 * content is OCC_QUARANTINED and no error. ERR_CANCELED when cb says so; what was committed stays. */
int cutting_run(struct cutting *c, struct items *items, struct err *e);

/* Starts or returns the pool that index_run keeps between calls. */
int indexer_pool(struct pool **out, struct indexer *x, struct err *e);

#endif
