/* A disk for test_power.c: records what the program asks of it below one folder, and makes the folder as it may be found after
 * the power failed at any moment.
 *
 * What is recorded are the calls by which the store and LMDB change files (LMDB without MDB_WRITEMAP: pwrite and writev, its meta
 * page through a descriptor with O_DSYNC, fdatasync); this program defines them itself, and a shared map that could be written
 * fails the test. Files named …lock are not of interest: they are made anew.
 *
 * What may be found:
 *  - of a file, everything written before its last completed sync, and every completed write through O_DSYNC; of the other writes
 *    any, each whole or any of its sectors, in their order where they overlap;
 *  - of names (created, renamed, linked, unlinked), all up to the last that a completed sync of their folder covers, and any
 *    number of those after, in order, as a journal keeps them. The sync of a file says nothing of its name. */
#ifndef TEST_STORE_POWER_DISK_H
#define TEST_STORE_POWER_DISK_H

#include "help.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* A sanitizer defines the same calls: nothing can be recorded under one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DISK_UNSEEN 1
#else
#define DISK_UNSEEN 0
#endif

#define SECTOR 512
#define FILES_MOST 256
#define NAME_MOST 64 /* bytes of a path below the folder */

enum event_kind { E_WRITE, E_SYNC, E_SIZE, E_CREATE, E_RENAME, E_LINK, E_UNLINK, E_FOLDER, E_ACK };
static const char *const event_names[] = {"write", "sync", "truncate", "create", "rename", "link", "unlink", "sync of a folder", "ack"};

struct event {
    enum event_kind kind;
    bool durable;            /* a write through O_DSYNC */
    uint32_t file;
    uint64_t at;             /* offset, or size */
    uint8_t *bytes;
    size_t n;
    char name[NAME_MOST], to[NAME_MOST];
    uint32_t ack[2];
};

static struct {
    bool on;
    char root[256];
    struct event *event;
    size_t n, cap;
    struct {
        dev_t dev;
        ino_t ino;
    } file[FILES_MOST];
    uint32_t nfiles;
} disk;

/* -- recording ------------------------------------------------------------------------------------------------------- */

static struct event *record(enum event_kind kind)
{
    VEC_ROOM(disk.event, disk.n, disk.cap);
    struct event *e = &disk.event[disk.n++];
    *e = (struct event){.kind = kind};
    return e;
}

/* The path below the folder; NULL for one elsewhere. */
static const char *below_root(const char *path)
{
    size_t n = strlen(disk.root);
    if (!disk.on || strncmp(path, disk.root, n) || path[n] != '/')
        return NULL;
    const char *name = path + n + 1, *end = strrchr(name, 'k');
    return end && !end[1] && end - name >= 3 && !memcmp(end - 3, "lock", 4) ? NULL : name;
}

static void name_set(char to[NAME_MOST], const char *name)
{
    if (strlen(name) >= NAME_MOST)
        abort();
    strcpy(to, name);
}

static bool file_of(uint32_t *file, int fd)
{
    struct stat st;
    if (!disk.on || fstat(fd, &st))
        return false;
    for (uint32_t i = disk.nfiles; i-- > 0;) { /* an inode may be used again: the newest */
        if (disk.file[i].dev == st.st_dev && disk.file[i].ino == st.st_ino) {
            *file = i;
            return true;
        }
    }
    return false;
}

static void made(const char *name, int fd)
{
    struct stat st;
    if (disk.nfiles == FILES_MOST || fstat(fd, &st))
        abort();
    disk.file[disk.nfiles].dev = st.st_dev;
    disk.file[disk.nfiles].ino = st.st_ino;
    struct event *e = record(E_CREATE);
    e->file = disk.nfiles++;
    name_set(e->name, name);
}

static void wrote(int fd, const void *bytes, size_t n, uint64_t at)
{
    uint32_t file;
    if (!file_of(&file, fd))
        return;
    struct event *e = record(E_WRITE);
    e->file = file;
    e->at = at;
    e->n = n;
    e->bytes = mem_alloc(n);
    memcpy(e->bytes, bytes, n);
    e->durable = fcntl(fd, F_GETFL) & O_DSYNC;
}

