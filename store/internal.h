/* What the files of store/ share; nobody else includes this (tests apart). */
#ifndef CODEASK_STORE_INTERNAL_H
#define CODEASK_STORE_INTERNAL_H

#include "base/hash.h"
#include "store/cut.h"
#include "store/store.h"
#include "store/view.h"

#include <lmdb.h>
#include <pthread.h>
#include <string.h>
#include <zstd.h>

/* One LMDB file. Its map and itself can only be replaced while no transaction lives, so they are counted: env_begin waits
 * while that goes on, and whoever replaces waits (a while) for the count to reach zero.
 * Lock order: turn of the index, turn of the state, lock. */
#define HELD_MS 512
struct env {
    MDB_env *m;             /* NULL: it could not be opened again after a change */
    char *path;
    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t changed; /* live fell, or changing ended, or a write ended */
    uint64_t ticket, turn;  /* writers take turns in the order in which they came: a mutex would let one that writes in a
                               loop starve the others. Who waits is not live yet */
    unsigned live;
    bool changing;
    uint64_t seen_size, seen_ino; /* the longest that the file was, for env_there */
    bool stuck;             /* the address space has no room for a larger map */
    int64_t write_began_ns; /* of the write transaction that runs */
    int64_t longest_ns;
    uint32_t held[HELD_MS]; /* write transactions by the milliseconds that they took; the last also what took longer */
};
/* ERR_FORMAT when the file is not a whole LMDB file (the caller decides what that means). map: bytes to reserve at first. */
int env_open(struct env *v, const char *path, size_t map, unsigned flags, struct err *e);
int env_folder_sync(const char *path, struct err *e); /* of the file's folder: what was renamed there lasts */
int env_whole(struct env *v, struct err *e); /* ERR_CORRUPT for a truncated file, which is left as it was */
void env_close(struct env *v);
/* With v->lock held: keeps new transactions out until env_alone_end and waits for the others to end, all but mine. False,
 * and everything as before, when one of them takes too long. */
bool env_alone(struct env *v, unsigned mine);
void env_alone_end(struct env *v);
int env_there(struct env *v, struct err *e); /* store_there, of one file */
int env_begin(struct env *v, bool write, MDB_txn **out, struct err *e);
int env_commit(struct env *v, MDB_txn *m, struct err *e); /* ends it in either case */
void env_abort(struct env *v, MDB_txn *m, bool write);
void env_ended(struct env *v, bool write); /* the transaction was ended by other means */
int env_map(struct env *v, size_t map, unsigned flags, struct err *e); /* sets v->m anew; the caller is alone */
/* The error for an LMDB code, naming the file. MDB_NOTFOUND is ERR_NOT_FOUND. */
int env_err(struct env *v, int code, struct err *e, const char *doing);

/* X(symbol, name): the tables of index.mdb, drawn in store.h. Append only within a schema. */
#define TABLES(X)                                                                                                      \
    X(T_META, "meta")                                                                                                  \
    X(T_CUTKEY, "cutkey")                                                                                              \
    X(T_CUT, "cut")                                                                                                    \
    X(T_TEXT, "text")                                                                                                  \
    X(T_QUARANTINE, "quarantine")                                                                                      \
    X(T_SEGMENT, "segment")                                                                                            \
    X(T_VECTOR, "vector")                                                                                              \
    X(T_VECOF, "vecof")                                                                                                \
    X(T_VECHASH, "vechash")                                                                                            \
    X(T_VIEW, "view")                                                                                                  \
    X(T_OCC, "occ")                                                                                                    \
    X(T_REF, "ref")                                                                                                    \
    X(T_COMMITOF, "commitof")                                                                                          \
    X(T_GRAPH, "graph")                                                                                                \
    X(T_COMMIT, "commit")                                                                                              \
    X(T_PATHID, "pathid")                                                                                              \
    X(T_PATHNAME, "pathname")                                                                                          \
    X(T_TOUCH, "touch")                                                                                                \
    X(T_SAID, "said")                                                                                                  \
    X(T_SAIDVEC, "saidvec")

enum table {
#define X(sym, name) sym,
    TABLES(X)
#undef X
    TABLE_COUNT
};

struct store {
    struct env index, state;
    MDB_dbi table[TABLE_COUNT];
    MDB_dbi state_meta, state_repo, state_kv, state_feedback, state_user, state_member, state_grant, state_token, state_purged;
    int lock_fd;
    uint64_t reserved; /* generations below it may be handed out; owned by the index writer */
    struct purge_set *purged; /* atomic; purge.c. NULL: no tombstone */
};

struct txn {
    struct store *s;
    MDB_txn *m;
    bool write;
    int failed;        /* first LMDB code of a call that cannot report it (txn_bump) */
    ZSTD_DCtx *zstd;   /* made on first use */
    uint64_t stamp;    /* of the views that it touches (view.c); 0: none so far */
    uint32_t stamped;  /* the last of them */
    const struct unsaved *unsaved; /* over the views that a reader sees (unsaved.h); NULL */
};

