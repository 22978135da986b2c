#include "daemon/once.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct once {
    pthread_mutex_t mu;
    pthread_cond_t woken;
    bool wake, over;
    int status;
};

static void wake(void *arg)
{
    struct once *x = arg;
    pthread_mutex_lock(&x->mu);
    x->wake = true;
    pthread_cond_signal(&x->woken);
    pthread_mutex_unlock(&x->mu);
}

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct once *x = arg;
    if (kind != EVENT_DONE && kind != EVENT_FAIL)
        return true;
    printf("%.*s\n", (int)len, json);
    x->status = kind == EVENT_DONE ? 0 : 2;
    x->over = true;
    return true;
}

static int fail(const struct err *e)
{
    json_t *j = json_pack("{ss, ss, ss}", "code", err_name(e->code), "message", e->message, "hint", e->hint);
    json_dumpf(j, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(j);
    return 2;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static bool on_progress(void *arg, const char *json)
{
    (void)arg;
    printf("{\"progress\":%s}\n", json);
    fflush(stdout);
    return interrupted;
}

bool once_alone(int *status, const struct paths *p, const char *method, const char *params)
{
    struct err e;
    char *result = NULL;
    struct sigaction sa = {.sa_handler = on_signal}, before[2];
    sigaction(SIGINT, &sa, &before[0]); /* what is half done is left in order */
    sigaction(SIGTERM, &sa, &before[1]);
    int rc = service_alone(&result, method, params, p, on_progress, NULL, &e);
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
    if (rc == 1)
        return false;
    *status = rc ? fail(&e) : 0;
    if (!rc)
        puts(result);
    free(result);
    return true;
}

int once_run(const struct service_options *o, const char *method, const char *params)
{
    struct once x = {.mu = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    struct service_options so = *o;
    struct service *s;
    struct session *c;
    struct err e;
    uint64_t id;
    so.brief = true;
    so.wake = wake;
    so.wake_arg = &x;
    if (service_open(&s, &so, &e))
        return fail(&e);
    if (session_open(&c, s, &(struct caller){.local = true}, &e) ||
        session_submit(c, method, params, strlen(params), (struct sink){on_event, &x}, &id, &e)) {
        x.status = fail(&e);
        x.over = true;
    }
    while (!x.over) {
        pthread_mutex_lock(&x.mu);
        while (!x.wake)
            pthread_cond_wait(&x.woken, &x.mu);
        x.wake = false;
        pthread_mutex_unlock(&x.mu);
        service_poll(s);
    }
    service_close(s);
    return x.status;
}
