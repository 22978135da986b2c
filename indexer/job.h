/* One index_run on its way: what its parts (treeview.c, overlay.c, plain.c) share. Private to this room. */
#ifndef CODEASK_INDEXER_JOB_H
#define CODEASK_INDEXER_JOB_H

#include "indexer/cutting.h"
#include "indexer/git.h"
#include "indexer/indexer.h"
#include "indexer/items.h"

#include <pthread.h>

struct reconciled {
    uint32_t repo;
    char name[1024];
    int64_t ns;            /* clock_ns: the wall clock may jump, and an old view would look current */
    int64_t stored_ns;     /* wall clock, as the ref's row has it */
};

struct ground {
    uint32_t repo;
    struct buf dirs, git; /* as in index_ground */
};

struct indexer {
    struct store *store;
    const struct config *config;
    char *program;
    struct pool *pool;       /* started with the first content to cut, kept until close: starting costs more than one file */
    struct sweep *sweep;     /* [run] the plan of a sweep on its way, NULL: none */
    uint64_t sweep_writes;   /* [run] writes when it was made: it holds while they are the same */
    uint64_t writes;         /* atomic: grows when indexing, embedding or removing begins */
    uint32_t first_view;     /* views before it were made by another cutter: never reused, replaced when their ref is run */
    pthread_mutex_t run;     /* held by index_run: one write job at a time. Taken before seen. */
    pthread_mutex_t history; /* held by history_index and while commits are swept. Never waited for with another one held. */
    pthread_mutex_t seen;    /* guards what follows */
    struct reconciled *reconciled;
    size_t nreconciled, cap_reconciled;
    struct ground *ground;
    size_t nground, cap_ground;
};

/* Before a write that a plan of a sweep does not know of. */
static inline void indexer_writes(struct indexer *x)
{
    __atomic_add_fetch(&x->writes, 1, __ATOMIC_ACQ_REL);
}

struct job {
    struct indexer *x;
    const struct repo_row *repo;
    git_repository *git;     /* NULL for a plain directory */
    index_progress_cb cb;
    void *arg;
    struct index_progress progress;
    bool tidy;               /* a view was made: older ones may be in excess */
    int64_t looked_ns;       /* wall clock, before the run looked at what HEAD or a ref names */
    bool noted;              /* the row of the ref that the run is at was written with it */
};

/* ground.c: notes what the run has walked. Takes the bytes of both. */
void ground_set(struct job *j, struct buf *dirs, struct buf *git);
void ground_forget(struct indexer *x, uint32_t repo);

/* Fills in the cuts of items; see cutting_run. */
int job_cut(struct job *j, struct items *items, struct err *e);

/* The view of a tree: the stored one, or a new one as a difference to a full one. The ref is set with it. */
int treeview_bring(struct job *j, const struct git_target *to, uint32_t *view, struct err *e);
/* The dirty files over the tree view base (VIEW_NONE: HEAD is unborn), under the ref "worktree". */
int overlay_bring(struct job *j, const struct git_target *head, uint32_t base, struct err *e);
/* The same for what lies directly in a few directories, over the overlay as it is; see index_look. */
int overlay_look(struct job *j, bool *whole, const struct git_target *head, struct str dirs, struct err *e);
/* overlay.c: the texts of the user's ignore file and of info/exclude, for struct worktree; the caller releases them. */
void worktree_excludes(struct buf out[2], git_repository *git);
int plain_bring(struct job *j, struct err *e);
/* Tries the quarantined contents of all the repository's views again. */
int job_retry(struct job *j, struct err *e);

/* -- views.c: writing views in bounded transactions --------------------------------------------------------------------------- */

struct change {
    const struct item *item;
    bool drop; /* the row itself, not a tombstone */
};
/* Adds rows to a view that no ref points at yet. */
int view_fill(struct store *s, uint32_t view, const struct change *c, size_t n, struct err *e);
/* A new view with all its rows, published under ref: sets head->id and ref->view. One transaction where the rows are few, for each waits
 * for the disk; else until the last one its tree is zero, so that nobody takes it for whole. */
int view_write(struct store *s, struct view_head *head, struct ref_row *ref, const struct change *c, size_t n, struct err *e);
/* The last step: sets head (its rows aside) and ref, drops or puts the last few rows, bumps; all in one transaction. */
int view_publish(struct store *s, const struct view_head *head, const struct ref_row *ref, const struct change *c, size_t n, struct err *e);
int view_make(struct store *s, const struct view_head *head, uint32_t *id, struct err *e);
/* Drops a view, a bounded number of rows at a time. */
int view_drop_all(struct store *s, uint32_t view, struct err *e);
/* What is half made (by a killed run) or no longer needed: old tree views past VIEWS_KEPT that no ref and no view stands on.
 * repo 0: of every repository, half-made ones only. */
int views_tidy(struct store *s, uint32_t repo, struct err *e);
#define VIEWS_KEPT 64      /* trees that a branch may be switched back to at no cost */
#define CHANGES_AT_ONCE 2000 /* rows in one transaction: about 10 ms */

#endif
