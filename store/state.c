/* state.mdb: what cannot be derived. Every call is a transaction of its own, synced before it returns.
 *
 *   meta  "schema" u64 · "generation.reserved" u64 · "next.repo" u64
 *   repo  repo id u32                            plain u8 · added i64 · name NUL · path NUL
 *   kv    name                                   value
 *   feedback (since 2)                           store/feedback.h
 *   user, member, grant, token (since 3)         store/people.h, store/token.h
 *   purged (since 4)                             store/purge.h
 *
 * To change the schema: raise STATE_SCHEMA and append a row to migrations[]. */
#include "store/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STATE_MAP ((size_t)1 << 30)

/* migrations[i] brings schema i to i + 1 within the transaction given. */
typedef int (*migration)(struct store *s, MDB_txn *m);
static int add_feedback(struct store *s, MDB_txn *m)
{
    return mdb_dbi_open(m, "feedback", MDB_CREATE, &s->state_feedback);
}

static int add_people(struct store *s, MDB_txn *m)
{
    int code = mdb_dbi_open(m, "user", MDB_CREATE, &s->state_user);
    if (!code)
        code = mdb_dbi_open(m, "member", MDB_CREATE, &s->state_member);
    if (!code)
        code = mdb_dbi_open(m, "grant", MDB_CREATE, &s->state_grant);
    return code ? code : mdb_dbi_open(m, "token", MDB_CREATE, &s->state_token);
}

static int add_purged(struct store *s, MDB_txn *m)
{
    return mdb_dbi_open(m, "purged", MDB_CREATE, &s->state_purged);
}

static const migration migrations[] = {NULL, add_feedback, add_people, add_purged};
_Static_assert(sizeof migrations / sizeof *migrations == STATE_SCHEMA, "one row for each schema before this one");

uint64_t state_number(struct store *s, MDB_txn *m, const char *name)
{
    MDB_val k = val(name, strlen(name)), v;
    uint64_t n = 0;
    if (!mdb_get(m, s->state_meta, &k, &v) && v.mv_size == sizeof n)
        memcpy(&n, v.mv_data, sizeof n);
    return n;
}

int state_number_put(struct store *s, MDB_txn *m, const char *name, uint64_t n)
{
    MDB_val k = val(name, strlen(name)), v = val(&n, sizeof n);
    return mdb_put(m, s->state_meta, &k, &v, 0);
}

int state_finish(struct store *s, MDB_txn *m, int code, struct err *e, const char *doing)
{
    if (!code)
        return env_commit(&s->state, m, e);
    env_abort(&s->state, m, true);
    return env_err(&s->state, code, e, doing);
}

/* The copy that a migration starts from: state.mdb.schema-N, whole or not there. */
static int copy_before(struct store *s, uint64_t schema, struct err *e)
{
    struct buf tmp = BUF_INIT, path = BUF_INIT;
    buf_addf(&path, "%s.schema-%llu", s->state.path, (unsigned long long)schema);
    buf_addf(&tmp, "%s.tmp", path.data);
    unlink(tmp.data);
    int rc = state_backup(s, tmp.data, e);
    if (!rc && rename(tmp.data, path.data))
        rc = err_errno(e, errno, "renaming %s", tmp.data);
    if (!rc)
        rc = env_folder_sync(path.data, e);
    buf_release(&tmp);
    buf_release(&path);
    return rc;
}

static int migrate(struct store *s, uint64_t from, struct err *e)
{
    int rc = copy_before(s, from, e);
    MDB_txn *m;
    if (rc || (rc = env_begin(&s->state, true, &m, e)))
        return rc;
    int code = 0;
    for (uint64_t i = from; i < STATE_SCHEMA && !code; i++)
        code = migrations[i] ? migrations[i](s, m) : 0;
    if (!code)
        code = state_number_put(s, m, "schema", STATE_SCHEMA);
    log_line(LOG_INFO, "%s: schema %llu to %d", s->state.path, (unsigned long long)from, STATE_SCHEMA);
    return state_finish(s, m, code, e, "migrating");
}

/* Reads the schema without writing: a newer file must stay as it is. 0 for a file without tables. */
static int schema_of(struct store *s, uint64_t *schema, struct err *e)
{
    MDB_txn *m;
    MDB_dbi dbi;
    *schema = 0;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_dbi_open(m, "meta", 0, &dbi);
    if (!code) {
        MDB_val k = val("schema", 6), v;
        code = mdb_get(m, dbi, &k, &v);
        if (!code && v.mv_size == sizeof *schema)
            memcpy(schema, v.mv_data, sizeof *schema);
        else if (!code)
            code = MDB_CORRUPTED;
    }
    env_abort(&s->state, m, false);
    return code == MDB_NOTFOUND ? 0 : env_err(&s->state, code, e, "reading the schema");
}

