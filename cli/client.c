#include "cli/client.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define GREETING_MS 10000   /* a daemon that does not greet within it hangs */
#define STARTING_MS 15000   /* another client's daemon may be on its way */
#define REPLACING_SECONDS 40
#define NEXT_MS 3000        /* whoever replaces a daemon starts the next one when it has seen it end */

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_release(&c->in);
    c->taken = 0;
}

static int dial(struct client *c, const struct paths *p, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(p->socket) >= sizeof un.sun_path)
        return err_set(e, ERR_LIMIT, "%s: too long for a socket", p->socket);
    strcpy(un.sun_path, p->socket);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return err_errno(e, errno, "socket");
    if (!connect(c->fd, (struct sockaddr *)&un, sizeof un))
        return 0;
    int why = errno;
    client_close(c);
    if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
        return err_set(e, ERR_UNAVAILABLE, "codeaskd is not running");
    return err_errno(e, why, "%s", p->socket);
}

/* The next line, NUL-terminated, in c->in until the next call. 1: the other end is closed. */
static int next_line(char **line, struct client *c, int64_t until_ns, const volatile sig_atomic_t *interrupted, struct err *e)
{
    size_t scanned = 0;
    buf_drop_front(&c->in, c->taken);
    c->taken = 0;
    for (;;) {
        char *end = c->in.len > scanned ? memchr(c->in.data + scanned, '\n', c->in.len - scanned) : NULL;
        if (end) {
            *end = 0;
            *line = c->in.data;
            c->taken = (size_t)(end - c->in.data) + 1;
            return 0;
        }
        scanned = c->in.len;
        if (scanned > (size_t)RPC_MESSAGE_MAX + 4096)
            return err_set(e, ERR_FORMAT, "the daemon sent a message of more than 16 MiB");
        int64_t left = until_ns ? (until_ns - clock_ns()) / 1000000 : -1;
        if (until_ns && left <= 0)
            return err_set(e, ERR_TIMEOUT, "the daemon does not answer");
        struct pollfd pf = {c->fd, POLLIN, 0};
        int n = interrupted && *interrupted ? -1 : poll(&pf, 1, left < 0 || left > 200 ? 200 : (int)left);
        if (interrupted && *interrupted)
            return err_set(e, ERR_CANCELED, "interrupted");
        if (n <= 0)
            continue; /* a signal may have come between the look and the poll: look again five times a second */
        ssize_t got = recv(c->fd, buf_room(&c->in, 65536), 65536, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != ECONNRESET)
            return err_errno(e, errno, "reading from the daemon");
        if (got <= 0)
            return 1;
        c->in.len += (size_t)got;
        c->in.data[c->in.len] = 0;
    }
}

static int send_line(struct client *c, const char *text, struct err *e)
{
    size_t n = strlen(text), done = 0;
    while (done < n) {
        ssize_t put = send(c->fd, text + done, n - done, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EPIPE || errno == ECONNRESET ? err_set(e, ERR_CRASHED, "the daemon closed the connection")
                                                         : err_errno(e, errno, "writing to the daemon");
        done += (size_t)put;
    }
    return 0;
}

/* Which server this user's requests go to first; the daemon may have been started by a client that had another environment. */
static void add_server(json_t *greeting)
{
    static const char *const names[][2] = {{"server", "CODEASK_SERVER"}, {"token", "CODEASK_TOKEN"}};
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(names[i][1]);
        if (value && *value)
            json_object_set_new(greeting, names[i][0], json_string(value));
    }
}

/* Reads the daemon's greeting and sends ours. makes_room: it is an older one that a client had started, and is to be told to stop: then
 * no other protocol is asked of it. */
