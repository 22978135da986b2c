#include "service/bundle_install.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/core.h"
#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_BYTES (1 << 20)
#define DEEP 8 /* folders in folders: a bundle's have three */

static char *in(const char *dir, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", dir, name);
    return buf_take(&b);
}

static char *staged_of(const struct paths *p)
{
    return in(p->home, "importing");
}

static void drop_tree(const char *path, int deep)
{
    struct stat st;
    if (lstat(path, &st))
        return;
    DIR *d = S_ISDIR(st.st_mode) && deep < DEEP ? opendir(path) : NULL;
    for (struct dirent *one; d && (one = readdir(d));)
        if (strcmp(one->d_name, ".") && strcmp(one->d_name, "..")) {
            char *child = in(path, one->d_name);
            drop_tree(child, deep + 1);
            free(child);
        }
    if (d)
        closedir(d);
    if (S_ISDIR(st.st_mode))
        rmdir(path);
    else
        unlink(path);
}

void install_drop_tree(const char *path)
{
    drop_tree(path, 0);
}

void install_drop(const struct paths *p)
{
    char *staged = staged_of(p), *ready = in(staged, "ready");
    unlink(ready); /* first: half a folder must not go in */
    drop_tree(staged, 0);
    free(ready);
    free(staged);
}

int install_begin(char **staged, const struct paths *p, struct err *e)
{
    install_drop(p);
    *staged = staged_of(p);
    int rc = dir_make(*staged, 0700, e);
    if (rc) {
        free(*staged);
        *staged = NULL;
    }
    return rc;
}

int install_ready(const struct paths *p, struct err *e)
{
    char *staged = staged_of(p), *ready = in(staged, "ready");
    int rc = dir_sync(staged, e);
    if (!rc)
        rc = file_write(ready, "", 0, 0600, e);
    if (!rc)
        rc = dir_sync(staged, e);
    free(ready);
    free(staged);
    return rc;
}

/* -- one thing after the other: each may have been done before ------------------------------------------------------------------------ */

static bool same_tree(const char *a, const char *b)
{
    struct file_map x, y;
    if (dir_exists(a) && dir_exists(b)) {
        DIR *d = opendir(a);
        bool same = d != NULL;
        for (struct dirent *one; d && same && (one = readdir(d));)
            if (one->d_name[0] != '.') {
                char *p = in(a, one->d_name), *q = in(b, one->d_name);
                same = same_tree(p, q);
                free(p);
                free(q);
            }
        if (d)
            closedir(d);
        return same;
    }
    if (!file_exists(a) || !file_exists(b) || file_map(&x, a, NULL))
        return false;
    bool same = !file_map(&y, b, NULL);
    if (same) {
        same = x.n == y.n && !memcmp(x.p, y.p, x.n);
        file_unmap(&y);
    }
    file_unmap(&x);
    return same;
}

/* The thing at path is kept under another name. */
static int set_aside(json_t *aside, const char *path, struct err *e)
{
    struct buf old = BUF_INIT;
    restore_aside(&old, path);
    int rc = 0;
    if (!rename(path, old.data))
        json_array_append_new(aside, json_cstr(old.data));
    else if (errno != ENOENT)
        rc = err_errno(e, errno, "renaming %s", path);
    buf_release(&old);
    return rc;
}

static int move(json_t *aside, const char *from, const char *to, struct err *e)
{
    if (access(from, F_OK))
        return 0;
    if (same_tree(from, to)) {
        drop_tree(from, 0);
        return 0;
    }
    int rc = set_aside(aside, to, e);
    return !rc && rename(from, to) ? err_errno(e, errno, "renaming %s", from) : rc;
}

static int move_models(json_t *aside, const struct paths *p, const char *staged, struct err *e)
{
    char *from = in(staged, "models");
    DIR *d = opendir(from);
    int rc = d ? dir_make(p->models, 0700, e) : 0;
    for (struct dirent *one; d && !rc && (one = readdir(d));)
        if (one->d_name[0] != '.') {
            char *a = in(from, one->d_name), *b = in(p->models, one->d_name);
            rc = move(aside, a, b, e);
            free(a);
            free(b);
        }
    if (d)
        closedir(d);
    if (d && !rc)
        rc = dir_sync(p->models, e);
    free(from);
    return rc;
}

