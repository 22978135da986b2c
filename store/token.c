#include "store/token.h"

#include "store/internal.h"

#define VALUE_BYTES (4 + 4 + 8 + 8 + TOKEN_HASH)

static void pack(uint8_t out[VALUE_BYTES], const struct token_row *t)
{
    memcpy(out, &t->user, 4);
    memcpy(out + 4, &t->access, 4);
    memcpy(out + 8, &t->added_ns, 8);
    memcpy(out + 16, &t->expires_ns, 8);
    memcpy(out + 24, t->hash, TOKEN_HASH);
}

static bool unpack(struct token_row *t, const MDB_val *k, const MDB_val *v)
{
    const uint8_t *p = v->mv_data;
    if (k->mv_size != 8 || v->mv_size != VALUE_BYTES)
        return false;
    t->id = get_be64(k->mv_data);
    memcpy(&t->user, p, 4);
    memcpy(&t->access, p + 4, 4);
    memcpy(&t->added_ns, p + 8, 8);
    memcpy(&t->expires_ns, p + 16, 8);
    memcpy(t->hash, p + 24, TOKEN_HASH);
    return true;
}

int token_add(struct store *s, const struct token_row *t, struct err *e)
{
    uint8_t key[8], value[VALUE_BYTES];
    MDB_val k = val(key, sizeof key), v = val(value, sizeof value);
    MDB_stat stat = {0};
    MDB_txn *m;
    put_be64(key, t->id);
    pack(value, t);
    int rc = env_begin(&s->state, true, &m, e);
    if (rc)
        return rc;
    int code = mdb_stat(m, s->state_token, &stat);
    if (!code && stat.ms_entries >= TOKENS_MAX) {
        env_abort(&s->state, m, true);
        return err_set(e, ERR_LIMIT, "there are %d tokens already: revoke some", TOKENS_MAX);
    }
    return state_finish(s, m, code ? code : mdb_put(m, s->state_token, &k, &v, MDB_NOOVERWRITE), e, "adding a token");
}

int token_get(struct token_row *out, struct store *s, uint64_t id, struct err *e)
{
    uint8_t key[8];
    MDB_val k = val(key, sizeof key), v;
    MDB_txn *m;
    put_be64(key, id);
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_get(m, s->state_token, &k, &v);
    if (!code && !unpack(out, &k, &v))
        code = MDB_CORRUPTED;
    env_abort(&s->state, m, false);
    return env_err(&s->state, code, e, "reading a token");
}

int token_remove(struct store *s, uint64_t id, struct err *e)
{
    uint8_t key[8];
    MDB_val k = val(key, sizeof key);
    MDB_txn *m;
    put_be64(key, id);
    int rc = env_begin(&s->state, true, &m, e);
    return rc ? rc : state_finish(s, m, mdb_del(m, s->state_token, &k, NULL), e, "removing a token");
}

int token_each(struct store *s, void (*each)(void *arg, const struct token_row *t), void *arg, struct err *e)
{
    MDB_txn *m;
    MDB_cursor *c;
    MDB_val k, v;
    struct token_row t;
    int rc = env_begin(&s->state, false, &m, e);
    if (rc)
        return rc;
    int code = mdb_cursor_open(m, s->state_token, &c);
    if (!code) {
        while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) && !(code = unpack(&t, &k, &v) ? 0 : MDB_CORRUPTED))
            each(arg, &t);
        mdb_cursor_close(c);
    }
    env_abort(&s->state, m, false);
    return code == MDB_NOTFOUND ? 0 : env_err(&s->state, code, e, "listing tokens");
}
