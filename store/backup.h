/* state.mdb copied and put back. index.mdb is derived and in no backup. */
#ifndef CODEASK_STORE_BACKUP_H
#define CODEASK_STORE_BACKUP_H

#include "store/store.h"

/* Copies state.mdb as it is now, with every row that was acknowledged, to a new file (0600), synced. Writers go on meanwhile;
 * any thread. What failed leaves no file. */
int state_backup(struct store *s, const char *to, struct err *e);

/* Holds a home without opening it: ERR_BUSY when a process has it open. */
int home_hold(int *fd, const char *home, struct err *e);
void home_release(int fd); /* -1 is fine */

/* Puts staged/state.mdb, which must lie on the home's file system, in the place of the home's; the caller holds the home. It is
 * opened first: an older schema is migrated, ERR_VERSION for a newer, ERR_CORRUPT for a damaged one, and the home is as it was.
 * The present file stays as state.mdb.before-restore-N (its path in aside; empty when there was none). The index is kept where
 * both know the same repositories by the same numbers, else set aside to be built anew. Killed at any point, the home has the
 * old state or the new one. */
int state_restore(struct buf *aside, bool *index_kept, const char *home, const char *staged, struct err *e);

/* path.before-restore-N, the first that is free. */
void restore_aside(struct buf *out, const char *path);

#endif
