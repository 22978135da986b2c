/* Finding and opening repositories, and where their names lead. */
#include "indexer/git.h"
#include "indexer/indexer.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- whose repository it is ---------------------------------------------------------------------------------------------- */

static bool ours(const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) != 0)
        return true; /* what is not there belongs to nobody */
    if (st.st_uid == geteuid())
        return true;
    const char *sudo = geteuid() == 0 ? getenv("SUDO_UID") : NULL; /* as git does */
    return sudo && strtoul(sudo, NULL, 10) == st.st_uid;
}

struct safe {
    const char *path;
    bool yes;
};

static int safe_row(const git_config_entry *row, void *arg)
{
    struct safe *s = arg;
    if (!row->value || !*row->value)
        s->yes = false; /* an empty value takes back the ones before it */
    else if (strcmp(row->value, "*") == 0 || strcmp(row->value, s->path) == 0)
        s->yes = true;
    return 0;
}

/* safe.directory of the user's and the system's configuration: a consent that git honours as well. */
static bool declared_safe(const char *path)
{
    struct safe s = {path, false};
    git_config *c = NULL;
    if (git_config_open_default(&c) == 0)
        git_config_get_multivar_foreach(c, "safe.directory", NULL, safe_row, &s);
    git_config_free(c);
    return s.yes;
}

static int check_owner(git_repository *r, const char *root, struct err *e)
{
    char link[PATH_MAX + 8];
    snprintf(link, sizeof link, "%s/.git", root);
    if ((ours(root) && ours(git_repository_path(r)) && ours(link)) || declared_safe(root))
        return 0;
    err_set(e, ERR_DENIED, "the repository %s belongs to another user", root);
    err_hint(e, "to index it all the same: codeask repo add %.200s", root);
    return ERR_DENIED;
}

/* -- finding ---------------------------------------------------------------------------------------------------------------- */

static char *canonical(const char *path)
{
    return realpath(path, NULL);
}

static bool inside(const char *dir, const char *root)
{
    size_t n = strlen(root);
    while (n && root[n - 1] == '/')
        n--;
    return strncmp(dir, root, n) == 0 && (dir[n] == 0 || dir[n] == '/');
}

