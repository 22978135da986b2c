/* A home made out of another one that holds a part of its repositories and nothing else: for bundles. What was cut, embedded and read of
 * their commits is copied under the numbers that it has, so that a search there gives the same rows, scores and order.
 *
 * Not in it: refs, views, contents, words, vectors, cards, commits and path names that only other repositories have; of state.mdb
 * everything but the repositories' rows; rows of what was purged, which no table has any more. Numbers keep their gaps, which tell how
 * much the store has in all, and of what no more. The same index gives the same bytes, whenever it is done. */
#ifndef CODEASK_STORE_EXTRACT_H
#define CODEASK_STORE_EXTRACT_H

#include "store/store.h"

struct extracted {
    struct oid *content; /* [n] of all that its views name, ascending; the caller frees it */
    size_t n;
    uint64_t cuts;
};

struct extract_note { /* of the table kv */
    const char *key;
    struct str value;
};
struct extracting {
    const char *home;             /* a directory that is made, and holds neither file yet */
    const struct repo_row *repo;  /* [n] as the new home is to have them; ids are those of the store */
    size_t n;
    const struct extract_note *note; /* [nnotes] */
    size_t nnotes;
    /* What a commit did to a path, where the store has it without its lines: appended as touch.h has it, by path numbers of t. False: it stays as it is. NULL */
    bool (*touch)(void *arg, struct txn *t, const struct oid *commit, struct str path, struct buf *out);
    bool (*stop)(void *arg);      /* asked now and then; true: end with ERR_CANCELED. NULL */
    void *arg;
};
/* Makes index.mdb and state.mdb there, synced. One read transaction of s lasts for as long as its rows are copied, so free pages are not used
 * again meanwhile; it takes up to twice the room of the part. What failed leaves files there, for the caller to remove. Any thread. */
int store_extract(struct extracted *out, struct store *s, const struct extracting *how, struct err *e);

#endif
