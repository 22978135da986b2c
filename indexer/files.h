/* Files of a worktree or a plain directory, as stat(2) sees them. */
#ifndef CODEASK_INDEXER_FILES_H
#define CODEASK_INDEXER_FILES_H

#include "indexer/gitindex.h"
#include "indexer/items.h"
#include "indexer/rules.h"

#include <git2.h>

/* One worktree, its submodules nested in it. */
struct worktree {
    const char *root;               /* absolute */
    const struct gitindex *index;   /* NULL: a plain directory; every file that no rule hides is taken */
    const struct items *tracked;    /* used instead where the index cannot be read: the files of HEAD */
    struct str excludes[2];         /* text of the user's ignore file and of info/exclude; may be empty */
    struct buf *dirs;               /* out, may be NULL: the directories looked into, relative with their slash ("": root) */
    struct buf *gitdirs;            /* out, with dirs: .git directories of submodules, absolute with a slash. Each ends in NUL */
};

/* All visible files in path order, with stat data; FROM_FILE unless git's index proves the content, then done with its oid.
 * A file of a submodule that is at its recorded commit is OCC_INNER_CLEAN with the oid that it should have, proved or not.
 * Links are listed, not followed; FIFOs, sockets and devices are not there at all. A directory that cannot be read is listed
 * in unreadable (paths, may be NULL). Levels live in out's arena. */
int files_walk(struct items *out, struct items *unreadable, const struct worktree *w, struct err *e);
/* The files of a few directories alone (only: relative with their slash, "" the root, each ended by NUL), not what lies below them, as
 * files_walk would give them. *whole: that needs a walk over everything, and out is of no use: a directory came or went (known: those of
 * the last walk, w->dirs), or one lies in a submodule or cannot be read. */
int files_look(struct items *out, bool *whole, const struct worktree *w, struct str only, struct str known, struct err *e);
/* Whether list, entries that end in NUL, has the entry. */
bool files_among(struct str list, struct str entry);
/* One regular file's bytes as they are; the other part of files_read. */
int files_bytes(struct buf *out, struct stat *st, int fd, const char *path, size_t max, struct err *e);
/* The bytes of a regular file of that size, as they are, if the system has them in memory; it never waits for a disk. dir: a descriptor */
bool files_cached(struct buf *out, int dir, const char *path, size_t size);

/* Reads a worktree file as git would store it: line endings and `ident` undone, never a program run. path: NUL-terminated,
 * under root; links give their target. st: of the moment of the read, zero mtime where it changed meanwhile. ERR_LIMIT past
 * max, ERR_NOT_FOUND when it went away, ERR_DENIED when it may not be read. repo: NULL for plain bytes. */
int files_read(struct buf *out, struct stat *st, git_repository *repo, const char *root, const char *path, size_t max, struct err *e);

/* The stat data of an item, as it is stored with an occurrence. A file so young that its next change may not show is given
 * mtime 0, which nothing equals: it is read once more. */
void item_stat(struct item *i, const struct stat *st, int64_t now_ns);
bool item_same_stat(const struct item *a, const struct item *b);

#endif
