#include "daemon/loop.h"

#include "base/log.h"
#include "base/mem.h"
#include "service/methods.h"

#include <signal.h>
#include <stdlib.h>

static void wake(void *arg)
{
    struct loop *l = arg;
    uv_async_send(&l->wake);
}

void loop_flush(struct loop *l)
{
    for (struct conn *c = l->conns, *next; c; c = next) {
        next = conn_next(c);
        conn_flush(c);
    }
    http_flush(l->http);
}

static void on_wake(uv_async_t *h)
{
    struct loop *l = h->data;
    service_poll(l->service);
    loop_flush(l);
    if (l->watcher && !l->draining)
        watcher_sync(l->watcher);
    if (!l->draining && service_stop_asked(l->service))
        loop_stop(l);
}

/* Ends the run when every request is answered and every answer written, or when time is up. */
static void on_drain(uv_timer_t *h)
{
    struct loop *l = h->data;
    bool over = service_quiet(l->service) && !http_pending(l->http);
    for (struct conn *c = l->conns; c && over; c = conn_next(c))
        over = !conn_pending(c);
    if (over || uv_now(&l->uv) >= l->drain_until_ms) {
        l->drained = true;
        uv_stop(&l->uv);
    }
}

void loop_stop(struct loop *l)
{
    if (l->draining) {
        l->drain_until_ms = 0;
        return;
    }
    log_line(LOG_INFO, "draining");
    l->draining = true;
    listener_close(l);
    http_stop(l->http);
    service_drain(l->service);
    uv_update_time(&l->uv);
    l->drain_until_ms = uv_now(&l->uv) + LOOP_DRAIN_MS;
    uv_timer_start(&l->drain, on_drain, 5, 20);
}

static void on_signal(uv_signal_t *h, int number)
{
    loop_stop(h->data);
}

/* Without clients and work for long enough, an autostarted daemon ends. */
static void on_idle(uv_timer_t *h)
{
    struct loop *l = h->data;
    uint64_t now = uv_now(&l->uv);
    if (l->draining)
        return;
    if (l->conns || !service_idle(l->service))
        l->idle_since_ms = 0;
    else if (!l->idle_since_ms)
        l->idle_since_ms = now;
    else if (now - l->idle_since_ms >= (uint64_t)l->o.config->idle_exit_seconds * 1000)
        loop_stop(l);
}

static void start_idle(struct loop *l)
{
    int64_t seconds = l->o.config->idle_exit_seconds;
    if (!l->o.autostarted || !seconds || l->http)
        return;
    uint64_t every = (uint64_t)seconds * 1000 / 8;
    every = every < 100 ? 100 : every > 60000 ? 60000 : every;
    uv_timer_start(&l->idle, on_idle, every, every);
    uv_unref((uv_handle_t *)&l->idle);
}

static void close_all(struct loop *l)
{
    for (struct conn *c = l->conns, *next; c; c = next) {
        next = conn_next(c);
        conn_close(c);
    }
    listener_close(l);
    http_close(l->http);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->on_term, NULL);
    uv_close((uv_handle_t *)&l->on_int, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->drain, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    http_free(l->http);
    uv_loop_close(&l->uv);
}

int loop_run(const struct loop_options *o, struct err *e)
{
    struct loop *l = mem_zero(1, sizeof *l);
    l->o = *o;
    build_name(l->build, o->program);
    uv_loop_init(&l->uv);
    uv_async_init(&l->uv, &l->wake, on_wake);
    uv_signal_init(&l->uv, &l->on_term);
    uv_signal_init(&l->uv, &l->on_int);
    uv_timer_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->drain);
    l->wake.data = l->on_term.data = l->on_int.data = l->idle.data = l->drain.data = l;
    struct service_options so = {.paths = o->paths, .config = o->config, .program = o->program, .wake = wake, .wake_arg = l};
    int rc = service_open(&l->service, &so, e);
    if (!rc)
        rc = listener_open(l, e);
    struct http_options ho = {.uv = &l->uv, .service = l->service, .paths = o->paths, .config = o->config, .listen = o->listen};
    if (!rc && o->listen)
        rc = http_open(&l->http, &ho, e);
    if (!rc) {
        uv_signal_start(&l->on_term, on_signal, SIGTERM);
        uv_signal_start(&l->on_int, on_signal, SIGINT);
        start_idle(l);
        if (o->config->watch_limit)
            l->watcher = watcher_open(&l->uv, l->service, (unsigned)o->config->watch_limit);
        if (o->ready)
            o->ready(o->ready_arg, l->http ? http_url(l->http) : NULL, l->http ? http_fingerprint(l->http) : NULL);
        log_line(LOG_INFO, "%s listens on %s%s%s", l->build, o->paths->socket, l->http ? " and " : "", l->http ? http_url(l->http) : "");
        uv_run(&l->uv, UV_RUN_DEFAULT);
        log_line(LOG_INFO, "ends");
    }
    listener_close(l);
    for (struct conn *c = l->conns; c; c = conn_next(c))
        conn_abandon(c);
    http_abandon(l->http);
    watcher_close(l->watcher);
    service_close(l->service);
    close_all(l);
    free(l);
    return rc;
}
