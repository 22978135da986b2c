/* Between libgit2 and the indexer: opening with safe settings, ids, errors. Private to this room.
 *
 * libgit2 runs no hooks, no filter programs and no config programs. What of the configuration counts is the repository's own
 * and the user's (ignore files, line endings): both belong to the person who runs the daemon or who asked for `repo add`. */
#ifndef CODEASK_INDEXER_GIT_H
#define CODEASK_INDEXER_GIT_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#include <git2.h>
#include <stdbool.h>

#define GIT_ID_BYTES 20 /* SHA-1: SHA-256 repositories are refused */

/* Once per process, any thread, any number of times: library init and its global options. */
void git_start(void);
/* Turns libgit2's last error into ours: ERR_NOT_FOUND for GIT_ENOTFOUND, ERR_CORRUPT, ERR_UNSUPPORTED or ERR_IO by its text. */
int git_fail(struct err *e, int git_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

struct oid oid_of(const git_oid *id);
git_oid git_of(const struct oid *o);
static inline bool oid_same(const struct oid *a, const struct oid *b)
{
    return __builtin_memcmp(a, b, sizeof *a) == 0;
}
bool oid_zero(const struct oid *o);
/* The hash that git gives these bytes as a blob. */
struct oid oid_hash(const void *bytes, size_t n);
/* Adds a blob's bytes, which are proved to have that hash. ERR_NOT_FOUND, ERR_CORRUPT (damaged, or no blob), ERR_IO. */
uint64_t blob_size(git_odb *odb, const struct oid *oid); /* 0 where it cannot be told */
int blob_read(struct buf *out, git_odb *odb, const struct oid *oid, struct err *e);

/* Opens the repository of a row (worktree root or bare), without a search and without an owner check: the row in state.mdb
 * is the consent. ERR_NO_REPOSITORY when it is gone. */
int repo_open(git_repository **out, const char *path, struct err *e);
/* Gives it back; NULL is fine. A few handles are kept open for the next repo_open of their path: libgit2 1.5 leaks 20 KB for
 * every line of the configuration when it opens a repository with extensions (a sparse checkout is one), and a reconcile comes
 * every few seconds. A handle is used by one thread at a time; one whose repository was replaced is not used again. */
void repo_close(git_repository *r);

/* Where a name leads. name: what the ref is stored under, see indexer.h. unborn: HEAD without a commit; the ids are zero. */
struct git_target {
    char name[1024];
    struct oid commit, tree;
    bool unborn;
};
int repo_target(struct git_target *out, git_repository *r, const char *ref /* NULL: HEAD */, struct err *e);

#endif