static void synced(int fd)
{
    uint32_t file;
    char link[64], path[256];
    if (file_of(&file, fd)) {
        record(E_SYNC)->file = file;
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = disk.on ? readlink(link, path, sizeof path - 1) : -1;
    if (n < 0)
        return;
    path[n] = 0;
    if (!strcmp(path, disk.root))
        record(E_FOLDER);
    else if (below_root(path))
        name_set(record(E_FOLDER)->name, below_root(path));
}

#if !DISK_UNSEEN
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

static int open_real(const char *path, int flags, mode_t mode)
{
    const char *name = below_root(path);
    bool there = !access(path, F_OK);
    int fd = REAL(open)(path, flags, mode);
    if (fd >= 0 && name && (flags & O_CREAT) && !there)
        made(name, fd);
    else if (fd >= 0 && name && (flags & O_TRUNC))
        abort(); /* nothing does it: to be modelled first */
    return fd;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_real(path, flags, mode);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t done = REAL(pwrite)(fd, bytes, n, at);
    if (done > 0)
        wrote(fd, bytes, (size_t)done, (uint64_t)at);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite(fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    uint32_t file;
    off_t at = file_of(&file, fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = REAL(write)(fd, bytes, n);
    if (done > 0)
        wrote(fd, bytes, (size_t)done, (uint64_t)at);
    return done;
}

static void wrote_all(int fd, const struct iovec *v, int n, uint64_t at, ssize_t done)
{
    struct buf all = BUF_INIT;
    for (int i = 0; i < n && done > 0; i++) {
        size_t some = v[i].iov_len < (size_t)done - all.len ? v[i].iov_len : (size_t)done - all.len;
        buf_add(&all, v[i].iov_base, some);
    }
    if (all.len)
        wrote(fd, all.data, all.len, at);
    buf_release(&all);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    uint32_t file;
    off_t at = file_of(&file, fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = REAL(writev)(fd, v, n);
    wrote_all(fd, v, n, (uint64_t)at, done);
    return done;
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    ssize_t done = REAL(pwritev)(fd, v, n, at);
    wrote_all(fd, v, n, (uint64_t)at, done);
    return done;
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at)
{
    return pwritev(fd, v, n, at);
}

int fsync(int fd)
{
    synced(fd); /* nothing is lost in this process: what counts is that it was asked for */
    return 0;
}

int fdatasync(int fd)
{
    synced(fd);
    return 0;
}

int ftruncate(int fd, off_t size)
{
    uint32_t file;
    int rc = REAL(ftruncate)(fd, size);
    if (!rc && file_of(&file, fd)) {
        struct event *e = record(E_SIZE);
        e->file = file;
        e->at = (uint64_t)size;
    }
    return rc;
}

int truncate(const char *path, off_t size)
{
    if (below_root(path))
        abort(); /* only a damaged file is: not here */
    return REAL(truncate)(path, size);
}

static void two_names(enum event_kind kind, const char *from, const char *to)
{
    if (!below_root(from) || !below_root(to))
        return;
    struct event *e = record(kind);
    name_set(e->name, below_root(from));
    name_set(e->to, below_root(to));
}

int rename(const char *from, const char *to)
{
    int rc = REAL(rename)(from, to);
    if (!rc)
        two_names(E_RENAME, from, to);
    return rc;
}

int link(const char *from, const char *to)
{
    int rc = REAL(link)(from, to);
    if (!rc)
        two_names(E_LINK, from, to);
    return rc;
}

int unlink(const char *path)
{
    int rc = REAL(unlink)(path);
    if (!rc && below_root(path))
        name_set(record(E_UNLINK)->name, below_root(path));
    return rc;
}

void *mmap(void *addr, size_t n, int prot, int flags, int fd, off_t at)
{
    uint32_t file;
    if (fd >= 0 && (prot & PROT_WRITE) && (flags & MAP_SHARED) && file_of(&file, fd))
        abort(); /* stores that no call shows */
    return REAL(mmap)(addr, n, prot, flags, fd, at);
}
#pragma GCC diagnostic pop
#endif

/* -- what is found after ------------------------------------------------------------------------------------------------ */

struct name {
    char name[NAME_MOST];
    uint32_t file;
};

struct names {
    struct name v[FILES_MOST];
    uint32_t n;
};

/* The disk after a number of completed events. */
struct after {
    struct buf base[FILES_MOST];             /* as of the last sync */
    size_t *pending[FILES_MOST];             /* writes since, by event */
    size_t npending[FILES_MOST], cap_pending[FILES_MOST];
    struct names names;                      /* durable */
    size_t *op, nops, cap_ops;               /* names since */
    uint32_t ack[2];
};

static struct name *name_find(struct names *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}

static void name_drop(struct names *l, const char *name)
{
    struct name *x = name_find(l, name);
    if (x)
        *x = l->v[--l->n];
}

static void name_add(struct names *l, const char *name, uint32_t file)
{
    name_drop(l, name);
    if (l->n == FILES_MOST)
        abort();
    l->v[l->n].file = file;
    name_set(l->v[l->n++].name, name);
}

static void name_op(struct names *l, const struct event *e)
{
    struct name *from = name_find(l, e->name);
    uint32_t file = from ? from->file : 0;
    if (e->kind == E_CREATE)
        name_add(l, e->name, e->file);
    if (e->kind == E_UNLINK || e->kind == E_RENAME)
        name_drop(l, e->name);
    if ((e->kind == E_LINK || e->kind == E_RENAME) && from)
        name_add(l, e->to, file);
}

static void size_set(struct buf *b, size_t n)
{
    if (n > b->len) {
        memset(buf_room(b, n - b->len), 0, n - b->len);
        b->len = n;
    }
}

/* torn: NULL for the whole of it; else some of its sectors. */
static void put(struct buf *b, const struct event *e, struct rng *torn)
{
    if (e->kind == E_SIZE) {
        size_set(b, e->at);
        b->len = e->at;
        return;
    }
    for (size_t i = 0; i < e->n;) {
        size_t some = SECTOR - (e->at + i) % SECTOR;
        some = some < e->n - i ? some : e->n - i;
        if (!torn || below(torn, 2)) {
            size_set(b, e->at + i + some);
            memcpy(b->data + e->at + i, e->bytes + i, some);
        }
        i += some;
    }
}

static bool in_folder(const char *name, const char *folder)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : 0;
    return strlen(folder) == n && !memcmp(name, folder, n);
}

static void complete(struct after *a, size_t at)
{
    const struct event *e = &disk.event[at];
    uint32_t f = e->file;
    size_t upto = 0;
    switch (e->kind) {
    case E_WRITE:
    case E_SIZE:
        VEC_ROOM(a->pending[f], a->npending[f], a->cap_pending[f]);
        a->pending[f][a->npending[f]++] = at;
        break;
    case E_SYNC:
        for (size_t i = 0; i < a->npending[f]; i++)
            put(&a->base[f], &disk.event[a->pending[f][i]], NULL);
        a->npending[f] = 0;
        break;
    case E_FOLDER:
        for (size_t i = 0; i < a->nops; i++) {
            const struct event *op = &disk.event[a->op[i]];
            if (in_folder(op->name, e->name) || (*op->to && in_folder(op->to, e->name)))
                upto = i + 1;
        }
        for (size_t i = 0; i < upto; i++)
            name_op(&a->names, &disk.event[a->op[i]]);
        memmove(a->op, a->op + upto, (a->nops - upto) * sizeof *a->op);
        a->nops -= upto;
        break;
    case E_ACK:
        memcpy(a->ack, e->ack, sizeof a->ack);
        break;
    default:
        VEC_ROOM(a->op, a->nops, a->cap_ops);
        a->op[a->nops++] = at;
    }
}

static void after_release(struct after *a)
{
    for (uint32_t i = 0; i < FILES_MOST; i++) {
        buf_release(&a->base[i]);
        free(a->pending[i]);
    }
    free(a->op);
}

enum luck { NOTHING, EVERYTHING, SOME }; /* of what need not be there */

static void file_after(struct buf *out, const struct after *a, uint32_t file, size_t next, enum luck luck, struct rng *r)
{
    buf_clear(out);
    buf_add(out, a->base[file].data ? a->base[file].data : "", a->base[file].len);
    for (size_t i = 0; i < a->npending[file]; i++) {
        const struct event *e = &disk.event[a->pending[file][i]];
        uint32_t how = below(r, 3);
        if (e->durable || luck == EVERYTHING || (luck == SOME && how))
            put(out, e, e->durable || luck == EVERYTHING || how == 1 ? NULL : r);
    }
    const struct event *now = &disk.event[next];
    if ((now->kind == E_WRITE || now->kind == E_SIZE) && now->file == file && luck != NOTHING)
        put(out, now, luck == EVERYTHING ? NULL : r);
}

static void image_write(const char *path, const struct buf *b)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    mkdir(folder, 0700);
    FILE *f = fopen(path, "wb");
    if (!f || (b->len && fwrite(b->data, 1, b->len, f) != b->len) || fclose(f))
        abort();
}

/* Makes `to`, which must not be there, what may be found when the event `next` was under way. */
static void folder_after(const char *to, const struct after *a, size_t next, enum luck luck, struct rng *r)
{
    struct names names = a->names;
    struct buf bytes = BUF_INIT;
    const struct event *now = &disk.event[next];
    bool op = now->kind >= E_CREATE && now->kind <= E_UNLINK;
    size_t n = luck == NOTHING ? 0 : luck == EVERYTHING ? a->nops + op : below(r, (uint32_t)a->nops + op + 1);
    for (size_t i = 0; i < n; i++)
        name_op(&names, i < a->nops ? &disk.event[a->op[i]] : now);
    mkdir(to, 0700);
    for (uint32_t i = 0; i < names.n; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", to, names.v[i].name);
        file_after(&bytes, a, names.v[i].file, next, luck, r);
        image_write(path, &bytes);
    }
    buf_release(&bytes);
}

#endif
