/* Reading a repository's commits into the store: threads read, the caller's thread writes. */
#include "indexer/history_read.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READERS_MAX 4      /* each holds up to 70 MB of contents and trees */
#define TAKE 16            /* commits that a reader takes at once: neighbours share contents */
#define WAITING_MAX 512    /* read commits that wait for the writer */
#define SHOW_NS 50000000

bool history_go_on(struct history_run *run, uint64_t done, uint64_t all)
{
    int64_t now = clock_ns();
    if (!run->cb || now - run->shown_ns < SHOW_NS)
        return true;
    run->shown_ns = now;
    run->progress.stage = "history";
    run->progress.files = all;
    run->progress.files_done = done;
    run->progress.seconds = (double)(now - run->began_ns) / 1e9;
    return run->cb(run->arg, &run->progress);
}

bool history_whole(struct txn *t, const struct oid *tip)
{
    return commit_node(t, commit_find(t, tip)).flags & (HISTORY_WHOLE | HISTORY_WHOLE_SHALLOW);
}

/* -- what is to be read --------------------------------------------------------------------------------------------------------- */

struct pending {
    uint32_t number, time;
    git_oid id;
};

struct work {
    struct history_run *run;
    struct pending *v;
    size_t n, cap;
    bool boundary;             /* a shallow clone ends somewhere behind the tip */
    pthread_mutex_t mu;
    pthread_cond_t ready, room;
    size_t next;               /* [mu] */
    unsigned readers;          /* [mu] that still run */
    bool stop;                 /* [mu] */
    struct one {
        struct one *next;
        uint32_t number;
        struct read_commit c;
    } *first, **last;          /* [mu] */
    size_t waiting;            /* [mu] */
    struct err why;            /* [mu] of the first reader that failed; code 0: none */
};

static int newest_first(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;
    if (x->time != y->time)
        return x->time > y->time ? -1 : 1;
    return x->number > y->number ? -1 : x->number < y->number;
}

struct wanted {
    struct work *w;
    const uint64_t *bit;
    uint32_t most;
};

/* The ids of pending commits: the table commitof is the only place that has them. */
static int add_pending(void *arg, const struct oid *o, uint32_t number)
{
    struct wanted *x = arg;
    struct work *w = x->w;
    if (number >= x->most || !(x->bit[number / 64] >> number % 64 & 1))
        return 0;
    VEC_ROOM(w->v, w->n, w->cap);
    w->v[w->n++] = (struct pending){.number = number, .id = git_of(o)};
    return 0;
}

static int list_pending(struct work *w, uint32_t tip, struct err *e)
{
    struct txn *t;
    struct history_graph g = {0};
    struct history_reach reach = {0};
    size_t npending = 0;
    int rc = store_read(&t, w->run->store, e);
    if (rc)
        return rc;
    if ((rc = history_graph_open(&g, t, e)))
        goto out;
    history_reach_init(&reach, &g);
    history_reach_add(&reach, &g, tip);
    for (uint32_t c = 1; c < reach.most; c++) {
        struct history_node n = history_node(&g, c);
        if (!history_reaches(&reach, c))
            continue;
        w->boundary |= n.flags & HISTORY_BOUNDARY;
        if (n.state == HISTORY_PENDING)
            npending++;
        else
            reach.bit[c / 64] &= ~(1ull << c % 64);
    }
    if (npending)
        rc = commits_each(t, add_pending, &(struct wanted){w, reach.bit, reach.most}, e);
    for (size_t i = 0; i < w->n; i++)
        w->v[i].time = history_node(&g, w->v[i].number).time;
    qsort(w->v, w->n, sizeof *w->v, newest_first);
out:
    history_reach_release(&reach);
    history_graph_close(&g);
    txn_end(t);
    return rc;
}

/* -- reading -------------------------------------------------------------------------------------------------------------------- */

static void hand_over(struct work *w, struct one *o)
{
    pthread_mutex_lock(&w->mu);
    while (w->waiting >= WAITING_MAX && !w->stop)
        pthread_cond_wait(&w->room, &w->mu);
    *w->last = o;
    w->last = &o->next;
    w->waiting++;
    pthread_cond_signal(&w->ready);
    pthread_mutex_unlock(&w->mu);
}

/* [from, to) of the list; false when there is no more. */
static bool take(struct work *w, size_t *from, size_t *to)
{
    pthread_mutex_lock(&w->mu);
    *from = w->next;
    *to = w->n - w->next < TAKE ? w->n : w->next + TAKE;
    bool more = *from < *to && !w->stop;
    if (more)
        w->next = *to;
    pthread_mutex_unlock(&w->mu);
    return more;
}

static bool stopped(struct work *w)
{
    pthread_mutex_lock(&w->mu);
    bool stop = w->stop;
    pthread_mutex_unlock(&w->mu);
    return stop;
}

