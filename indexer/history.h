/* The history of a repository: its commits read into the store, and lines traced back through them.
 *
 * Reading goes in two steps that may be killed at any point: all commits are numbered (parents first), then read (newest first),
 * each once for all repositories. Lines are compared then, without whitespace and with moves inside the file, so a trace reads
 * no contents but of what was too large to compare ahead. */
#ifndef CODEASK_INDEXER_HISTORY_H
#define CODEASK_INDEXER_HISTORY_H

#include "base/arena.h"
#include "engine/engine.h"
#include "indexer/indexer.h"
#include "store/history.h"

/* Brings in what of the commits behind tip is not there; cheap when nothing is new. Any number of calls at once, one works at a
 * time. ERR_CANCELED by the callback (stage "history"): what is committed stays. */
int history_index(struct indexer *x, const struct repo_row *repo, const struct oid *tip, index_progress_cb cb, void *arg, struct err *e);
/* Everything behind the commit is in. */
bool history_whole(struct txn *t, const struct oid *tip);

/* Makes the vectors of the messages behind tip that lack one; ends when all are in, or by the callback (stage "messages"). For one thread. */
int history_embed(struct indexer *x, struct model *m, const struct oid *tip, index_progress_cb cb, void *arg, struct err *e);
/* All behind the commit have theirs. */
bool history_embedded(struct txn *t, const struct model_info *m, const struct oid *tip);

/* -- tracing lines ------------------------------------------------------------------------------------------------------------- */

/* Lines first … first + n - 1 (1-based) of the file come from lines `then` … of `path` at `commit`. */
struct traced {
    uint32_t first, n;
    uint32_t commit;          /* COMMIT_NONE: not committed */
    struct str path;          /* in the arena */
    uint32_t then;
    bool unfinished;          /* its history further back is not indexed (yet), or could not be read */
};
/* An earlier commit that changed the lines, or those that were replaced by them. */
struct trace_step {
    uint32_t commit;
    struct str path;
    bool skipped;             /* passed over: .git-blame-ignore-revs */
};
struct trace {
    struct traced *line;      /* ascending, contiguous */
    size_t n;
    uint32_t tip;             /* the commit that was asked from */
};
struct trace_request {
    const struct repo_row *repo;
    struct oid tip;
    const char *path;
    uint32_t first, last;     /* 1-based, inclusive; lines of the file at tip */
    const struct oid *ignore; /* [nignore] commits that are passed over */
    size_t nignore;
};
/* Who last changed the lines, as `git blame -w -M` has it. Everything is in the arena. ERR_NOT_FOUND: no such file in the history
 * of tip, or tip is not indexed. */
int history_trace(struct trace *out, struct store *s, const struct trace_request *q, struct arena *arena, struct err *e);

/* The commits that .git-blame-ignore-revs of the tree at tip names: *v on the heap, empty without such a file. */
#define IGNORE_FILE ".git-blame-ignore-revs"
void history_ignored(struct oid **v, size_t *n, const struct repo_row *repo, const struct oid *tip);

/* Commits that touched the file, newest first, through renames, merges left out; at most `most`. Those that deal with lines first …
 * last only where last is not 0: each changed them or what they were made of. */
struct touching {
    uint32_t commit;
    struct str path;          /* its name then */
    uint32_t added, removed;  /* lines, as far as they were compared */
};
int history_behind(struct touching **out, size_t *n, struct store *s, const struct trace_request *q, size_t most, struct arena *arena,
                   struct err *e);

/* The largest piece of what the commit wrote into the file (q: repo, tip, path as it is called now), where it stands at the tip;
 * lines that were replaced since are answered with what replaced them. *last UINT32_MAX: it made the whole file. ERR_NOT_FOUND when
 * nothing of it is left. */
int history_lines_of(uint32_t *first, uint32_t *last, struct store *s, const struct trace_request *q, uint32_t commit, struct err *e);

/* The file as it is in a view (base: of an overlay; 0: the view is the commit's own), beside the commit. */
struct now_piece {
    uint32_t first, n, then; /* lines from 1; then: the first of them in the commit, 0: not committed */
};
struct history_now {
    struct now_piece *piece; /* ascending, contiguous, in the arena */
    size_t n;
    uint32_t lines;
    bool dirty, untracked;   /* untracked: the commit has no such file */
};
int history_now(struct history_now *out, struct store *s, const struct repo_row *repo, uint32_t view, uint32_t base, struct str path,
                struct arena *arena, struct err *e);

/* What commits did to paths, with the lines that history_index leaves for when somebody asks: for a store/extract.h that will have no git to ask. The
 * repositories are tried in turn. */
struct history_reread;
struct history_reread *history_reread_open(const struct repo_row *repo, size_t n);
void history_reread_close(struct history_reread *r); /* accepts NULL */
/* Appends it as touch.h has it, by path numbers of t. False: git cannot tell. */
bool history_reread(struct buf *out, struct history_reread *r, struct txn *t, const struct oid *commit, struct str path);

#endif
