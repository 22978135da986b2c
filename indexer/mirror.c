/* The parent's side of a fetch. */
#include "indexer/mirror_inside.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "indexer/pool.h"
#include "indexer/pool_wire.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536
#define POLL_MS 100

static int send_order(int fd, const struct mirror_order *o, struct err *e)
{
    json_t *order = json_pack("{ss, ss, ss, ss, ss, ss, ss, sI, sI, sI}", "url", o->url, "path", o->path, "branches", o->branches, "credentials", o->credentials,
                              "known_hosts", o->known_hosts, "ca", o->ca, "hosts", o->hosts, "max_bytes", (json_int_t)o->max_bytes, "stall_seconds",
                              (json_int_t)o->stall_seconds, "seconds", (json_int_t)o->seconds);
    if (!order)
        return err_set(e, ERR_USAGE, "%.300s: an address or a path that is no UTF-8", o->url);
    char *text = json_dumps(order, JSON_COMPACT);
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s\n", text);
    int rc = fd_write(fd, b.data, b.len, NULL); /* a few KB: they fit the socket's buffer */
    if (rc)
        rc = err_set(e, ERR_CRASHED, "%.300s: the process that fetches it ended before it began", o->url);
    free(text);
    json_decref(order);
    buf_release(&b);
    return rc;
}

struct talk {
    struct mirror_result *out;
    mirror_progress_cb progress;
    void *arg;
    struct mirror_progress last;
    char stage[24];
    bool over;
    struct err *e;
};

static int on_line(struct talk *t, const char *line, size_t n)
{
    json_t *o = json_loadb(line, n, 0, NULL), *done = json_object_get(o, "done"), *error = json_object_get(o, "error");
    int rc = 0;
    if (error) {
        const char *message = json_string_value(json_object_get(error, "message")), *hint = json_string_value(json_object_get(error, "hint"));
        rc = (int)json_integer_value(json_object_get(error, "code"));
        rc = err_set(t->e, rc < 0 ? rc : ERR_INTERNAL, "%s", message ? message : "the fetch failed");
        if (hint && *hint)
            err_hint(t->e, "%s", hint);
        t->over = true;
    } else if (done) {
        const char *head = json_string_value(json_object_get(done, "head"));
        t->out->changed = json_is_true(json_object_get(done, "changed"));
        t->out->branches = (unsigned)json_integer_value(json_object_get(done, "branches"));
        snprintf(t->out->head, sizeof t->out->head, "%s", head ? head : "");
        t->over = true;
    } else if (o) {
        const char *stage = json_string_value(json_object_get(o, "stage"));
        snprintf(t->stage, sizeof t->stage, "%s", stage ? stage : "");
        t->last = (struct mirror_progress){t->stage, (uint64_t)json_integer_value(json_object_get(o, "objects")),
                                           (uint64_t)json_integer_value(json_object_get(o, "objects_done")), (uint64_t)json_integer_value(json_object_get(o, "bytes"))};
    }
    json_decref(o);
    return rc;
}

static int listen_to(struct talk *t, int fd, const struct mirror_order *o)
{
    struct buf in = BUF_INIT;
    int64_t until = clock_ns() + (int64_t)o->seconds * 1000000000LL;
    int rc = 0;
    while (!rc && !t->over) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char piece[4096];
        if (t->progress && !t->progress(t->arg, &t->last))
            rc = err_set(t->e, ERR_CANCELED, "canceled");
        else if (clock_ns() > until) {
            rc = err_set(t->e, ERR_TIMEOUT, "%.300s: not fetched within %u seconds", o->url, o->seconds);
            err_hint(t->e, "mirror-seconds in the settings is the time that a fetch may take");
        } else if (poll(&p, 1, POLL_MS) > 0) {
            ssize_t n = read(fd, piece, sizeof piece);
            if (n > 0 && in.len + (size_t)n <= LINE_MAX_BYTES)
                buf_add(&in, piece, (size_t)n);
            else if (n >= 0 || errno != EAGAIN)
                rc = err_set(t->e, ERR_CRASHED, "%.300s: the process that fetches it ended in the middle", o->url);
        }
        for (char *end; !rc && in.len && (end = memchr(in.data, '\n', in.len));) {
            size_t len = (size_t)(end - in.data);
            rc = on_line(t, in.data, len);
            buf_drop_front(&in, len + 1);
        }
    }
    buf_release(&in);
    return rc;
}

int mirror_fetch(struct mirror_result *out, const char *program, const struct mirror_order *o, mirror_progress_cb progress, void *arg, struct err *e)
{
    static const char *const also[] = {"HOME", "PATH", "LANG", "SSH_AUTH_SOCK", "TMPDIR", NULL};
    struct err own;
    int fd = -1;
    pid_t pid = 0;
    *out = (struct mirror_result){0};
    struct talk t = {.out = out, .progress = progress, .arg = arg, .stage = "starting", .e = e ? e : &own};
    t.last.stage = t.stage;
    int rc = child_spawn(&fd, &pid, program, MIRROR_WORKER_ARG, also, false, t.e);
    if (rc)
        return rc;
    rc = send_order(fd, o, t.e);
    if (!rc)
        rc = listen_to(&t, fd, o);
    close(fd);
    if (rc && !t.over)
        kill(-pid, SIGKILL); /* ssh with it */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path) && errno != ENOENT;
}

int mirror_remove(const char *path, struct err *e)
{
    if (!strstr(path, "/mirrors/") || strstr(path, "/../"))
        return err_set(e, ERR_INTERNAL, "%s is no mirror", path);
    if (!dir_exists(path))
        return 0;
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) ? err_errno(e, errno, "%s", path) : 0;
}
