/* The indexer: git -> blobs -> cuts -> store, and what is embedded of it. Blocking calls for the service's job threads;
 * one write job at a time, any number of readers of the store beside it.
 * libgit2 never runs hooks, filters that are programs, or config programs here. */
#ifndef CODEASK_INDEXER_INDEXER_H
#define CODEASK_INDEXER_INDEXER_H

#include "config/config.h"
#include "engine/engine.h"
#include "indexer/pool.h"
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

/* What lies at a directory, before anything is stored: finds the repository around dir (or the plain directory itself).
 * ERR_NO_REPOSITORY when there is none; ERR_DENIED for another owner's repository, the hint names `codeask repo add`;
 * ERR_UNSUPPORTED for a SHA-256 repository that this libgit2 cannot read. path: canonical root, freed by the caller. */
struct repo_found {
    char *path;
    bool plain, bare, shallow, unborn;
};
int repo_find(struct repo_found *out, const char *dir, bool any_owner, struct err *e);

/* Brings a repository's view in: ref NULL means HEAD and the dirty worktree over it (or the plain directory); a ref name or
 * revision means that tree alone. Words and symbols only: embedding is separate. Cheap when nothing changed: this is also
 * the reconcile. */
int index_run(struct indexer *x, const struct repo_row *repo, const char *ref, index_progress_cb cb, void *arg, struct err *e);
int index_all_branches(struct indexer *x, const struct repo_row *repo, index_progress_cb cb, void *arg, struct err *e);

/* Embeds what the view's files lack, most-referenced first, cards before chunks; ends when all is in, or by the callback. */
int index_embed(struct indexer *x, struct model *m, uint32_t view, index_progress_cb cb, void *arg, struct err *e);
/* Share of the view's texts that have a vector: 0..1. */
int index_embedded(struct store *s, uint16_t model, uint32_t view, double *share, struct err *e);

/* The bytes behind a citation, re-read from where they come from (object database, or the file in the worktree), for
 * checking: ERR_NOT_FOUND when the content is gone, ERR_CORRUPT when it does not hash to oid. */
int source_read(const struct repo_row *repo, struct str path, const struct oid *oid, bool overlay, struct buf *out, struct err *e);

/* inspect FILE: its language, record and flags as it would be cut now, without storing anything. */
int index_remove(struct indexer *x, uint32_t repo, struct err *e); /* drops views and refs of a repository; sweep does the rest */

#endif
