/* state.mdb without some rows of feedback: written anew under another name, row by row, so that neither a free page nor the room behind
 * a row has anything of them, and renamed into its place. Killed anywhere, the old file or the new one is there. */
#include "store/purge.h"

#include "base/mem.h"
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct forget {
    bool (*is)(void *arg, struct str row);
    void *arg;
    uint64_t n;
};

static bool forgotten(void *arg, struct str key, struct str row)
{
    struct forget *f = arg;
    (void)key;
    bool yes = f->is(f->arg, row);
    f->n += yes;
    return yes;
}

/* How many rows of the file are to go. An LMDB code. */
static int count(struct forget *f, MDB_txn *m)
{
    MDB_dbi dbi;
    MDB_cursor *c;
    MDB_val k, v;
    int code = mdb_dbi_open(m, "feedback", 0, &dbi);
    if (code || (code = mdb_cursor_open(m, dbi, &c)))
        return code == MDB_NOTFOUND ? 0 : code; /* of before there was any */
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)))
        forgotten(f, (struct str){k.mv_data, k.mv_size}, (struct str){v.mv_data, v.mv_size});
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Every table that the file has, whatever its schema. An LMDB code. */
static int copy(struct forget *f, MDB_txn *from, struct env *fresh)
{
    MDB_txn *w = NULL;
    MDB_cursor *c = NULL;
    MDB_val k, v;
    MDB_dbi names, dbi;
    size_t pending = 0;
    int code = mdb_txn_begin(fresh->m, NULL, 0, &w);
    if (!code && !(code = mdb_dbi_open(from, NULL, 0, &names)))
        code = mdb_cursor_open(from, names, &c);
    while (!code && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        char *name = mem_strn(k.mv_data, k.mv_size);
        if (!(code = mdb_dbi_open(from, name, 0, &dbi)))
            code = env_copy_table(from, dbi, fresh->m, &w, name, &pending, strcmp(name, "feedback") ? NULL : forgotten, f);
        free(name);
    }
    if (c)
        mdb_cursor_close(c);
    if (code == MDB_NOTFOUND) {
        code = mdb_txn_commit(w);
        w = NULL;
    }
    if (w)
        mdb_txn_abort(w);
    return code ? code : mdb_env_sync(fresh->m, 1);
}

/* What is left of m's file as `path`.new; its name in *name. */
static int write_fresh(struct buf *name, struct forget *f, struct env *v, MDB_txn *m, struct err *e)
{
    struct env fresh = {0};
    MDB_envinfo info;
    struct buf lock = BUF_INIT;
    buf_addf(name, "%s.new", v->path);
    buf_addf(&lock, "%s-lock", name->data);
    unlink(name->data);
    mdb_env_info(v->m, &info);
    int rc = env_open(&fresh, name->data, info.me_mapsize, MDB_NOSYNC, e);
    if (!rc)
        rc = env_err(&fresh, copy(f, m, &fresh), e, "writing the state anew");
    env_close(&fresh);
    unlink(lock.data);
    buf_release(&lock);
    return rc;
}

static int reopen(void *arg, size_t map, struct err *e)
{
    struct store *s = arg;
    MDB_txn *m;
    int rc = env_map(&s->state, map, 0, e);
    if (rc)
        return rc;
    int code = mdb_txn_begin(s->state.m, NULL, 0, &m);
    if (!code && (code = state_tables(s, m)))
        mdb_txn_abort(m);
    else if (!code)
        code = mdb_txn_commit(m); /* keeps the handles */
    return env_err(&s->state, code, e, "opening the state again");
}

static int forget_here(struct store *s, struct forget *f, struct err *e)
{
    MDB_txn *m;
    struct buf fresh = BUF_INIT;
    bool did = false;
    struct forget seen = *f;
    int rc = env_begin(&s->state, true, &m, e);
    if (rc)
        return rc;
    rc = env_err(&s->state, count(&seen, m), e, "reading feedback");
    if (rc || seen.n == f->n) {
        env_abort(&s->state, m, true);
        return rc;
    }
    rc = write_fresh(&fresh, f, &s->state, m, e);
    if (rc)
        env_abort(&s->state, m, true);
    else
        rc = env_exchange(&s->state, m, fresh.data, reopen, s, &did, e);
    if (!did)
        unlink(fresh.data);
    buf_release(&fresh);
    return rc || did ? rc : err_set(e, ERR_BUSY, "%s is being read: its feedback could not be taken out", s->state.path);
}

/* A copy that lies beside it, whatever schema it has; nobody else has it open. One that is no such file is left alone. */
static int forget_copy(struct forget *f, const char *path, struct err *e)
{
    struct env v = {0};
    MDB_txn *m = NULL;
    struct buf fresh = BUF_INIT, lock = BUF_INIT;
    struct forget seen = *f;
    buf_addf(&lock, "%s-lock", path);
    int rc = env_open(&v, path, 0, MDB_RDONLY | MDB_NOLOCK, NULL);
    if (rc) {
        rc = 0;
        goto out;
    }
    rc = env_err(&v, mdb_txn_begin(v.m, NULL, MDB_RDONLY, &m), e, "reading a copy of the state");
    if (!rc)
        rc = env_err(&v, count(&seen, m), e, "reading feedback");
    if (!rc && seen.n != f->n)
        rc = write_fresh(&fresh, f, &v, m, e);
    if (m)
        mdb_txn_abort(m);
    env_close(&v);
    if (!rc && fresh.len && rename(fresh.data, path))
        rc = err_errno(e, errno, "renaming %s", fresh.data);
    if (!rc && fresh.len)
        rc = env_folder_sync(path, e);
out:
    unlink(lock.data);
    buf_release(&fresh);
    buf_release(&lock);
    return rc;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end);
}

int state_forget(struct store *s, bool (*is)(void *arg, struct str row), void *arg, uint64_t *n, struct err *e)
{
    struct forget f = {is, arg, 0};
    const char *name = strrchr(s->state.path, '/') + 1;
    size_t len = strlen(name);
    char *folder = mem_strn(s->state.path, (size_t)(name - 1 - s->state.path));
    int rc = forget_here(s, &f, e);
    DIR *d = rc ? NULL : opendir(folder);
    if (!rc && !d)
        rc = err_errno(e, errno, "%s", folder);
    for (struct dirent *one; d && !rc && (one = readdir(d));) {
        if (strncmp(one->d_name, name, len) || one->d_name[len] != '.')
            continue;
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", folder, one->d_name);
        if (ends_in(one->d_name, ".new") || ends_in(one->d_name, ".tmp"))
            unlink(path.data); /* of something that was killed */
        else if (!ends_in(one->d_name, "-lock"))
            rc = forget_copy(&f, path.data, e);
        buf_release(&path);
    }
    if (d)
        closedir(d);
    free(folder);
    *n += f.n;
    return rc;
}
