#define _GNU_SOURCE /* qsort_r */
#include "engine/batch.h"

#include "base/mem.h"
#include "base/nice.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A caller's texts; lives on its stack. Guarded by the lane's lock, token, offset and stop aside. */
struct job {
    const uint32_t *token, *offset;
    const volatile bool *stop;
    float *out;
    uint32_t *order; /* [n] longest first: what a batch takes has equal lengths, which parallelises well */
    size_t n, next, in_flight;
    int rc;
    struct err err;
    bool done;
    pthread_cond_t finished;
    struct job *link;
};

struct item {
    struct job *job;
    uint32_t text, len;
};

/* A priority's queue and its thread. */
struct lane {
    struct batcher *b;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first;
    bool stop, nice, started;
    pthread_t thread;
    struct item *item; /* the batch; the thread's own, as is all below */
    size_t nitem, item_cap, token_cap, out_cap;
    uint32_t *token, *offset;
    float *out;
};

struct batcher {
    batch_run run;
    void *arg;
    uint32_t dim;
    size_t budget;
    struct lane lane[2];
};

static uint32_t length(const struct job *j, uint32_t text)
{
    return j->offset[text + 1] - j->offset[text];
}

/* With the lock held: ends what was canceled or has failed or is complete, once nothing of it runs. */
static void end_jobs(struct lane *l)
{
    for (struct job **p = &l->first; *p;) {
        struct job *j = *p;
        if (!j->rc && j->next < j->n && j->stop && __atomic_load_n(j->stop, __ATOMIC_RELAXED))
            j->rc = err_set(&j->err, ERR_CANCELED, "embedding was canceled");
        if (j->rc)
            j->next = j->n;
        if (j->next == j->n && !j->in_flight) {
            *p = j->link;
            j->done = true;
            pthread_cond_signal(&j->finished);
        } else {
            p = &j->link;
        }
    }
}

static void take(struct lane *l, struct job *j)
{
    uint32_t text = j->order[j->next++];
    j->in_flight++;
    VEC_ROOM(l->item, l->nitem, l->item_cap);
    l->item[l->nitem++] = (struct item){j, text, length(j, text)};
}

/* With the lock held: the next batch, in equal parts of the waiting jobs, then whatever still fits. */
static void form(struct lane *l)
{
    size_t jobs = 0, total = 0;
    l->nitem = 0;
    for (struct job *j = l->first; j; j = j->link)
        jobs += j->next < j->n;
    for (int pass = 0; pass < 2 && jobs; pass++) {
        size_t share = pass ? l->b->budget : l->b->budget / jobs;
        for (struct job *j = l->first; j; j = j->link)
            for (size_t part = 0; j->next < j->n;) {
                uint32_t len = length(j, j->order[j->next]);
                if (l->nitem && (total + len > l->b->budget || (part && part + len > share)))
                    break;
                take(l, j);
                part += len;
                total += len;
            }
    }
}

static int longest_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->len > y->len ? -1 : x->len < y->len;
}

/* Without the lock: tokens in, rows out. */
static int compute(struct lane *l, struct err *e)
{
    size_t n = l->nitem, total = 0, dim = l->b->dim;
    qsort(l->item, n, sizeof *l->item, longest_first);
    for (size_t i = 0; i < n; i++)
        total += l->item[i].len;
    if (total + n + 1 > l->token_cap) {
        l->token_cap = (total + n + 1) * 2;
        l->token = mem_grow(l->token, l->token_cap, 2 * sizeof *l->token);
        l->offset = l->token + l->token_cap;
    }
    if (n > l->out_cap) {
        l->out_cap = n * 2;
        l->out = mem_grow(l->out, l->out_cap, dim * sizeof *l->out);
    }
    l->offset[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &l->item[i];
        memcpy(l->token + l->offset[i], it->job->token + it->job->offset[it->text], it->len * sizeof *l->token);
        l->offset[i + 1] = l->offset[i] + it->len;
    }
    return l->b->run(l->b->arg, l->nice ? PRIORITY_DOCUMENT : PRIORITY_QUERY, l->token, l->offset, n, l->out, e);
}

static void *work(void *arg)
{
    struct lane *l = arg;
    size_t dim = l->b->dim;
    if (l->nice)
        thread_be_nice();
    pthread_mutex_lock(&l->lock);
    for (;;) {
        end_jobs(l);
        form(l);
        if (!l->nitem) {
            if (l->stop)
                break;
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        struct err err = {0};
        int rc = compute(l, &err);
        for (size_t i = 0; i < l->nitem && !rc; i++)
            memcpy(l->item[i].job->out + l->item[i].text * dim, l->out + i * dim, dim * sizeof *l->out);
        pthread_mutex_lock(&l->lock);
        for (size_t i = 0; i < l->nitem; i++) {
            struct job *j = l->item[i].job;
            j->in_flight--;
            if (rc && !j->rc) {
                j->rc = rc;
                j->err = err;
            }
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int by_length(const void *a, const void *b, void *arg)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b, p = length(arg, x), q = length(arg, y);
    return p != q ? (p > q ? -1 : 1) : x < y ? -1 : x > y;
}

int batcher_embed(struct batcher *b, enum priority p, const uint32_t *token, const uint32_t *offset, size_t n, float *out,
                  const volatile bool *stop, struct err *e)
{
    struct lane *l = &b->lane[p];
    struct job j = {.token = token, .offset = offset, .stop = stop, .out = out, .n = n};
    if (!n)
        return 0;
    j.order = mem_alloc(n * sizeof *j.order);
    for (size_t i = 0; i < n; i++)
        j.order[i] = (uint32_t)i;
    qsort_r(j.order, n, sizeof *j.order, by_length, &j);
    pthread_cond_init(&j.finished, NULL);
    pthread_mutex_lock(&l->lock);
    struct job **last = &l->first;
    while (*last)
        last = &(*last)->link;
    *last = &j;
    pthread_cond_signal(&l->work);
    while (!j.done)
        pthread_cond_wait(&j.finished, &l->lock);
    pthread_mutex_unlock(&l->lock);
    pthread_cond_destroy(&j.finished);
    free(j.order);
    if (j.rc && e)
        *e = j.err;
    return j.rc;
}

int batcher_new(struct batcher **out, batch_run run, void *arg, uint32_t dim, size_t budget, struct err *e)
{
    struct batcher *b = mem_zero(1, sizeof *b);
    int rc = 0;
    *b = (struct batcher){.run = run, .arg = arg, .dim = dim, .budget = budget};
    for (int i = 0; i < 2; i++) {
        struct lane *l = &b->lane[i];
        l->b = b;
        l->nice = i == PRIORITY_DOCUMENT;
        pthread_mutex_init(&l->lock, NULL);
        pthread_cond_init(&l->work, NULL);
        int err = rc ? 0 : pthread_create(&l->thread, NULL, work, l);
        l->started = !rc && !err;
        if (err)
            rc = err_errno(e, err, "cannot start a thread");
    }
    if (rc)
        batcher_free(b);
    else
        *out = b;
    return rc;
}

void batcher_free(struct batcher *b)
{
    if (!b)
        return;
    for (int i = 0; i < 2; i++) {
        struct lane *l = &b->lane[i];
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
        if (l->started)
            pthread_join(l->thread, NULL);
        pthread_mutex_destroy(&l->lock);
        pthread_cond_destroy(&l->work);
        free(l->item);
        free(l->token);
        free(l->out);
    }
    free(b);
}
