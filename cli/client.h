/* The client's end of the socket. */
#ifndef CODEASK_CLI_CLIENT_H
#define CODEASK_CLI_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "config/paths.h"
#include "service/methods.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

struct client {
    int fd;                 /* -1: not connected */
    struct buf in;
    size_t taken;           /* bytes of in that belong to the last line */
    char build[BUILD_MAX];  /* the daemon's */
    int pid;
    bool autostarted;
    bool answered;           /* the error of the last call is the daemon's own word */
};

/* Connects and greets, for a protocol of the daemon's (daemon/rpc.h) or, NULL, for client_call. ERR_UNAVAILABLE "not running" but for MEET_START. ERR_VERSION when the two cannot speak to each other. */
enum meeting {
    MEET_RUNNING,
    MEET_START,             /* a daemon is started where none runs, and an older autostarted one is drained and replaced */
    MEET_STOP,              /* one that speaks an older protocol than can be spoken is good enough */
};
int client_open(struct client *c, const struct paths *p, enum meeting how, const char *protocol, struct err *e);
void client_close(struct client *c);
/* A message of another protocol: a line, or framed by its length as in LSP. */
int client_send(struct client *c, json_t *message, bool framed, struct err *e);
size_t client_left(struct client *c, void *out, size_t most);         /* what came in behind the greeting: moved to out */

/* What is told of a request before its result; any may be NULL. */
struct client_watch {
    void (*progress)(void *arg, json_t *progress);
    void *progress_arg;
    void (*part)(void *arg, json_t *part);
    void *part_arg;
};
/* One request; params is borrowed. result: a new reference. ERR_CANCELED when *interrupted became non-zero.
 * ERR_CRASHED when the connection ended before the answer. */
int client_call(json_t **result, struct client *c, const char *method, json_t *params, const struct client_watch *watch,
                const volatile sig_atomic_t *interrupted, struct err *e);
/* Waits until the daemon has closed the connection: then it has ended. */
int client_wait_end(struct client *c, int seconds, struct err *e);

/* The daemon said ERR_STOPPING. Waits until it has ended, and whether another one takes its place: 0 when it does, as where a newer
 * client replaces it. Where it was just stopped nobody comes, and the error stays as it is. */
int client_wait_next(struct client *c, const struct paths *p, const volatile sig_atomic_t *interrupted, struct err *e);

/* spawn.c: starts codeaskd, found beside this program, apart from this terminal; returns when it listens. ERR_BUSY: another
 * one holds the home already. */
int daemon_start(const struct paths *p, struct err *e);
typedef void (*client_progress)(void *arg, json_t *progress);
/* Runs `codeaskd --once` and gives its result; on: gets what it says meanwhile, may be NULL. */
int daemon_once(json_t **result, const struct paths *p, const char *method, json_t *params, client_progress on, void *arg,
                struct err *e);
/* Its path; the caller frees it. */
int daemon_program(char **out, const struct paths *p, struct err *e);
/* Fills e from {"code","message","hint"}; returns the code. */
int err_of_json(struct err *e, json_t *object);

#endif
