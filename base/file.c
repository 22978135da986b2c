#define _GNU_SOURCE
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_regular(const char *path, struct stat *st, struct err *e)
{
    /* O_NONBLOCK: opening a FIFO must not hang */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno == ENOENT)
            return err_set(e, ERR_NOT_FOUND, "%s: no such file", path);
        return err_errno(e, errno, "%s", path);
    }
    if (fstat(fd, st) || !S_ISREG(st->st_mode)) {
        close(fd);
        return err_set(e, ERR_IO, "%s: not a regular file", path);
    }
    return fd;
}

int file_read(struct buf *out, const char *path, size_t max, struct err *e)
{
    struct stat st;
    int fd = open_regular(path, &st, e);
    if (fd < 0)
        return fd;
    int rc = 0;
    size_t start = out->len;
    for (;;) {
        size_t want = out->len - start < (size_t)st.st_size ? (size_t)st.st_size - (out->len - start) : 4096;
        if (out->len - start > max || (size_t)st.st_size > max) {
            rc = err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
            break;
        }
        ssize_t n = read(fd, buf_room(out, want), want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_errno(e, errno, "reading %s", path);
        if (n <= 0)
            break;
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
    close(fd);
    if (rc)
        out->len = start;
    return rc;
}

int file_write(const char *path, const void *bytes, size_t n, mode_t mode, struct err *e)
{
    struct buf tmp = BUF_INIT;
    buf_addf(&tmp, "%s.%d.tmp", path, (int)getpid());
    int rc = 0, fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        rc = err_errno(e, errno, "%s", tmp.data);
        goto out;
    }
    rc = fd_write(fd, bytes, n, e);
    if (!rc && fsync(fd))
        rc = err_errno(e, errno, "syncing %s", tmp.data);
    close(fd);
    if (!rc && rename(tmp.data, path))
        rc = err_errno(e, errno, "renaming %s", tmp.data);
    if (rc)
        unlink(tmp.data);
out:
    buf_release(&tmp);
    return rc;
}

bool file_exists(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

bool dir_exists(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

int dir_make(const char *path, mode_t mode, struct err *e)
{
    char *p = mem_str(path);
    int rc = 0;
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s)
            continue;
        char was = *s;
        *s = 0;
        int why = mkdir(p, mode) ? errno : 0;
        if (why && why != EEXIST && !dir_exists(p)) {
            rc = err_errno(e, why, "making the directory %s", p);
            break;
        }
        *s = was;
        if (!was)
            break;
    }
    if (!rc && !dir_exists(path))
        rc = err_set(e, ERR_IO, "%s is not a directory", path);
    free(p);
    return rc;
}

int dir_sync(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    int rc = fsync(fd) ? err_errno(e, errno, "syncing %s", path) : 0;
    close(fd);
    return rc;
}

int file_map(struct file_map *out, const char *path, struct err *e)
{
    struct stat st;
    int fd = open_regular(path, &st, e);
    if (fd < 0)
        return fd;
    int rc = 0;
    *out = (struct file_map){(const uint8_t *)"", 0};
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = err_errno(e, errno, "mapping %s", path);
        else
            *out = (struct file_map){p, (size_t)st.st_size};
    }
    close(fd);
    return rc;
}

void file_unmap(struct file_map *m)
{
    if (m->n)
        munmap((void *)m->p, m->n);
    *m = (struct file_map){(const uint8_t *)"", 0};
}

void file_map_drop(const struct file_map *m, const void *from, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (size_t)((const uint8_t *)from - m->p), end = (first + n) / page * page;
    first = (first + page - 1) / page * page; /* mappings begin with a page */
    if (first < end)
        madvise((void *)(m->p + first), end - first, MADV_DONTNEED);
}

int fd_read(int fd, void *to, size_t n, struct err *e)
{
    for (size_t got = 0; got < n;) {
        ssize_t k = read(fd, (char *)to + got, n - got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_errno(e, errno, "reading from a pipe");
        if (!k)
            return got ? err_set(e, ERR_CRASHED, "the other end closed in the middle of a message") : 1;
        got += (size_t)k;
    }
    return 0;
}

int fd_write(int fd, const void *from, size_t n, struct err *e)
{
    for (size_t put = 0; put < n;) {
        /* a peer that vanished is EPIPE, never SIGPIPE; a plain file is ENOTSOCK and takes write(2) */
        ssize_t k = send(fd, (const char *)from + put, n - put, MSG_NOSIGNAL);
        if (k < 0 && errno == ENOTSOCK)
            k = write(fd, (const char *)from + put, n - put);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_errno(e, errno, "writing");
        put += (size_t)k;
    }
    return 0;
}
