/* Table ref.
 *
 *   ref  repo id u32, long_key(name)   view u32 · oid length u32 · reconciled i64 · commit[32] · name */
#include "store/internal.h"

#include <stdio.h>

struct ref_stored {
    uint32_t view, oid_len;
    int64_t reconciled_ns;
    struct oid commit;
};

#define REF_KEY_MAX (4 + LONG_KEY)

static MDB_val ref_key(uint8_t out[REF_KEY_MAX], uint32_t repo, const char *name, size_t n)
{
    put_be32(out, repo);
    return val(out, 4 + long_key(out + 4, name, n));
}

static bool unpack(struct ref_row *out, uint32_t repo, const MDB_val *v)
{
    struct ref_stored s;
    if (v->mv_size <= sizeof s)
        return false;
    memcpy(&s, v->mv_data, sizeof s);
    *out = (struct ref_row){.repo = repo, .view = s.view, .commit = s.commit, .oid_len = (uint8_t)s.oid_len,
                            .reconciled_ns = s.reconciled_ns};
    out->name = (struct str){(const char *)v->mv_data + sizeof s, v->mv_size - sizeof s};
    return true;
}

int ref_put(struct txn *t, const struct ref_row *r, struct err *e)
{
    uint8_t key[REF_KEY_MAX];
    struct ref_stored s = {r->view, r->oid_len, r->reconciled_ns, r->commit};
    int rc = txn_writes(t, e);
    if (rc)
        return rc;
    if (!r->name.n || r->name.n > 4095)
        return err_set(e, ERR_LIMIT, "a reference name of %zu bytes", r->name.n);
    void *to;
    int code = tab_reserve(t, T_REF, ref_key(key, r->repo, r->name.p, r->name.n), sizeof s + r->name.n, 0, &to);
    if (!code) {
        memcpy(to, &s, sizeof s);
        memcpy((char *)to + sizeof s, r->name.p, r->name.n);
    }
    return txn_err(t, code, e, "storing a reference");
}

int ref_get(struct txn *t, uint32_t repo, const char *name, struct ref_row *out, struct err *e)
{
    uint8_t key[REF_KEY_MAX];
    MDB_val v;
    int code = tab_get(t, T_REF, ref_key(key, repo, name, strlen(name)), &v);
    if (code == MDB_NOTFOUND)
        return err_set(e, ERR_NOT_FOUND, "%s is not indexed", name);
    if (!code && !unpack(out, repo, &v))
        code = MDB_CORRUPTED;
    return txn_err(t, code, e, name);
}

int ref_drop(struct txn *t, uint32_t repo, const char *name, struct err *e)
{
    uint8_t key[REF_KEY_MAX];
    int rc = txn_writes(t, e);
    return rc ? rc : txn_err(t, tab_del(t, T_REF, ref_key(key, repo, name, strlen(name))), e, name);
}

int refs_each(struct txn *t, uint32_t repo, int (*each)(void *arg, const struct ref_row *r), void *arg, struct err *e)
{
    MDB_cursor *c;
    uint8_t key[4];
    put_be32(key, repo);
    MDB_val k = val(key, 4), v;
    struct ref_row r;
    int code = tab_cursor(t, T_REF, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "listing references");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (memcmp(k.mv_data, key, 4))
            break;
        if (unpack(&r, repo, &v))
            rc = each(arg, &r);
    }
    mdb_cursor_close(c);
    return rc || !code || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "listing references");
}

bool ref_commit(struct oid *out, const MDB_val *v)
{
    struct ref_row r;
    bool there = unpack(&r, 0, v) && r.oid_len;
    if (there)
        *out = r.commit;
    return there;
}
