/* A state.mdb as a program of another schema left it. */
#ifndef TEST_STORE_OLD_STATE_H
#define TEST_STORE_OLD_STATE_H

#include "help.h"

#include "store/internal.h"

/* drop_newer: without the tables that schemas 2 to 4 brought. */
static inline void set_schema(const char *path, uint64_t schema, bool drop_newer)
{
    struct env v;
    MDB_txn *m;
    static const char *const newer[] = {"feedback", "user", "member", "grant", "token", "purged"};
    MDB_dbi meta, table;
    OK(env_open(&v, path, 1 << 20, 0, e));
    OK(env_begin(&v, true, &m, e));
    assert_int_equal(mdb_dbi_open(m, "meta", 0, &meta), 0);
    for (size_t i = 0; drop_newer && i < sizeof newer / sizeof *newer; i++) {
        assert_int_equal(mdb_dbi_open(m, newer[i], 0, &table), 0);
        assert_int_equal(mdb_drop(m, table, 1), 0);
    }
    MDB_val k = val("schema", 6), d = val(&schema, sizeof schema);
    assert_int_equal(mdb_put(m, meta, &k, &d, 0), 0);
    OK(env_commit(&v, m, e));
    env_close(&v);
}

#endif