static int greet(struct client *c, const char *mine, enum meeting how, const char *wanted, int *protocol, bool *makes_room, struct err *e)
{
    char *line;
    int rc = next_line(&line, c, clock_ns() + GREETING_MS * 1000000LL, NULL, e);
    if (rc == 1)
        return err_set(e, ERR_CRASHED, "the daemon closed the connection");
    if (rc)
        return rc;
    json_t *o = json_loads(line, 0, NULL), *v = json_object_get(o, "codeask");
    const char *build = json_string_value(json_object_get(o, "build"));
    if (!json_is_integer(v))
        rc = err_set(e, ERR_VERSION, "what listens on the socket is not codeaskd");
    *protocol = (int)json_integer_value(v);
    snprintf(c->build, sizeof c->build, "%s", build ? build : "?");
    c->pid = (int)json_integer_value(json_object_get(o, "pid"));
    c->autostarted = json_is_true(json_object_get(o, "autostarted"));
    json_decref(o);
    if (rc)
        return rc;
    *makes_room = how == MEET_START && c->autostarted && build_compare(c->build, mine) < 0;
    wanted = *makes_room ? NULL : wanted;
    o = json_pack("{si, ss, ss*}", "codeask", *protocol < PROTOCOL_VERSION ? *protocol : PROTOCOL_VERSION, "build", mine, "protocol", wanted);
    add_server(o);
    rc = client_send(c, o, false, e);
    json_decref(o);
    return rc;
}

/* Not there, or a zombie that nobody has reaped. */
static bool process_ended(int pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    const char *after = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    bool ended = !f || (after && (after[2] == 'Z' || after[2] == 'X'));
    if (f)
        fclose(f);
    return ended;
}

static int wait_end(struct client *c, int seconds, const volatile sig_atomic_t *interrupted, struct err *e)
{
    char *line;
    int rc;
    int64_t until = clock_ns() + seconds * 1000000000LL;
    while (!(rc = next_line(&line, c, until, interrupted, e)))
        ;
    for (int i = 0; rc == 1 && i < 100 && !process_ended(c->pid); i++) /* its last milliseconds; the home is free already */
        pause_ms(10);
    return rc == 1 ? 0 : rc;
}

int client_wait_end(struct client *c, int seconds, struct err *e)
{
    return wait_end(c, seconds, NULL, e);
}

int client_wait_next(struct client *c, const struct paths *p, const volatile sig_atomic_t *interrupted, struct err *e)
{
    struct err why;
    int rc = wait_end(c, REPLACING_SECONDS, interrupted, &why);
    client_close(c);
    for (int64_t until = clock_ns() + NEXT_MS * 1000000LL; !rc; pause_ms(50)) {
        struct client next = {.fd = -1};
        bool there = !dial(&next, p, NULL);
        client_close(&next);
        if (there)
            return 0;
        if (*interrupted)
            return err_set(e, ERR_CANCELED, "interrupted");
        if (clock_ns() > until)
            break;
    }
    if (rc == ERR_CANCELED)
        *e = why;
    return e->code;
}

/* An older daemon that a client had started makes room: its unfinished work is in its list, the next one takes it up. */
static int replace(struct client *c, struct err *e)
{
    json_t *result = NULL;
    int rc = client_call(&result, c, "stop", NULL, NULL, NULL, e);
    json_decref(result);
    if (!rc || rc == ERR_CRASHED || rc == ERR_UNAVAILABLE)
        rc = client_wait_end(c, REPLACING_SECONDS, e);
    client_close(c);
    return rc;
}

static int two_versions(struct client *c, const char *mine, struct err *e)
{
    err_set(e, ERR_VERSION, "codeask is build %s, the daemon that runs (pid %d) is build %s, and they speak different protocols",
            mine, c->pid, c->build);
    err_hint(e, build_compare(c->build, mine) < 0 ? "restart it: systemctl --user restart codeaskd, or codeask stop"
                                                  : "install the client of the same version");
    return ERR_VERSION;
}