/* It may lie on another file system than the home. */
static int put_config(json_t *aside, const struct paths *p, const char *staged, struct err *e)
{
    struct buf b = BUF_INIT;
    char *from = in(staged, "config"), *folder = mem_str(p->config), *slash = strrchr(folder, '/');
    int rc = 0;
    if (!file_exists(from))
        goto out;
    if (slash && slash > folder) {
        *slash = 0;
        rc = dir_make(folder, 0700, e);
    }
    if (!rc)
        rc = file_read(&b, from, CONFIG_BYTES, e);
    if (!rc && !same_tree(from, p->config) && !(rc = set_aside(aside, p->config, e)))
        rc = file_write(p->config, b.data ? b.data : "", b.len, 0600, e);
    if (!rc)
        unlink(from);
out:
    buf_release(&b);
    free(from);
    free(folder);
    return rc;
}

/* The state first: with it goes whatever index the home had, and then the bundle's comes in. */
static int put_stores(json_t *aside, const struct paths *p, const char *staged, struct err *e)
{
    struct buf old = BUF_INIT;
    char *state = in(staged, "state.mdb"), *from = in(staged, "index.mdb"), *to = in(p->home, "index.mdb"), *lock = in(p->home, "index.mdb-lock");
    bool kept;
    int rc = file_exists(state) ? state_restore(&old, &kept, p->home, staged, e) : 0;
    if (!rc && old.len)
        json_array_append_new(aside, json_cstr(old.data));
    if (!rc && file_exists(from)) {
        unlink(lock);
        if (rename(from, to))
            rc = err_errno(e, errno, "renaming %s", from);
    }
    buf_release(&old);
    free(state);
    free(from);
    free(to);
    free(lock);
    return rc;
}

int install_finish(json_t *aside, const struct paths *p, struct err *e)
{
    char *staged = staged_of(p), *ready = in(staged, "ready");
    json_t *own = aside ? json_incref(aside) : json_array();
    int rc = 0;
    if (!file_exists(ready))
        goto out;
    rc = put_stores(own, p, staged, e); /* what can still be refused is refused here */
    if (!rc)
        rc = move_models(own, p, staged, e);
    static const char *const rest[] = {"adapters", "bundle.json"};
    for (size_t i = 0; i < sizeof rest / sizeof *rest && !rc; i++) {
        char *from = in(staged, rest[i]), *to = in(p->home, rest[i]);
        rc = move(own, from, to, e);
        free(from);
        free(to);
    }
    if (!rc)
        rc = put_config(own, p, staged, e);
    if (!rc)
        rc = dir_sync(p->home, e);
    if (!rc)
        install_drop(p);
out:
    json_decref(own);
    free(ready);
    free(staged);
    return rc;
}

void bundle_clear(const struct paths *p)
{
    char *part = in(p->home, "exporting"), *folder = in(p->home, "bundles");
    install_drop(p);
    drop_tree(part, 0);
    DIR *d = opendir(folder);
    for (struct dirent *one; d && (one = readdir(d));) {
        size_t n = strlen(one->d_name);
        if (n > 5 && !strcmp(one->d_name + n - 5, ".part")) {
            char *path = in(folder, one->d_name);
            drop_tree(path, 0);
            free(path);
        }
    }
    if (d)
        closedir(d);
    free(part);
    free(folder);
}

int install_pending(const struct paths *p, struct err *e)
{
    char *staged = staged_of(p), *ready = in(staged, "ready");
    bool there = file_exists(ready);
    int hold = -1, rc = there ? home_hold(&hold, p->home, e) : 0;
    free(ready);
    free(staged);
    if (!there || rc)
        return rc;
    log_line(LOG_WARN, "an import of a bundle was cut short: it is finished now");
    rc = install_finish(NULL, p, e);
    home_release(hold);
    return rc;
}
