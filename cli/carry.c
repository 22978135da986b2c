#include "cli/carry.h"

#include "cli/client.h"
#include "cli/packets.h"
#include "cli/replay.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CARRY_BYTES 65536
#define END_WAIT_MS 2000 /* for the daemon's last word, after the client's */

/* What was taken from one side and is not written to the other yet. */
struct pending {
    struct buf bytes;
    size_t at;
};

struct carrier {
    const struct paths *paths;
    const char *protocol, *dir;
    struct client daemon;       /* fd -1: none; the next one is met when the client waits for an answer */
    struct packets in, out;     /* from the client, from the daemon */
    struct pending to_daemon, to_client;
    struct replay said;
    bool over;                  /* the client has said all */
    bool ended;                 /* so has the protocol: a NUL came */
    int status;                 /* the digit behind it */
};

static size_t left(const struct pending *w)
{
    return w->bytes.len - w->at;
}

static void written(struct pending *w, ssize_t n)
{
    w->at += n > 0 ? (size_t)n : 0;
    if (!left(w)) {
        buf_clear(&w->bytes);
        w->at = 0;
    }
}

/* What the codec hears before the client's own messages: where questions are about. */
static int say_dir(struct carrier *x, struct err *e)
{
    char cwd[PATH_MAX];
    bool given = !getcwd(cwd, sizeof cwd) || strcmp(cwd, x->dir) != 0;
    json_t *first = json_pack("{ss, ss, s{ss, sb}}", "jsonrpc", "2.0", "method", "$/dir", "params", "dir", x->dir, "given", given);
    int rc = client_send(&x->daemon, first, x->in.framed, e);
    json_decref(first);
    return rc;
}

static void take_daemon(struct carrier *x, const char *bytes, size_t n);

static int meet(struct carrier *x, struct err *e)
{
    char first[CARRY_BYTES];
    int rc = client_open(&x->daemon, x->paths, MEET_START, x->protocol, e);
    if (!rc && (rc = say_dir(x, e)))
        client_close(&x->daemon);
    if (!rc)
        take_daemon(x, first, client_left(&x->daemon, first, sizeof first));
    return rc;
}

/* Another daemon is told what the one that has ended knew. */
static void meet_next(struct carrier *x)
{
    struct err e = {0};
    if (meet(x, &e))
        replay_refuse(&x->said, &e, &x->to_client.bytes);
    else
        replay_again(&x->said, &x->to_daemon.bytes);
}

static void daemon_ended(struct carrier *x)
{
    client_close(&x->daemon);
    buf_clear(&x->to_daemon.bytes);
    x->to_daemon.at = 0;
    packets_release(&x->out);
    x->out = (struct packets){.framed = x->in.framed};
    if (!x->over && !x->ended)
        replay_lost(&x->said, &x->to_client.bytes);
}

/* -- messages ---------------------------------------------------------------------------------------------------------------- */

static void take_client(struct carrier *x, const char *bytes, size_t n)
{
    struct packet p;
    packets_feed(&x->in, bytes, n);
    while (packets_next(&x->in, &p)) {
        if (p.whole)
            replay_asked(&x->said, p.body);
        if (x->daemon.fd >= 0)
            buf_add(&x->to_daemon.bytes, p.bytes.p, p.bytes.n);
    }
}

/* "\0" and a digit: the other protocol is over, and so is this program, with that status. */
static bool take_end(struct carrier *x, struct str rest)
{
    if (!x->ended && rest.n && !*rest.p) {
        x->ended = true;
        rest = (struct str){rest.p + 1, rest.n - 1};
    }
    if (x->ended && rest.n && *rest.p >= '0' && *rest.p <= '9')
        x->status = *rest.p - '0';
    return x->ended;
}

static void take_daemon(struct carrier *x, const char *bytes, size_t n)
{
    struct packet p;
    packets_feed(&x->out, bytes, n);
    while (!take_end(x, packets_left(&x->out)) && packets_next(&x->out, &p))
        if (!p.whole || replay_answered(&x->said, p.body, &x->to_daemon.bytes))
            buf_add(&x->to_client.bytes, p.bytes.p, p.bytes.n);
}

/* -- bytes ------------------------------------------------------------------------------------------------------------------- */

/* More than 0: so many; 0: none now; -1: the end, or an error. */
static ssize_t read_some(int fd, char *out, size_t n)
{
    ssize_t got = read(fd, out, n);
    return got > 0 ? got : got < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : -1;
}

