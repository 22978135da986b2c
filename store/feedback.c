#include "store/feedback.h"

#include "base/clock.h"
#include "store/internal.h"

/* Ids grow even where the clock does not. */
static int next_id(uint64_t *id, struct store *s, MDB_txn *m)
{
    MDB_cursor *c;
    MDB_val k, v;
    int code = mdb_cursor_open(m, s->state_feedback, &c);
    if (code)
        return code;
    *id = (uint64_t)clock_wall_ns();
    code = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (!code && k.mv_size == 8 && get_be64(k.mv_data) >= *id)
        *id = get_be64(k.mv_data) + 1;
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

int feedback_add(uint64_t *id, struct store *s, const void *json, size_t n, struct err *e)
{
    uint64_t at = 0;
    uint8_t key[8];
    MDB_txn *m;
    int rc = env_begin(&s->state, true, &m, e);
    if (rc)
        return rc;
    int code = next_id(&at, s, m);
    put_be64(key, at);
    MDB_val k = val(key, sizeof key), v = val(json, n);
    if (!code)
        code = mdb_put(m, s->state_feedback, &k, &v, 0);
    if (code) {
        env_abort(&s->state, m, true);
        return env_err(&s->state, code, e, "feedback");
    }
    if (id)
        *id = at;
    return env_commit(&s->state, m, e);
}

int feedback_each(struct store *s, int (*each)(void *arg, uint64_t id, struct str json), void *arg, struct err *e)
{
    MDB_txn *m;
    MDB_cursor *c;
    MDB_val k, v;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_cursor_open(m, s->state_feedback, &c);
    if (!code) {
        for (code = mdb_cursor_get(c, &k, &v, MDB_FIRST); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT))
            if (k.mv_size == 8)
                rc = each(arg, get_be64(k.mv_data), (struct str){v.mv_data, v.mv_size});
        mdb_cursor_close(c);
    }
    env_abort(&s->state, m, false);
    return rc || code == MDB_NOTFOUND ? rc : env_err(&s->state, code, e, "feedback");
}

int feedback_count(uint64_t *n, struct store *s, struct err *e)
{
    MDB_txn *m;
    MDB_stat stat = {0};
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_stat(m, s->state_feedback, &stat);
    env_abort(&s->state, m, false);
    *n = stat.ms_entries;
    return env_err(&s->state, code, e, "feedback");
}
