#ifndef CODEASK_RETRIEVER_ROWS_H
#define CODEASK_RETRIEVER_ROWS_H

#include "base/arena.h"
#include "store/vector.h"

/* The vectors that are stored, one row each in the order of their numbers. Numbers are never given again, so that they have ever more
 * gaps where sweeps took some; rows have none. */
#define ROW_NONE UINT32_MAX
struct dense_rows {
    const struct vector_run *run; /* of one dimension, ascending */
    const uint32_t *row;         /* [nruns + 1] of a run's first vector */
    size_t nruns;
    uint32_t n;
    uint64_t mark;               /* the same: the same numbers stand in the same rows */
};
/* run must live as long as the rows do. */
struct dense_rows dense_rows_of(const struct vector_run *run, size_t nruns, uint32_t dim, struct arena *arena);
/* ROW_NONE: it is not stored. *at: of its run, where the next look begins; 0 at first. */
uint32_t dense_row(const struct dense_rows *r, uint32_t number, size_t *at);

#endif
