/* The daemon's loop: owns the service, the listener and the connections, and decides when the program ends.
 *
 *   running -> draining (SIGTERM, SIGINT, `stop`, idle) -> ended
 *
 * Draining: the socket is gone, no new request is taken, running ones get LOOP_DRAIN_MS to end, jobs checkpoint. The
 * connections close last, when the store is closed: a client that sees the end of its connection may start another daemon. */
#ifndef CODEASK_DAEMON_LOOP_H
#define CODEASK_DAEMON_LOOP_H

#include "daemon/http.h"
#include "daemon/watch.h"
#include "service/service.h"

#include <uv.h>

#define LOOP_DRAIN_MS 10000
#define LOOP_CLIENTS_MAX 512
#define LOOP_READ_BYTES 65536

struct conn;

struct loop_options {
    const struct paths *paths;
    const struct config *config;
    const char *program;
    const char *listen;         /* HOST:PORT of the HTTP server; NULL: none */
    bool autostarted;
    void (*ready)(void *arg, const char *url, const char *fingerprint); /* listening now; of the HTTP server, NULL where there is none */
    void *ready_arg;
};

struct loop {
    struct loop_options o;
    uv_loop_t uv;
    struct service *service;
    struct watcher *watcher;
    struct http_server *http;   /* NULL: none */
    struct conn *conns;
    unsigned nconns;
    char build[64];
    /* handles; freed when loop_run returns */
    uv_async_t wake;
    uv_signal_t on_term, on_int;
    uv_timer_t idle, drain;
    uv_pipe_t listener;
    bool listening, draining, drained;
    uint64_t idle_since_ms, drain_until_ms; /* 0: somebody is there */
    uint64_t socket_dev, socket_ino; /* of the socket that we bound: only that one is removed */
    char in[LOOP_READ_BYTES]; /* every read goes through here: codecs copy what they keep */
};

/* Opens the service and the socket, serves until told to stop, closes both. */
int loop_run(const struct loop_options *o, struct err *e);

void loop_stop(struct loop *l);    /* begins to drain; again: ends at once */
void loop_flush(struct loop *l);   /* after service_poll: writes out what the codecs have added */

/* listener.c */
int listener_open(struct loop *l, struct err *e);
void listener_close(struct loop *l); /* removes the socket */

/* conn.c: a connection owns its handles and frees itself in one place (on_closed) */
void conn_accept(struct loop *l);
void conn_flush(struct conn *c);
void conn_abandon(struct conn *c); /* ends its session; the client still sees an open connection */
void conn_close(struct conn *c);
struct conn *conn_next(struct conn *c);
bool conn_pending(const struct conn *c); /* has bytes to write */

#endif
