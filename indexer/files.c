#include "indexer/files.h"

#include "base/clock.h"
#include "base/mem.h"
#include "indexer/git.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2/sys/repository.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 5000000
#define FILES_MAX_DEPTH 200 /* directories, each a descriptor while it is walked */
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

static int read_bytes(struct buf *out, struct stat *st, int fd, const char *path, size_t max, struct err *e)
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

static int clean(struct buf *b, git_repository *repo, const char *path, struct err *e)
{
    git_filter_list *filters = NULL;
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
        rc = read_bytes(out, st, fd, path, max, e);
        if (!rc && repo)
            rc = clean(out, repo, path, e);
    }
out:
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return rc;
}

/* -- walking ------------------------------------------------------------------------------------------------------------------ */

struct walk {
    const struct worktree *w;
    struct items *out, *unreadable;
    int root;
    struct buf path;  /* relative to root: the directory with its slash, or "" */
    size_t at;        /* in the index: the first entry not before where the walk is */
    size_t prefix;    /* length of the submodule's path that the index is seen from */
    int depth;
    struct err *e;
};

/* Two chains of rules: git's ignore files hide what is not tracked; .codeaskignore hides everything, and is kept with the
 * attributes for the items. */
struct rules {
    const struct level *git, *own;
};

struct name {
    char *text;
    size_t n;
    unsigned char type; /* DT_* */
};

/* git's order: a directory as if its name ended in '/', which is the byte order of whole paths. */
static int by_name(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->text, y->text, n);
    if (c)
        return c;
    unsigned char cx = n < x->n ? (unsigned char)x->text[n] : x->type == DT_DIR ? '/' : 0;
    unsigned char cy = n < y->n ? (unsigned char)y->text[n] : y->type == DT_DIR ? '/' : 0;
    return cx - cy;
}

static size_t tracked_count(const struct walk *w)
{
    return w->w->index ? w->w->index->n : w->w->tracked ? w->w->tracked->n : 0;
}

static struct str tracked_path(const struct walk *w, size_t i)
{
    return w->w->index ? w->w->index->v[i].path : w->w->tracked->v[i].path;
}

/* Moves on to the first tracked path that is not before path; true when it is path itself, or for a directory (path ends in
 * '/') lies in it. */
static bool tracked(struct walk *w, struct str path)
{
    path.p += w->prefix;
    path.n -= w->prefix;
    size_t n = tracked_count(w);
    while (w->at < n && path_cmp(tracked_path(w, w->at), path) < 0)
        w->at++;
    if (w->at == n)
        return false;
    struct str p = tracked_path(w, w->at);
    bool dir = path.n && path.p[path.n - 1] == '/';
    return dir ? p.n >= path.n && memcmp(p.p, path.p, path.n) == 0 : p.n == path.n && memcmp(p.p, path.p, p.n) == 0;
}

static int dir(struct walk *w, struct rules rules, bool only_tracked);

static const struct level *read_level(struct walk *w, int fd, const struct level *up, const char *const *file,
                                      void (*const *add)(struct level *, struct arena *, struct str), int n)
{
    struct level *own = NULL;
    struct buf b = BUF_INIT;
    for (int i = 0; i < n; i++) {
        struct stat st;
        int f = file[i] ? openat(fd, file[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        if (f < 0)
            continue;
        if (read_bytes(&b, &st, f, file[i], RULES_MAX_BYTES, NULL) == 0) {
            if (!own)
                own = level_new(&w->out->mem, (struct str){w->path.data ? w->path.data : "", w->path.len}, up);
            add[i](own, &w->out->mem, (struct str){b.data, b.len});
        }
        close(f);
    }
    buf_release(&b);
    return own ? own : up;
}

static bool file(struct walk *w, struct rules rules, int fd, const char *name, bool is_tracked)
{
    struct str path = {w->path.data, w->path.len};
    const struct gitindex_entry *entry = is_tracked && w->w->index ? &w->w->index->v[w->at] : NULL;
    if (entry && entry->mode == MODE_SUBMODULE)
        entry = NULL; /* a file stands where a submodule was */
    if (level_ignores(rules.own, path, false) || (!is_tracked && level_ignores(rules.git, path, false)))
        return true;
    struct stat st;
    if (path.n >= PATH_MAX || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)))
        return true;
    if (w->out->n >= FILES_MAX)
        return false;
    struct item *i = items_add(w->out, path);
    i->level = rules.own;
    i->from = FROM_FILE;
    i->mode = S_ISLNK(st.st_mode) ? MODE_LINK : st.st_mode & 0100 ? MODE_PROGRAM : MODE_FILE;
    if (S_ISLNK(st.st_mode))
        i->flags = OCC_SYMLINK | OCC_SKIPPED;
    item_stat(i, &st, 0);
    if (entry && gitindex_same(w->w->index, entry, &st) && (entry->mode == MODE_LINK) == (i->mode == MODE_LINK)) {
        i->oid = entry->oid;
        i->done = true;
    }
    return true;
}

/* A checked-out submodule: a worktree of its own under its path. Not followed where its repository cannot be opened. */
static int submodule(struct walk *w, struct rules rules, const struct gitindex_entry *entry)
{
    char at[PATH_MAX * 2];
    struct gitindex index = {0};
    git_repository *r = NULL;
    struct str path = {w->path.data, w->path.len - 1};
    struct item *i = items_add(w->out, path);
    i->oid = entry->oid;
    i->mode = MODE_SUBMODULE;
    i->flags = OCC_SUBMODULE | OCC_SKIPPED;
    i->done = true;
    snprintf(at, sizeof at, "%s/%s", w->w->root, w->path.data);
    int rc = 0;
    if (git_repository_open_ext(&r, at, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) != 0)
        goto out;
    snprintf(at, sizeof at, "%sindex", git_repository_path(r));
    if (gitindex_open(&index, at, NULL) != 0)
        goto out;
    struct worktree inner = *w->w;
    inner.index = &index;
    struct walk sub = *w;
    sub.w = &inner;
    sub.at = 0;
    sub.prefix = w->path.len;
    rules.git = NULL; /* the outer ignore files do not reach into it */
    rc = dir(&sub, rules, false);
    w->path = sub.path;
out:
    gitindex_close(&index);
    git_repository_free(r);
    return rc;
}