/* What schema i has and the one before had not is made by migrations[i - 1]; 0: a new file, which gets all. */
static int tables(struct store *s, MDB_txn *m, uint64_t schema)
{
    int code = mdb_dbi_open(m, "meta", MDB_CREATE, &s->state_meta);
    if (!code)
        code = mdb_dbi_open(m, "repo", MDB_CREATE, &s->state_repo);
    if (!code)
        code = mdb_dbi_open(m, "kv", MDB_CREATE, &s->state_kv);
    for (uint64_t i = 1; i < (schema ? schema : STATE_SCHEMA) && !code; i++)
        code = migrations[i](s, m);
    return code;
}

int state_tables(struct store *s, MDB_txn *m)
{
    return tables(s, m, STATE_SCHEMA);
}

int state_open(struct store *s, const char *home, struct err *e)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/state.mdb", home);
    uint64_t schema = 0;
    MDB_txn *m;
    int rc = env_open(&s->state, path.data, STATE_MAP, 0, e);
    if (!rc)
        rc = env_whole(&s->state, e);
    if (rc == ERR_FORMAT || rc == ERR_CORRUPT) {
        rc = err_set(e, ERR_CORRUPT, "%s is damaged%s", path.data, rc == ERR_FORMAT ? "" : ": truncated");
        err_hint(e, "restore it from a backup (codeask restore DIR); it holds what cannot be rebuilt");
    }
    if (!rc)
        rc = schema_of(s, &schema, e);
    if (!rc && schema > STATE_SCHEMA) {
        rc = err_set(e, ERR_VERSION, "%s has schema %llu, newer than this program's %d", path.data,
                     (unsigned long long)schema, STATE_SCHEMA);
        err_hint(e, "use the newer program, or another CODEASK_HOME; the file was left as it is");
    }
    if (rc)
        goto out;
    if ((rc = env_begin(&s->state, true, &m, e)))
        goto out;
    int code = tables(s, m, schema);
    if (!code && !schema)
        code = state_number_put(s, m, "schema", STATE_SCHEMA);
    rc = state_finish(s, m, code, e, "opening the tables");
    if (!rc && schema && schema < STATE_SCHEMA)
        rc = migrate(s, schema, e);
    if (!rc)
        rc = purge_load(s, e);
out:
    buf_release(&path);
    return rc;
}

static int number_read(struct store *s, const char *name, uint64_t *out, struct err *e)
{
    MDB_txn *m;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    *out = state_number(s, m, name);
    env_abort(&s->state, m, false);
    return 0;
}

int state_reserved(struct store *s, uint64_t *out, struct err *e)
{
    return number_read(s, "generation.reserved", out, e);
}

int state_next_repo(struct store *s, uint64_t *out, struct err *e)
{
    return number_read(s, "next.repo", out, e);
}

int state_reserve(struct store *s, uint64_t upto, struct err *e)
{
    MDB_txn *m;
    int rc = env_begin(&s->state, true, &m, e);
    return rc ? rc : state_finish(s, m, state_number_put(s, m, "generation.reserved", upto), e, "reserving generations");
}

int state_get(struct store *s, const char *key, struct buf *out, struct err *e)
{
    MDB_txn *m;
    MDB_val k = val(key, strlen(key)), v;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_get(m, s->state_kv, &k, &v);
    if (!code)
        buf_add(out, v.mv_data, v.mv_size);
    env_abort(&s->state, m, false);
    return env_err(&s->state, code, e, key);
}

int state_put(struct store *s, const char *key, const void *value, size_t n, struct err *e)
{
    MDB_txn *m;
    MDB_val k = val(key, strlen(key)), v = val(value, n);
    int rc = env_begin(&s->state, true, &m, e);
    return rc ? rc : state_finish(s, m, mdb_put(m, s->state_kv, &k, &v, 0), e, key);
}

/* -- repositories ------------------------------------------------------------------------------------------------- */
static void row_of(struct repo_row *r, const MDB_val *k, const MDB_val *v)
{
    const char *p = v->mv_data;
    *r = (struct repo_row){.id = get_be32(k->mv_data), .plain = p[0] != 0};
    memcpy(&r->added_ns, p + 1, sizeof r->added_ns);
    r->name = mem_str(p + 9);
    r->path = mem_str(p + 9 + strlen(r->name) + 1);
}

