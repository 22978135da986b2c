/* Purging: what has a tombstone (store/purge.h) goes out of everything in the home that is not a repository: the index, state.mdb and its copies,
 * the audit log, caches on disk and in memory. Done by the embedding thread, before all else (upkeep.c); a purge that was killed is gone
 * through again at the next start. */
#ifndef CODEASK_SERVICE_PURGE_H
#define CODEASK_SERVICE_PURGE_H

#include "service/core.h"

/* Some tombstone is not gone through. */
bool purge_pending(struct service *s);
/* Goes through all of them. ERR_BUSY and others: not everything is gone yet; call again. Embedding's thread; indexing is waited for. */
int purge_run(struct service *s, struct err *e);
/* pages/: texts that an editor shows, which quote sources (method_page.c). */
void pages_forget(struct service *s);

#endif