static int enter(struct walk *w, struct rules rules, bool only_tracked, int fd, const char *name)
{
    struct str path = {w->path.data, w->path.len};
    if (level_ignores(rules.own, path, true))
        return 0;
    bool git = w->w->index || w->w->tracked;
    /* by search: the walk is at "path/", which may lie behind the index's "path" */
    const struct gitindex_entry *module =
        w->w->index ? gitindex_find(w->w->index, (struct str){path.p + w->prefix, path.n - w->prefix}) : NULL;
    buf_addc(&w->path, '/');
    if (module && module->mode == MODE_SUBMODULE)
        return w->depth < FILES_MAX_DEPTH ? submodule(w, rules, module) : 0;
    bool has_tracked = git && tracked(w, (struct str){w->path.data, w->path.len});
    if (!has_tracked) {
        char dotgit[NAME_MAX + 8];
        struct stat st;
        snprintf(dotgit, sizeof dotgit, "%s/.git", name);
        path = (struct str){w->path.data, w->path.len - 1};
        if (only_tracked || level_ignores(rules.git, path, true))
            return 0;
        if (git && fstatat(fd, dotgit, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return 0; /* another repository that is not part of this one */
    } else if (level_ignores(rules.git, (struct str){w->path.data, w->path.len - 1}, true)) {
        only_tracked = true;
    }
    return w->depth < FILES_MAX_DEPTH ? dir(w, rules, only_tracked) : 0;
}

static size_t names_of(struct name **out, struct arena *mem, DIR *d, bool seen[3])
{
    static const char *const rule_files[3] = {".gitignore", IGNORE_FILE, ATTRIBUTES_FILE};
    size_t n = 0, cap = 0;
    *out = NULL;
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        const char *s = de->d_name;
        if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || strcasecmp(s, ".git") == 0)
            continue;
        unsigned char type = de->d_type;
        struct stat st;
        if (type == DT_UNKNOWN && fstatat(dirfd(d), s, &st, AT_SYMLINK_NOFOLLOW) == 0)
            type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : S_ISLNK(st.st_mode) ? DT_LNK : DT_FIFO;
        if (type != DT_DIR && type != DT_REG && type != DT_LNK)
            continue;
        for (int i = 0; i < 3; i++)
            seen[i] |= type == DT_REG && strcmp(s, rule_files[i]) == 0;
        VEC_ROOM(*out, n, cap);
        size_t len = strlen(s);
        (*out)[n++] = (struct name){arena_strn(mem, s, len), len, type};
    }
    if (n)
        qsort(*out, n, sizeof **out, by_name);
    return n;
}

static int dir(struct walk *w, struct rules rules, bool only_tracked)
{
    static void (*const add[])(struct level *, struct arena *, struct str) = {level_ignore, level_ignore, level_attributes};
    int fd = openat(w->root, w->path.len ? w->path.data : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (w->unreadable)
            items_add(w->unreadable, (struct str){w->path.data ? w->path.data : "", w->path.len});
        if (fd >= 0)
            close(fd);
        return 0;
    }
    struct arena mem;
    arena_init(&mem);
    struct name *name;
    bool seen[3] = {0};
    size_t n = names_of(&name, &mem, d, seen), keep = w->path.len;
    const char *const git_files[] = {seen[0] ? ".gitignore" : NULL};
    const char *const own_files[] = {seen[1] ? IGNORE_FILE : NULL, seen[2] ? ATTRIBUTES_FILE : NULL};
    rules.git = read_level(w, fd, rules.git, git_files, add, 1);
    rules.own = read_level(w, fd, rules.own, own_files, add + 1, 2);
    int rc = 0;
    w->depth++;
    for (size_t i = 0; i < n && !rc; i++) {
        buf_add(&w->path, name[i].text, name[i].n);
        if (name[i].type == DT_DIR) {
            rc = enter(w, rules, only_tracked, fd, name[i].text);
        } else {
            bool is_tracked = (w->w->index || w->w->tracked) && tracked(w, (struct str){w->path.data, w->path.len});
            if ((is_tracked || !only_tracked) && !file(w, rules, fd, name[i].text, is_tracked))
                rc = err_set(w->e, ERR_LIMIT, "%s has more than %d files", w->w->root, FILES_MAX);
        }
        w->path.len = keep;
        w->path.data[keep] = 0;
    }
    w->depth--;
    free(name);
    arena_release(&mem);
    closedir(d);
    return rc;
}

int files_walk(struct items *out, struct items *unreadable, const struct worktree *wt, struct err *e)
{
    struct walk w = {.w = wt, .out = out, .unreadable = unreadable, .e = e};
    w.root = open(wt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w.root < 0)
        return err_set(e, errno == EACCES ? ERR_DENIED : ERR_NO_REPOSITORY, "%s: %s", wt->root, strerror(errno));
    struct level *git = level_new(&out->mem, (struct str){"", 0}, NULL);
    for (int i = 0; i < 2; i++)
        level_ignore(git, &out->mem, wt->excludes[i]);
    int rc = dir(&w, (struct rules){git, NULL}, false);
    close(w.root);
    buf_release(&w.path);
    items_sort(out);
    return rc;
}
