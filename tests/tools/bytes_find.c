/* Whether a home still holds any of some markers, whatever their case:
 *   bytes_find HOME MARKER…
 * Reads every file below HOME as it lies on the disk (so free pages of a database too), every value of every table of its databases, and what
 * comes out of each value, and of each file, from wherever a zstd frame may begin in it. Prints a line for each place and ends with 1 where
 * there was one. Nobody may have the databases open for writing. */
#define _GNU_SOURCE
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <ftw.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define FRAME_MAX ((size_t)1 << 28)

static char **marker;
static int nmarkers;
static bool found;

static bool has(const char *p, size_t n, const char *what)
{
    size_t k = strlen(what);
    for (size_t i = 0; i + k <= n; i++) {
        const char *at = memchr(p + i, what[0] | 32, n - i), *up = memchr(p + i, what[0] & ~32, n - i);
        at = !at || (up && up < at) ? up : at;
        if (!at)
            return false;
        i = (size_t)(at - p);
        if (i + k <= n && !strncasecmp(at, what, k))
            return true;
    }
    return false;
}

static void look(const char *p, size_t n, const char *where, const char *how)
{
    for (int i = 0; i < nmarkers; i++)
        if (has(p, n, marker[i])) {
            printf("%s: %s (%s)\n", where, marker[i], how);
            found = true;
        }
}

static void look_unpacked(const char *p, size_t n, const char *where)
{
    static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    ZSTD_DCtx *d = ZSTD_createDCtx();
    for (const char *at = p; (at = memmem(at, n - (size_t)(at - p), magic, 4)); at++) {
        struct buf out = BUF_INIT;
        ZSTD_inBuffer in = {at, n - (size_t)(at - p), 0};
        ZSTD_DCtx_reset(d, ZSTD_reset_session_only);
        for (size_t rc = 1; rc && out.len < FRAME_MAX;) {
            size_t room = ZSTD_DStreamOutSize();
            ZSTD_outBuffer to = {buf_room(&out, room), room, 0};
            size_t before = in.pos;
            rc = ZSTD_decompressStream(d, &to, &in);
            out.len += to.pos;
            if (ZSTD_isError(rc) || (!to.pos && in.pos == before))
                break; /* a damaged or half frame: what came out of it counts */
        }
        if (out.len)
            look(out.data, out.len, where, "unpacked");
        buf_release(&out);
    }
    ZSTD_freeDCtx(d);
}

static void look_in_table(MDB_txn *m, const char *name, const char *path)
{
    MDB_dbi dbi;
    MDB_cursor *c;
    MDB_val k, v;
    struct buf where = BUF_INIT;
    buf_addf(&where, "%s table %s", path, name);
    if (!mdb_dbi_open(m, name, 0, &dbi) && !mdb_cursor_open(m, dbi, &c)) {
        while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
            look(k.mv_data, k.mv_size, where.data, "key");
            look(v.mv_data, v.mv_size, where.data, "value");
            look_unpacked(v.mv_data, v.mv_size, where.data);
        }
        mdb_cursor_close(c);
    }
    buf_release(&where);
}

static void look_in_database(const char *path)
{
    MDB_env *env = NULL;
    MDB_txn *m;
    MDB_dbi names;
    MDB_cursor *c;
    MDB_val k, v;
    mdb_env_create(&env);
    mdb_env_set_maxdbs(env, 64);
    if (!mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600) && !mdb_txn_begin(env, NULL, MDB_RDONLY, &m)) {
        if (!mdb_dbi_open(m, NULL, 0, &names) && !mdb_cursor_open(m, names, &c)) {
            while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
                char *name = mem_strn(k.mv_data, k.mv_size);
                look_in_table(m, name, path);
                free(name);
            }
            mdb_cursor_close(c);
        }
        mdb_txn_abort(m);
    }
    mdb_env_close(env);
}

static int look_in_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    struct buf b = BUF_INIT;
    (void)at;
    if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size)
        return 0;
    if (file_read(&b, path, (size_t)4 << 30, NULL)) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    look(b.data, b.len, path, "raw");
    look_unpacked(b.data, b.len, path);
    buf_release(&b);
    if (strstr(path, ".mdb") && !strstr(path, "-lock"))
        look_in_database(path);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bytes_find HOME MARKER…\n");
        return 2;
    }
    marker = argv + 2;
    nmarkers = argc - 2;
    if (nftw(argv[1], look_in_file, 16, FTW_PHYS)) {
        perror(argv[1]);
        return 2;
    }
    return found;
}
