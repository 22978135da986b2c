#include "store/people.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/token.h"

#include <stdlib.h>

#define USER_VALUE 12

bool people_name_ok(const char *name)
{
    size_t n = strlen(name);
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    return n && n <= PEOPLE_NAME_MAX && strspn(name, letters) == n && *name != '@' && *name != '-';
}

static int name_wrong(const char *name, struct err *e)
{
    err_set(e, ERR_USAGE, "\"%.80s\" is no name", name);
    err_hint(e, "letters, digits and . _ - @, at most %d, beginning with a letter, a digit or . _", PEOPLE_NAME_MAX);
    return ERR_USAGE;
}

static bool user_of(struct user_row *out, const MDB_val *k, const MDB_val *v)
{
    if (v->mv_size != USER_VALUE || !k->mv_size || k->mv_size > PEOPLE_NAME_MAX)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(&out->id, v->mv_data, 4);
    memcpy(&out->added_ns, (const char *)v->mv_data + 4, 8);
    memcpy(out->name, k->mv_data, k->mv_size);
    return true;
}

static int user_find(struct user_row *out, struct store *s, MDB_txn *m, const char *name)
{
    MDB_val k = val(name, strlen(name)), v;
    int code = mdb_get(m, s->state_user, &k, &v);
    return code ? code : user_of(out, &k, &v) ? 0 : MDB_CORRUPTED;
}

static int user_make(struct user_row *out, struct store *s, MDB_txn *m, const char *name)
{
    uint64_t id = state_number(s, m, "next.user");
    uint8_t value[USER_VALUE];
    *out = (struct user_row){.id = id ? (uint32_t)id : 1, .added_ns = clock_wall_ns()};
    memcpy(out->name, name, strlen(name));
    memcpy(value, &out->id, 4);
    memcpy(value + 4, &out->added_ns, 8);
    MDB_val k = val(name, strlen(name)), v = val(value, sizeof value);
    int code = mdb_put(m, s->state_user, &k, &v, MDB_NOOVERWRITE);
    return code ? code : state_number_put(s, m, "next.user", (uint64_t)out->id + 1);
}

int people_user(struct user_row *out, struct store *s, const char *name, bool make, struct err *e)
{
    MDB_txn *m;
    if (!people_name_ok(name))
        return name_wrong(name, e);
    int rc = env_begin(&s->state, make, &m, e);
    if (rc)
        return rc;
    int code = user_find(out, s, m, name);
    if (code == MDB_NOTFOUND && make)
        return state_finish(s, m, user_make(out, s, m, name), e, "adding a user");
    env_abort(&s->state, m, make);
    if (code == MDB_NOTFOUND) {
        err_set(e, ERR_NOT_FOUND, "no user is called %s", name);
        err_hint(e, "`codeask user list` shows the names; a token makes a user: codeask token create NAME");
        return ERR_NOT_FOUND;
    }
    return env_err(&s->state, code, e, "reading a user");
}

int people_users(struct store *s, void (*each)(void *arg, const struct user_row *u), void *arg, struct err *e)
{
    MDB_txn *m;
    MDB_cursor *c;
    MDB_val k, v;
    struct user_row u;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_cursor_open(m, s->state_user, &c);
    if (!code) {
        while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) && !(code = user_of(&u, &k, &v) ? 0 : MDB_CORRUPTED))
            each(arg, &u);
        mdb_cursor_close(c);
    }
    env_abort(&s->state, m, false);
    return code == MDB_NOTFOUND ? 0 : env_err(&s->state, code, e, "listing users");
}

struct wanted {
    uint32_t id;
    struct user_row *out;
    bool found;
};

static void match(void *arg, const struct user_row *u)
{
    struct wanted *w = arg;
    if (u->id == w->id) {
        *w->out = *u;
        w->found = true;
    }
}

