/* Ops of a queue recorded once and done again at one call: what a step of few rows costs a host is handing over some hundred kernels.
 *
 * A recording holds the ops' pointers and host scalars as they are; what changes between steps is in device buffers (backend.h), so
 * a graph is played for any step within the bounds that it was recorded with. A queue records one graph at a time; while it does, ops
 * are not done, and put, get and sync are errors of the queue. Threads: as the queue's. */
#ifndef CODEASK_KERNELS_GRAPHS_H
#define CODEASK_KERNELS_GRAPHS_H

#include "kernels/backend.h"

struct graph;

struct graph_ops {
    int (*record)(void *q, struct err *e);                   /* ops that follow are recorded */
    int (*recorded)(void *q, struct graph **out, struct err *e); /* ends it; on an error, of an op too, there is no graph */
    void (*play)(void *q, const struct graph *g);            /* an op: all of it, in order */
    void (*release)(void *q, struct graph *g);               /* accepts NULL; after a sync */
};

/* NULL: this backend's ops are handed over one by one. */
const struct graph_ops *graphs_of(const struct backend *b);

#endif
