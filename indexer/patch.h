/* What a commit changed, as text that people read: git's unified diff against its first parent, secrets masked. */
#ifndef CODEASK_INDEXER_PATCH_H
#define CODEASK_INDEXER_PATCH_H

#include "base/buf.h"
#include "store/store.h"

/* Appends at most `most` bytes of whole lines to text, and to blobs ([n][20]) the contents on both sides of what is shown. Binary files
 * are named only. ERR_NOT_FOUND: no such commit, or objects are missing. Opens the repository: not for a loop over many at once. */
int commit_patch(struct buf *text, struct buf *blobs, const struct repo_row *repo, const struct oid *commit, size_t most, struct err *e);

/* Masks secrets in place, as cut() does. */
int mask_secrets(char *text, size_t len, struct err *e);

#endif
