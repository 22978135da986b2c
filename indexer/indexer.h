/* The indexer: git -> blobs -> cuts -> store, and what is embedded of it. Blocking calls for the service's job threads;
 * one write job at a time, any number of readers of the store beside it.
 * libgit2 never runs hooks, filters that are programs, or config programs here. */
#ifndef CODEASK_INDEXER_INDEXER_H
#define CODEASK_INDEXER_INDEXER_H

#include "config/config.h"
#include "engine/engine.h"
#include "indexer/pool.h"
#include "store/purge.h"
#include "store/store.h"
#include "store/view.h"

struct indexer;

struct index_progress {
    const char *stage;               /* "walking", "indexing", "embedding" */
    uint64_t files, files_done;      /* 0 files: not known yet */
    uint64_t bytes, bytes_done;
    uint64_t texts, texts_done;      /* to embed */
    uint32_t quarantined;
    double seconds;                  /* since this stage began */
};
/* Called from the working thread at most 20 times a second; return false to stop: the call ends with ERR_CANCELED, and what
 * was committed stays and is not done again. */
typedef bool (*index_progress_cb)(void *arg, const struct index_progress *p);

int indexer_open(struct indexer **out, struct store *s, const struct config *c, const char *program, struct err *e);
void indexer_close(struct indexer *x);

/* What lies at a directory, before anything is stored: finds the repository around dir; where there is none, plain is set and
 * path is the directory itself: whether that is indexed is the caller's to decide. ERR_NO_REPOSITORY when there is no such
 * directory; ERR_DENIED for another owner's repository, the hint names `codeask repo add` (which passes any_owner);
 * ERR_UNSUPPORTED for a SHA-256 repository; ERR_CORRUPT for a .git that cannot be opened. path: canonical root (the
 * worktree's, or the bare repository's), freed by the caller. */
struct repo_found {
    char *path;
    bool plain, bare, shallow, unborn;
};
int repo_find(struct repo_found *out, const char *dir, bool any_owner, struct err *e);

/* Brings a repository's view in: ref NULL means HEAD and the dirty worktree over it (or the plain directory); a ref name or
 * revision means that tree alone. Words and symbols only: embedding is separate. Cheap when nothing changed: this is also
 * the reconcile. */
int index_run(struct indexer *x, const struct repo_row *repo, const char *ref, index_progress_cb cb, void *arg, struct err *e);
/* A look at a few directories of the worktree alone (relative, as index_ground has them, each ended by NUL): a saved file is found without
 * a stat of every other one. Everything else is taken to be as the last index_run saw it, so this is no reconcile:
 * index_reconciled_ns stays. *whole: it takes an index_run, and nothing was written: HEAD moved, a directory came or went, attributes
 * changed, or there is no worktree with an index of git's. The caller knows that no rule file (.gitignore …) changed. */
int index_look(struct indexer *x, const struct repo_row *repo, struct str dirs, bool *whole, index_progress_cb cb, void *arg, struct err *e);
int index_all_branches(struct indexer *x, const struct repo_row *repo, index_progress_cb cb, void *arg, struct err *e);

/* Tries again what is quarantined in the repository's views (poisonous or unreadable contents); rows of a worktree are read again
 * by the next index_run: an explicit `index` calls both. A reconcile never does it by itself. */
int index_retry(struct indexer *x, const struct repo_row *repo, index_progress_cb cb, void *arg, struct err *e);

/* The name that a branch, tag or revision is stored under (ref_get): its full ref name, or the commit in hex; "HEAD" for NULL.
 * Appends to out. ERR_NOT_FOUND. The dirty worktree over HEAD is "worktree", a plain directory "plain". */
int repo_ref_name(struct buf *out, const struct repo_row *repo, const char *ref, struct err *e);
/* Wall clock of the last run that brought this name up to date, 0 when there was none. The stored ref_row.reconciled_ns lags
 * by up to a minute, so that looking costs no write. */
int64_t index_reconciled_ns(struct indexer *x, uint32_t repo, const char *name);

/* What is worth watching of a repository, as of its last run: directories under its root, relative, "" the root itself, and
 * git's own, absolute. Each ends in NUL and, "" aside, in a slash. Appends; nothing when it was not run since the start. */
void index_ground(struct indexer *x, uint32_t repo, struct buf *dirs, struct buf *git);

/* Dirty files of an overlay view: changed, added and deleted ones. */
int index_dirty_files(struct txn *t, uint32_t view, uint32_t *n, struct err *e);

/* Embeds what the view's files lack, most-referenced first, cards before chunks; ends when all is in, or by the callback. */
int index_embed(struct indexer *x, struct model *m, uint32_t view, index_progress_cb cb, void *arg, struct err *e);
/* Share of the view's texts that have a vector: 0..1. */
int index_embedded(struct store *s, uint16_t model, uint32_t view, double *share, struct err *e);

/* The git hash of a content. */
struct oid source_hash(const void *bytes, size_t n);

/* The bytes behind a citation, re-read from where they come from (object database, or the file in the worktree), for
 * checking. Of a repository that came in a bundle: what the index keeps of the content, secrets masked. ERR_NOT_FOUND when the content is gone, ERR_CORRUPT when it does not hash to oid. */
int source_read(struct store *s, const struct repo_row *repo, struct str path, const struct oid *oid, bool overlay, struct buf *out, struct err *e);

/* Goes on with a sweep (store/sweep.h) for a tenth of a second, while no index_run goes on; begins one where none is on its way. Does
 * nothing while a history is read. *did: something went; *more: call again. An index_run, a history_index, an index_embed, a
 * history_embed or an index_remove between two calls costs the plan alone. Not while one of the embeds runs: they belong to one thread. grace: seconds. */
int index_sweep(struct indexer *x, int64_t grace, bool *did, bool *more, struct err *e);

/* Whether the objects of a git repository have it still, whatever its branches say. False where they cannot be read. */
bool source_holds(const struct repo_row *repo, const struct oid *oid);

/* Takes every content with a tombstone (store/purge.h) out of the index, index_run kept out for so long: purge_index, for the thread that
 * embeds, as a sweep. */
int index_purge(struct indexer *x, struct purge_row *row, size_t n, struct err *e);

/* inspect FILE: its language, record and flags as it would be cut now, without storing anything. */
/* Drops views and refs of a repository. The next sweep does the rest, without grace, a restart between included. */
int index_remove(struct indexer *x, uint32_t repo, struct err *e);

#endif
