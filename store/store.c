/* Opening the home, transactions over index.mdb, generation. */
#include "store/internal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 200        /* of 10 ms each, for a lock whose holder is dead */
#define GENERATION_BLOCK 1000 /* generations reserved in state.mdb at once: one sync there for so many commits */

const char *const table_names[TABLE_COUNT] = {
#define X(sym, name) name,
    TABLES(X)
#undef X
};

/* The process that the lock file names, 0 when it names none. */
static long holder_of(int fd)
{
    char text[32] = "";
    return pread(fd, text, sizeof text - 1, 0) > 0 ? atol(text) : 0;
}

/* The lock file holds the pid; what counts is the lock, which goes with its process. A process killed while it was starting
 * a child leaves the lock with that child until it has become another program: milliseconds, which are waited for. A holder
 * that is alive is not. */
int lock_home(struct store *s, const char *home, struct err *e)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/lock", home);
    int rc = 0, tries = LOCK_TRIES;
    s->lock_fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        rc = err_errno(e, errno, "%s", path.data);
        goto out;
    }
    while (flock(s->lock_fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK) {
            rc = err_errno(e, errno, "locking %s", path.data);
            goto out;
        }
        long holder = holder_of(s->lock_fd);
        bool dead = holder > 0 && kill((pid_t)holder, 0) && errno == ESRCH;
        if (!dead || !tries--) {
            rc = err_set(e, ERR_BUSY, "%s is in use by process %ld", home, holder);
            goto out;
        }
        usleep(10000);
    }
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(s->lock_fd, 0) || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
        rc = err_errno(e, errno, "%s", path.data);
out:
    buf_release(&path);
    return rc;
}

/* Opens the tables and checks the schema; a new file gets both. ERR_VERSION for another schema. */
static int open_tables(struct store *s, struct err *e)
{
    struct txn t = {.s = s, .write = true};
    int rc = env_begin(&s->index, true, &t.m, e);
    if (rc)
        return rc;
    int code = 0;
    for (int i = 0; i < TABLE_COUNT && !code; i++)
        code = mdb_dbi_open(t.m, table_names[i], MDB_CREATE, &s->table[i]);
    if (code) {
        rc = env_err(&s->index, code, e, "opening the tables");
        goto out;
    }
    uint64_t schema = meta_get(&t, "schema"), generation = meta_get(&t, "generation");
    MDB_stat st;
    mdb_stat(t.m, s->table[T_META], &st);
    if (st.ms_entries && schema != INDEX_SCHEMA) {
        rc = err_set(e, ERR_VERSION, "%s has schema %llu, this program %d", s->index.path, (unsigned long long)schema,
                     INDEX_SCHEMA);
        goto out;
    }
    /* a new file, or one from before this home's last reserved block: go on above everything that was handed out */
    if (!schema || generation + GENERATION_BLOCK < s->reserved)
        generation = s->reserved + 1;
    if (generation > s->reserved)
        s->reserved = generation; /* state.mdb came from a backup: the next write reserves anew */
    code = meta_put(&t, "schema", INDEX_SCHEMA);
    if (!code)
        code = meta_put(&t, "generation", generation);
    rc = env_err(&s->index, code, e, "writing the schema");
out:
    if (rc) {
        env_abort(&s->index, t.m, true);
        return rc;
    }
    return env_commit(&s->index, t.m, e);
}

static int index_open(struct store *s, const char *path, size_t map, struct err *e)
{
    int rc = env_open(&s->index, path, map, 0, e);
    if (!rc)
        rc = env_whole(&s->index, e);
    if (!rc)
        rc = open_tables(s, e);
    if (rc)
        env_close(&s->index);
    return rc;
}

static bool rebuildable(int code)
{
    return code == ERR_FORMAT || code == ERR_CORRUPT || code == ERR_VERSION;
}

/* Renames the index to index.mdb.old, for whoever wants to look; the next good start deletes it. */
static int set_aside(const char *path, const char *old, struct err *e)
{
    struct buf lock = BUF_INIT;
    buf_addf(&lock, "%s-lock", path);
    int rc = rename(path, old) ? err_errno(e, errno, "renaming %s", path) : 0;
    if (!rc)
        unlink(lock.data);
    buf_release(&lock);
    return rc;
}

int store_open_sized(struct store **out, const char *home, size_t map, bool *rebuilt, struct err *e)
{
    struct store *s = mem_zero(1, sizeof *s);
    struct buf path = BUF_INIT, old = BUF_INIT, fresh = BUF_INIT;
    struct err why = {0};
    buf_addf(&path, "%s/index.mdb", home);
    buf_addf(&old, "%s.old", path.data);
    s->lock_fd = -1;
    if (rebuilt)
        *rebuilt = false;
    int rc = dir_make(home, 0700, e);
    if (!rc)
        rc = lock_home(s, home, e);
    if (!rc)
        rc = state_open(s, home, e);
    if (!rc)
        rc = state_reserved(s, &s->reserved, e);
    if (rc)
        goto out;
    buf_addf(&fresh, "%s.new", path.data); /* of a compaction that was killed */
    unlink(fresh.data);
    rc = index_open(s, path.data, map, &why);
    if (!rc) {
        unlink(old.data);
    } else if (rebuildable(rc)) {
        log_line(LOG_WARN, "%s; it is set aside and rebuilt", why.message);
        rc = set_aside(path.data, old.data, e);
        if (!rc)
            rc = index_open(s, path.data, map, e);
        if (!rc && rebuilt)
            *rebuilt = true;
    } else if (e) {
        *e = why;
    }
out:
    buf_release(&path);
    buf_release(&old);
    buf_release(&fresh);
    if (rc) {
        store_close(s);
        s = NULL;
    }
    *out = s;
    return rc;
}