#define STORE_MAP ((size_t)64 << 30)
/* With the write transaction m of v's file: a file of that name takes its place, written out of m; then reopen opens it again with
 * env_map. Ends m. *did: it has; false without an error where a reader would not end, and all is as before. compact.c */
int env_exchange(struct env *v, MDB_txn *m, const char *fresh, int (*reopen)(void *arg, size_t map, struct err *e), void *arg, bool *did, struct err *e);
/* Copies the table `from` as `name` into *w, a write transaction of the new file `to`, in transactions of some MB; of rows that `skip` (NULL)
 * names nothing. An LMDB code. */
int env_copy_table(MDB_txn *from, MDB_dbi dbi, MDB_env *to, MDB_txn **w, const char *name, size_t *pending,
                   bool (*skip)(void *arg, struct str key, struct str row), void *arg);
int purge_load(struct store *s, struct err *e); /* when state.mdb was opened */
void purge_unload(struct store *s);
int state_tables(struct store *s, MDB_txn *m); /* the handles of all tables, of the present schema */
int segments_clean(struct store *s, struct err *e); /* writes every segment with cuts that have no row anew, without them */
int view_recount(struct txn *t, uint32_t id, struct err *e); /* its counts, where rows of its base have changed */
extern const char *const table_names[TABLE_COUNT];
/* store_open with another size of the first map of index.mdb: for the test of its growth. */
int store_open_sized(struct store **out, const char *home, size_t map, bool *rebuilt, struct err *e);

int lock_home(struct store *s, const char *home, struct err *e); /* sets lock_fd, in case of an error as well */
int state_open(struct store *s, const char *home, struct err *e);
uint64_t state_number(struct store *s, MDB_txn *m, const char *name); /* of the table meta; 0 when absent */
int state_number_put(struct store *s, MDB_txn *m, const char *name, uint64_t n);
int state_finish(struct store *s, MDB_txn *m, int code, struct err *e, const char *doing); /* commits where code is 0, else aborts */
/* Stores the row as it is, in place of one of that id; the next new one gets a number above it. */
int state_repo_put(struct store *s, const struct repo_row *r, struct err *e);
int state_next_repo(struct store *s, uint64_t *out, struct err *e); /* the number of the next new repository */
int state_reserve(struct store *s, uint64_t upto, struct err *e); /* generations below upto may be handed out */
int state_reserved(struct store *s, uint64_t *out, struct err *e);
/* The commit that a value of the table ref names; false when there is none. */
bool ref_commit(struct oid *out, const MDB_val *v);
/* True when every page and value that the tables refer to lies within file_size bytes. */
bool index_intact(MDB_env *m, uint64_t file_size);

/* -- keys and values ---------------------------------------------------------------------------------------------- */
static inline void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}

static inline uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
    put_be32(p, (uint32_t)(v >> 32));
    put_be32(p + 4, (uint32_t)v);
}

static inline uint64_t get_be64(const uint8_t *p)
{
    return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}

static inline uint16_t get_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline MDB_val val(const void *p, size_t n)
{
    return (MDB_val){n, (void *)p};
}

static inline int tab_get(struct txn *t, enum table tab, MDB_val key, MDB_val *v)
{
    return mdb_get(t->m, t->s->table[tab], &key, v);
}

static inline int tab_put(struct txn *t, enum table tab, MDB_val key, MDB_val v, unsigned flags)
{
    return mdb_put(t->m, t->s->table[tab], &key, &v, flags);
}

/* Reserves n bytes for key; *to is where they go, valid until the next write. */
static inline int tab_reserve(struct txn *t, enum table tab, MDB_val key, size_t n, unsigned flags, void **to)
{
    MDB_val v = {n, NULL};
    int rc = mdb_put(t->m, t->s->table[tab], &key, &v, flags | MDB_RESERVE);
    *to = v.mv_data;
    return rc;
}

static inline int tab_del(struct txn *t, enum table tab, MDB_val key)
{
    return mdb_del(t->m, t->s->table[tab], &key, NULL);
}

static inline int tab_cursor(struct txn *t, enum table tab, MDB_cursor **c)
{
    return mdb_cursor_open(t->m, t->s->table[tab], c);
}

/* Numbers of the meta table: 0 when absent. */
uint64_t meta_get(struct txn *t, const char *name);
int meta_put(struct txn *t, const char *name, uint64_t v); /* an LMDB code */
int txn_err(struct txn *t, int code, struct err *e, const char *doing);
/* Pages that a read transaction finds free, in bytes. */
int txn_free_bytes(struct txn *t, uint64_t *out, struct err *e);
/* ERR_INTERNAL unless t is a write transaction. */
int txn_writes(struct txn *t, struct err *e);

/* Keys are at most 511 bytes in LMDB: a longer name is cut, and the hash of the whole is appended. Returns the length. */
#define LONG_KEY (OCC_KEY_PATH + 16)
size_t long_key(uint8_t out[LONG_KEY], const char *name, size_t n);

#define CUT_KEY_BYTES 38
void cut_key_bytes(uint8_t out[CUT_KEY_BYTES], const struct cut_key *k);

#endif
