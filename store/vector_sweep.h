/* The part of a sweep (store/sweep.h) that takes away vectors which no row of vecof or saidvec names. Private to the store.
 *
 * A segment of which an eighth or more is dead is written anew without that, and neighbours that fit into one segment become one;
 * below an eighth the dead stay, and are found again by their text. */
#ifndef CODEASK_STORE_VECTOR_SWEEP_H
#define CODEASK_STORE_VECTOR_SWEEP_H

#include "store/store.h"

struct vector_sweep;

/* What to take away now, found in one read transaction: all of it, or what is worth it. Nobody may embed between this and the last step. */
int vector_sweep_open(struct vector_sweep **out, struct store *s, bool all, struct err *e);
/* One write transaction: at most `most` rows of vechash, or one new segment. *gone grows by the vectors that went; *more: call
 * again; false once nothing is left, what did not fit into the plan at first included. */
int vector_sweep_step(struct vector_sweep *v, uint32_t most, uint64_t *gone, bool *more, struct err *e);
void vector_sweep_close(struct vector_sweep *v); /* accepts NULL */

#endif
