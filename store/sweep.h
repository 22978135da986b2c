/* Sweep: contents (cuts, with their texts, keys and notes of vectors) that no view holds any more go away, and with them the cards
 * of paths that no view has, commits that no ref reaches (store/history.h), and vectors that nothing names any more
 * (store/vector_sweep.h). The words leave with the next segments_merge, the space with the next store_compact.
 *
 * A pass notes what is dead and when ("sweep.noted", "sweep.cuts" and "sweep.cards" in meta: portable roaring bitmaps); what a
 * later pass, at least `grace` seconds after, finds noted and still dead is dropped. So a branch that comes back within that time
 * costs nothing, and a content goes between one and two of these times after its last view.
 *
 * A pass is planned once, in a read transaction that reads every view's rows, and carried out in many small write transactions.
 * From the plan to its last step the caller keeps indexing, embedding and removing out, or closes the plan and makes another one
 * afterwards: a cut that was found by its key, and that a view is about to hold, looks dead. Closed, killed or failed anywhere,
 * the next plan goes on from there. */
#ifndef CODEASK_STORE_SWEEP_H
#define CODEASK_STORE_SWEEP_H

#include "store/store.h"

struct sweep;

/* now, grace: seconds. */
int sweep_open(struct sweep **out, struct store *s, int64_t now, int64_t grace, struct err *e);
/* What went so far. */
struct swept {
    uint64_t cuts, cards, vectors;
};
/* One write transaction of some milliseconds. *more: there is more to do. */
int sweep_step(struct sweep *w, struct swept *sum, bool *more, struct err *e);
void sweep_close(struct sweep *w); /* accepts NULL */

/* Within a transaction that took views away: until a pass has gone through, plans take no grace; restarts included. */
int sweep_soon(struct txn *t, struct err *e);

#endif
