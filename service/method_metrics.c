/* metrics: figures of the daemon for a monitoring system. None of a repository: names, counts and sizes of those depend on who asks. */
#include "service/method.h"

#include "base/clock.h"

#include <string.h>

/* Under the lock, for each request that is over. */
void metrics_count_locked(struct service *s, const struct request *rq)
{
    struct tally *t = &s->tally[methods_place(rq->row)];
    if (rq->outcome)
        t->failed++;
    else
        t->done++;
    t->seconds += (double)(clock_ns() - rq->submitted_ns) / 1e9;
}

static json_t *row(json_t *rows, const char *name, const char *type, const char *help)
{
    json_t *values = json_array();
    json_array_append_new(rows, json_pack("{ss, ss, ss, so}", "name", name, "type", type, "help", help, "values", values));
    return values;
}

static void one(json_t *rows, const char *name, const char *type, const char *help, double value)
{
    json_array_append_new(row(rows, name, type, help), json_pack("{sf}", "value", value));
}

int method_metrics(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct tally tally[METHODS_MAX];
    pthread_mutex_lock(&s->mu);
    unsigned requests = s->nrequests, writing = s->writing, sessions = 0;
    for (struct session *c = s->sessions; c; c = c->next)
        sessions++;
    memcpy(tally, s->tally, sizeof tally);
    pthread_mutex_unlock(&s->mu);
    json_t *rows = json_array();
    one(rows, "codeask_uptime_seconds", "gauge", "Seconds since the daemon started.", (double)(clock_ns() - s->started_ns) / 1e9);
    one(rows, "codeask_sessions", "gauge", "Sessions that are open, of all transports.", sessions);
    one(rows, "codeask_requests_open", "gauge", "Requests that wait or run.", requests);
    one(rows, "codeask_answers_writing", "gauge", "Answers that a model writes now.", writing);
    json_t *total = row(rows, "codeask_requests_total", "counter", "Requests that are over, by method and outcome.");
    json_t *seconds = row(rows, "codeask_request_seconds_total", "counter", "Seconds from asking to the end, of all requests of a method.");
    const struct method *m;
    for (size_t i = 0; (m = methods_at(i)); i++) {
        if (!tally[i].done && !tally[i].failed)
            continue;
        json_array_append_new(total, json_pack("{s{ss, ss}, sI}", "labels", "method", m->name, "outcome", "done", "value", (json_int_t)tally[i].done));
        json_array_append_new(total, json_pack("{s{ss, ss}, sI}", "labels", "method", m->name, "outcome", "failed", "value", (json_int_t)tally[i].failed));
        json_array_append_new(seconds, json_pack("{s{ss}, sf}", "labels", "method", m->name, "value", tally[i].seconds));
    }
    *result = json_pack("{so}", "metrics", rows);
    return 0;
}
