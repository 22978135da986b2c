/* Tables said and saidvec: the words and vectors of commit messages. A batch of commits adds one row a term, so a row is
 * written once and never again; the postings of swept commits stay and are passed over, for nothing reaches them. */
#include "store/history_inside.h"
#include "store/varint.h"
#include "store/vector.h"

#include <string.h>

#define SAID_KEY 12

static void said_key(uint8_t key[SAID_KEY], uint64_t term, uint32_t commit)
{
    put_be32(key, (uint32_t)(term >> 32));
    put_be32(key + 4, (uint32_t)term);
    put_be32(key + 8, commit);
}

int said_put(struct txn *t, uint64_t term, const struct said *v, size_t n, struct err *e)
{
    uint8_t key[SAID_KEY];
    struct buf b = BUF_INIT;
    if (!n)
        return 0;
    said_key(key, term, v[0].commit);
    for (size_t i = 0; i < n; i++) {
        varint_put(&b, v[i].commit - (i ? v[i - 1].commit : v[0].commit));
        varint_put(&b, v[i].count);
    }
    int code = tab_put(t, T_SAID, val(key, SAID_KEY), val(b.data, b.len), 0);
    buf_release(&b);
    return txn_err(t, code, e, "storing the words of commits");
}

int said_each(struct txn *t, uint64_t term, int (*each)(void *arg, const struct said *v), void *arg, struct err *e)
{
    uint8_t key[SAID_KEY];
    MDB_cursor *c;
    said_key(key, term, 0);
    MDB_val k = val(key, SAID_KEY), v;
    int code = tab_cursor(t, T_SAID, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "reading the words of commits");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (k.mv_size != SAID_KEY || memcmp(k.mv_data, key, 8))
            break;
        const uint8_t *p = v.mv_data, *end = p + v.mv_size;
        struct said s = {.commit = get_be32((const uint8_t *)k.mv_data + 8)};
        uint32_t delta;
        while (p < end && !rc) {
            if (!varint_get(&delta, &p, end) || !varint_get(&s.count, &p, end) ||
                __builtin_add_overflow(s.commit, delta, &s.commit)) {
                code = MDB_CORRUPTED;
                break;
            }
            rc = each(arg, &s);
        }
        if (code)
            break;
    }
    mdb_cursor_close(c);
    return rc || !code || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "reading the words of commits");
}

#define SAIDVEC_KEY 6

static MDB_val saidvec_key(uint8_t key[SAIDVEC_KEY], uint16_t space, uint32_t commit)
{
    put_be16(key, space);
    put_be32(key + 2, commit);
    return val(key, SAIDVEC_KEY);
}

int saidvec_put(struct txn *t, uint16_t space, uint32_t commit, uint32_t number, struct err *e)
{
    uint8_t key[SAIDVEC_KEY];
    return txn_err(t, tab_put(t, T_SAIDVEC, saidvec_key(key, space, commit), val(&number, sizeof number), 0), e, "storing a commit's vector");
}

bool saidvec_get(struct txn *t, uint16_t space, uint32_t commit, uint32_t *number)
{
    uint8_t key[SAIDVEC_KEY];
    MDB_val v;
    if (tab_get(t, T_SAIDVEC, saidvec_key(key, space, commit), &v) || v.mv_size != sizeof *number)
        return false;
    memcpy(number, v.mv_data, sizeof *number);
    return true;
}

int saidvec_each(struct txn *t, uint16_t space, int (*each)(void *arg, uint32_t commit, uint32_t number), void *arg, struct err *e)
{
    uint8_t key[SAIDVEC_KEY];
    MDB_cursor *c;
    MDB_val k = saidvec_key(key, space, 0), v;
    int code = tab_cursor(t, T_SAIDVEC, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "reading the vectors of commits");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        uint32_t number;
        if (k.mv_size != SAIDVEC_KEY || get_be16(k.mv_data) != space)
            break;
        if (v.mv_size != sizeof number)
            continue;
        memcpy(&number, v.mv_data, sizeof number);
        rc = each(arg, get_be32((const uint8_t *)k.mv_data + 2), number);
    }
    mdb_cursor_close(c);
    return rc || !code || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "reading the vectors of commits");
}

int saidvec_drop(struct txn *t, uint32_t commit)
{
    uint8_t key[SAIDVEC_KEY];
    uint64_t spaces = meta_get(t, "next.model");
    for (uint64_t i = 0; i < spaces; i++) {
        int code = tab_del(t, T_SAIDVEC, saidvec_key(key, (uint16_t)i, commit));
        if (code && code != MDB_NOTFOUND)
            return code;
    }
    return 0;
}
