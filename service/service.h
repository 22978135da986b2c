/* The request core: the one place where a request becomes work. Knows neither libuv nor any codec; tests drive it through a
 * loopback sink. `who` is proved by the transport (peer uid, token), never by params.
 *
 * A request's way: session_submit -> queue -> worker thread (method's run) -> events -> service_poll -> sink.
 * Sinks are called only from service_poll, on the thread that calls it. Event bytes are valid only in the callback. Each id
 * gets exactly one EVENT_DONE or EVENT_FAIL, last. A sink that returns false has taken the event and is full now: nothing
 * more is delivered for that request until session_resume; its worker waits once some events are queued, others go on.
 * session_* and service_poll belong to one thread (the loop's); a sink may call session_* of its own session.
 * `wake` is called from any thread, under a lock, when service_poll has something to do: it must only leave a note. */
#ifndef CODEASK_SERVICE_SERVICE_H
#define CODEASK_SERVICE_SERVICE_H

#include "base/err.h"
#include "config/config.h"
#include "config/paths.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct service;
struct session;

struct caller {
    bool local;                  /* the owner: the same user of this machine, who may do everything */
    uid_t uid;                   /* of the owner */
    /* of anybody else */
    unsigned access;             /* enum access (methods.h), added up */
    uint32_t user;               /* store/people.h */
    uint64_t token;              /* store/token.h */
    char name[65];
};

enum event_kind {
    EVENT_PROGRESS,              /* JSON object: {"stage":…, …} */
    EVENT_PART,                  /* JSON object: a partial result, method-specific */
    EVENT_DONE,                  /* JSON object: the result */
    EVENT_FAIL                   /* JSON object: {"code":name, "message":…, "hint":…} */
};

struct sink {
    bool (*event)(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len);
    void *arg;
};

struct service_options {
    const struct paths *paths;
    const struct config *config;
    const char *program;         /* this binary, for the cut workers and the engine process */
    bool brief;                  /* opened for one request: mirrors are not known, nothing is fetched */
    void (*wake)(void *arg);
    void *wake_arg;
};

/* Before the configuration is read: an import of a bundle that was cut short is finished, and the configuration is part of it. */
int service_settle(const struct paths *p, struct err *e);
int service_open(struct service **out, const struct service_options *o, struct err *e);
void service_poll(struct service *s);                /* delivers events; call on the loop's thread */
bool service_idle(struct service *s);                /* nothing queued, running or still to embed */
bool service_quiet(struct service *s);               /* no request is left; jobs may be */
bool service_stop_asked(struct service *s);          /* a caller asked the program to end: drain, then close */
void service_drain(struct service *s);               /* takes no new requests; jobs checkpoint and resume at the next start */
void service_close(struct service *s);               /* drains, joins the threads, closes the store. Sessions first */

/* Who a token stands for. ERR_DENIED: forged, revoked or expired, all alike; ERR_UNAVAILABLE: that cannot be told now. Any thread. */
int service_authenticate(struct caller *out, struct service *s, const char *token, struct err *e);

/* A known user by name, proved by others, for what a token is good for by default. ERR_DENIED: there is none; ERR_UNAVAILABLE. */
int service_named(struct caller *out, struct service *s, const char *name, struct err *e);

int service_tokens(struct service *s, bool *any, struct err *e); /* whether there is one that is good still */

/* A method that needs no service (service/alone.h), run at once: its result (the caller frees), or 1 when method is not of that
 * kind. progress: gets a JSON object now and then; true: stop. */
typedef bool (*alone_progress)(void *arg, const char *json);
int service_alone(char **result, const char *method, const char *params, const struct paths *p, alone_progress progress, void *arg,
                  struct err *e);

/* What the transport's side may watch for changes. The service needs no watcher: a hint only makes it look sooner than after
 * ten seconds. All on the loop's thread. */
typedef void (*watch_cb)(void *arg, uint32_t repo, const char *path /* a directory, with its slash; borrowed */);
uint64_t service_watch_serial(struct service *s);    /* another number: repositories in use or their directories changed */
void service_watch_list(struct service *s, watch_cb each, void *arg);
/* Something in it has changed, or may have. Before it, for each directory where that was, service_hint_in: then these few alone are
 * looked at, and everything within ten seconds. dir: absolute with its slash; NULL: who knows where, or what files are left out may differ. */
void service_hint_in(struct service *s, uint32_t repo, const char *dir);
void service_hint(struct service *s, uint32_t repo);
/* For `status`: how many of a repository's directories are watched; why: NULL, or why not all. Copied. */
void service_watching(struct service *s, uint32_t repo, unsigned watched, const char *why);

/* A webhook's request: who sent it is proved by the secret of the settings (hook_secret), and all that is taken from it is which
 * mirror may have changed: that one is fetched soon. ERR_UNSUPPORTED: no secret is set; ERR_DENIED; ERR_BUSY: too many. On the loop's thread, at once. */
#define HOOK_BODY_MAX (1u << 20)   /* bytes: hosts cut theirs at 25 MB, but a push with some hundred commits has 200 KB */
struct hook_call {
    const char *body;
    size_t len;
    const char *signature;         /* HMAC-SHA-256 of the body in hex, with or without "sha256=" before it; NULL */
    const char *token;             /* the secret itself; NULL */
};
int session_hook(struct session *c, const struct hook_call *h, struct err *e);

int session_open(struct session **out, struct service *s, const struct caller *who, struct err *e);
/* Before the first request, for who is at this machine: requests are answered by this server first (service/remote.h). url NULL or empty: the one that
 * the configuration names, if any; "none": no server. token NULL: that of server-token-file. Copied. */
void session_server(struct session *c, const char *url, const char *token);
/* params: one JSON object. *id is unique in the service. Errors before queueing are returned, later ones are EVENT_FAIL. */
int session_submit(struct session *c, const char *method, const char *params, size_t len, struct sink sink, uint64_t *id,
                   struct err *e);
/* After ERR_BUSY: seconds until it is worth another try, at least 1. */
unsigned session_retry_after(struct session *c);
bool session_ready(struct session *c);               /* false: the daemon is ending, nothing more is taken */
void session_cancel(struct session *c, uint64_t id); /* EVENT_FAIL "canceled" follows, unless it had ended */
void session_resume(struct session *c, uint64_t id);
void session_close(struct session *c);               /* cancels; afterwards no sink of c is called and its overlays are gone */

#endif
