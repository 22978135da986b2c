/* Walking a worktree: one stat a file, so the system's time is what it costs; directories are given out to a few threads. */
#include "indexer/files_dir.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 4   /* more do not help: they meet in the kernel's locks; at most ITEMS_PARTS */
#define THREADS_FROM 64 /* directories waiting: below, starting a thread costs more than it saves */

/* Works until nothing is left; alone: returns when so many directories wait that help is worth it. */
static void work(struct walk *w, bool alone)
{
    struct shared *s = w->s;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->ntasks && s->busy)
            pthread_cond_wait(&s->moved, &s->lock);
        if (!s->ntasks || (alone && s->ntasks >= THREADS_FROM))
            break;
        struct task t = s->task[--s->ntasks];
        s->busy++;
        pthread_mutex_unlock(&s->lock);
        dir_read(w, &t);
        free(t.path);
        pthread_mutex_lock(&s->lock);
        s->busy--;
    }
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
    if (!alone)
        items_sort(w->out);
}

static void *helper(void *arg)
{
    work(arg, false);
    return NULL;
}

static void walk_all(struct shared *s, struct items *part, size_t n)
{
    struct walk w[ITEMS_PARTS] = {0};
    pthread_t thread[ITEMS_PARTS];
    size_t helpers = 0;
    for (size_t i = 0; i < n; i++)
        w[i] = (struct walk){.s = s, .out = &part[i]};
    work(&w[0], true);
    pthread_mutex_lock(&s->lock);
    bool more = s->ntasks > 0;
    pthread_mutex_unlock(&s->lock);
    while (more && helpers + 1 < n && pthread_create(&thread[helpers], NULL, helper, &w[helpers + 1]) == 0)
        helpers++;
    work(&w[0], false);
    for (size_t i = 0; i < helpers; i++)
        pthread_join(thread[i], NULL);
    for (size_t i = 0; i < n; i++)
        buf_release(&w[i].path);
}

int files_walk(struct items *out, struct items *unreadable, const struct worktree *wt, struct err *e)
{
    struct shared s = {.w = wt, .unreadable = unreadable};
    struct module top = {.tracked = wt->index, .list = wt->index ? NULL : wt->tracked};
    s.root = open(wt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.root < 0)
        return err_set(e, errno == EACCES ? ERR_DENIED : ERR_NO_REPOSITORY, "%s: %s", wt->root, strerror(errno));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    struct items *part = mem_zero(n, sizeof *part);
    for (size_t i = 0; i < n; i++)
        items_init(&part[i]);
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.moved, NULL);
    struct level *git = level_new(&part[0].mem, (struct str){"", 0}, NULL);
    for (int i = 0; i < 2; i++)
        level_ignore(git, &part[0].mem, wt->excludes[i]);
    VEC_ROOM(s.task, s.ntasks, s.cap);
    s.task[s.ntasks++] = (struct task){.path = mem_str(""), .rules = {git, NULL}, .module = &top};
    walk_all(&s, part, n);
    items_join(out, part, n);
    while (s.modules) {
        struct module *m = s.modules;
        s.modules = m->next;
        gitindex_close(&m->index);
        free(m);
    }
    free(s.task);
    pthread_cond_destroy(&s.moved);
    pthread_mutex_destroy(&s.lock);
    close(s.root);
    return s.too_many ? err_set(e, ERR_LIMIT, "%s has more than %d files", wt->root, FILES_MAX) : 0;
}