/* The nearest .git at dir or above it that libgit2 would not take for a repository. */
static bool broken_git(char *out, size_t size, const char *dir)
{
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%s", dir);
    for (;;) {
        struct stat st;
        snprintf(out, size, "%s/.git", strcmp(at, "/") ? at : "");
        if (lstat(out, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
            char head[PATH_MAX + 16];
            snprintf(head, sizeof head, "%s/objects", out);
            return S_ISREG(st.st_mode) || dir_exists(head);
        }
        char *slash = strrchr(at, '/');
        if (!slash || !at[1])
            return false;
        slash[slash == at] = 0;
    }
}

static int open_error(struct err *e, int code, const char *path)
{
    git_fail(e, code, "%s", path);
    /* libgit2 1.5: "unsupported extension name extensions.objectformat"; 1.7: "unknown object format 'sha256'" */
    if (e && (strstr(e->message, "objectformat") || strstr(e->message, "object format"))) {
        err_set(e, ERR_UNSUPPORTED, "%s: SHA-256 repositories are not supported by this libgit2", path);
        err_hint(e, "index a SHA-1 clone of it, or an export as a plain directory");
    } else if (e && e->code == ERR_NOT_FOUND) {
        e->code = ERR_NO_REPOSITORY;
    }
    return e ? e->code : ERR_NO_REPOSITORY;
}

int repo_find(struct repo_found *out, const char *dir, bool any_owner, struct err *e)
{
    git_start();
    *out = (struct repo_found){0};
    git_repository *r = NULL;
    struct err own;
    int rc = 0;
    e = e ? e : &own;
    char *at = canonical(dir), *root = NULL;
    if (!at || !dir_exists(at)) {
        rc = err_set(e, ERR_NO_REPOSITORY, "%s: no such directory", dir);
        goto out;
    }
    int code = git_repository_open_ext(&r, at, GIT_REPOSITORY_OPEN_CROSS_FS, NULL);
    if (code == GIT_ENOTFOUND) {
        char bad[PATH_MAX + 8];
        if (broken_git(bad, sizeof bad, at)) {
            rc = err_set(e, ERR_CORRUPT, "%s is not a repository that git can open", bad);
            err_hint(e, "git fsck tells what is wrong with it");
            goto out;
        }
        out->plain = true;
        out->path = at;
        at = NULL;
        goto out;
    }
    if (code) {
        rc = open_error(e, code, at);
        goto out;
    }
    const char *work = git_repository_workdir(r);
    root = work ? canonical(work) : NULL;
    /* a core.worktree that leads elsewhere would make us read what nobody asked for: then only its commits count */
    if (!root || !inside(at, root)) {
        free(root);
        root = canonical(git_repository_path(r));
        out->bare = true;
    }
    if (!root) {
        rc = err_set(e, ERR_NO_REPOSITORY, "%s: the repository went away", at);
        goto out;
    }
    if (!any_owner && (rc = check_owner(r, root, e)) != 0)
        goto out;
    out->shallow = git_repository_is_shallow(r) == 1;
    out->unborn = git_repository_head_unborn(r) == 1;
    out->path = root;
    root = NULL;
out:
    git_repository_free(r);
    free(root);
    free(at);
    if (rc)
        out->path = NULL;
    return rc;
}

/* -- opening ------------------------------------------------------------------------------------------------------------------ */

#define HANDLES 8

/* The one piece of state outside a context in this room: source_read has none to pass, and a leak per open is no choice. */
static struct handle {
    git_repository *repo;
    char path[PATH_MAX];
    struct stat config; /* identity of the repository and of its settings */
    bool busy;
    int64_t used;
} handles[HANDLES];
static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;

static bool config_stat(struct stat *st, git_repository *r)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%sconfig", git_repository_commondir(r));
    return stat(path, st) == 0;
}

static bool same_config(const struct handle *h)
{
    char link[PATH_MAX + 8], head[PATH_MAX + 8];
    struct stat now;
    snprintf(link, sizeof link, "%s/.git", h->path); /* a worktree: a linked one may be removed alone */
    snprintf(head, sizeof head, "%s/HEAD", h->path); /* a bare one */
    if (access(link, F_OK) != 0 && access(head, F_OK) != 0)
        return false;
    return config_stat(&now, h->repo) && now.st_ino == h->config.st_ino &&
           now.st_dev == h->config.st_dev && now.st_size == h->config.st_size &&
           now.st_ctim.tv_sec == h->config.st_ctim.tv_sec && now.st_ctim.tv_nsec == h->config.st_ctim.tv_nsec;
}

static git_repository *take_handle(const char *path)
{
    git_repository *found = NULL;
    pthread_mutex_lock(&handles_lock);
    for (struct handle *h = handles; h < handles + HANDLES && !found; h++)
        if (h->repo && !h->busy && strcmp(h->path, path) == 0) {
            if (same_config(h)) {
                h->busy = true;
                found = h->repo;
            } else {
                git_repository_free(h->repo);
                h->repo = NULL;
            }
        }
    pthread_mutex_unlock(&handles_lock);
    return found;
}

/* Notes a newly opened one, in place of the idle one that was used longest ago; where all are busy it stays unknown. */
static void add_handle(git_repository *r, const char *path)
{
    struct handle *to = NULL;
    struct stat st;
    if (strlen(path) >= PATH_MAX || !config_stat(&st, r))
        return;
    pthread_mutex_lock(&handles_lock);
    for (struct handle *h = handles; h < handles + HANDLES; h++)
        if (!h->repo || (!h->busy && (!to || (to->repo && h->used < to->used))))
            to = h;
    if (to) {
        git_repository_free(to->repo);
        *to = (struct handle){.repo = r, .config = st, .busy = true};
        strcpy(to->path, path);
    }
    pthread_mutex_unlock(&handles_lock);
}

