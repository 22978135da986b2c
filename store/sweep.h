/* Sweep: contents (cuts, with their texts, keys and notes of vectors) that no view holds any more go away. Their words leave
 * with the next segments_merge, the space with the next store_compact.
 *
 * A pass notes what is dead and when ("sweep.noted" and "sweep.cuts" in meta: a portable roaring bitmap); what a later pass, at
 * least `grace` seconds after, finds noted and still dead is dropped. So a branch that comes back within that time costs
 * nothing, and a content goes between one and two of these times after its last view.
 *
 * The caller keeps indexing out meanwhile: a cut that was found by its key, and that a view is about to hold, looks dead. */
#ifndef CODEASK_STORE_SWEEP_H
#define CODEASK_STORE_SWEEP_H

#include "store/store.h"

struct swept {
    uint32_t cuts;     /* dropped by this call */
    bool more;         /* there is more to drop now */
};
/* now, grace: seconds. Drops at most `most` contents, a few hundred in each write transaction. Reads every view's rows once. */
int sweep_cuts(struct swept *out, struct store *s, int64_t now, int64_t grace, uint32_t most, struct err *e);

#endif