static void *reader_main(void *arg)
{
    struct work *w = arg;
    struct blobs *b = NULL;
    git_repository *git = NULL;
    struct err e = {0};
    size_t i, to;
    int rc = repo_open(&git, w->run->repo->path, &e);
    if (!rc)
        b = blobs_new(git);
    while (!rc && take(w, &i, &to))
        for (; i < to && !rc && !stopped(w); i++) {
            struct one *o = mem_zero(1, sizeof *o);
            o->number = w->v[i].number;
            rc = commit_read(&o->c, b, git, &w->v[i].id, &e);
            if (rc) {
                read_commit_release(&o->c);
                free(o);
            } else {
                hand_over(w, o);
            }
        }
    blobs_free(b);
    repo_close(git);
    pthread_mutex_lock(&w->mu);
    if (rc && !w->why.code)
        w->why = e;
    w->readers--;
    pthread_cond_signal(&w->ready);
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

static unsigned readers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > READERS_MAX ? READERS_MAX : (unsigned)cores;
}

static struct one *next_read(struct work *w)
{
    pthread_mutex_lock(&w->mu);
    while (!w->first && w->readers)
        pthread_cond_wait(&w->ready, &w->mu);
    struct one *o = w->first;
    if (o) {
        w->first = o->next;
        if (!w->first)
            w->last = &w->first;
        w->waiting--;
        pthread_cond_signal(&w->room);
    }
    pthread_mutex_unlock(&w->mu);
    return o;
}

static int write_all(struct work *w, struct err *e)
{
    struct history_group *g = group_new(w->run->store);
    struct one *o;
    size_t done = 0;
    int rc = 0;
    while ((o = next_read(w))) {
        if (!rc)
            rc = group_add(g, o->number, &o->c, e);
        read_commit_release(&o->c);
        free(o);
        if (!rc && group_full(g))
            rc = group_flush(g, e);
        if (!rc && !history_go_on(w->run, ++done, w->n))
            rc = err_set(e, ERR_CANCELED, "reading the history was stopped");
        if (rc) {
            pthread_mutex_lock(&w->mu);
            w->stop = true;
            pthread_cond_broadcast(&w->room);
            pthread_mutex_unlock(&w->mu);
        }
    }
    if (!rc || rc == ERR_CANCELED) { /* what is read is kept */
        int kept = group_flush(g, rc ? NULL : e);
        rc = rc ? rc : kept;
    }
    group_free(g);
    return rc;
}

static int read_all(struct work *w, struct err *e)
{
    pthread_t thread[READERS_MAX];
    unsigned n = w->n > 4 * TAKE ? readers() : 1, running = 0;
    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->ready, NULL);
    pthread_cond_init(&w->room, NULL);
    w->last = &w->first;
    w->readers = n;
    while (running < n && !pthread_create(&thread[running], NULL, reader_main, w))
        running++;
    pthread_mutex_lock(&w->mu);
    w->readers -= n - running;
    pthread_mutex_unlock(&w->mu);
    int rc = running ? write_all(w, e) : err_set(e, ERR_LIMIT, "cannot start a thread");
    for (unsigned i = 0; i < running; i++)
        pthread_join(thread[i], NULL);
    if (!rc && w->why.code) {
        rc = w->why.code;
        if (e)
            *e = w->why;
    }
    pthread_cond_destroy(&w->room);
    pthread_cond_destroy(&w->ready);
    pthread_mutex_destroy(&w->mu);
    return rc;
}

static int mark_whole(struct history_run *run, uint32_t tip, bool boundary, bool changed, struct err *e)
{
    struct txn *t;
    int rc = store_write(&t, run->store, e);
    if (rc)
        return rc;
    rc = commit_flag(t, tip, boundary ? HISTORY_WHOLE_SHALLOW : HISTORY_WHOLE, HISTORY_WHOLE_SHALLOW, e);
    if (rc) {
        txn_end(t);
        return rc;
    }
    if (changed)
        txn_bump(t);
    return txn_commit(t, e);
}

static int look_up(uint32_t *tip, struct history_node *n, struct store *s, const struct oid *o, struct err *e)
{
    struct txn *t;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    *tip = commit_find(t, o);
    *n = commit_node(t, *tip);
    txn_end(t);
    return 0;
}

static int bring_in(struct history_run *run, struct indexer *x, const struct oid *tip, struct err *e)
{
    struct work w = {.run = run};
    struct history_node n;
    uint32_t number;
    int rc = look_up(&number, &n, run->store, tip, e);
    bool shallow = git_repository_is_shallow(run->git) == 1;
    if (rc || n.flags & HISTORY_WHOLE || (n.flags & HISTORY_WHOLE_SHALLOW && shallow))
        return rc;
    indexer_writes(x);
    if ((rc = history_number(run, tip, n.flags & HISTORY_WHOLE_SHALLOW && !shallow, e)) ||
        (rc = look_up(&number, &n, run->store, tip, e)) || (rc = list_pending(&w, number, e)))
        goto out;
    if (w.n)
        rc = read_all(&w, e);
    if (!rc)
        rc = mark_whole(run, number, w.boundary, w.n > 0, e);
out:
    free(w.v);
    return rc;
}

int history_index(struct indexer *x, const struct repo_row *repo, const struct oid *tip, index_progress_cb cb, void *arg, struct err *e)
{
    struct history_run run = {.store = x->store, .repo = repo, .cb = cb, .arg = arg, .began_ns = clock_ns()};
    if (repo->plain || oid_zero(tip))
        return 0;
    pthread_mutex_lock(&x->history);
    int rc = repo_open(&run.git, repo->path, e);
    if (!rc)
        rc = bring_in(&run, x, tip, e);
    repo_close(run.git);
    pthread_mutex_unlock(&x->history);
    return rc;
}