int people_user_by_id(struct user_row *out, struct store *s, uint32_t id, struct err *e)
{
    struct wanted w = {id, out, false};
    int rc = people_users(s, match, &w, e);
    return rc || w.found ? rc : err_set(e, ERR_NOT_FOUND, "there is no such user");
}

/* Removes every row of a table whose key begins so, or (drop set) that it says. */
static int drop_rows(MDB_txn *m, MDB_dbi table, const void *prefix, size_t n, bool (*drop)(const MDB_val *v, uint32_t user), uint32_t user)
{
    MDB_cursor *c;
    MDB_val k = val(prefix, n), v;
    int code = mdb_cursor_open(m, table, &c);
    if (code)
        return code;
    for (code = mdb_cursor_get(c, &k, &v, n ? MDB_SET_RANGE : MDB_FIRST); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (k.mv_size < n || memcmp(k.mv_data, prefix, n))
            break;
        if ((!drop || drop(&v, user)) && (code = mdb_cursor_del(c, 0)))
            break;
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

static bool of_user(const MDB_val *v, uint32_t user)
{
    return v->mv_size >= 4 && !memcmp(v->mv_data, &user, 4); /* a token's value begins with it */
}

int people_user_remove(struct store *s, const struct user_row *user, struct err *e)
{
    uint8_t grants[5] = {'u'};
    MDB_txn *m;
    MDB_val k = val(user->name, strlen(user->name));
    put_be32(grants + 1, user->id);
    int rc = env_begin(&s->state, true, &m, e);
    if (rc)
        return rc;
    int code = drop_rows(m, s->state_token, "", 0, of_user, user->id);
    if (!code)
        code = drop_rows(m, s->state_member, grants + 1, 4, NULL, 0);
    if (!code)
        code = drop_rows(m, s->state_grant, grants, 5, NULL, 0);
    return state_finish(s, m, code ? code : mdb_del(m, s->state_user, &k, NULL), e, "removing a user");
}

/* -- groups --------------------------------------------------------------------------------------------------------------- */

/* Puts a key without a value, or takes it. */
static int row_set(struct store *s, MDB_dbi table, const void *key, size_t n, bool on, struct err *e, const char *doing)
{
    MDB_txn *m;
    MDB_val k = val(key, n), v = val("", 0);
    int rc = env_begin(&s->state, true, &m, e);
    return rc ? rc : state_finish(s, m, on ? mdb_put(m, table, &k, &v, 0) : mdb_del(m, table, &k, NULL), e, doing);
}

int people_join(struct store *s, uint32_t user, const char *group, bool in, struct err *e)
{
    uint8_t key[4 + PEOPLE_NAME_MAX];
    if (!people_name_ok(group))
        return name_wrong(group, e);
    put_be32(key, user);
    memcpy(key + 4, group, strlen(group));
    return row_set(s, s->state_member, key, 4 + strlen(group), in, e, "changing a group");
}

static int groups_in(struct store *s, MDB_txn *m, uint32_t user, void (*each)(void *arg, const char *group), void *arg)
{
    uint8_t key[4];
    char group[PEOPLE_NAME_MAX + 1];
    MDB_cursor *c;
    MDB_val k = val(key, 4), v;
    put_be32(key, user);
    int code = mdb_cursor_open(m, s->state_member, &c);
    if (code)
        return code;
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (k.mv_size < 4 || memcmp(k.mv_data, key, 4))
            break;
        if (k.mv_size > 4 + PEOPLE_NAME_MAX) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(group, (const char *)k.mv_data + 4, k.mv_size - 4);
        group[k.mv_size - 4] = 0;
        each(arg, group);
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

int people_groups(struct store *s, uint32_t user, void (*each)(void *arg, const char *group), void *arg, struct err *e)
{
    MDB_txn *m;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = groups_in(s, m, user, each, arg);
    env_abort(&s->state, m, false);
    return env_err(&s->state, code, e, "listing groups");
}

/* -- grants --------------------------------------------------------------------------------------------------------------- */

int people_grant(struct store *s, uint32_t user, const char *group, uint32_t repo, bool on, struct err *e)
{
    uint8_t key[9 + PEOPLE_NAME_MAX] = {user ? 'u' : 'g'};
    size_t n = user ? 0 : strlen(group);
    if (!user && !people_name_ok(group))
        return name_wrong(group, e);
    put_be32(key + 1, user ? user : repo);
    if (user)
        put_be32(key + 5, repo);
    else
        memcpy(key + 5, group, n);
    return row_set(s, s->state_grant, key, user ? 9 : 5 + n, on, e, "changing a permission");
}

typedef void (*grant_each)(void *arg, uint32_t user, const char *group, uint32_t repo);

/* All rows; a row that is none fails it, so that a damaged table gives nothing. */
static int grants_in(struct store *s, MDB_txn *m, grant_each each, void *arg)
{
    char group[PEOPLE_NAME_MAX + 1];
    MDB_cursor *c;
    MDB_val k, v;
    int code = mdb_cursor_open(m, s->state_grant, &c);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        const uint8_t *p = k.mv_data;
        if (k.mv_size == 9 && *p == 'u') {
            each(arg, get_be32(p + 1), NULL, get_be32(p + 5));
        } else if (k.mv_size > 5 && k.mv_size <= 5 + PEOPLE_NAME_MAX && *p == 'g') {
            memcpy(group, p + 5, k.mv_size - 5);
            group[k.mv_size - 5] = 0;
            each(arg, 0, group, get_be32(p + 1));
        } else {
            code = MDB_CORRUPTED;
            break;
        }
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

int people_grants(struct store *s, grant_each each, void *arg, struct err *e)
{
    MDB_txn *m;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = grants_in(s, m, each, arg);
    env_abort(&s->state, m, false);
    return env_err(&s->state, code, e, "listing permissions");
}

struct reader {
    uint32_t user;
    char **group;
    size_t ngroups, groups_cap;
    uint32_t *repo;
    size_t n, cap;
    bool exists;
};

static void add_group(void *arg, const char *group)
{
    struct reader *r = arg;
    VEC_ROOM(r->group, r->ngroups, r->groups_cap);
    r->group[r->ngroups++] = mem_str(group);
}

static void add_grant(void *arg, uint32_t user, const char *group, uint32_t repo)
{
    struct reader *r = arg;
    bool mine = !group && user == r->user;
    for (size_t i = 0; group && i < r->ngroups; i++)
        mine |= !strcmp(group, r->group[i]);
    if (!mine)
        return;
    VEC_ROOM(r->repo, r->n, r->cap);
    r->repo[r->n++] = repo;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int exists(struct reader *r, struct store *s, MDB_txn *m)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct user_row u;
    int code = mdb_cursor_open(m, s->state_user, &c);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) && !(code = user_of(&u, &k, &v) ? 0 : MDB_CORRUPTED))
        r->exists |= u.id == r->user;
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

int people_may_read(uint32_t **repos, size_t *n, struct store *s, uint32_t user, struct err *e)
{
    struct reader r = {.user = user};
    MDB_txn *m;
    *repos = NULL;
    *n = 0;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = exists(&r, s, m);
    if (!code && r.exists)
        code = groups_in(s, m, user, add_group, &r);
    if (!code && r.exists)
        code = grants_in(s, m, add_grant, &r);
    env_abort(&s->state, m, false);
    for (size_t i = 0; i < r.ngroups; i++)
        free(r.group[i]);
    free(r.group);
    rc = code ? env_err(&s->state, code, e, "reading permissions") : r.exists ? 0 : err_set(e, ERR_NOT_FOUND, "there is no such user");
    if (rc) {
        free(r.repo);
        return rc;
    }
    if (r.n)
        qsort(r.repo, r.n, sizeof *r.repo, by_number);
    *repos = r.repo;
    *n = r.n;
    return 0;
}
