/* The store: index.mdb (everything derived) and state.mdb (what cannot be derived), both LMDB.
 *
 * index.mdb, schema INDEX_SCHEMA. Integers in keys are big-endian, in values host order.
 *
 *   table      key                                   value
 *   meta       name                                  "schema" u32 · "generation" u64 · "next.cut" u64 · "next.view" u64 · …
 *   cutkey     oid[32] lang-hash u32 version u16     cut id u32                                        store/cut.h
 *   cut        cut id u32                            its key, record (store/record.h) without its words
 *   text       cut id u32                            raw size u32, zstd of the content, secrets masked
 *   quarantine oid[32] lang-hash u32 version u16     attempts, reason                                  store/cut.h
 *   segment    segment id u32                        terms of a range of cuts (store/segment.h)
 *   vector     model u16, first number u32           int8 vectors (store/vector.h), 64-byte aligned payload
 *   vecof      model u16, cut id u32, variant u64    u32 vector numbers, one a chunk (variant 0) or one (a file's card)
 *   vechash    model u16, hash128 of the text        vector number u32
 *   view       view id u32                           struct view_head (store/view.h)
 *   occ        view id u32, path key                 occurrence or tombstone (store/view.h)
 *   ref        repo id u32, ref name                 view id, commit, time (store/view.h)
 *   commitof … saidvec: the history of commits, drawn in store/history.h
 *
 * state.mdb, schema STATE_SCHEMA: repo (id -> name, path, kind, added), kv (name -> value), feedback, people and their
 * tokens, purged (store/purge.h). Always synced; migrated in one
 * transaction after a copy; one newer than the program is refused untouched.
 *
 * Rules: one writer (store_write serialises), short readers: end a read transaction before any model call or any wait; copy
 * what is needed. No write transaction over 50 ms: split the work. The map is reserved large and grows by itself; a full
 * disk is ERR_FULL. An index.mdb of another schema is rebuilt with a message.
 * Threads: a struct store may be used from any thread; a struct txn only by the thread that began it. */
#ifndef CODEASK_STORE_STORE_H
#define CODEASK_STORE_STORE_H

#include "base/err.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define INDEX_SCHEMA 5
#define STATE_SCHEMA 4

#define OID_MAX 32 /* bytes: SHA-1 ids are zero-padded */
struct oid {
    uint8_t byte[OID_MAX];
};

struct store;
struct txn;

/* Opens or creates both files in the home directory. ERR_BUSY when another process holds the home. *rebuilt (may be NULL)
 * tells that an index of another schema, or a damaged one, was set aside (as index.mdb.old, which the next good start
 * deletes). ERR_VERSION for a newer state.mdb, ERR_CORRUPT for a damaged one. */
int store_open(struct store **out, const char *home, bool *rebuilt, struct err *e);
void store_close(struct store *s);

int store_read(struct txn **out, struct store *s, struct err *e);  /* a consistent snapshot; do not hold it */
int store_write(struct txn **out, struct store *s, struct err *e); /* waits for the writer before it */
int txn_commit(struct txn *t, struct err *e);                      /* ends t in either case */
void txn_end(struct txn *t);                                       /* ends a reader; aborts a writer. NULL is fine */

/* Never decreases in a home, rebuilds included (kept in state.mdb as well). Every committed write transaction that changes
 * what a search can see calls txn_bump once. */
uint64_t txn_generation(struct txn *t);
void txn_bump(struct txn *t);

/* ERR_CORRUPT when index.mdb or state.mdb is not at its path any more, is another file, or is shorter than it was: the store must be closed then, what it writes is lost. Touches no page of them: safe where the file
 * was truncated. Any thread. */
int store_there(struct store *s, struct err *e);

/* Write transactions of index.mdb since it was opened, by how long each kept other writers out: from its begin to the end of its
 * commit. over: how many took STORE_WRITE_MS and more, which only a disk that is slow to sync brings about. p99_ms is rounded up. */
#define STORE_WRITE_MS 50
struct store_writes {
    uint64_t n, over;
    double p99_ms, longest_ms;
};
void store_writes(struct store *s, struct store_writes *out);

/* Disk of each table in bytes, for status: calls back with (name, bytes). */
int store_tables(struct txn *t, void (*each)(void *arg, const char *table, uint64_t bytes), void *arg, struct err *e);

/* ERR_LIMIT where the pages of index.mdb that are in use and `need` bytes more would pass `most`. */
int store_room(struct store *s, uint64_t need, uint64_t most, struct err *e);

/* Writes index.mdb anew when much of it is free or half empty (*did tells whether it was), which LMDB does not do by itself:
 * for idle moments, beside segments_merge. Writers wait for about 1 s for each 300 MB; readers only for an instant. Nothing
 * that a search can see changes. ERR_FULL when there is no room for both files: nothing is lost. Not from within a
 * transaction. */
int store_compact(struct store *s, bool *did, struct err *e);
/* The same whether it is worth it or not. *did is false where a reader would not end: all is as before. */
int store_compact_now(struct store *s, bool *did, struct err *e);

/* -- state.mdb: its own transactions inside; every call is durable when it returns ------------------------------------ */
struct repo_row {
    uint32_t id;
    char *name;        /* unique; the folder's name, or with parents before it where two would be equal */
    char *path;        /* absolute, canonical: the worktree's root, the bare repository, or a plain directory. "bundle:NAME" where it came in
                          a bundle: what is indexed of it is all that there is */
    bool plain;        /* a directory without git */
    int64_t added_ns;
};
static inline bool repo_bundled(const struct repo_row *r)
{
    return r->path[0] != '/';
}
int state_repo_add(struct store *s, const char *path, bool plain, struct repo_row *out, struct err *e); /* existing: returns it */
int state_repo_remove(struct store *s, uint32_t id, struct err *e);
/* rows: array the caller frees with state_repos_free. */
int state_repos(struct store *s, struct repo_row **rows, size_t *n, struct err *e);
void state_repos_free(struct repo_row *rows, size_t n);
void repo_row_release(struct repo_row *r);
int state_get(struct store *s, const char *key, struct buf *out, struct err *e); /* ERR_NOT_FOUND */
int state_put(struct store *s, const char *key, const void *value, size_t n, struct err *e);

#endif
