/* Lists of files on their way through the indexer: what a tree, a worktree or a stored view holds, sorted by path. */
#ifndef CODEASK_INDEXER_ITEMS_H
#define CODEASK_INDEXER_ITEMS_H

#include "base/arena.h"
#include "indexer/language.h"
#include "store/view.h"

struct level;

#define ITEMS_PARTS 8

/* Modes as in git trees. */
#define MODE_FILE 0100644u
#define MODE_PROGRAM 0100755u
#define MODE_LINK 0120000u
#define MODE_SUBMODULE 0160000u

enum item_from {
    FROM_STORE,  /* a row of a view, or a file that needs no reading */
    FROM_ODB,    /* content by oid from the object database */
    FROM_FILE,   /* content from the worktree; its oid is known only once it was read */
};

struct item {
    struct str path;           /* in the list's arena, NUL-terminated */
    struct oid oid;
    uint32_t mode, flags, cut; /* flags: enum occ_flag */
    uint64_t size;
    int64_t mtime_ns, ctime_ns;
    uint64_t ino;
    const struct language *lang; /* known once the name or the content told */
    const struct level *level; /* rules that hold where it lies; valid while their arena is */
    const struct item *head;   /* FROM_FILE: the base view's row of this path, or NULL */
    uint8_t from;              /* enum item_from */
    bool done;                 /* nothing is left to find out about it */
};

/* Not thread-safe. */
struct items {
    struct item *v;
    size_t n, cap;
    struct arena mem;
    struct items *part;        /* [nparts] lists whose memory this one's items lie in as well, see items_join */
    size_t nparts;
};

void items_init(struct items *l);
void items_release(struct items *l);
struct item *items_add(struct items *l, struct str path); /* zeroed; valid until the next call */
int path_cmp(struct str a, struct str b);                 /* bytes, the shorter first */
void items_sort(struct items *l);                         /* by path; a sorted list costs one pass */
struct item *items_find(const struct items *l, struct str path); /* in a sorted list; NULL when absent */

/* Moves the items of n <= ITEMS_PARTS sorted lists into out, which is empty; the array of lists is out's from then on. */
void items_join(struct items *out, struct items *part, size_t n);

/* Copies the visible rows of a view (own: only those stored under it, tombstones included), sorted. */
int items_of_view(struct items *out, struct txn *t, uint32_t view, bool own, struct err *e);
int items_add_occ(void *items, const struct occ *o); /* one row; returns 0 */
struct occ item_occ(const struct item *i);

/* Walks two sorted lists together: a or b is NULL where only the other has the path. Stops on non-zero. */
typedef int (*items_pair)(void *arg, struct item *a, struct item *b);
int items_merge(const struct items *a, const struct items *b, items_pair pair, void *arg);

#endif
