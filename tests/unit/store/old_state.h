/* A state.mdb as a program of another schema left it. */
#ifndef TEST_STORE_OLD_STATE_H
#define TEST_STORE_OLD_STATE_H

#include "help.h"

#include "store/internal.h"

/* drop_feedback: without the table that schema 2 brought. */
static inline void set_schema(const char *path, uint64_t schema, bool drop_feedback)
{
    struct env v;
    MDB_txn *m;
    MDB_dbi meta, feedback;
    OK(env_open(&v, path, 1 << 20, 0, e));
    OK(env_begin(&v, true, &m, e));
    assert_int_equal(mdb_dbi_open(m, "meta", 0, &meta), 0);
    if (drop_feedback) {
        assert_int_equal(mdb_dbi_open(m, "feedback", 0, &feedback), 0);
        assert_int_equal(mdb_drop(m, feedback, 1), 0);
    }
    MDB_val k = val("schema", 6), d = val(&schema, sizeof schema);
    assert_int_equal(mdb_put(m, meta, &k, &d, 0), 0);
    OK(env_commit(&v, m, e));
    env_close(&v);
}

#endif
