/* One request: its events, its end, and waiting without a worker. */
#include "service/remote.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool request_stopped(const struct request *rq)
{
    return __atomic_load_n(&rq->stop, __ATOMIC_RELAXED);
}

void request_enough_at(struct request *rq, int64_t ns)
{
    pthread_mutex_lock(&rq->s->mu);
    rq->enough_ns = ns;
    if (!rq->stop)
        __atomic_store_n(&rq->enough, false, __ATOMIC_RELAXED);
    if (ns)
        pthread_cond_signal(&rq->s->tick);
    pthread_mutex_unlock(&rq->s->mu);
}

void request_ready_locked(struct request *rq)
{
    struct service *s = rq->s;
    if (!rq->ready) {
        rq->ready = true;
        rq->ready_next = NULL;
        *s->ready_last = rq;
        s->ready_last = &rq->ready_next;
    }
    s->o.wake(s->o.wake_arg);
}

void request_emit_locked(struct request *rq, enum event_kind kind, const char *json, size_t len)
{
    if (rq->terminal || !rq->session)
        return;
    if (kind == EVENT_PROGRESS) /* only the newest is worth reading */
        for (struct event **at = &rq->first; *at; at = &(*at)->next)
            if ((*at)->kind == EVENT_PROGRESS) {
                struct event *old = *at;
                *at = old->next;
                if (rq->last == &old->next)
                    rq->last = at;
                rq->event_bytes -= old->len;
                free(old);
                break;
            }
    struct event *ev = mem_alloc(sizeof *ev + len + 1);
    ev->next = NULL;
    ev->kind = kind;
    ev->len = len;
    memcpy(ev->json, json, len);
    ev->json[len] = 0;
    *rq->last = ev;
    rq->last = &ev->next;
    rq->event_bytes += len;
    if (kind == EVENT_DONE || kind == EVENT_FAIL)
        rq->terminal = true;
    request_ready_locked(rq);
}

void request_emit(struct request *rq, enum event_kind kind, json_t *object)
{
    size_t len;
    char *json = json_line(object, &len);
    pthread_mutex_lock(&rq->s->mu);
    if (kind == EVENT_PART)
        while (rq->event_bytes > REQUEST_EVENT_BYTES && !rq->terminal && rq->session)
            pthread_cond_wait(&rq->room, &rq->s->mu);
    request_emit_locked(rq, kind, json, len);
    pthread_mutex_unlock(&rq->s->mu);
    free(json);
}

void request_fail_locked(struct request *rq, const struct err *why)
{
    __atomic_store_n(&rq->stop, true, __ATOMIC_RELAXED);
    __atomic_store_n(&rq->enough, true, __ATOMIC_RELAXED);
    if (!rq->terminal) {
        struct event *ev = rq->first; /* partial results that nobody took are of no use to a caller that gets an error */
        for (struct event *next; ev; ev = next) {
            next = ev->next;
            free(ev);
        }
        rq->first = NULL;
        rq->last = &rq->first;
        rq->event_bytes = 0;
        size_t len;
        char *json = json_line(json_pack("{ss, so, so}", "code", err_name(why->code), "message",
                                         json_cstr(why->message), "hint", json_cstr(why->hint)),
                               &len);
        request_emit_locked(rq, EVENT_FAIL, json, len);
        rq->outcome = why->code;
        rq->terminal = true;
        free(json);
    }
    pthread_cond_broadcast(&rq->room);
    if (rq->state == REQUEST_PARKED) {
        request_unpark_locked(rq);
        rq->state = REQUEST_ENDED;
        request_ready_locked(rq);
    } else if (rq->state == REQUEST_QUEUED) {
        struct service *s = rq->s;
        struct request **at = &s->queue_first;
        while (*at && *at != rq)
            at = &(*at)->queue_next;
        if (*at) {
            *at = rq->queue_next;
            if (s->queue_last == &rq->queue_next)
                s->queue_last = at;
        }
        rq->state = REQUEST_ENDED;
        request_ready_locked(rq);
    }
}

void request_queue_locked(struct request *rq)
{
    struct service *s = rq->s;
    rq->state = REQUEST_QUEUED;
    rq->queue_next = NULL;
    *s->queue_last = rq;
    s->queue_last = &rq->queue_next;
    pthread_cond_signal(&s->work);
}

void request_park_locked(struct request *rq, struct waitlist *on, int milestone, int64_t until_ns)
{
    rq->on = on;
    rq->milestone = milestone;
    rq->wait_until_ns = until_ns;
    rq->resumed = false;
    memset(&rq->wait_err, 0, sizeof rq->wait_err);
    rq->wait_next = on->first;
    on->first = rq;
    if (until_ns)
        pthread_cond_signal(&rq->s->tick);
}

void request_unpark_locked(struct request *rq)
{
    if (!rq->on)
        return;
    for (struct request **at = &rq->on->first; *at; at = &(*at)->wait_next)
        if (*at == rq) {
            *at = rq->wait_next;
            break;
        }
    rq->on = NULL;
}

void request_resume_locked(struct request *rq, const struct err *why)
{
    request_unpark_locked(rq);
    if (why)
        rq->wait_err = *why;
    if (rq->state == REQUEST_PARKED)
        request_queue_locked(rq);
    else
        rq->resumed = true; /* its worker queues it when it lets go */
}

bool request_poll_one(struct request *rq)
{
    struct service *s = rq->s;
    pthread_mutex_lock(&s->mu);
    while (rq->first && (!rq->full || !rq->session)) {
        struct event *ev = rq->first;
        rq->first = ev->next;
        if (!rq->first)
            rq->last = &rq->first;
        rq->event_bytes -= ev->len;
        pthread_cond_broadcast(&rq->room);
        if (rq->session) {
            struct sink sink = rq->sink;
            pthread_mutex_unlock(&s->mu);
            bool more = sink.event(sink.arg, rq->id, ev->kind, ev->json, ev->len);
            pthread_mutex_lock(&s->mu);
            if (!more)
                rq->full = true;
        }
        free(ev);
    }
    bool over = rq->state == REQUEST_ENDED && !rq->first;
    pthread_mutex_unlock(&s->mu);
    return over;
}

void request_free(struct request *rq)
{
    for (struct event *ev = rq->first, *next; ev; ev = next) {
        next = ev->next;
        free(ev);
    }
    pthread_cond_destroy(&rq->room);
    arena_release(&rq->arena);
    json_decref(rq->params);
    json_decref(rq->audit.repos);
    json_decref(rq->audit.chunks);
    unsaved_drop(rq->unsaved);
    remote_session_drop(rq->remote);
    free(rq);
}