static int write_client(struct carrier *x, struct err *e)
{
    size_t n = left(&x->to_client) < PIPE_BUF ? left(&x->to_client) : PIPE_BUF; /* after poll so many go into a pipe without waiting */
    ssize_t put = write(STDOUT_FILENO, x->to_client.bytes.data + x->to_client.at, n);
    if (put < 0 && errno != EINTR && errno != EAGAIN)
        return err_errno(e, errno, "writing");
    written(&x->to_client, put);
    return 0;
}

static void write_daemon(struct carrier *x)
{
    ssize_t put = send(x->daemon.fd, x->to_daemon.bytes.data + x->to_daemon.at, left(&x->to_daemon), MSG_NOSIGNAL | MSG_DONTWAIT);
    bool gone = put < 0 && errno != EINTR && errno != EAGAIN; /* its last words are read before its end */
    written(&x->to_daemon, gone ? (ssize_t)left(&x->to_daemon) : put);
}

static int take_bytes(struct carrier *x, const struct pollfd p[4], struct err *e)
{
    char bytes[CARRY_BYTES];
    ssize_t n;
    if (p[0].revents && (n = read_some(STDIN_FILENO, bytes, sizeof bytes))) {
        if (n > 0) {
            take_client(x, bytes, (size_t)n);
        } else {
            x->over = true;
            if (!left(&x->to_daemon) && x->daemon.fd >= 0)
                shutdown(x->daemon.fd, SHUT_WR);
        }
    }
    if (p[2].revents && x->daemon.fd >= 0 && (n = read_some(x->daemon.fd, bytes, sizeof bytes))) {
        if (n > 0)
            take_daemon(x, bytes, (size_t)n);
        else
            daemon_ended(x);
    }
    return p[3].revents ? write_client(x, e) : 0;
}

/* Both ways at once: neither end is kept from reading by its own writing. */
static int carry_on(struct carrier *x, struct err *e)
{
    for (;;) {
        bool there = x->daemon.fd >= 0;
        if (!there && x->said.exit && !x->ended) {
            x->ended = true;
            x->status = !x->said.shut;
        }
        if (!there && (x->over || x->ended || x->in.raw) && !left(&x->to_client))
            break;
        if (!there && !x->over && !x->ended && replay_waits(&x->said)) {
            meet_next(x);
            continue;
        }
        bool hears = !x->over && !x->ended && left(&x->to_daemon) < CARRY_BYTES;
        struct pollfd p[4] = {{hears ? STDIN_FILENO : -1, POLLIN, 0}, {there && left(&x->to_daemon) ? x->daemon.fd : -1, POLLOUT, 0},
                              {there && left(&x->to_client) < CARRY_BYTES ? x->daemon.fd : -1, POLLIN, 0}, {left(&x->to_client) ? STDOUT_FILENO : -1, POLLOUT, 0}};
        int ready = poll(p, 4, x->over ? END_WAIT_MS : -1);
        if (ready < 0 && errno != EINTR)
            return err_errno(e, errno, "poll");
        if (ready <= 0)
            return 0; /* interrupted: the user ends it */
        if (p[1].revents) {
            write_daemon(x);
            if (x->over && !left(&x->to_daemon))
                shutdown(x->daemon.fd, SHUT_WR);
        }
        int rc = take_bytes(x, p, e);
        if (rc)
            return rc;
    }
    if (!x->in.raw || x->over || x->ended)
        return 0;
    return err_set(e, ERR_FORMAT, "what came is no message of the protocol");
}

int carry(int *status, const struct paths *p, const char *protocol, const char *dir, struct err *e)
{
    bool framed = !strcmp(protocol, "lsp");
    struct carrier x = {.paths = p, .protocol = protocol, .dir = dir, .daemon = {.fd = -1}, .in = {.framed = framed}, .out = {.framed = framed},
                        .said = REPLAY_INIT(framed)};
    int rc = meet(&x, e);
    if (!rc)
        rc = carry_on(&x, e);
    *status = x.status;
    client_close(&x.daemon);
    replay_release(&x.said);
    packets_release(&x.in);
    packets_release(&x.out);
    buf_release(&x.to_daemon.bytes);
    buf_release(&x.to_client.bytes);
    return rc;
}
