/* Opening and closing, sessions, workers, the clock. */
#include "service/core.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/answers.h"
#include "service/askers.h"
#include "service/audit.h"
#include "service/bundle_install.h"
#include "service/conversations.h"
#include "service/cutting_apart.h"
#include "service/counts.h"
#include "service/jobs.h"
#include "service/mirrors.h"
#include "service/models.h"
#include "service/overlays.h"
#include "service/remote.h"
#include "service/query_maps.h"
#include "service/tuning.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- workers ---------------------------------------------------------------------------------------------------------- */

static void run_one(struct request *rq)
{
    struct service *s = rq->s;
    json_t *result = NULL;
    struct err e = {0};
    size_t len = 0;
    char *json = NULL;
    int rc = 0;
    if (!remote_run(&rc, &result, rq, &e)) {
        rc = rq->method->run(rq, &result, &e);
        remote_stamp(rq, result, rc, &e);
    }
    if (rc != RUN_PARKED) {
        pthread_mutex_lock(&s->mu);
        int outcome = rq->terminal ? rq->outcome : rc; /* it may have been canceled meanwhile */
        pthread_mutex_unlock(&s->mu);
        audit_request(rq, result, outcome);
    }
    if (rc == 0)
        json = json_line(result ? result : json_object(), &len);
    if (rc == 0 && len > RPC_MESSAGE_MAX - 4096) {
        rc = err_set(&e, ERR_LIMIT, "the result is larger than a message may be (%u MiB)", RPC_MESSAGE_MAX >> 20);
        err_hint(&e, "ask for less with --limit");
    }
    pthread_mutex_lock(&s->mu);
    rq->asker->running--;
    if (rc == RUN_PARKED && !rq->terminal) {
        if (rq->resumed)
            request_queue_locked(rq);
        else
            rq->state = REQUEST_PARKED;
    } else {
        request_unpark_locked(rq);
        if (rc == 0)
            request_emit_locked(rq, EVENT_DONE, json, len);
        else if (!rq->terminal)
            request_fail_locked(rq, &e);
        rq->state = REQUEST_ENDED;
        request_ready_locked(rq);
    }
    pthread_mutex_unlock(&s->mu);
    free(json);
}

/* There are as many that wait for no model as there are workers. */
static bool surplus_locked(const struct service *s)
{
    return s->extra > s->lent;
}

static void work_locked(struct service *s, bool extra)
{
    for (;;) {
        while (!s->queue_first && !s->closing && !(extra && surplus_locked(s)))
            pthread_cond_wait(&s->work, &s->mu);
        if (s->closing || (extra && surplus_locked(s)))
            break;
        struct request *rq = askers_next_locked(s);
        rq->state = REQUEST_RUNNING;
        pthread_mutex_unlock(&s->mu);
        run_one(rq);
        pthread_mutex_lock(&s->mu);
    }
}

