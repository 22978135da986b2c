/* Upkeep: what makes the index smaller while nobody waits. In this order: small term segments are merged, what no view holds is
 * swept, the file is written anew. Runs on the embedding thread, between its jobs. */
#include "service/jobs_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/segment.h"

#define SWEEP_FIRST_NS 60000000000LL   /* after the start: the first questions come before it */
#define SWEEP_EVERY_NS 3600000000000LL /* looking costs a walk over the rows of all views */
#define SWEEP_AGAIN_NS 60000000000LL   /* after one that failed: a disk that was full may have room again */

void upkeep_open(struct jobs *x)
{
    x->sweep_at_ns = clock_ns() + SWEEP_FIRST_NS;
    x->compact = true; /* the last daemon may have ended between a sweep and its room */
}

static void tell(const char *what, int rc, const struct err *e)
{
    if (rc && rc != ERR_CANCELED)
        log_err(LOG_WARN, what, e);
}

static void merge(struct jobs *x)
{
    struct err e;
    bool did = false;
    x->upkeep = false;
    pthread_mutex_unlock(&x->s->mu);
    tell("merging segments", segments_merge(x->s->store, NULL, NULL, &did, &e), &e);
    pthread_mutex_lock(&x->s->mu);
    x->upkeep |= did;
    x->compact |= did;
}

static void sweep(struct jobs *x)
{
    struct err e;
    bool did = false, more = false;
    int64_t grace = x->s->o.config->sweep_hours * 3600;
    x->sweep_soon = false;
    pthread_mutex_unlock(&x->s->mu);
    int rc = index_sweep(x->s->indexer, grace, &did, &more, &e);
    tell("sweeping", rc, &e);
    pthread_mutex_lock(&x->s->mu);
    x->swept |= did;
    if (more)
        return;
    if (x->swept)
        x->upkeep = x->compact = true; /* the words of what went, then its room */
    x->swept = false;
    x->sweep_at_ns = clock_ns() + (rc ? SWEEP_AGAIN_NS : SWEEP_EVERY_NS);
}

static void compact(struct jobs *x)
{
    struct err e;
    bool did = false;
    x->compact = false;
    pthread_mutex_unlock(&x->s->mu);
    tell("compacting the index", store_compact(x->s->store, &did, &e), &e);
    pthread_mutex_lock(&x->s->mu);
}

bool upkeep_step_locked(struct jobs *x)
{
    bool idle = !x->index && !x->embed;
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