int store_open(struct store **out, const char *home, bool *rebuilt, struct err *e)
{
    return store_open_sized(out, home, STORE_MAP, rebuilt, e);
}

int store_there(struct store *s, struct err *e)
{
    int rc = env_there(&s->index, e);
    return rc ? rc : env_there(&s->state, e);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    env_close(&s->index);
    env_close(&s->state);
    purge_unload(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}

static int begin(struct txn **out, struct store *s, bool write, struct err *e)
{
    *out = NULL;
    MDB_txn *m;
    int rc = env_begin(&s->index, write, &m, e);
    if (rc)
        return rc;
    struct txn *t = mem_zero(1, sizeof *t);
    t->s = s;
    t->m = m;
    t->write = write;
    *out = t;
    return 0;
}

int store_read(struct txn **out, struct store *s, struct err *e)
{
    return begin(out, s, false, e);
}

int store_write(struct txn **out, struct store *s, struct err *e)
{
    int rc = begin(out, s, true, e);
    if (rc)
        return rc;
    uint64_t generation = txn_generation(*out);
    if (generation >= s->reserved) { /* the one bump of this transaction must stay below */
        rc = state_reserve(s, generation + GENERATION_BLOCK, e);
        if (rc) {
            txn_end(*out);
            *out = NULL;
        } else {
            s->reserved = generation + GENERATION_BLOCK;
        }
    }
    return rc;
}

static void release(struct txn *t)
{
    ZSTD_freeDCtx(t->zstd);
    free(t);
}

int txn_commit(struct txn *t, struct err *e)
{
    int rc;
    if (t->failed) {
        env_abort(&t->s->index, t->m, true);
        rc = env_err(&t->s->index, t->failed, e, "writing");
    } else {
        rc = env_commit(&t->s->index, t->m, e);
    }
    release(t);
    return rc;
}

void txn_end(struct txn *t)
{
    if (!t)
        return;
    env_abort(&t->s->index, t->m, t->write);
    release(t);
}

uint64_t meta_get(struct txn *t, const char *name)
{
    MDB_val v;
    uint64_t n = 0;
    if (!tab_get(t, T_META, val(name, strlen(name)), &v) && v.mv_size == sizeof n)
        memcpy(&n, v.mv_data, sizeof n);
    return n;
}

int meta_put(struct txn *t, const char *name, uint64_t v)
{
    return tab_put(t, T_META, val(name, strlen(name)), val(&v, sizeof v), 0);
}

int txn_err(struct txn *t, int code, struct err *e, const char *doing)
{
    return env_err(&t->s->index, code, e, doing);
}

int txn_writes(struct txn *t, struct err *e)
{
    return t->write ? 0 : err_set(e, ERR_INTERNAL, "a write in a read transaction");
}

uint64_t txn_generation(struct txn *t)
{
    return meta_get(t, "generation");
}

void txn_bump(struct txn *t)
{
    int code = t->write ? meta_put(t, "generation", txn_generation(t) + 1) : EINVAL;
    if (!t->failed)
        t->failed = code;
}

int store_tables(struct txn *t, void (*each)(void *arg, const char *table, uint64_t bytes), void *arg, struct err *e)
{
    MDB_stat st;
    uint64_t page = 0;
    for (int i = 0; i < TABLE_COUNT; i++) {
        int code = mdb_stat(t->m, t->s->table[i], &st);
        if (code)
            return txn_err(t, code, e, table_names[i]);
        page = st.ms_psize;
        each(arg, table_names[i], page * (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages));
    }
    /* free pages: a row of the free list is a count and that many page numbers */
    MDB_cursor *c;
    uint64_t free_pages = 0;
    if (!t->write && !mdb_cursor_open(t->m, 0, &c)) {
        MDB_val k, v;
        size_t n;
        while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
            memcpy(&n, v.mv_data, sizeof n);
            free_pages += n;
        }
        mdb_cursor_close(c);
        each(arg, "free", free_pages * page);
    }
    return 0;
}

size_t long_key(uint8_t out[LONG_KEY], const char *name, size_t n)
{
    if (n <= OCC_KEY_PATH) {
        memcpy(out, name, n);
        return n;
    }
    struct hash128 h = hash128(name, n);
    memcpy(out, name, OCC_KEY_PATH);
    memcpy(out + OCC_KEY_PATH, &h, sizeof h);
    return LONG_KEY;
}

static void add_free(void *arg, const char *table, uint64_t bytes)
{
    if (!strcmp(table, "free"))
        *(uint64_t *)arg = bytes;
}

int txn_free_bytes(struct txn *t, uint64_t *out, struct err *e)
{
    *out = 0;
    return store_tables(t, add_free, out, e);
}

int store_room(struct store *s, uint64_t need, uint64_t most, struct err *e)
{
    struct txn *t;
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t unused = 0;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    mdb_env_info(s->index.m, &info);
    mdb_stat(t->m, t->s->table[T_META], &stat);
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    if (used + need > most && !(rc = txn_free_bytes(t, &unused, e)) && used - unused + need > most) {
        rc = err_set(e, ERR_LIMIT, "%s holds %llu MB, and max_index_bytes allows no more: nothing new is indexed", s->index.path,
                     (unsigned long long)((used - unused) >> 20));
        err_hint(e, "raise max_index_bytes in the configuration, or forget a repository: codeask repo remove NAME");
    }
    txn_end(t);
    return rc;
}