/* One connection; 1: the daemon was asked to make room for ours. */
static int meet(struct client *c, const struct paths *p, const char *mine, enum meeting how, const char *wanted, struct err *e)
{
    int protocol = 0;
    bool makes_room = false;
    int rc = dial(c, p, e);
    if (rc || (rc = greet(c, mine, how, wanted, &protocol, &makes_room, e)))
        return rc;
    if (makes_room)
        return (rc = replace(c, e)) ? rc : 1;
    bool spoken = protocol >= PROTOCOL_VERSION - 1 && protocol <= PROTOCOL_VERSION + 1; /* a newer daemon speaks ours */
    return spoken || (how == MEET_STOP && protocol < PROTOCOL_VERSION) ? 0 : two_versions(c, mine, e);
}

int client_open(struct client *c, const struct paths *p, enum meeting how, const char *protocol, struct err *e)
{
    char mine[BUILD_MAX], *program = NULL;
    int64_t until = clock_ns() + STARTING_MS * 1000000LL;
    *c = (struct client){.fd = -1};
    int rc = daemon_program(&program, p, NULL);
    build_name(mine, rc ? NULL : program);
    free(program);
    for (;;) {
        rc = meet(c, p, mine, how, protocol, e);
        if (rc <= 0 && rc != ERR_UNAVAILABLE && rc != ERR_CRASHED)
            break; /* connected, or an error that waiting does not mend */
        client_close(c);
        if (how != MEET_START) {
            if (rc == ERR_CRASHED) /* it ended just now */
                rc = err_set(e, ERR_UNAVAILABLE, "codeaskd is not running");
            break;
        }
        int why = daemon_start(p, e);
        if (why && why != ERR_BUSY) {
            rc = why;
            break;
        }
        if (clock_ns() > until) {
            rc = why ? why : err_set(e, ERR_UNAVAILABLE, "codeaskd started and cannot be reached");
            break;
        }
        if (why)
            pause_ms(50);
    }
    if (rc)
        client_close(c);
    return rc;
}

int client_send(struct client *c, json_t *message, bool framed, struct err *e)
{
    char *text = json_dumps(message, JSON_COMPACT);
    struct buf line = BUF_INIT;
    if (framed)
        buf_addf(&line, "Content-Length: %zu\r\n\r\n%s", strlen(text), text);
    else
        buf_addf(&line, "%s\n", text);
    int rc = send_line(c, line.data, e);
    buf_release(&line);
    free(text);
    return rc;
}

size_t client_left(struct client *c, void *out, size_t most)
{
    size_t n = c->in.len - c->taken < most ? c->in.len - c->taken : most;
    memcpy(out, c->in.len ? c->in.data + c->taken : "", n);
    c->taken += n;
    return n;
}

int client_call(json_t **result, struct client *c, const char *method, json_t *params, const struct client_watch *watch,
                const volatile sig_atomic_t *interrupted, struct err *e)
{
    struct buf b = BUF_INIT;
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL, *line;
    c->answered = false;
    buf_addf(&b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method, text ? text : "{}");
    free(text);
    int rc = b.len > RPC_MESSAGE_MAX ? err_set(e, ERR_LIMIT, "a request of more than 16 MiB") : send_line(c, b.data, e);
    buf_release(&b);
    bool over = false;
    while (!rc && !over) {
        rc = next_line(&line, c, 0, interrupted, e);
        if (rc == 1)
            rc = err_set(e, ERR_CRASHED, "the daemon ended before it answered");
        if (rc)
            break;
        json_t *m = json_loads(line, JSON_ALLOW_NUL, NULL), *v;
        if ((v = json_object_get(json_object_get(m, "params"), "progress"))) {
            if (watch && watch->progress)
                watch->progress(watch->progress_arg, v);
        } else if ((v = json_object_get(json_object_get(m, "params"), "part"))) {
            if (watch && watch->part)
                watch->part(watch->part_arg, v);
        } else if ((v = json_object_get(m, "result"))) {
            *result = json_incref(v);
            over = true;
        } else if ((v = json_object_get(m, "error"))) {
            json_t *data = json_object_get(v, "data");
            rc = err_of_json(e, data ? data : v);
            c->answered = true;
        }
        json_decref(m);
    }
    return rc;
}
