/* Compaction: index.mdb written anew, in order, into index.mdb.new, which then takes its place.
 *
 * It is needed because LMDB takes single pages from any free run and so breaks up what large values (term segments,
 * vectors) leave behind: when all contents had changed four times, a file of 7 MB was one of 29, with 20 of them free.
 * Besides, tables whose keys only grow are left with half-empty pages.
 *
 * Writers wait until it is done; readers go on but for the moment of the exchange. Killed anywhere, the old file or the
 * new one is there, with the same content. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORTH_BYTES ((uint64_t)4 << 20) /* a smaller file is left alone */
#define WORTH_SHARE 4                   /* one in so many pages free, or rows dropped since the last time */
#define COPY_BYTES ((size_t)32 << 20)   /* of one transaction: its dirty pages are in memory */

static int is_worth(struct store *s, bool *worth, struct err *e)
{
    struct txn *t;
    struct stat st;
    MDB_stat cuts;
    uint64_t free_bytes = 0;
    *worth = false;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = txn_free_bytes(t, &free_bytes, e);
    if (!rc && !mdb_stat(t->m, s->table[T_CUT], &cuts) && !stat(s->index.path, &st)) {
        uint64_t size = (uint64_t)st.st_size;
        *worth = size >= WORTH_BYTES && (free_bytes * WORTH_SHARE >= size ||
                                         meta_get(t, "cuts.dropped") * WORTH_SHARE > cuts.ms_entries);
    }
    txn_end(t);
    return rc;
}

int env_copy_table(MDB_txn *from, MDB_dbi dbi, MDB_env *to, MDB_txn **w, const char *name, size_t *pending,
                   bool (*skip)(void *arg, struct str key, struct str row), void *arg)
{
    MDB_cursor *c;
    MDB_dbi out;
    MDB_val k, v;
    int code = mdb_cursor_open(from, dbi, &c);
    if (code)
        return code;
    if (!(code = mdb_dbi_open(*w, name, MDB_CREATE, &out)))
        while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
            if (skip && skip(arg, (struct str){k.mv_data, k.mv_size}, (struct str){v.mv_data, v.mv_size}))
                continue;
            if ((code = mdb_put(*w, out, &k, &v, MDB_APPEND)))
                break;
            *pending += k.mv_size + v.mv_size;
            if (*pending < COPY_BYTES)
                continue;
            *pending = 0;
            code = mdb_txn_commit(*w);
            *w = NULL;
            if (code || (code = mdb_txn_begin(to, NULL, 0, w)))
                break;
        }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int copy_all(struct store *s, MDB_txn *from, struct env *fresh)
{
    MDB_txn *w = NULL;
    size_t pending = 0;
    MDB_val k = val("cuts.dropped", 12);
    MDB_dbi meta;
    int code = mdb_txn_begin(fresh->m, NULL, 0, &w);
    for (int i = 0; i < TABLE_COUNT && !code; i++)
        code = env_copy_table(from, s->table[i], fresh->m, &w, table_names[i], &pending, NULL, NULL);
    if (!code && !(code = mdb_dbi_open(w, table_names[T_META], 0, &meta)))
        code = mdb_del(w, meta, &k, NULL);
    if (!code || code == MDB_NOTFOUND) {
        code = mdb_txn_commit(w);
        w = NULL;
    }
    if (w)
        mdb_txn_abort(w);
    return code ? code : mdb_env_sync(fresh->m, 1);
}

static int open_again(void *arg, size_t map, struct err *e)
{
    struct store *s = arg;
    MDB_txn *m;
    int rc = env_map(&s->index, map, 0, e), code;
    if (rc)
        return rc;
    if (!(code = mdb_txn_begin(s->index.m, NULL, MDB_RDONLY, &m))) {
        for (int i = 0; i < TABLE_COUNT && !code; i++)
            code = mdb_dbi_open(m, table_names[i], 0, &s->table[i]);
        if (code)
            mdb_txn_abort(m);
        else
            code = mdb_txn_commit(m); /* keeps the handles */
    }
    return env_err(&s->index, code, e, "opening after a compaction");
}

int env_exchange(struct env *v, MDB_txn *m, const char *fresh, int (*reopen)(void *arg, size_t map, struct err *e), void *arg, bool *did, struct err *e)
{
    MDB_envinfo info;
    int rc = 0;
    mdb_env_info(v->m, &info);
    pthread_mutex_lock(&v->lock);
    bool alone = env_alone(v, 1);
    mdb_txn_abort(m);
    if (alone) {
        if (rename(fresh, v->path)) {
            rc = err_errno(e, errno, "renaming %s", fresh);
        } else {
            /* Without it a power loss may bring the old file back: right as well but for what was committed since. */
            rc = env_folder_sync(v->path, e);
            mdb_env_close(v->m);
            int opened = reopen(arg, info.me_mapsize, rc ? NULL : e);
            rc = rc ? rc : opened;
            *did = !opened;
        }
        env_alone_end(v);
    }
    pthread_mutex_unlock(&v->lock);
    env_ended(v, true);
    return rc;
}

int store_compact_now(struct store *s, bool *did, struct err *e)
{
    struct env fresh = {0};
    struct buf path = BUF_INIT, lock = BUF_INIT;
    MDB_txn *m = NULL;
    MDB_envinfo info;
    *did = false;
    buf_addf(&path, "%s.new", s->index.path);
    buf_addf(&lock, "%s-lock", path.data);
    unlink(path.data);
    int rc = env_begin(&s->index, true, &m, e);
    if (rc)
        goto out;
    mdb_env_info(s->index.m, &info);
    rc = env_open(&fresh, path.data, info.me_mapsize, MDB_NOSYNC, e);
    if (!rc)
        rc = env_err(&fresh, copy_all(s, m, &fresh), e, "compacting");
    env_close(&fresh);
    if (rc)
        env_abort(&s->index, m, true);
    else
        rc = env_exchange(&s->index, m, path.data, open_again, s, did, e);
    if (!*did)
        unlink(path.data);
out:
    unlink(lock.data);
    buf_release(&path);
    buf_release(&lock);
    return rc;
}

int store_compact(struct store *s, bool *did, struct err *e)
{
    bool worth;
    *did = false;
    int rc = is_worth(s, &worth, e);
    return rc || !worth ? rc : store_compact_now(s, did, e);
}
