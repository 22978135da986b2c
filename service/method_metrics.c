/* metrics: figures of the daemon for a monitoring system. None of a repository: names, counts and sizes of those depend on who asks. */
#include "service/method.h"

#include "base/clock.h"
#include "kernels/nvml.h"
#include "service/models.h"

#include <stdlib.h>
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

/* The NVIDIA GPUs as they are now, whoever uses them; no rows without their library, and none of what it does not say. */
static void gpus(json_t *rows)
{
    struct nvml_gpu gpu[NVML_GPUS_MAX];
    size_t n = nvml_read(gpu, NVML_GPUS_MAX);
    const struct {
        const char *name, *help;
        size_t at;     /* in struct nvml_gpu */
        double unit;
    } figures[] = {
        {"codeask_gpu_sm_hertz", "Clock of the multiprocessors.", offsetof(struct nvml_gpu, sm_mhz), 1e6},
        {"codeask_gpu_memory_hertz", "Clock of the memory.", offsetof(struct nvml_gpu, memory_mhz), 1e6},
        {"codeask_gpu_celsius", "Temperature.", offsetof(struct nvml_gpu, celsius), 1},
        {"codeask_gpu_watts", "Power drawn.", offsetof(struct nvml_gpu, milliwatts), 1e-3},
        {"codeask_gpu_memory_used_bytes", "Memory in use, by everybody.", offsetof(struct nvml_gpu, memory_used), 1},
    };
    for (size_t f = 0; n && f < sizeof figures / sizeof *figures; f++) {
        json_t *values = row(rows, figures[f].name, "gauge", figures[f].help);
        for (size_t i = 0; i < n; i++) {
            uint64_t v;
            memcpy(&v, (const char *)&gpu[i] + figures[f].at, sizeof v);
            if (v != NVML_UNKNOWN)
                json_array_append_new(values, json_pack("{s{so}, so}", "labels", "gpu", json_sprintf("%zu", i), "value",
                                                        figures[f].unit < 1 ? json_real((double)v * figures[f].unit)
                                                                            : json_integer((json_int_t)((double)v * figures[f].unit)))); /* whole: reals are written with 9 digits */
        }
    }
    json_t *slowed = n ? row(rows, "codeask_gpu_throttled", "gauge", "1 where the GPU is slower than it could be, by reason.") : NULL;
    for (size_t i = 0; i < n; i++) {
        const char *reason;
        uint64_t bit;
        for (size_t k = 0; (reason = nvml_throttle(k, &bit)); k++)
            json_array_append_new(slowed, json_pack("{s{so, ss}, sf}", "labels", "gpu", json_sprintf("%zu", i), "reason", reason, "value",
                                                    gpu[i].throttle & bit ? 1. : 0.));
    }
}

int method_metrics(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct tally tally[METHODS_MAX];
    struct store_writes writes;
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
    store_writes(s->store, &writes);
    one(rows, "codeask_write_transactions_total", "counter", "Write transactions of the index since the daemon started.", (double)writes.n);
    one(rows, "codeask_write_transactions_slow_total", "counter", "Those that kept others from writing for 50 ms and more.", (double)writes.over);
    one(rows, "codeask_write_transaction_seconds_max", "gauge", "The longest of them.", writes.longest_ms / 1e3);
    json_t *far = NULL;
    for (enum model_role role = ROLES_HERE; role < ROLES; role++) {
        char *name = models_name(s, role);
        if (*name && !far)
            far = row(rows, "codeask_endpoint_up", "gauge", "1 where the endpoint was there when it was last looked at or asked, by what it does.");
        if (*name)
            json_array_append_new(far, json_pack("{s{ss}, sf}", "labels", "role", models_role(role), "value", models_number(s, role, NULL) ? 1. : 0.));
        free(name);
    }
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
    gpus(rows);
    *result = json_pack("{so}", "metrics", rows);
    return 0;
}
