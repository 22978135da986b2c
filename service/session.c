/* Sessions: one asker over one transport. Called on the loop's thread. */
#include "service/askers.h"
#include "service/audit.h"
#include "service/remote.h"
#include "service/unsaved.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

int session_open(struct session **out, struct service *s, const struct caller *who, struct err *e)
{
    struct session *c = mem_zero(1, sizeof *c);
    c->s = s;
    c->who = *who;
    pthread_mutex_lock(&s->mu);
    c->next = s->sessions;
    s->sessions = c;
    pthread_mutex_unlock(&s->mu);
    *out = c;
    return 0;
}

void session_server(struct session *c, const char *url, const char *token)
{
    if (c->who.local && !c->remote)
        c->remote = remote_session_new(c->s, url, token);
}

static void no_more(struct err *e)
{
    err_set(e, ERR_UNAVAILABLE, "the daemon is stopping");
    err_hint(e, "run the command again: it starts another");
}

static int no_access(const struct method *row, struct err *e)
{
    if (row->access == ACCESS_OWNER) /* as if there were none */
        return err_set(e, ERR_UNSUPPORTED, "no method %.80s over the network", row->name);
    return err_set(e, ERR_DENIED, "the token's scope does not hold %.80s", row->name);
}

unsigned session_retry_after(struct session *c)
{
    return c->retry_s ? c->retry_s : 1;
}

bool session_ready(struct session *c)
{
    pthread_mutex_lock(&c->s->mu);
    bool ready = !c->s->draining;
    pthread_mutex_unlock(&c->s->mu);
    return ready;
}

/* For an asker who may ask. */
static int submit(struct session *c, struct asker *asker, const struct binding *b, const char *params, size_t len, struct sink sink, uint64_t *id,
                  struct err *e)
{
    struct service *s = c->s;
    json_error_t why;
    json_t *object = json_loadb(params, len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(object)) {
        json_decref(object);
        return err_set(e, ERR_USAGE, "params: %s", object ? "not an object" : why.text);
    }
    const struct method *row = request_named(b->name);
    int rc = c->who.local || c->who.access & row->access ? params_check(row, object, e) : no_access(row, e);
    if (rc) {
        audit_refused(s, &c->who, row, object, rc);
        json_decref(object);
        return rc;
    }
    struct request *rq = mem_zero(1, sizeof *rq);
    rq->s = s;
    rq->method = b;
    rq->row = row;
    rq->params = object;
    rq->session = c;
    rq->who = c->who;
    rq->asker = asker;
    rq->remote = remote_session_hold(c->remote);
    rq->sink = sink;
    rq->last = &rq->first;
    rq->submitted_ns = clock_ns();
    arena_init(&rq->arena);
    pthread_cond_init(&rq->room, NULL);
    int64_t seconds = param_int(rq, "timeout", 0);
    if (seconds > 0)
        rq->deadline_ns = rq->submitted_ns + seconds * 1000000000;
    pthread_mutex_lock(&s->mu);
    if (s->draining) {
        no_more(e);
        rc = ERR_UNAVAILABLE;
    } else if (s->nrequests >= SERVICE_QUEUE_MAX) {
        rc = err_set(e, ERR_BUSY, "%u requests are waiting already", s->nrequests);
    } else {
        rq->id = *id = ++s->next_id;
        rq->next = s->requests;
        if (rq->next)
            rq->next->prev = rq;
        s->requests = rq;
        s->nrequests++;
        request_queue_locked(rq);
        if (rq->deadline_ns)
            pthread_cond_signal(&s->tick);
    }
    pthread_mutex_unlock(&s->mu);
    if (rc)
        request_free(rq);
    return rc;
}

int session_submit(struct session *c, const char *method, const char *params, size_t len, struct sink sink, uint64_t *id,
                   struct err *e)
{
    struct service *s = c->s;
    const struct binding *b = binding_named(method);
    if (!b) {
        err_set(e, ERR_UNSUPPORTED, "no method %.80s", method);
        err_hint(e, "this daemon is version %s", CODEASK_VERSION);
        return ERR_UNSUPPORTED;
    }
    struct asker *asker = NULL;
    pthread_mutex_lock(&s->mu);
    int rc = asker_enter_locked(&asker, s, &c->who, clock_ns(), &c->retry_s, e);
    pthread_mutex_unlock(&s->mu);
    if (rc)
        return rc;
    rc = submit(c, asker, b, params, len, sink, id, e);
    if (rc) {
        pthread_mutex_lock(&s->mu);
        asker_leave_locked(s, asker);
        pthread_mutex_unlock(&s->mu);
    }
    return rc;
}

static struct request *find(struct session *c, uint64_t id)
{
    for (struct request *rq = c->s->requests; rq; rq = rq->next)
        if (rq->id == id && rq->session == c)
            return rq;
    return NULL;
}

void session_cancel(struct session *c, uint64_t id)
{
    struct err e;
    err_set(&e, ERR_CANCELED, "canceled");
    pthread_mutex_lock(&c->s->mu);
    struct request *rq = find(c, id);
    if (rq && !rq->terminal)
        request_fail_locked(rq, &e);
    pthread_mutex_unlock(&c->s->mu);
}

void session_resume(struct session *c, uint64_t id)
{
    struct service *s = c->s;
    pthread_mutex_lock(&s->mu);
    struct request *rq = find(c, id);
    if (rq && rq->full) {
        rq->full = false;
        request_ready_locked(rq);
    }
    pthread_mutex_unlock(&s->mu);
}

void session_close(struct session *c)
{
    if (!c)
        return;
    struct service *s = c->s;
    struct err e;
    err_set(&e, ERR_CANCELED, "the asker is gone");
    pthread_mutex_lock(&s->mu);
    for (struct request *rq = s->requests; rq; rq = rq->next)
        if (rq->session == c) {
            rq->session = NULL;
            request_fail_locked(rq, &e);
            request_ready_locked(rq);
        }
    for (struct session **at = &s->sessions; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    unsaved_forget_locked(c);
    pthread_mutex_unlock(&s->mu);
    remote_session_drop(c->remote);
    free(c);
}
