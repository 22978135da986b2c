/* One LMDB file: opening, growth of its map, errors. */
#include "store/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_LEAST ((size_t)16 << 20)
#define ALONE_WAIT_MS 2000 /* readers are short: one that is held longer is held by mistake, and things go on without */
#define NO_SPACE_LEFT ((uint64_t)1 << 20) /* of a disk: an EIO with less than this free was ENOSPC */

/* LMDB calls a short write EIO, also where the disk (or RLIMIT_FSIZE, or a quota) stopped it. */
static bool disk_is_full(const char *path)
{
    struct statvfs fs;
    if (!statvfs(path, &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < NO_SPACE_LEFT)
        return true;
    struct rlimit most;
    struct stat st;
    return !getrlimit(RLIMIT_FSIZE, &most) && most.rlim_cur != RLIM_INFINITY && !stat(path, &st) &&
           (uint64_t)st.st_size + NO_SPACE_LEFT > most.rlim_cur;
}

int env_err(struct env *v, int code, struct err *e, const char *doing)
{
    switch (code) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return err_set(e, ERR_NOT_FOUND, "%s: not there", doing);
    case EIO:
        if (!disk_is_full(v->path))
            return err_errno(e, EIO, "%s (%s)", v->path, doing);
        /* fall through */
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        err_errno(e, ENOSPC, "%s (%s)", v->path, doing);
        return ERR_FULL;
    case MDB_MAP_FULL:
        if (v->stuck) {
            err_set(e, ERR_LIMIT, "%s: no address space for a larger map", v->path);
            err_hint(e, "raise the limit of virtual memory (ulimit -v)");
            return ERR_LIMIT;
        }
        return err_set(e, ERR_BUSY, "%s: the map has to grow first, try again", v->path);
    case MDB_READERS_FULL:
        return err_set(e, ERR_BUSY, "%s: too many readers at once", v->path);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        return err_set(e, ERR_CORRUPT, "%s is damaged (%s: %s)", v->path, doing, mdb_strerror(code));
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return err_set(e, ERR_FORMAT, "%s is not a database of this program", v->path);
    case MDB_BAD_TXN:
        return err_set(e, ERR_INTERNAL, "%s: %s after an error in the same transaction", v->path, doing);
    default:
        if (code > 0)
            return err_errno(e, code, "%s (%s)", v->path, doing);
        return err_set(e, ERR_INTERNAL, "%s (%s): %s", v->path, doing, mdb_strerror(code));
    }
}

static bool address_space_has(size_t n)
{
    void *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, n);
    return true;
}

/* The largest map up to want that leaves three quarters of a limited address space to the rest of the program. */
static size_t map_size(size_t want, const char *path)
{
    struct rlimit space;
    struct stat st;
    if (!getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY && space.rlim_cur / 4 < want)
        want = space.rlim_cur / 4;
    while (want > MAP_LEAST && !address_space_has(want))
        want /= 2;
    size_t least = MAP_LEAST;
    if (!stat(path, &st) && (size_t)st.st_size > least)
        least = (size_t)st.st_size;
    if (want < least)
        want = least;
    return want & ~(size_t)0xffff;
}

static int open_mapped(struct env *v, size_t map, unsigned flags)
{
    int dead, rc = mdb_env_create(&v->m);
    if (!rc)
        rc = mdb_env_set_maxdbs(v->m, 32);
    if (!rc)
        rc = mdb_env_set_maxreaders(v->m, 1024);
    if (!rc)
        rc = mdb_env_set_mapsize(v->m, map);
    if (!rc)
        rc = mdb_env_open(v->m, v->path, MDB_NOSUBDIR | MDB_NOTLS | flags, 0600);
    if (!rc)
        rc = mdb_reader_check(v->m, &dead);
    if (rc) {
        if (v->m)
            mdb_env_close(v->m);
        v->m = NULL;
    }
    return rc;
}

int env_map(struct env *v, size_t map, unsigned flags, struct err *e)
{
    int rc;
    map = map_size(map, v->path);
    /* Where a file's map costs more than the reservation that was tried (small address spaces: 39-bit kernels of aarch64,
     * emulators), a quarter of it will do: it grows when it must. */
    while ((rc = open_mapped(v, map, flags)) == ENOMEM && map / 4 > map_size(MAP_LEAST, v->path))
        map = (map / 4) & ~(size_t)0xffff;
    return env_err(v, rc, e, "opening");
}

/* The folder's names reach the disk. */
int env_folder_sync(const char *path, struct err *e)
{
    char *folder = mem_strn(path, (size_t)(strrchr(path, '/') - path));
    int rc = dir_sync(folder, e);
    free(folder);
    return rc;
}

