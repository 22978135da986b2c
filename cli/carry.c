#include "cli/carry.h"

#include "cli/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CARRY_BYTES 65536
#define END_WAIT_MS 2000 /* for the daemon's last word, after the client's */

/* One direction: what was read and is not written yet. */
struct way {
    int from, to;
    size_t at, n;
    bool ended;  /* a NUL came: the daemon's last word is behind it */
    int status;  /* that word */
    char bytes[CARRY_BYTES];
};

/* 0, 1: `from` has ended, or an error. */
static int way_read(struct way *w, struct err *e)
{
    ssize_t n = read(w->from, w->bytes, sizeof w->bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n < 0 && errno != ECONNRESET)
        return err_errno(e, errno, "reading");
    w->at = 0;
    w->n = n > 0 ? (size_t)n : 0;
    return n <= 0;
}

static int way_write(struct way *w, struct err *e)
{
    size_t n = w->n < PIPE_BUF ? w->n : PIPE_BUF; /* after poll so many go into a pipe without waiting */
    ssize_t put = write(w->to, w->bytes + w->at, n);
    if (put < 0 && errno != EINTR && errno != EAGAIN)
        return err_errno(e, errno, "writing");
    w->at += put > 0 ? (size_t)put : 0;
    w->n -= put > 0 ? (size_t)put : 0;
    return 0;
}

/* "\0" and a digit: the other protocol is over, and so is this program, with that status. */
static void take_end(struct way *w)
{
    char *nul = w->ended ? w->bytes : memchr(w->bytes, 0, w->n);
    if (!nul)
        return;
    const char *digit = w->ended ? nul : nul + 1;
    if (digit < w->bytes + w->n && *digit >= '0' && *digit <= '9')
        w->status = *digit - '0';
    w->ended = true;
    w->n = (size_t)(nul - w->bytes);
}

/* Both ways at once: neither end is kept from reading by its own writing. */
static int carry_on(struct way *in, struct way *out, struct err *e)
{
    int rc = 0;
    bool over = false; /* the client has said all */
    while (!rc) {
        struct pollfd p[4] = {{in->n || over ? -1 : in->from, POLLIN, 0}, {in->n ? in->to : -1, POLLOUT, 0},
                              {out->n ? -1 : out->from, POLLIN, 0}, {out->n ? out->to : -1, POLLOUT, 0}};
        int ready = poll(p, 4, over ? END_WAIT_MS : -1);
        if (ready < 0 && errno != EINTR)
            return err_errno(e, errno, "poll");
        if (ready <= 0)
            return 0; /* interrupted: the user ends it */
        if (p[0].revents && (rc = way_read(in, e)) > 0) {
            over = true;
            rc = shutdown(in->to, SHUT_WR) && errno != ENOTCONN ? err_errno(e, errno, "shutdown") : 0;
        }
        if (rc)
            return rc;
        if (p[1].revents && (rc = way_write(in, e)))
            return rc;
        if (p[2].revents && (rc = way_read(out, e)) > 0) {
            if (out->ended || over)
                return 0;
            err_set(e, ERR_CRASHED, "codeaskd has ended");
            err_hint(e, "start this again: it starts another");
            return ERR_CRASHED;
        }
        if (p[2].revents && !rc)
            take_end(out);
        if (p[3].revents && !rc)
            rc = way_write(out, e);
    }
    return rc;
}

/* What the codec hears before the client's own messages: where questions are about. */
static int say_dir(struct client *c, bool framed, const char *dir, struct err *e)
{
    char cwd[PATH_MAX];
    bool given = !getcwd(cwd, sizeof cwd) || strcmp(cwd, dir) != 0;
    json_t *first = json_pack("{ss, ss, s{ss, sb}}", "jsonrpc", "2.0", "method", "$/dir", "params", "dir", dir, "given", given);
    int rc = client_send(c, first, framed, e);
    json_decref(first);
    return rc;
}

int carry(int *status, const struct paths *p, const char *protocol, const char *dir, struct err *e)
{
    static struct way in, out;
    struct client c;
    int rc = client_open(&c, p, MEET_START, protocol, e);
    if (rc)
        return rc;
    rc = say_dir(&c, !strcmp(protocol, "lsp"), dir, e);
    in.from = STDIN_FILENO;
    in.to = out.from = c.fd;
    out.to = STDOUT_FILENO;
    out.n = client_left(&c, out.bytes, sizeof out.bytes);
    if (!rc)
        rc = carry_on(&in, &out, e);
    *status = out.status;
    client_close(&c);
    return rc;
}