void repo_close(git_repository *r)
{
    bool known = false;
    if (!r)
        return;
    pthread_mutex_lock(&handles_lock);
    for (struct handle *h = handles; h < handles + HANDLES; h++)
        if (h->repo == r) {
            known = true;
            h->busy = false;
            h->used = clock_ns();
        }
    pthread_mutex_unlock(&handles_lock);
    if (!known)
        git_repository_free(r);
}

int repo_open(git_repository **out, const char *path, struct err *e)
{
    git_start();
    *out = take_handle(path);
    if (*out)
        return 0;
    int code = git_repository_open_ext(out, path, GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_CROSS_FS, NULL);
    if (code == 0) {
        add_handle(*out, path);
        return 0;
    }
    struct err own;
    e = e ? e : &own;
    int rc = open_error(e, code, path);
    if (rc == ERR_NO_REPOSITORY && !dir_exists(path))
        err_hint(e, "the folder is gone: codeask repo remove %.200s", path);
    return rc;
}

/* -- names -------------------------------------------------------------------------------------------------------------------- */

static int peel(struct git_target *out, const git_object *from, const char *ref, struct err *e)
{
    git_object *commit = NULL, *tree = NULL;
    int code = git_object_peel(&commit, from, GIT_OBJECT_COMMIT);
    if (code == 0)
        code = git_object_peel(&tree, commit, GIT_OBJECT_TREE);
    int rc = 0;
    if (code) {
        rc = git_fail(e, code, "%s", ref);
        if (commit) /* the commit is there, its tree is not: damage, not a wrong name */
            rc = err_set(e, ERR_CORRUPT, "the tree of commit %s cannot be read (damaged or partial repository)", ref);
    } else {
        out->commit = oid_of(git_object_id(commit));
        out->tree = oid_of(git_object_id(tree));
    }
    git_object_free(tree);
    git_object_free(commit);
    return rc;
}

int repo_target(struct git_target *out, git_repository *r, const char *ref, struct err *e)
{
    *out = (struct git_target){0};
    git_object *o = NULL;
    git_reference *to = NULL;
    int rc = 0;
    if (!ref) {
        snprintf(out->name, sizeof out->name, "HEAD");
        int code = git_repository_head(&to, r);
        if (code == GIT_EUNBORNBRANCH || (code == GIT_ENOTFOUND && git_repository_head_unborn(r) == 1)) {
            out->unborn = true;
            goto out;
        }
        if (code == 0)
            code = git_reference_peel(&o, to, GIT_OBJECT_ANY);
        rc = code ? git_fail(e, code, "HEAD of %s", git_repository_path(r)) : peel(out, o, "HEAD", e);
        if (rc == ERR_NOT_FOUND)
            rc = err_set(e, ERR_CORRUPT, "HEAD of %s points at a commit that is not there", git_repository_path(r));
        goto out;
    }
    /* names first: revparse of libgit2 1.5 leaks 20 KB a call */
    int code = git_reference_dwim(&to, r, ref);
    if (code == 0)
        code = git_reference_peel(&o, to, GIT_OBJECT_ANY);
    if (code) {
        git_reference_free(to);
        to = NULL;
        code = git_revparse_ext(&o, &to, r, ref);
    }
    if (code) {
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such branch, tag or commit", ref);
        goto out;
    }
    rc = peel(out, o, ref, e);
    if (rc)
        goto out;
    git_reference *real = NULL;
    if (to && git_reference_resolve(&real, to) == 0)
        snprintf(out->name, sizeof out->name, "%s", git_reference_name(real));
    else
        hex_of(out->name, out->commit.byte, GIT_ID_BYTES);
    git_reference_free(real);
out:
    git_reference_free(to);
    git_object_free(o);
    return rc;
}

int repo_ref_name(struct buf *out, const struct repo_row *repo, const char *ref, struct err *e)
{
    git_repository *r = NULL;
    struct git_target t;
    int rc = repo_open(&r, repo->path, e);
    if (!rc)
        rc = repo_target(&t, r, ref, e);
    repo_close(r);
    if (!rc)
        buf_adds(out, t.name);
    return rc;
}
