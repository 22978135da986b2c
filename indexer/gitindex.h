/* git's index file (.git/index), read for its stat data: which files git has seen unchanged, and which of them are sparse.
 * Our own reader: libgit2 1.5 refuses sparse indexes, and checks and copies what is not wanted here, which is most of the
 * time of a reconcile on 50k files. Versions 2 to 4; a split index is ERR_UNSUPPORTED, and then every file is hashed once. */
#ifndef CODEASK_INDEXER_GITINDEX_H
#define CODEASK_INDEXER_GITINDEX_H

#include "base/arena.h"
#include "store/store.h"

#include <stdbool.h>
#include <sys/stat.h>

struct gitindex_entry {
    struct str path;          /* ends in '/' for a sparse directory */
    struct oid oid;
    uint32_t mode, size, ino;
    uint32_t mtime_s, mtime_ns, ctime_s, ctime_ns;
    bool skip_worktree, conflicted, added; /* added: `git add -N`, the oid is not real */
};

struct gitindex {
    struct gitindex_entry *v; /* by path, one a path */
    size_t n;
    int64_t mtime_ns;         /* of the index file: an entry not older than it may hide a change ("racily clean") */
    struct arena mem;
};

/* A missing file is an empty index. */
int gitindex_open(struct gitindex *out, const char *path, struct err *e);
void gitindex_close(struct gitindex *x);
const struct gitindex_entry *gitindex_find(const struct gitindex *x, struct str path);
/* Is a path that is absent from the worktree absent because it is sparse? */
bool gitindex_sparse(const struct gitindex *x, struct str path);
/* Does the stat data prove that the file has the entry's content? */
bool gitindex_same(const struct gitindex *x, const struct gitindex_entry *entry, const struct stat *st);

#endif
