/* Upkeep: what makes the index smaller while nobody waits. In this order: small term segments are merged, what no view holds is
 * swept, the file is written anew. Asked for by the embedding thread, between its jobs. */
#include "service/jobs_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/nice.h"
#include "service/purge.h"
#include "store/segment.h"

#define SWEEP_FIRST_NS 60000000000LL   /* after the start: the first questions come before it */
#define SWEEP_EVERY_NS 3600000000000LL /* looking costs a walk over the rows of all views */
#define PURGE_AGAIN_NS 60000000000LL   /* the same of a purge */
#define SWEEP_AGAIN_NS 60000000000LL   /* after one that failed: a disk that was full may have room again */

void upkeep_open(struct jobs *x)
{
    x->sweep_at_ns = clock_ns() + SWEEP_FIRST_NS;
    x->purge = purge_pending(x->s); /* one that was killed */
    x->compact = true; /* the last daemon may have ended between a sweep and its room */
}

static void tell(const char *what, int rc, const struct err *e)
{
    if (rc && rc != ERR_CANCELED)
        log_err(LOG_WARN, what, e);
}

/* A step, called nicely and without mu. */
struct step {
    struct jobs *x;
    int rc;
    bool did, more;
    struct err err;
};

static void call(struct step *s, void (*run)(void *), const char *what)
{
    pthread_mutex_unlock(&s->x->s->mu);
    call_nicely(run, s);
    tell(what, s->rc, &s->err);
    pthread_mutex_lock(&s->x->s->mu);
}

static void run_merge(void *arg)
{
    struct step *s = arg;
    s->rc = segments_merge(s->x->s->store, NULL, NULL, &s->did, &s->err);
}

static void merge(struct jobs *x)
{
    struct step s = {.x = x};
    x->upkeep = false;
    call(&s, run_merge, "merging segments");
    x->upkeep |= s.did;
    x->compact |= s.did;
}

static void run_sweep(void *arg)
{
    struct step *s = arg;
    const struct service *of = s->x->s;
    s->rc = index_sweep(of->indexer, of->o.config->sweep_hours * 3600, &s->did, &s->more, &s->err);
}

static void sweep(struct jobs *x)
{
    struct step s = {.x = x};
    x->sweep_soon = false;
    call(&s, run_sweep, "sweeping");
    x->swept |= s.did;
    if (s.more)
        return;
    if (x->swept)
        x->upkeep = x->compact = true; /* the words of what went, then its room */
    x->swept = false;
    x->sweep_at_ns = clock_ns() + (s.rc ? SWEEP_AGAIN_NS : SWEEP_EVERY_NS);
}

static void run_compact(void *arg)
{
    struct step *s = arg;
    s->rc = store_compact(s->x->s->store, &s->did, &s->err);
}

static void compact(struct jobs *x)
{
    struct step s = {.x = x};
    x->compact = false;
    call(&s, run_compact, "compacting the index");
}

/* Not nicely: somebody waits, and what was purged may still be found. */
static void purge(struct jobs *x)
{ /* a tombstone that comes meanwhile is not among those: its request sees that, and asks again */
    struct service *s = x->s;
    struct err e = {0};
    pthread_mutex_unlock(&s->mu);
    int rc = purge_run(s, &e);
    if (rc)
        log_err(LOG_ERROR, "purging", &e);
    pthread_mutex_lock(&s->mu);
    x->purge = false;
    x->purge_failed = rc != 0;
    x->purge_at_ns = clock_ns() + PURGE_AGAIN_NS;
    resume_waiting(&x->purge_waiting, rc ? &e : NULL);
    pthread_cond_broadcast(&x->work); /* the index jobs that were put off */
}

int jobs_purge(struct service *s, struct request *rq, struct err *e)
{
    int rc = RUN_PARKED;
    pthread_mutex_lock(&s->mu);
    if (s->draining) {
        rc = err_set(e, ERR_STOPPING, "the daemon is stopping; the purge goes on when it runs again");
    } else {
        s->jobs->purge = true;
        request_park_locked(rq, &s->jobs->purge_waiting, 0, 0);
        pthread_cond_broadcast(&s->jobs->work);
    }
    pthread_mutex_unlock(&s->mu);
    return rc;
}

bool upkeep_step_locked(struct jobs *x)
{
    bool idle = !x->index && !x->embed;
    if (x->purge_failed && clock_ns() >= x->purge_at_ns)
        x->purge = true;
    if (x->purge) {
        purge(x);
        return true;
    }
    if (x->busy)
        return false;
    if (idle && (x->sweep_soon || clock_ns() >= x->sweep_at_ns))
        sweep(x);
    else if (x->upkeep)
        merge(x);
    else if (idle && x->compact)
        compact(x);
    else
        return false;
    return true;
}

void jobs_sweep_soon(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    s->jobs->sweep_soon = true;
    pthread_cond_broadcast(&s->jobs->work);
    pthread_mutex_unlock(&s->mu);
}
