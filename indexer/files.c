#include "indexer/files.h"

#include "indexer/git.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <git2/sys/repository.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define YOUNG_NS 50000000   /* the kernel's clock for file times ticks every 1 to 10 ms */
#define YOUNG_WHOLE_NS 2000000000 /* a file system that keeps whole seconds (or FAT's two) */

/* -- stat data --------------------------------------------------------------------------------------------------------------- */

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void item_stat(struct item *i, const struct stat *st, int64_t now_ns)
{
    i->size = (uint64_t)st->st_size;
    i->mtime_ns = ns_of(st->st_mtim);
    i->ctime_ns = ns_of(st->st_ctim);
    i->ino = st->st_ino;
    int64_t young = i->ctime_ns % 1000000000 ? YOUNG_NS : YOUNG_WHOLE_NS;
    if (now_ns && i->ctime_ns > now_ns - young)
        i->mtime_ns = 0;
}

bool item_same_stat(const struct item *a, const struct item *b)
{
    return a->mtime_ns && a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->ino == b->ino;
}

/* -- reading one ------------------------------------------------------------------------------------------------------------- */

static int read_link(struct buf *out, struct stat *st, int root, const char *path, struct err *e)
{
    char to[PATH_MAX];
    ssize_t n = readlinkat(root, path, to, sizeof to);
    if (n < 0 || fstatat(root, path, st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_set(e, ERR_NOT_FOUND, "%s: the link went away", path);
    buf_add(out, to, (size_t)n);
    return 0;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && ns_of(a->st_mtim) == ns_of(b->st_mtim) && ns_of(a->st_ctim) == ns_of(b->st_ctim);
}

int files_bytes(struct buf *out, struct stat *st, int fd, const char *path, size_t max, struct err *e)
{
    struct stat after;
    for (int tries = 0;; tries++) {
        buf_clear(out);
        if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))
            return err_set(e, ERR_NOT_FOUND, "%s is no regular file any more", path);
        if ((uint64_t)st->st_size > max)
            return err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
        ssize_t n;
        do {
            n = pread(fd, buf_room(out, (size_t)st->st_size + 1 - out->len), (size_t)st->st_size + 1 - out->len, (off_t)out->len);
            if (n > 0)
                out->len += (size_t)n;
        } while ((n > 0 && out->len <= (size_t)st->st_size) || (n < 0 && errno == EINTR));
        if (n < 0)
            return err_errno(e, errno, "reading %s", path);
        if (fstat(fd, &after) == 0 && same_stat(st, &after) && out->len == (size_t)st->st_size) {
            out->data[out->len] = 0;
            return 0;
        }
        if (tries == 3) { /* it never stands still: take this moment's, and do not trust its stat data */
            out->len = out->len < max ? out->len : max;
            out->data[out->len] = 0;
            st->st_mtim = (struct timespec){0};
            return 0;
        }
    }
}

bool files_cached(struct buf *out, int dir, const char *path, size_t size)
{
    struct stat st;
    int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool whole = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
    buf_clear(out);
    while (whole && out->len < size) {
        struct iovec to = {buf_room(out, size - out->len), size - out->len};
        ssize_t n = preadv2(fd, &to, 1, (off_t)out->len, RWF_NOWAIT); /* EAGAIN: on the disk; EOPNOTSUPP: this file system cannot tell */
        whole = n > 0;
        out->len += whole ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    if (out->data)
        out->data[out->len] = 0;
    return whole;
}

/* libgit2 has two filters, line endings and `ident`: where there is no CR and no "$Id" they change nothing, and loading them
 * would cost the reading of git's index, 40 ms on 50k files. */
static bool is_clean(const struct buf *b)
{
    if (!b->len)
        return true;
    if (memchr(b->data, '\r', b->len))
        return false;
    for (const char *p = b->data, *end = p + b->len; (p = memchr(p, '$', (size_t)(end - p))) != NULL; p++)
        if (end - p > 2 && p[1] == 'I' && p[2] == 'd')
            return false;
    return true;
}

static int clean(struct buf *b, git_repository *repo, const char *path, struct err *e)
{
    git_filter_list *filters = NULL;
    git_index *index = NULL;
    if (git_repository_index(&index, repo) == 0)
        git_index_read(index, 0); /* the handle may be older than git's last write */
    git_index_free(index);
    int code = git_filter_list_load(&filters, repo, NULL, path, GIT_FILTER_TO_ODB, GIT_FILTER_ALLOW_UNSAFE);
    git_index *empty = NULL;
    /* libgit2 looks into git's index for attributes, and cannot read every one (split, sparse, damaged) */
    if (code && git_index_new(&empty) == 0 && git_repository_set_index(repo, empty) == 0)
        code = git_filter_list_load(&filters, repo, NULL, path, GIT_FILTER_TO_ODB, GIT_FILTER_ALLOW_UNSAFE);
    git_index_free(empty);
    if (code || !filters)
        return code ? git_fail(e, code, "%s", path) : 0;
    git_buf out = GIT_BUF_INIT;
    code = git_filter_list_apply_to_buffer(&out, filters, b->data ? b->data : "", b->len);
    int rc = code ? git_fail(e, code, "%s", path) : 0;
    if (!rc) {
        buf_clear(b);
        buf_add(b, out.ptr, out.size);
    }
    git_buf_dispose(&out);
    git_filter_list_free(filters);
    return rc;
}

int files_read(struct buf *out, struct stat *st, git_repository *repo, const char *root, const char *path, size_t max, struct err *e)
{
    buf_clear(out);
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, rc = 0;
    if (dir < 0) {
        rc = err_set(e, ERR_NOT_FOUND, "%s: %s", root, strerror(errno));
        goto out;
    }
    fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        rc = read_link(out, st, dir, path, e);
    else if (fd < 0)
        rc = err_set(e, errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    else {
        rc = files_bytes(out, st, fd, path, max, e);
        if (!rc && repo && !is_clean(out))
            rc = clean(out, repo, path, e);
    }
out:
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return rc;
}
