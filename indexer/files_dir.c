#include "indexer/files_dir.h"

#include "base/mem.h"
#include "indexer/git.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct name {
    char *text;
    size_t n;
    unsigned char type; /* DT_* */
};

/* -- what is tracked --------------------------------------------------------------------------------------------------------- */

static size_t tracked_count(const struct module *m)
{
    return m->tracked ? m->tracked->n : m->list ? m->list->n : 0;
}

static struct str tracked_path(const struct module *m, size_t i)
{
    return m->tracked ? m->tracked->v[i].path : m->list->v[i].path;
}

/* First tracked path that is not before path. */
static size_t lower_bound(const struct module *m, struct str path)
{
    size_t lo = 0, hi = tracked_count(m);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (path_cmp(tracked_path(m, mid), path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Moves on to the first tracked path that is not before path; true when it is path itself, or for a directory (path ends in
 * '/') lies in it. Paths come in order within a directory. */
static bool tracked(struct walk *w, struct str path)
{
    const struct module *m = w->module;
    path.p += m->prefix;
    path.n -= m->prefix;
    size_t n = tracked_count(m);
    bool dir = path.n && path.p[path.n - 1] == '/';
    for (int steps = 0; w->at < n && path_cmp(tracked_path(m, w->at), path) < 0; steps++) {
        if (steps == 16) { /* a directory lies between */
            w->at = lower_bound(m, path);
            break;
        }
        w->at++;
    }
    if (w->at == n)
        return false;
    struct str p = tracked_path(m, w->at);
    return dir ? p.n >= path.n && memcmp(p.p, path.p, path.n) == 0 : p.n == path.n && memcmp(p.p, path.p, p.n) == 0;
}

static bool is_git(const struct module *m)
{
    return m->tracked || m->list;
}

/* -- one directory ------------------------------------------------------------------------------------------------------------- */

int dir_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void push(struct walk *w, struct rules rules, const struct module *m, bool only_tracked)
{
    struct shared *s = w->s;
    if (w->into) {
        *w->into = (struct task){.rules = rules, .module = m, .only_tracked = only_tracked};
        w->into = NULL;
        return;
    }
    if (s->looks) {
        const char *path = w->path.data;
        bool there = s->nchildren && bsearch(&path, s->child, s->nchildren, sizeof *s->child, dir_by_text) != NULL;
        w->below += there;
        s->whole |= !there;
        return;
    }
    struct task t = {mem_strn(w->path.data, w->path.len), w->path.len, rules, m, only_tracked};
    pthread_mutex_lock(&s->lock);
    VEC_ROOM(s->task, s->ntasks, s->cap);
    s->task[s->ntasks++] = t;
    pthread_cond_signal(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

static const char *const rule_files[3] = {".gitignore", IGNORE_FILE, ATTRIBUTES_FILE};

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
        if (files_bytes(&b, &st, f, file[i], RULES_MAX_BYTES, NULL) == 0) {
            if (!own)
                own = level_new(&w->out->mem, (struct str){w->path.data ? w->path.data : "", w->path.len}, up);
            add[i](own, &w->out->mem, (struct str){b.data, b.len});
        }
        close(f);
    }
    buf_release(&b);
    return own ? own : up;
}

static void file(struct walk *w, struct rules rules, int fd, const char *name, bool is_tracked)
{
    struct str path = {w->path.data, w->path.len};
    const struct gitindex_entry *entry = is_tracked && w->module->tracked ? &w->module->tracked->v[w->at] : NULL;
    if (entry && entry->mode == MODE_SUBMODULE)
        entry = NULL; /* a file stands where a submodule was */
    if (level_ignores(rules.own, path, false) || (!is_tracked && level_ignores(rules.git, path, false)))
        return;
    struct stat st;
    if (path.n >= PATH_MAX || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)))
        return;
    if (atomic_fetch_add(&w->s->files, 1) >= FILES_MAX) {
        w->s->too_many = true;
        return;
    }
    struct item *i = items_add(w->out, path);
    i->level = rules.own;
    i->from = FROM_FILE;
    i->mode = S_ISLNK(st.st_mode) ? MODE_LINK : st.st_mode & 0100 ? MODE_PROGRAM : MODE_FILE;
    if (S_ISLNK(st.st_mode))
        i->flags = OCC_SYMLINK | OCC_SKIPPED;
    item_stat(i, &st, 0);
    if (entry && gitindex_same(w->module->tracked, entry, &st) && (entry->mode == MODE_LINK) == (i->mode == MODE_LINK)) {
        i->oid = entry->oid;
        i->done = true;
    }
    if (entry && w->module->recorded) { /* should it prove to have this content */
        i->oid = entry->oid;
        i->flags |= OCC_INNER_CLEAN;
    }
}

/* A checked-out submodule: a worktree of its own under its path. Not entered where its repository cannot be opened. */
static void submodule(struct walk *w, struct rules rules, const struct gitindex_entry *entry)
{
    char at[PATH_MAX * 2];
    git_repository *r = NULL;
    if (w->s->looks) {
        w->s->whole = true;
        return;
    }
    struct item *i = items_add(w->out, (struct str){w->path.data, w->path.len - 1});
    i->oid = entry->oid;
    i->mode = MODE_SUBMODULE;
    i->flags = OCC_SUBMODULE | OCC_SKIPPED;
    i->done = true;
    snprintf(at, sizeof at, "%s/%s", w->s->w->root, w->path.data);
    if (git_repository_open_ext(&r, at, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) != 0)
        return;
    struct module *m = mem_zero(1, sizeof *m);
    if (w->s->w->gitdirs) {
        pthread_mutex_lock(&w->s->lock);
        buf_add(w->s->w->gitdirs, git_repository_path(r), strlen(git_repository_path(r)) + 1);
        pthread_mutex_unlock(&w->s->lock);
    }
    git_oid head, outer = git_of(&entry->oid);
    m->recorded = git_reference_name_to_id(&head, r, "HEAD") == 0 && git_oid_equal(&head, &outer);
    snprintf(at, sizeof at, "%sindex", git_repository_path(r));
    git_repository_free(r);
    if (gitindex_open(&m->index, at, NULL) != 0) {
        free(m);
        return;
    }
    m->tracked = &m->index;
    m->prefix = w->path.len;
    pthread_mutex_lock(&w->s->lock);
    m->next = w->s->modules;
    w->s->modules = m;
    pthread_mutex_unlock(&w->s->lock);
    rules.git = NULL; /* the outer ignore files do not reach into it */
    push(w, rules, m, false);
}

void dir_enter(struct walk *w, struct rules rules, bool only_tracked, int fd, const char *name)
{
    struct str path = {w->path.data, w->path.len};
    const struct module *m = w->module;
    if (path.n >= PATH_MAX - 2 || level_ignores(rules.own, path, true))
        return;
    /* by search: the walk is at "path/", which may lie behind the index's "path" */
    const struct gitindex_entry *module =
        m->tracked ? gitindex_find(m->tracked, (struct str){path.p + m->prefix, path.n - m->prefix}) : NULL;
    buf_addc(&w->path, '/');
    path = (struct str){w->path.data, w->path.len - 1};
    if (module && module->mode == MODE_SUBMODULE) {
        submodule(w, rules, module);
        return;
    }
    bool has_tracked = is_git(m) && tracked(w, (struct str){w->path.data, w->path.len});
    if (!has_tracked) {
        char dotgit[NAME_MAX + 8];
        struct stat st;
        snprintf(dotgit, sizeof dotgit, "%s/.git", name);
        if (only_tracked || level_ignores(rules.git, path, true))
            return;
        if (is_git(m) && fstatat(fd, dotgit, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return; /* another repository that is not part of this one */
    } else if (level_ignores(rules.git, path, true)) {
        only_tracked = true;
    }
    push(w, rules, m, only_tracked);
}

static size_t names_of(struct name **out, struct arena *mem, DIR *d, bool seen[3])
{
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

void dir_rules(struct rules *rules, struct walk *w, int fd, const bool seen[3])
{
    static void (*const add[])(struct level *, struct arena *, struct str) = {level_ignore, level_ignore, level_attributes};
    const char *const git_files[] = {!seen || seen[0] ? rule_files[0] : NULL};
    const char *const own_files[] = {!seen || seen[1] ? rule_files[1] : NULL, !seen || seen[2] ? rule_files[2] : NULL};
    rules->git = read_level(w, fd, rules->git, git_files, add, 1);
    rules->own = read_level(w, fd, rules->own, own_files, add + 1, 2);
}

static void entries(struct walk *w, const struct task *t, DIR *d, int fd)
{
    struct arena mem;
    struct name *name;
    struct rules rules = t->rules;
    bool seen[3] = {0};
    arena_init(&mem);
    size_t n = names_of(&name, &mem, d, seen), keep = w->path.len;
    dir_rules(&rules, w, fd, seen);
    for (size_t i = 0; i < n; i++) {
        buf_add(&w->path, name[i].text, name[i].n);
        if (name[i].type == DT_DIR) {
            dir_enter(w, rules, t->only_tracked, fd, name[i].text);
        } else {
            bool is_tracked = is_git(w->module) && tracked(w, (struct str){w->path.data, w->path.len});
            if (is_tracked || !t->only_tracked)
                file(w, rules, fd, name[i].text, is_tracked);
        }
        w->path.len = keep;
        w->path.data[keep] = 0;
    }
    free(name);
    arena_release(&mem);
}

void dir_read(struct walk *w, const struct task *t)
{
    buf_clear(&w->path);
    buf_add(&w->path, t->path, t->len);
    if (w->s->w->dirs) {
        pthread_mutex_lock(&w->s->lock);
        buf_add(w->s->w->dirs, t->path, t->len + 1);
        pthread_mutex_unlock(&w->s->lock);
    }
    w->module = t->module;
    w->at = is_git(t->module) ? lower_bound(t->module, (struct str){t->path + t->module->prefix, t->len - t->module->prefix}) : 0;
    int fd = openat(w->s->root, t->len ? t->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d) {
        entries(w, t, d, fd);
        closedir(d);
        return;
    }
    if (fd >= 0)
        close(fd);
    pthread_mutex_lock(&w->s->lock);
    w->s->whole = true;
    if (w->s->unreadable)
        items_add(w->s->unreadable, (struct str){t->path, t->len});
    pthread_mutex_unlock(&w->s->lock);
}
