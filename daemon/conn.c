#define _GNU_SOURCE /* struct ucred */
#include "daemon/loop.h"

#include "base/log.h"
#include "base/mem.h"
#include "daemon/rpc.h"
#include "service/protocol.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes waiting for a reader past which its requests stop producing and its own messages are not read any more. */
#define HIGH_WATER ((size_t)1 << 20)
#define LOW_WATER ((size_t)256 << 10)

struct conn {
    struct conn *next, *prev;
    struct loop *l;
    uv_pipe_t pipe;
    uv_write_t write;
    struct session *session;
    const struct protocol *protocol;
    void *codec;
    struct buf out;    /* the codec adds here */
    struct buf flying; /* handed to uv_write */
    bool reading, writing;
    bool held;         /* past the high-water mark */
    bool ending;       /* closes when all is written */
    bool closing;
};

struct conn *conn_next(struct conn *c)
{
    return c->next;
}

bool conn_pending(const struct conn *c)
{
    return c->writing || c->out.len;
}

static bool full(void *arg)
{
    const struct conn *c = arg;
    return c->out.len + c->flying.len > HIGH_WATER;
}

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->l->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->l->nconns--;
    buf_release(&c->out);
    buf_release(&c->flying);
    free(c);
}

void conn_abandon(struct conn *c)
{
    session_close(c->session); /* cancels what it asked: nobody reads the answers */
    c->session = NULL;
    if (c->codec)
        c->protocol->close(c->codec);
    c->codec = NULL;
}

void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    conn_abandon(c);
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *buf)
{
    struct conn *c = h->data;
    *buf = uv_buf_init(c->l->in, sizeof c->l->in);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    if (n < 0) {
        conn_close(c);
        return;
    }
    if (n > 0 && !c->ending && c->protocol->feed(c->codec, buf->base, (size_t)n))
        c->ending = true;
    conn_flush(c);
}

static void read_on(struct conn *c, bool on)
{
    if (c->closing || c->reading == on)
        return;
    c->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->pipe);
}

static void on_written(uv_write_t *w, int status)
{
    struct conn *c = w->data;
    c->writing = false;
    buf_clear(&c->flying);
    if (c->flying.cap > HIGH_WATER)
        buf_release(&c->flying);
    if (c->closing)
        return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    conn_flush(c);
}

void conn_flush(struct conn *c)
{
    if (c->closing)
        return;
    if (!c->writing && c->out.len) {
        struct buf swap = c->flying;
        c->flying = c->out;
        c->out = swap;
        c->writing = true;
        c->write.data = c;
        uv_buf_t b = uv_buf_init(c->flying.data, (unsigned)c->flying.len);
        if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &b, 1, on_written)) {
            c->writing = false;
            conn_close(c);
            return;
        }
    }
    size_t waiting = c->out.len + c->flying.len;
    if (c->ending && !conn_pending(c)) {
        conn_close(c);
    } else if (!c->held && waiting > HIGH_WATER) {
        c->held = true;
        read_on(c, false);
    } else if (c->held && waiting < LOW_WATER) {
        c->held = false;
        read_on(c, true);
        c->protocol->drained(c->codec);
    }
}

/* The kernel says who is at the other end; file modes alone would not hold in a shared runtime folder. */
static bool peer(int fd, uid_t *uid)
{
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
        return false;
    *uid = who.uid;
    return who.uid == geteuid();
}

void conn_accept(struct loop *l)
{
    struct conn *c = mem_zero(1, sizeof *c);
    struct err e;
    uv_os_fd_t fd;
    struct caller who = {.local = true};
    c->l = l;
    c->next = l->conns;
    if (c->next)
        c->next->prev = c;
    l->conns = c;
    l->nconns++;
    l->idle_since_ms = 0;
    uv_pipe_init(&l->uv, &c->pipe, 0);
    c->pipe.data = c;
    c->protocol = &rpc_protocol;
    if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->pipe) ||
        uv_fileno((uv_handle_t *)&c->pipe, &fd) || !peer(fd, &who.uid)) {
        log_line(LOG_WARN, "a connection of another user was turned away");
        conn_close(c);
        return;
    }
    if (l->nconns > LOOP_CLIENTS_MAX || session_open(&c->session, l->service, &who, &e)) {
        log_line(LOG_WARN, "more than %d clients: one was turned away", LOOP_CLIENTS_MAX);
        conn_close(c);
        return;
    }
    rpc_hello(&c->out, l->build, (int)getpid(), l->o.autostarted);
    c->codec = c->protocol->open(c->session, &c->out, full, c);
    read_on(c, true);
    conn_flush(c);
}