/* A new file, whole and with a name that lasts, or none: LMDB writes the first pages of one in place, and half of them is no
 * database after a power loss. */
static int make(const char *path, struct err *e)
{
    struct env v = {0};
    struct buf tmp = BUF_INIT;
    buf_addf(&tmp, "%s.new", path);
    v.path = tmp.data;
    unlink(tmp.data);
    int rc = env_err(&v, open_mapped(&v, MAP_LEAST, MDB_NOLOCK), e, "creating");
    if (!rc)
        rc = env_err(&v, mdb_env_sync(v.m, 1), e, "creating");
    if (v.m)
        mdb_env_close(v.m);
    if (!rc && rename(tmp.data, path))
        rc = err_errno(e, errno, "renaming %s", tmp.data);
    if (!rc)
        rc = env_folder_sync(path, e);
    if (rc)
        unlink(tmp.data);
    buf_release(&tmp);
    return rc;
}

int env_open(struct env *v, const char *path, size_t map, unsigned flags, struct err *e)
{
    int made = file_exists(path) ? 0 : make(path, e);
    if (made)
        return made;
    *v = (struct env){.path = mem_str(path)};
    pthread_mutex_init(&v->lock, NULL);
    clock_cond_init(&v->changed);
    int rc = env_map(v, map, flags, e);
    if (rc)
        env_close(v);
    return rc;
}

/* A file that is shorter than its pages is filled up, so that reading it is safe, and then examined: the last pages may be ones
 * that nothing refers to. */
int env_whole(struct env *v, struct err *e)
{
    MDB_envinfo info;
    MDB_stat st;
    struct stat file;
    mdb_env_info(v->m, &info);
    mdb_env_stat(v->m, &st);
    uint64_t want = (uint64_t)(info.me_last_pgno + 1) * st.ms_psize;
    if (stat(v->path, &file))
        return err_errno(e, errno, "%s", v->path);
    uint64_t size = (uint64_t)file.st_size;
    if (size >= want || info.me_last_pgno < 2)
        return 0;
    if (truncate(v->path, (off_t)want))
        return err_errno(e, errno, "%s", v->path);
    if (index_intact(v->m, size))
        return 0;
    err_set(e, ERR_CORRUPT, "%s is truncated", v->path);
    if (truncate(v->path, (off_t)size)) /* as it was found, for whoever can make something of it */
        err_hint(e, "it was %llu bytes long", (unsigned long long)size);
    return ERR_CORRUPT;
}

void env_close(struct env *v)
{
    if (!v->path)
        return;
    if (v->m)
        mdb_env_close(v->m);
    pthread_mutex_destroy(&v->lock);
    pthread_cond_destroy(&v->changed);
    free(v->path);
    *v = (struct env){0};
}

/* With v->lock held. */
static void note_size(struct env *v, const struct stat *st)
{
    if (v->seen_ino != (uint64_t)st->st_ino)
        v->seen_size = 0;
    v->seen_ino = (uint64_t)st->st_ino;
    if (v->seen_size < (uint64_t)st->st_size)
        v->seen_size = (uint64_t)st->st_size;
}

