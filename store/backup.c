#include "store/backup.h"

#include "base/file.h"
#include "store/internal.h"
#include "store/purge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int state_backup(struct store *s, const char *to, struct err *e)
{
    MDB_txn *m;
    int fd = -1;
    int rc = env_begin(&s->state, false, &m, e); /* keeps the map where it is; the copy reads in a transaction of its own */
    if (rc)
        return rc;
    if (file_exists(to))
        rc = err_set(e, ERR_USAGE, "%s is there already", to);
    else if ((rc = env_err(&s->state, mdb_env_copy(s->state.m, to), e, "copying")))
        unlink(to);
    env_abort(&s->state, m, false);
    if (rc)
        return rc;
    fd = open(to, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0600) || fsync(fd)) {
        rc = err_errno(e, errno, "%s", to);
        unlink(to);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int home_hold(int *fd, const char *home, struct err *e)
{
    struct store s = {.lock_fd = -1};
    int rc = lock_home(&s, home, e);
    *fd = s.lock_fd;
    if (rc) {
        home_release(*fd);
        *fd = -1;
    }
    return rc;
}

void home_release(int fd)
{
    if (fd >= 0)
        close(fd);
}

void restore_aside(struct buf *out, const char *path)
{
    struct stat st;
    for (int i = 1;; i++) {
        out->len = 0;
        buf_addf(out, "%s.before-restore-%d", path, i);
        if (lstat(out->data, &st) && errno == ENOENT)
            return;
    }
}

/* Whether the index of the one state is good for the other: it names repositories by number. */
static bool same_repos(struct store *a, struct store *b)
{
    struct repo_row *ra = NULL, *rb = NULL;
    size_t na = 0, nb = 0;
    uint64_t next_a = 0, next_b = 0;
    bool same = !state_repos(a, &ra, &na, NULL) && !state_repos(b, &rb, &nb, NULL) && !state_next_repo(a, &next_a, NULL) &&
                !state_next_repo(b, &next_b, NULL) && na == nb && next_a == next_b;
    for (size_t i = 0; i < na && same; i++)
        same = ra[i].id == rb[i].id && ra[i].plain == rb[i].plain && !strcmp(ra[i].path, rb[i].path);
    state_repos_free(ra, na);
    state_repos_free(rb, nb);
    return same;
}

/* A tombstone outlives a restore, whose feedback may quote what was purged since: it is gone through again. */
static int keep_purged(struct store *next, struct store *old, struct err *e)
{
    struct purge_row *row = NULL;
    size_t n = 0;
    int rc = purge_list(old, &row, &n, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = purge_add(next, &row[i].oid, e);
    free(row);
    return rc;
}

/* Opens the staged state and brings it to this program's schema; generations go on above those that the home gave out. */
static int prepare(bool *index_kept, const char *home, const char *staged, bool present, struct err *e)
{
    struct store next = {.lock_fd = -1}, old = {.lock_fd = -1};
    uint64_t mine = 0, theirs = 0;
    *index_kept = false;
    int rc = state_open(&next, staged, e);
    if (!rc && present && !state_open(&old, home, NULL)) { /* one that cannot be opened is what a restore is for */
        *index_kept = same_repos(&next, &old);
        if (!state_reserved(&old, &theirs, NULL) && !(rc = state_reserved(&next, &mine, e)) && theirs > mine)
            rc = state_reserve(&next, theirs, e);
        rc = rc ? rc : keep_purged(&next, &old, e);
    }
    env_close(&next.state);
    env_close(&old.state);
    purge_unload(&next);
    purge_unload(&old);
    return rc;
}

static int set_index_aside(const char *home, struct err *e)
{
    struct buf index = BUF_INIT, old = BUF_INIT;
    buf_addf(&index, "%s/index.mdb", home);
    buf_addf(&old, "%s.old", index.data); /* the next good start deletes it */
    int rc = rename(index.data, old.data) && errno != ENOENT ? err_errno(e, errno, "renaming %s", index.data) : 0;
    buf_release(&index);
    buf_release(&old);
    return rc;
}

int state_restore(struct buf *aside, bool *index_kept, const char *home, const char *staged, struct err *e)
{
    struct buf path = BUF_INIT, from = BUF_INIT;
    buf_addf(&path, "%s/state.mdb", home);
    buf_addf(&from, "%s/state.mdb", staged);
    bool present = file_exists(path.data);
    aside->len = 0;
    int rc = file_exists(from.data) ? prepare(index_kept, home, staged, present, e)
                                    : err_set(e, ERR_NOT_FOUND, "%s is not there", from.data);
    if (!rc && !*index_kept)
        rc = set_index_aside(home, e);
    if (!rc && present) { /* a second name first: at no moment is there no state */
        restore_aside(aside, path.data);
        if (link(path.data, aside->data))
            rc = err_errno(e, errno, "setting %s aside", path.data);
    }
    if (!rc && rename(from.data, path.data))
        rc = err_errno(e, errno, "renaming %s", from.data);
    if (!rc)
        rc = dir_sync(home, e);
    buf_release(&path);
    buf_release(&from);
    return rc;
}
