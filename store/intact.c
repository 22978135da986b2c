/* Is an index file whole? LMDB reads a truncated file through its map, which is a SIGBUS, so this is asked at open when
 * the file is shorter than its last page number says. A file that LMDB wrote may be: pages that a transaction took and
 * gave back at its end are never written. So the file is filled up with zeros and walked: a page of zeros is neither
 * branch nor leaf (LMDB says MDB_CORRUPTED), and a large value names its pages in the header 16 bytes before it. */
#include "store/internal.h"

#define PAGE_HEADER 16

static bool walk(MDB_txn *m, MDB_dbi dbi, unsigned page, uint64_t file_size)
{
    MDB_cursor *c;
    if (mdb_cursor_open(m, dbi, &c))
        return false;
    MDB_val k, v;
    int rc;
    bool whole = true;
    while (whole && !(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        if ((uintptr_t)v.mv_data % page != PAGE_HEADER || v.mv_size < page / 4)
            continue;
        size_t pgno;
        memcpy(&pgno, (const char *)v.mv_data - PAGE_HEADER, sizeof pgno);
        whole = (uint64_t)pgno * page + PAGE_HEADER + v.mv_size <= file_size && pgno;
    }
    mdb_cursor_close(c);
    return whole && rc == MDB_NOTFOUND;
}

bool index_intact(MDB_env *m, uint64_t file_size)
{
    MDB_stat st;
    MDB_txn *t;
    mdb_env_stat(m, &st);
    if (mdb_txn_begin(m, NULL, MDB_RDONLY, &t))
        return false;
    bool whole = walk(t, 0 /* free pages */, st.ms_psize, file_size) && walk(t, 1 /* names */, st.ms_psize, file_size);
    for (size_t i = 0; i < TABLE_COUNT && whole; i++) {
        MDB_dbi dbi;
        int rc = mdb_dbi_open(t, table_names[i], 0, &dbi);
        if (rc != MDB_NOTFOUND)
            whole = !rc && walk(t, dbi, st.ms_psize, file_size);
    }
    mdb_txn_abort(t);
    return whole;
}
