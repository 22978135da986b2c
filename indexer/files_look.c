/* A few directories of a worktree, for what hints named: as the walk would have come to them. */
#include "indexer/files_dir.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool files_among(struct str list, struct str entry)
{
    for (size_t at = 0, n; at < list.n; at += n + 1) {
        n = strlen(list.p + at);
        if (n == entry.n && !memcmp(list.p + at, entry.p, n))
            return true;
    }
    return false;
}

/* Those of the list that lie directly in dir. */
static void find_children(struct shared *s, struct str list, struct str dir)
{
    s->nchildren = 0;
    for (size_t at = 0, n; at < list.n; at += n + 1) {
        const char *path = list.p + at;
        n = strlen(path);
        if (n <= dir.n || memcmp(path, dir.p, dir.n) || strchr(path + dir.n, '/') != path + n - 1)
            continue;
        VEC_ROOM(s->child, s->nchildren, s->child_cap);
        s->child[s->nchildren++] = path;
    }
    if (s->nchildren)
        qsort(s->child, s->nchildren, sizeof *s->child, dir_by_text);
}

/* What a walk would have come to at dir: the rules of the directories above, one after the other. */
static bool descend(struct task *t, struct walk *w, struct str dir)
{
    buf_clear(&w->path);
    for (size_t at = 0; at < dir.n;) {
        size_t end = (size_t)((const char *)memchr(dir.p + at, '/', dir.n - at) - dir.p);
        int fd = openat(w->s->root, at ? w->path.data : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return false;
        dir_rules(&t->rules, w, fd, NULL);
        char *name = mem_strn(dir.p + at, end - at);
        buf_add(&w->path, name, end - at);
        w->into = t;
        w->module = t->module;
        w->at = 0;
        dir_enter(w, t->rules, t->only_tracked, fd, name);
        free(name);
        close(fd);
        if (w->into)
            return false;
        buf_clear(&w->path);
        buf_add(&w->path, dir.p, end + 1);
        at = end + 1;
    }
    return true;
}

int files_look(struct items *out, bool *whole, const struct worktree *wt, struct str only, struct str known, struct err *e)
{
    struct shared s = {.w = wt, .looks = true};
    struct module top = {.tracked = wt->index};
    struct walk w = {.s = &s, .out = out};
    s.root = open(wt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.root < 0)
        return err_set(e, errno == EACCES ? ERR_DENIED : ERR_NO_REPOSITORY, "%s: %s", wt->root, strerror(errno));
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.moved, NULL);
    struct level *git = level_new(&out->mem, (struct str){"", 0}, NULL);
    for (int i = 0; i < 2; i++)
        level_ignore(git, &out->mem, wt->excludes[i]);
    for (size_t at = 0, n; at < only.n && !s.whole; at += n + 1) {
        n = strlen(only.p + at);
        struct str dir = {only.p + at, n};
        struct task t = {.rules = {git, NULL}, .module = &top};
        if (!files_among(known, dir) || !descend(&t, &w, dir)) {
            s.whole = true;
            break;
        }
        t.path = mem_strn(dir.p, n);
        t.len = n;
        w.below = 0;
        find_children(&s, known, dir);
        dir_read(&w, &t);
        free(t.path);
        s.whole |= w.below != s.nchildren;
    }
    items_sort(out);
    *whole = s.whole || s.too_many;
    free(s.child);
    buf_release(&w.path);
    pthread_cond_destroy(&s.moved);
    pthread_mutex_destroy(&s.lock);
    close(s.root);
    return 0;
}
