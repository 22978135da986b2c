#include "cli/carry.h"

#include "cli/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CARRY_BYTES 65536

/* One direction: what was read and is not written yet. */
struct way {
    int from, to;
    size_t at, n;
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

/* Both ways at once: neither end is kept from reading by its own writing. */
static int carry_on(struct way *in, struct way *out, struct err *e)
{
    int rc = 0;
    while (!rc) {
        struct pollfd p[4] = {{in->n ? -1 : in->from, POLLIN, 0}, {in->n ? in->to : -1, POLLOUT, 0},
                              {out->n ? -1 : out->from, POLLIN, 0}, {out->n ? out->to : -1, POLLOUT, 0}};
        if (poll(p, 4, -1) < 0) {
            if (errno != EINTR)
                return err_errno(e, errno, "poll");
            return 0; /* interrupted: the user ends it */
        }
        if (p[0].revents && (rc = way_read(in, e)))
            return rc < 0 ? rc : 0;
        if (p[1].revents && (rc = way_write(in, e)))
            return rc;
        if (p[2].revents && (rc = way_read(out, e)) > 0) {
            err_set(e, ERR_CRASHED, "codeaskd has ended");
            err_hint(e, "start this again: it starts another");
            return ERR_CRASHED;
        }
        if (p[3].revents && !rc)
            rc = way_write(out, e);
    }
    return rc;
}

int carry(const struct paths *p, const char *protocol, const char *dir, struct err *e)
{
    static struct way in, out;
    struct client c;
    char cwd[PATH_MAX];
    int rc = client_open(&c, p, MEET_START, protocol, e);
    if (rc)
        return rc;
    bool given = !getcwd(cwd, sizeof cwd) || strcmp(cwd, dir) != 0;
    json_t *first = json_pack("{ss, ss, s{ss, sb}}", "jsonrpc", "2.0", "method", "$/dir", "params", "dir", dir, "given", given);
    rc = client_send(&c, first, e);
    json_decref(first);
    in.from = STDIN_FILENO;
    in.to = out.from = c.fd;
    out.to = STDOUT_FILENO;
    out.n = client_left(&c, out.bytes, sizeof out.bytes);
    if (!rc)
        rc = carry_on(&in, &out, e);
    client_close(&c);
    return rc;
}
