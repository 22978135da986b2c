#include "retriever/joint.h"

#include "base/mem.h"
#include "kernels/scan.h"

#include <stdlib.h>
#include <string.h>

/* A search in a pass; on its thread's stack. It is done when n runs have been read for it, so nobody points at it afterwards. */
struct asker {
    struct asker *next;
    const struct dense_rows *rows;
    const int8_t *q;
    float scale, *all;
    size_t from;                 /* the first claim that is for it; the n-1 that follow are as well */
    size_t done;                 /* of them, those whose scores are written */
    pthread_cond_t finished;
};

/* Claim c reads run c % n for everybody whom it is for. */
struct joint_pass {
    struct joint_pass *next;
    struct asker *first;
    size_t naskers, n, claims;
};

void joint_init(struct joint *j)
{
    *j = (struct joint){0};
    pthread_mutex_init(&j->lock, NULL);
}

void joint_release(struct joint *j)
{
    pthread_mutex_destroy(&j->lock);
}

/* Pages that a transaction can see are not written over while it is open, so runs of the same place and length in two open
 * ones are the same vectors. */
static bool same_runs(const struct vector_run *a, const struct vector_run *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].q != b[i].q || a[i].n != b[i].n || a[i].first != b[i].first || a[i].dim != b[i].dim)
            return false;
    return true;
}

/* With the lock held. */
static struct joint_pass *enter(struct joint *j, struct asker *me, size_t n)
{
    struct joint_pass *p = j->pass;
    while (p && (p->n != n || p->naskers == SCAN_QUERIES_MAX || !same_runs(p->first->rows->run, me->rows->run, n)))
        p = p->next;
    if (!p) {
        p = mem_zero(1, sizeof *p);
        p->n = n;
        p->next = j->pass;
        j->pass = p;
    }
    me->from = p->claims;
    me->next = p->first;
    p->first = me;
    p->naskers++;
    return p;
}

static void leave(struct joint *j, struct joint_pass *p, struct asker *me)
{
    struct asker **at = &p->first;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    if (--p->naskers)
        return;
    struct joint_pass **was = &j->pass;
    while (*was != p)
        was = &(*was)->next;
    *was = p->next;
    free(p);
}

/* Reads run i for n askers. */
static void read_run(const struct dense_rows *rows, size_t i, struct asker *const *a, size_t n)
{
    const struct vector_run *r = &rows->run[i];
    struct scan_rows of = {r->q, r->scale, r->n, r->dim, 0};
    int8_t *q = n > 1 ? mem_alloc(n * r->dim) : NULL;
    float scale[SCAN_QUERIES_MAX], *out[SCAN_QUERIES_MAX];
    for (size_t k = 0; k < n; k++) {
        if (q)
            memcpy(q + k * r->dim, a[k]->q, r->dim);
        scale[k] = a[k]->scale;
        out[k] = a[k]->all + rows->row[i];
    }
    scan_scores(&of, &(struct scan_queries){q ? q : a[0]->q, scale, n}, out);
    free(q);
}

void joint_scan(struct joint *j, const struct dense_rows *rows, const int8_t *q, float scale, float *all)
{
    struct asker me = {.rows = rows, .q = q, .scale = scale, .all = all};
    size_t n = rows->nruns;
    pthread_cond_init(&me.finished, NULL);
    pthread_mutex_lock(&j->lock);
    struct joint_pass *p = enter(j, &me, n);
    while (p->claims - me.from < n) { /* there are runs that nobody reads for me yet */
        struct asker *a[SCAN_QUERIES_MAX];
        size_t claim = p->claims++, na = 0;
        for (struct asker *x = p->first; x; x = x->next)
            if (claim - x->from < n)
                a[na++] = x;
        pthread_mutex_unlock(&j->lock);
        read_run(rows, claim % n, a, na);
        pthread_mutex_lock(&j->lock);
        for (size_t i = 0; i < na; i++)
            if (++a[i]->done == n)
                pthread_cond_signal(&a[i]->finished);
    }
    while (me.done < n)
        pthread_cond_wait(&me.finished, &j->lock);
    leave(j, p, &me);
    pthread_mutex_unlock(&j->lock);
    pthread_cond_destroy(&me.finished);
}
