/* Views: what a search may see. A view is a set of occurrences (path -> cut), either full or a difference to a base view.
 *
 *   tree view     the files of one git tree. Immutable once a ref points at it: a moved ref gets a new tree view that is a
 *                 difference to a full one, or a full one where the difference grew past VIEW_REBASE of the base.
 *   overlay view  the dirty files of a worktree: a small, mutable difference to a tree view.
 *   plain view    the files of a directory without git: full and mutable.
 *
 * Paths are bytes relative to the repository's root, '/'-separated, at most 4095 bytes. In keys a path longer than
 * OCC_KEY_PATH is cut there and its hash is appended, so order is by path as far as it matters. */
#ifndef CODEASK_STORE_VIEW_H
#define CODEASK_STORE_VIEW_H

#include "store/cut.h"

#define OCC_KEY_PATH 400
#define VIEW_NONE 0u
#define VIEW_REBASE 8 /* a difference larger than 1/8 of its base is written out as a full view */

enum view_kind { VIEW_TREE, VIEW_OVERLAY, VIEW_PLAIN };

struct view_head {
    uint32_t id, base;         /* base: VIEW_NONE for a full view */
    uint32_t repo;
    uint32_t kind;             /* enum view_kind */
    struct oid tree;           /* the git tree (tree views) */
    uint32_t rows;             /* occurrences and tombstones stored under this id */
    uint32_t files;            /* occurrences visible through it */
    uint64_t bytes;            /* of source visible through it */
};

enum occ_flag {
    OCC_GENERATED = 1,   /* .gitattributes linguist-generated */
    OCC_VENDORED = 2,    /* .gitattributes linguist-vendored */
    OCC_DOCUMENTATION = 4,
    OCC_DELETED = 8,     /* a tombstone in a difference */
    OCC_SKIPPED = 16,    /* known but not cut: too large, binary by attribute, submodule, symlink; cut == CUT_NONE */
    OCC_QUARANTINED = 32,
    OCC_SUBMODULE = 64,
    OCC_SYMLINK = 128,
    OCC_NOT_GENERATED = 256, /* the attributes say explicitly that it is not (-linguist-generated) */
    OCC_NOT_VENDORED = 512,
    OCC_CLEAN = 1024,        /* a row of an overlay whose content equals HEAD's: there for its stat data (git's index could
                                not prove it clean) or for other attributes. It is not a dirty file */
    OCC_INNER_CLEAN = 2048,  /* a row of an overlay: a file of a submodule that is at the recorded commit, with the content that the
                                submodule's index has. There, and no change of this repository */
};

struct occ {
    struct str path;           /* borrowed */
    struct oid oid;            /* of the clean bytes */
    uint32_t cut, mode, flags;
    uint64_t size;
    int64_t mtime_ns, ctime_ns; /* overlay and plain views: the stat data that the content was read under */
    uint64_t ino;
};

int view_new(struct txn *t, const struct view_head *h, uint32_t *id, struct err *e);
int view_get(struct txn *t, uint32_t id, struct view_head *out, struct err *e);
int view_set(struct txn *t, const struct view_head *h, struct err *e);  /* rows are kept by the calls below */
int view_drop(struct txn *t, uint32_t id, uint32_t most, bool *done, struct err *e); /* at most `most` rows a call */
/* Stores one row in view id itself (an occurrence, or a tombstone with OCC_DELETED). */
int occ_put(struct txn *t, uint32_t view, const struct occ *o, struct err *e);
int occ_drop(struct txn *t, uint32_t view, struct str path, struct err *e); /* the row itself; ERR_NOT_FOUND */
/* Through the base: ERR_NOT_FOUND when absent or a tombstone. Borrowed from the map. */
int occ_get(struct txn *t, uint32_t view, struct str path, struct occ *out, struct err *e);
/* All visible occurrences in path order, base and differences merged; prefix may be empty. Stops on non-zero. */
int occ_each(struct txn *t, uint32_t view, struct str prefix, int (*each)(void *arg, const struct occ *o), void *arg, struct err *e);
/* Only the rows stored under this id (tombstones included). */
int occ_rows(struct txn *t, uint32_t view, int (*each)(void *arg, const struct occ *o), void *arg, struct err *e);
/* A number that is another one after every write transaction that touched the view or one of its bases, so that a reader knows
 * without reading rows that nothing changed. 0: not known. */
int view_stamp(uint64_t *out, struct txn *t, uint32_t id, struct err *e);
int views_each(struct txn *t, int (*each)(void *arg, const struct view_head *h), void *arg, struct err *e);

/* What a repository's names point at: "HEAD", "refs/heads/x", "worktree" (the overlay), "plain". */
struct ref_row {
    uint32_t repo, view;
    struct str name;           /* borrowed */
    struct oid commit;         /* zero where there is none */
    uint8_t oid_len;           /* 20 or 32; 0: no commit */
    int64_t reconciled_ns;     /* wall clock of the last reconcile */
};
int ref_put(struct txn *t, const struct ref_row *r, struct err *e);
int ref_get(struct txn *t, uint32_t repo, const char *name, struct ref_row *out, struct err *e);
int ref_drop(struct txn *t, uint32_t repo, const char *name, struct err *e);
int refs_each(struct txn *t, uint32_t repo, int (*each)(void *arg, const struct ref_row *r), void *arg, struct err *e);

#endif
