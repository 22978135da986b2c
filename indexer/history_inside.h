/* What the files of the history share: one commit read as git has it, and the lines of two contents compared.
 * Private to this room. */
#ifndef CODEASK_INDEXER_HISTORY_INSIDE_H
#define CODEASK_INDEXER_HISTORY_INSIDE_H

#include "base/arena.h"
#include "indexer/git.h"
#include "indexer/history.h"
#include "store/history.h"
#include "store/touch.h"

#define HISTORY_BLOB_MAX ((size_t)2 << 20)    /* larger contents are compared when somebody asks: data, not code */
#define HISTORY_ASKED_MAX ((size_t)16 << 20)  /* … and above this never */
#define HISTORY_COMPARED 300                  /* paths of one commit whose lines are compared ahead: a commit that touches more
                                                 is mechanical, and its lines are compared when somebody asks */
#define HISTORY_PATHS_MAX 20000               /* paths of one commit that are kept: imports of whole trees */
#define RENAME_PAIRS 4000                     /* of added and deleted files that may be compared by content ahead in one commit: past it
                                                 only equal contents are found, and the rest is looked for when somebody asks */
#define RENAME_ASKED 20000                    /* deleted files that one added file is compared with when somebody asks */

/* -- history_lines.c -------------------------------------------------------------------------------------------------------- */
#define MOVE_LETTERS 20                       /* letters and digits that a moved piece needs, as in git */

/* Hunks of old -> new without regard to whitespace, as `git blame -w` has them; which of them may have been moved (-M). Fills the
 * hunks of out. */
int lines_compare(struct touch_side *out, struct str old, struct str new, struct err *e);
/* The same without regard to moves: *hunk on the heap. spaces: whitespace counts. */
int lines_hunks(struct touch_hunk **hunk, uint32_t *n, struct str old, struct str new, bool spaces, struct err *e);
uint32_t lines_count(struct str s);
uint32_t lines_letters(struct str s);         /* letters and digits */
/* The lines of an old content, to tell at once whether a piece can have been moved from it: false for certain when it was not. */
struct line_index;
struct line_index *line_index_new(struct str old);
void line_index_free(struct line_index *x);
bool line_index_holds(const struct line_index *x, struct str piece);
/* Lines at … at + n - 1 of the piece that stand in old from line `from` on: of the runs that one comparison of the two leaves equal
 * the one with most letters, as `git blame -M` takes it. n 0: none has MOVE_LETTERS. From 0. */
struct moved {
    uint32_t at, n, from;
};
int lines_moved(struct moved *out, struct str old, struct str piece, struct err *e);
bool looks_binary(struct str s);

/* -- history_blobs.c: contents and trees, the last ones kept ----------------------------------------------------------------- */
struct blobs;
struct blobs *blobs_new(git_repository *git);
void blobs_free(struct blobs *b);
/* Borrowed until the next two calls. ERR_NOT_FOUND where git has it not (partial clone), ERR_LIMIT past most bytes. */
int blobs_get(struct str *out, struct blobs *b, const git_oid *id, size_t most, struct err *e);
/* Without reading it. */
int blobs_size(size_t *out, struct blobs *b, const git_oid *id, struct err *e);
int blobs_tree(git_tree **out, struct blobs *b, const git_oid *id, struct err *e); /* the caller frees it */

/* -- history_commit.c -------------------------------------------------------------------------------------------------------- */
struct read_touch {
    struct str path;             /* in the arena */
    struct touch touch;          /* `from` is an index into read_commit.source */
};
struct read_commit {
    struct oid oid;
    int64_t time;                /* of the author */
    int32_t offset;
    struct str author, mail, message; /* in the arena */
    struct read_touch *touch;    /* heap */
    size_t n, cap, ntouched;
    struct str *source;          /* of renames; heap */
    size_t nsources, cap_sources;
    uint32_t flags;              /* enum history_flag */
    struct arena arena;
};
/* Contents and trees that are missing are no error: the flags tell. */
int commit_read(struct read_commit *out, struct blobs *b, git_repository *git, const git_oid *id, struct err *e);
/* Only what it did to one path, lines compared whatever their number. touch.kind TOUCH_CHANGED with the first parent the same:
 * nsides 0 and same 0: nothing. */
int commit_read_path(struct touch *out, struct read_commit *c, struct blobs *b, git_repository *git, const git_oid *id, const char *path,
                     struct err *e);
void read_commit_release(struct read_commit *c);

/* -- history_rename.c -------------------------------------------------------------------------------------------------------- */
struct deleted {
    struct str path;
    git_oid id;
    uint32_t *sketch;            /* of its content; made when it is first compared */
    uint32_t nsketch;
    size_t size;                 /* once sized */
    bool sized, unreadable;
};
/* Which of the deleted files the added one was, as git finds renames for blame: -1 for none. By ids alone; then by contents. */
int rename_exact(const struct deleted *d, size_t n, struct str path, const git_oid *id);
int rename_alike(struct blobs *b, struct deleted *d, size_t n, struct str path, const git_oid *id);
void deleted_release(struct deleted *d, size_t n);

#endif