int env_there(struct env *v, struct err *e)
{
    struct stat open, named;
    mdb_filehandle_t fd;
    int rc = 0;
    pthread_mutex_lock(&v->lock); /* who replaces it on purpose holds this */
    if (!v->m || mdb_env_get_fd(v->m, &fd) || fstat(fd, &open))
        goto out;
    if (stat(v->path, &named)) {
        if (errno == ENOENT || errno == ENOTDIR)
            rc = err_set(e, ERR_CORRUPT, "%s was deleted", v->path);
        goto out;
    }
    if (named.st_dev != open.st_dev || named.st_ino != open.st_ino)
        rc = err_set(e, ERR_CORRUPT, "%s was replaced by another file", v->path);
    else if (v->seen_ino == (uint64_t)open.st_ino && (uint64_t)open.st_size < v->seen_size)
        rc = err_set(e, ERR_CORRUPT, "%s was truncated", v->path); /* LMDB never makes a file shorter */
    note_size(v, &open);
out:
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static size_t room_wanted(size_t map)
{
    size_t quarter = map / 4, most = (size_t)1 << 30;
    return quarter < most ? quarter : most;
}

bool env_alone(struct env *v, unsigned mine)
{
    int64_t until = clock_ns() + ALONE_WAIT_MS * 1000000LL;
    v->changing = true;
    while (v->live > mine && clock_cond_wait(&v->changed, &v->lock, until))
        ;
    if (v->live <= mine)
        return true;
    env_alone_end(v);
    return false;
}

void env_alone_end(struct env *v)
{
    v->changing = false;
    pthread_cond_broadcast(&v->changed);
}

/* Before a write, with v->lock held: doubles the map when what is left of it is little. A write transaction is far smaller
 * than that. */
static int grow_if_needed(struct env *v, struct err *e)
{
    MDB_envinfo info;
    MDB_stat st;
    while (v->changing)
        pthread_cond_wait(&v->changed, &v->lock);
    if (!v->m)
        return env_err(v, MDB_PANIC, e, "beginning a transaction");
    mdb_env_stat(v->m, &st);
    mdb_env_info(v->m, &info);
    size_t used = (info.me_last_pgno + 1) * st.ms_psize;
    if (used + room_wanted(info.me_mapsize) <= info.me_mapsize)
        return 0;
    v->stuck = !address_space_has(info.me_mapsize); /* the old map goes first: what is missing is the difference */
    if (v->stuck || !env_alone(v, 0))
        return 0;
    int rc = mdb_env_set_mapsize(v->m, info.me_mapsize * 2);
    if (rc) { /* the map is gone by now: the old size must come back */
        v->stuck = true;
        rc = mdb_env_set_mapsize(v->m, info.me_mapsize);
    }
    env_alone_end(v);
    return env_err(v, rc, e, "growing the map");
}

int env_begin(struct env *v, bool write, MDB_txn **out, struct err *e)
{
    int rc = 0;
    *out = NULL;
    pthread_mutex_lock(&v->lock);
    if (write) {
        uint64_t mine = v->ticket++;
        while (v->turn != mine)
            pthread_cond_wait(&v->changed, &v->lock);
        rc = grow_if_needed(v, e);
    }
    while (v->changing)
        pthread_cond_wait(&v->changed, &v->lock);
    v->live++;
    pthread_mutex_unlock(&v->lock);
    if (rc) {
        env_ended(v, write);
        return rc;
    }
    rc = v->m ? mdb_txn_begin(v->m, NULL, write ? 0 : MDB_RDONLY, out) : MDB_PANIC;
    if (rc == MDB_READERS_FULL) {
        int dead = 0;
        mdb_reader_check(v->m, &dead);
        rc = mdb_txn_begin(v->m, NULL, MDB_RDONLY, out);
    }
    if (rc) {
        *out = NULL;
        env_ended(v, write);
    } else if (write) {
        v->write_began_ns = clock_ns();
    }
    return env_err(v, rc, e, "beginning a transaction");
}

/* With v->lock held: how long the write transaction kept the others out. */
static void note_held(struct env *v)
{
    int64_t ns = clock_ns() - v->write_began_ns, ms = ns / 1000000;
    v->held[ms < HELD_MS ? ms : HELD_MS - 1]++;
    v->longest_ns = ns > v->longest_ns ? ns : v->longest_ns;
    v->write_began_ns = 0;
}

void env_ended(struct env *v, bool write)
{
    pthread_mutex_lock(&v->lock);
    if (write && v->write_began_ns)
        note_held(v);
    v->live--;
    v->turn += write;
    if (v->changing || write)
        pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

void env_abort(struct env *v, MDB_txn *m, bool write)
{
    mdb_txn_abort(m);
    env_ended(v, write);
}

int env_commit(struct env *v, MDB_txn *m, struct err *e)
{
    struct stat st;
    mdb_filehandle_t fd;
    int rc = mdb_txn_commit(m);
    if (!mdb_env_get_fd(v->m, &fd) && !fstat(fd, &st)) {
        pthread_mutex_lock(&v->lock);
        note_size(v, &st);
        pthread_mutex_unlock(&v->lock);
    }
    env_ended(v, true);
    return env_err(v, rc, e, "committing");
}

void store_writes(struct store *s, struct store_writes *out)
{
    struct env *v = &s->index;
    uint64_t sum = 0;
    *out = (struct store_writes){0};
    pthread_mutex_lock(&v->lock);
    for (int i = 0; i < HELD_MS; i++)
        out->n += v->held[i], out->over += i < STORE_WRITE_MS ? 0 : v->held[i];
    for (int i = 0; i < HELD_MS && sum * 100 < out->n * 99; i++) {
        sum += v->held[i];
        out->p99_ms = i + 1;
    }
    out->longest_ms = (double)v->longest_ns / 1e6;
    pthread_mutex_unlock(&v->lock);
}