void repo_row_release(struct repo_row *r)
{
    if (!r)
        return;
    free(r->name);
    free(r->path);
    *r = (struct repo_row){0};
}

void state_repos_free(struct repo_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        repo_row_release(&rows[i]);
    free(rows);
}

static int repos(struct store *s, MDB_txn *m, struct repo_row **rows, size_t *n)
{
    MDB_cursor *c;
    MDB_val k, v;
    size_t cap = 0;
    *rows = NULL;
    *n = 0;
    int code = mdb_cursor_open(m, s->state_repo, &c);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        const char *p = v.mv_data, *name_end = v.mv_size > 11 ? memchr(p + 9, 0, v.mv_size - 10) : NULL;
        if (k.mv_size != 4 || !name_end || p[v.mv_size - 1]) {
            code = MDB_CORRUPTED;
            break;
        }
        VEC_ROOM(*rows, *n, cap);
        row_of(&(*rows)[(*n)++], &k, &v);
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

int state_repos(struct store *s, struct repo_row **rows, size_t *n, struct err *e)
{
    MDB_txn *m;
    *rows = NULL;
    *n = 0;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = repos(s, m, rows, n);
    env_abort(&s->state, m, false);
    if (code) {
        state_repos_free(*rows, *n);
        *rows = NULL;
        *n = 0;
    }
    return env_err(&s->state, code, e, "listing repositories");
}

static bool name_taken(const struct repo_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].name, name))
            return true;
    return false;
}

/* The last folders of the path, as few as make the name new. Paths are unique, so the whole one is in the end; names given
 * before stay. */
static const char *new_name(const struct repo_row *rows, size_t n, const char *path)
{
    const char *at = path + strlen(path);
    while (at > path) {
        do
            at--;
        while (at > path && at[-1] != '/');
        if (!name_taken(rows, n, at))
            break;
    }
    return *at ? at : path;
}

/* An LMDB code. */
static int repo_put(struct store *s, MDB_txn *m, const struct repo_row *r)
{
    struct buf v = BUF_INIT;
    uint8_t key[4];
    buf_addc(&v, r->plain);
    buf_add(&v, &r->added_ns, sizeof r->added_ns);
    buf_add(&v, r->name, strlen(r->name) + 1);
    buf_add(&v, r->path, strlen(r->path) + 1);
    put_be32(key, r->id);
    MDB_val k = val(key, 4), value = val(v.data, v.len);
    int code = mdb_put(m, s->state_repo, &k, &value, 0);
    if (!code && state_number(s, m, "next.repo") <= r->id)
        code = state_number_put(s, m, "next.repo", (uint64_t)r->id + 1);
    buf_release(&v);
    return code;
}

int state_repo_put(struct store *s, const struct repo_row *r, struct err *e)
{
    MDB_txn *m;
    int rc = env_begin(&s->state, true, &m, e);
    return rc ? rc : state_finish(s, m, repo_put(s, m, r), e, "adding a repository");
}

int state_repo_add(struct store *s, const char *path, bool plain, struct repo_row *out, struct err *e)
{
    MDB_txn *m;
    struct repo_row *rows = NULL;
    size_t n = 0;
    *out = (struct repo_row){0};
    int rc = env_begin(&s->state, true, &m, e);
    if (rc)
        return rc;
    int code = repos(s, m, &rows, &n);
    size_t i = 0;
    while (i < n && strcmp(rows[i].path, path))
        i++;
    if (i < n) {
        *out = rows[i];
        rows[i] = (struct repo_row){0};
        env_abort(&s->state, m, true);
        goto out;
    }
    uint64_t id = state_number(s, m, "next.repo");
    if (!id)
        id = 1;
    *out = (struct repo_row){.id = (uint32_t)id, .plain = plain, .added_ns = clock_wall_ns()};
    out->name = mem_str(new_name(rows, n, path));
    out->path = mem_str(path);
    if (!code)
        code = repo_put(s, m, out);
    rc = state_finish(s, m, code, e, "adding a repository");
    if (rc)
        repo_row_release(out);
out:
    state_repos_free(rows, n);
    return rc;
}

int state_repo_remove(struct store *s, uint32_t id, struct err *e)
{
    MDB_txn *m;
    uint8_t key[4];
    put_be32(key, id);
    MDB_val k = val(key, 4);
    int rc = env_begin(&s->state, true, &m, e);
    return rc ? rc : state_finish(s, m, mdb_del(m, s->state_repo, &k, NULL), e, "removing a repository");
}
