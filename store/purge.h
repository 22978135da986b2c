/* Contents that must not be here: a tombstone in state.mdb for each, which outlives index.mdb, restarts and restores, and what takes out of
 * a home what was made of them before.
 *
 *   purged (state.mdb, since schema 4)   oid[32]   struct purge_row without its oid
 *
 * A tombstone comes first and is durable; from then on purged() says so, and the indexer cuts nothing of it. What is in the home already is
 * taken out by purge_index, state_forget and store_compact_now, each of which may be killed anywhere and begun again; purge_done
 * notes that all of it is through. A row that is not done is to be gone through again: at the next start too. */
#ifndef CODEASK_STORE_PURGE_H
#define CODEASK_STORE_PURGE_H

#include "store/cut.h"

struct purge_row {
    struct oid oid;
    int64_t at_ns, done_ns; /* wall clock; done 0: under way */
    uint32_t contents;      /* cuts that went, of all languages and versions */
    uint32_t places;        /* paths that named it, in all views */
    uint32_t quotes;        /* rows of feedback and questions in the audit log that quoted it */
    uint32_t pad;
};

/* Whether this content has a tombstone. Any thread, with or without a transaction; costs nothing where there is none. */
bool purged(const struct store *s, const struct oid *oid);
/* Durable when it returns. One that is there already is to be gone through again. */
int purge_add(struct store *s, const struct oid *oid, struct err *e);
/* All tombstones, by oid: an array that the caller frees. */
int purge_list(struct store *s, struct purge_row **out, size_t *n, struct err *e);
int purge_get(struct store *s, const struct oid *oid, struct purge_row *out, struct err *e); /* ERR_NOT_FOUND */
/* Everything of these contents is gone: notes when, and adds the counts of `sum` to those that the rows have. */
int purge_done(struct store *s, const struct purge_row *sum, size_t n, struct err *e);

/* The cuts of a content in index.mdb, of every language and version: an array that the caller frees. */
int cuts_of(struct txn *t, const struct oid *oid, uint32_t **out, size_t *n, struct err *e);

/* Takes every purged content out of index.mdb: its places lose their cut and read as skipped, then its records, texts, keys, quarantine
 * rows and notes of vectors go, and the term and vector segments that hold anything of what has no row any more are written anew without it. In
 * write transactions of some milliseconds. The pages are still in the file, free: store_compact_now comes after. Counts of what went are
 * added to the rows, which are purge_list's. The caller keeps indexing and embedding out (indexer.h: index_purge). */
int purge_index(struct store *s, struct purge_row *row, size_t n, struct err *e);

/* Takes rows of feedback out of state.mdb, and of the copies that lie beside it (of before a migration or a restore): those for which
 * `is` says so. A file with such a row is written anew, so that no free page holds it. *n grows by the rows that went. */
int state_forget(struct store *s, bool (*is)(void *arg, struct str row), void *arg, uint64_t *n, struct err *e);

/* Files beside index.mdb that an older one may have left: set aside, or half written. */
int store_drop_aside(struct store *s, struct err *e);

#endif
