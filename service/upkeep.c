/* Upkeep: what makes the index smaller while nobody waits. In this order: small term segments are merged, what no view holds is
 * swept, the file is written anew. Asked for by the embedding thread, between its jobs. */
#include "service/jobs_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/nice.h"
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