static void *worker_main(void *arg)
{
    struct service *s = arg;
    pthread_mutex_lock(&s->mu);
    work_locked(s, false);
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

static void *extra_main(void *arg)
{
    struct service *s = arg;
    pthread_mutex_lock(&s->mu);
    work_locked(s, true);
    s->extra--;
    pthread_cond_signal(&s->gone);
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

void worker_lend_locked(struct service *s)
{
    pthread_t thread;
    s->lent++;
    if (s->extra >= s->lent || s->closing)
        return;
    s->extra++;
    if (pthread_create(&thread, NULL, extra_main, s))
        s->extra--; /* then there is a worker less for so long */
    else
        pthread_detach(thread);
}

void worker_back_locked(struct service *s)
{
    s->lent--;
    pthread_cond_broadcast(&s->work);
}

/* -- the clock -------------------------------------------------------------------------------------------------------- */

/* Somebody took a file of the home away: the program ends, and the next command starts one that builds it again. Who waits is told
 * that it ends and, from a client that starts daemons, asks the next one. */
static void look_after_home(struct service *s)
{
    struct err e;
    if (!store_there(s->store, &e))
        return;
    err_hint(&e, "the daemon ends; the next command starts one that builds the index again");
    log_err(LOG_ERROR, "the home was changed by others", &e);
    pthread_mutex_lock(&s->mu);
    if (!s->stop_asked)
        s->o.wake(s->o.wake_arg);
    s->stop_asked = true;
    pthread_mutex_unlock(&s->mu);
}

static void *clock_main(void *arg)
{
    struct service *s = arg;
    int64_t sweep = clock_ns() + RECONCILE_NS, refresh = clock_ns();
    pthread_mutex_lock(&s->mu);
    while (!s->closing) {
        s->hint_came = false;
        pthread_mutex_unlock(&s->mu);
        int64_t hinted = jobs_hinted(s);
        pthread_mutex_lock(&s->mu);
        if (s->closing || s->hint_came) /* meanwhile: nobody waits for the signal */
            continue;
        int64_t now = clock_ns(), next = hinted && hinted < sweep ? hinted : sweep;
        next = s->sessions && refresh < next ? refresh : next;
        for (struct request *rq = s->requests; rq; rq = rq->next) {
            if (rq->terminal)
                continue;
            if (rq->deadline_ns && rq->deadline_ns <= now) {
                struct err e;
                err_set(&e, ERR_TIMEOUT, "no answer within the time given");
                err_hint(&e, "indexing goes on in the background; see `codeask status`");
                request_fail_locked(rq, &e);
                continue;
            }
            if (rq->on && rq->wait_until_ns && rq->wait_until_ns <= now) {
                struct err e;
                err_set(&e, ERR_TIMEOUT, "not ready yet");
                request_resume_locked(rq, &e);
            }
            if (rq->enough_ns && rq->enough_ns <= now) {
                __atomic_store_n(&rq->enough, true, __ATOMIC_RELAXED);
                rq->enough_ns = 0;
            }
            if (rq->enough_ns && rq->enough_ns < next)
                next = rq->enough_ns;
            if (rq->deadline_ns && rq->deadline_ns < next)
                next = rq->deadline_ns;
            if (rq->on && rq->wait_until_ns && rq->wait_until_ns < next)
                next = rq->wait_until_ns;
        }
        if (sweep <= now) {
            sweep = now + RECONCILE_NS;
            pthread_mutex_unlock(&s->mu);
            look_after_home(s);
            cutting_rest(s->cutting, clock_ns());
            overlays_rest(s->overlays, clock_ns());
            retriever_rest(s->retriever, clock_ns());
            malloc_trim(0); /* what was freed in the middle of heaps, which glibc keeps for good */
            pthread_mutex_lock(&s->mu);
            continue;
        }
        if (s->sessions && refresh <= now) {
            pthread_mutex_unlock(&s->mu);
            refresh = jobs_refresh(s);
            pthread_mutex_lock(&s->mu);
            continue;
        }
        clock_cond_wait(&s->tick, &s->mu, next);
    }
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

/* -- the service ------------------------------------------------------------------------------------------------------ */

int service_settle(const struct paths *p, struct err *e)
{
    return install_pending(p, e);
}

int service_open(struct service **out, const struct service_options *o, struct err *e)
{
    struct service *s = mem_zero(1, sizeof *s);
    bool rebuilt = false;
    int rc;
    s->o = *o;
    s->started_ns = clock_ns();
    s->answers = answers_new();
    s->audit = audit_new(o->paths, o->config);
    s->counts = counts_new();
    s->cutting = cutting_new();
    s->overlays = overlays_new();
    s->remote = remote_new(o->config);
    s->conversations = conversations_new(o->config);
    s->queue_last = &s->queue_first;
    s->ready_last = &s->ready_first;
    pthread_mutex_init(&s->mu, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->gone, NULL);
    clock_cond_init(&s->tick);
    *out = NULL;
    s->query_maps = query_maps_new();
    if ((rc = paths_make(o->paths, e)) || (rc = store_open(&s->store, o->paths->home, &rebuilt, e)))
        goto fail;
    bundle_clear(o->paths);
    if (rebuilt)
        log_line(LOG_WARN, "the index was of another version or damaged: it is built again");
    if ((rc = indexer_open(&s->indexer, s->store, o->config, o->program, e)) ||
        (rc = retriever_open(&s->retriever, s->store, e)) || (rc = models_open(&s->models, s, e)) || (rc = health_open(&s->health, s, e)) ||
        (rc = jobs_open(&s->jobs, s, e)) || (rc = mirrors_open(&s->mirrors, s, e)) || (rc = tunings_open(&s->tunings, s, e)))
        goto fail;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned want = cores < 1 ? 2 : (unsigned)cores * 2;
    if (want > SERVICE_WORKERS_MAX)
        want = SERVICE_WORKERS_MAX;
    while (s->nworkers < want && !pthread_create(&s->worker[s->nworkers], NULL, worker_main, s))
        s->nworkers++;
    s->clock_runs = !pthread_create(&s->clock, NULL, clock_main, s);
    if (!s->nworkers || !s->clock_runs) {
        rc = err_set(e, ERR_LIMIT, "cannot start a thread");
        goto fail;
    }
    *out = s;
    return 0;
fail:
    service_close(s);
    return rc;
}

/* Takes the request at the head of the ready list. */
static struct request *pop_ready(struct service *s)
{
    struct request *rq = s->ready_first;
    if (rq) {
        s->ready_first = rq->ready_next;
        if (!s->ready_first)
            s->ready_last = &s->ready_first;
        rq->ready = false;
    }
    return rq;
}

void service_poll(struct service *s)
{
    unsigned n = 0;
    pthread_mutex_lock(&s->mu);
    for (struct request *rq = s->ready_first; rq; rq = rq->ready_next)
        n++;
    while (n--) { /* what becomes ready meanwhile waits for its own wake */
        struct request *rq = pop_ready(s);
        if (!rq)
            break;
        pthread_mutex_unlock(&s->mu);
        bool over = request_poll_one(rq);
        pthread_mutex_lock(&s->mu);
        if (!over || rq->ready)
            continue;
        if (!rq->audit.written) { /* it ended before it ran, or while it waited */
            pthread_mutex_unlock(&s->mu);
            audit_request(rq, NULL, rq->outcome);
            pthread_mutex_lock(&s->mu);
            if (rq->ready)
                continue;
        }
        if (rq->prev)
            rq->prev->next = rq->next;
        else
            s->requests = rq->next;
        if (rq->next)
            rq->next->prev = rq->prev;
        s->nrequests--;
        asker_leave_locked(s, rq->asker);
        metrics_count_locked(s, rq);
        request_free(rq);
    }
    pthread_mutex_unlock(&s->mu);
}

bool service_quiet(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    bool quiet = !s->requests;
    pthread_mutex_unlock(&s->mu);
    return quiet;
}

bool service_idle(struct service *s)
{
    return service_quiet(s) && jobs_idle(s) && mirrors_idle(s) && tunings_idle(s);
}

bool service_stop_asked(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    bool asked = s->stop_asked;
    pthread_mutex_unlock(&s->mu);
    return asked;
}

void service_drain(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    s->draining = true;
    pthread_mutex_unlock(&s->mu);
    if (s->jobs)
        jobs_drain(s);
    if (s->mirrors)
        mirrors_drain(s);
    if (s->tunings)
        tunings_drain(s);
}

void service_close(struct service *s)
{
    if (!s)
        return;
    service_drain(s);
    while (s->sessions)
        session_close(s->sessions);
    pthread_mutex_lock(&s->mu);
    s->closing = true;
    for (struct request *rq = s->requests; rq; rq = rq->next)
        __atomic_store_n(&rq->stop, true, __ATOMIC_RELAXED), __atomic_store_n(&rq->enough, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->tick);
    pthread_mutex_unlock(&s->mu);
    for (unsigned i = 0; i < s->nworkers; i++)
        pthread_join(s->worker[i], NULL);
    pthread_mutex_lock(&s->mu);
    while (s->extra)
        pthread_cond_wait(&s->gone, &s->mu);
    pthread_mutex_unlock(&s->mu);
    if (s->clock_runs)
        pthread_join(s->clock, NULL);
    mirrors_close(s->mirrors);
    jobs_close(s->jobs);
    tunings_close(s->tunings);
    query_maps_free(s->query_maps);
    while (s->requests) {
        struct request *rq = s->requests;
        s->requests = rq->next;
        audit_request(rq, NULL, rq->outcome ? rq->outcome : ERR_STOPPING);
        request_free(rq);
    }
    remote_close(s->remote); /* after the last of those that know a server */
    askers_free(s);
    audit_free(s->audit);
    health_close(s->health);
    models_close(s->models);
    answers_free(s->answers);
    counts_free(s->counts);
    conversations_free(s->conversations);
    cutting_free(s->cutting);
    overlays_free(s->overlays);
    retriever_close(s->retriever);
    indexer_close(s->indexer);
    store_close(s->store);
    pthread_cond_destroy(&s->tick);
    pthread_cond_destroy(&s->gone);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->mu);
    free(s);
}
