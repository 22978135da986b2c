/* What the files of the history share. Private to the store. */
#ifndef CODEASK_STORE_HISTORY_INSIDE_H
#define CODEASK_STORE_HISTORY_INSIDE_H

#include "store/history.h"
#include "store/internal.h"

int history_node_get(struct txn *t, uint32_t commit, struct history_node *out, struct err *e);
int history_node_put(struct txn *t, uint32_t commit, const struct history_node *n, struct err *e);
int saidvec_drop(struct txn *t, uint32_t commit); /* of every space; an LMDB code */
/* Forgets one commit: its rows, and its node is free. In pieces, each in a transaction of its own: what it did to `most` paths from
 * number *path on; *path moves on, *done tells that nothing is left. With the first piece its id is: where it comes back meanwhile it gets
 * another number, and what is left of this one is out of reach for good. */
int commit_drop(struct txn *t, uint32_t commit, uint32_t most, uint32_t *path, bool *done, struct err *e);

#endif
