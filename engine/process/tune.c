#define _GNU_SOURCE
#include "engine/process/tune.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/process/spawn.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NICEST 19
#define NEWS_NS 200000000 /* between two lines of one stage */

/* -- the process -------------------------------------------------------------------------------------------------------------- */

static bool put_line(int fd, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s\n", text);
    bool sent = true;
    for (size_t at = 0; at < b.len && sent;) {
        ssize_t n = send(fd, b.data + at, b.len - at, MSG_NOSIGNAL);
        sent = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    buf_release(&b);
    free(text);
    json_decref(o);
    return sent;
}

/* The other end has closed, or says that it is enough. */
static bool told_to_stop(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

struct telling {
    int fd;
    int64_t told_ns;
    const char *stage; /* of the last line */
};

static bool on_news(void *arg, const struct tuning_news *n)
{
    struct telling *t = arg;
    int fd = t->fd;
    if (t->stage == n->stage && n->step != n->steps && clock_ns() - t->told_ns < NEWS_NS)
        return !told_to_stop(fd);
    t->stage = n->stage;
    t->told_ns = clock_ns();
    json_t *o = json_pack("{s{ss, sI, sI, sf, sf, sf, sI}}", "news", "stage", n->stage, "step", (json_int_t)n->step, "steps", (json_int_t)n->steps, "loss",
                          n->loss, "tokens_per_s", n->tokens_per_s, "eta_s", n->eta_s, "memory", (json_int_t)n->memory);
    return put_line(fd, o) && !told_to_stop(fd);
}

json_t *tune_rows_json(const struct tuned *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->rows; i++) {
        const struct measured *m = &t->row[i];
        json_array_append_new(rows, json_pack("[s, b, i, i, f, f]", corpus_kind_name(m->kind), m->held, m->texts, (int)m->tokens, m->base, m->tuned));
    }
    return rows;
}

json_t *tune_asked_json(const struct tuned *t)
{
    json_t *asked = json_array();
    for (size_t i = 0; i < t->questions; i++) {
        const struct asked *a = &t->asked[i];
        json_array_append_new(asked, json_pack("[b, [i, i, b], [i, i, b]]", a->answerable, (int)a->base.cited, (int)a->base.right, a->base.refused, (int)a->tuned.cited,
                                               (int)a->tuned.right, a->tuned.refused));
    }
    return asked;
}

static json_t *done_json(const struct tuned *t)
{
    char base[65];
    hex_of(base, t->base, sizeof t->base);
    return json_pack("{s{sI, sI, sI, sf, sf, ss, so, so}}", "done", "steps", (json_int_t)t->steps, "texts", (json_int_t)t->texts, "tokens", (json_int_t)t->tokens,
                     "loss", t->loss, "seconds", t->seconds, "base", base, "rows", tune_rows_json(t), "asked", tune_asked_json(t));
}

static int read_order(struct buf *line, int fd)
{
    for (;;) {
        ssize_t n = recv(fd, buf_room(line, 4096), 4096, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || line->len > TUNE_LINE_MAX)
            return -1;
        line->len += (size_t)n;
        line->data[line->len] = 0;
        if (line->data[line->len - 1] == '\n')
            return 0;
    }
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static uint64_t integer(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

int tune_main(int fd)
{
    struct buf line = BUF_INIT;
    struct tuned t;
    struct err e = {0};
    prctl(PR_SET_NAME, "codeask-tune");
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever would go on with it starts another: never two */
    signal(SIGINT, SIG_IGN);
    setpriority(PRIO_PROCESS, 0, NICEST);
    json_t *o = read_order(&line, fd) ? NULL : json_loadb(line.data, line.len, 0, NULL);
    buf_release(&line);
    if (!o || !text(o, "model") || !text(o, "corpus") || !text(o, "folder"))
        return 2;
    struct tuning_order order = {.model = text(o, "model"), .corpus = text(o, "corpus"), .folder = text(o, "folder"), .adapter = text(o, "adapter"),
                                 .rank = (uint32_t)integer(o, "rank"), .alpha = (float)number(o, "alpha"), .rslora = json_is_true(json_object_get(o, "rslora")),
                                 .targets = (uint32_t)integer(o, "targets"),
                                 .rate = (float)number(o, "rate"), .steps = integer(o, "steps"), .epochs = number(o, "epochs"),
                                 .step_rows = (uint32_t)integer(o, "step_rows"), .context = (uint32_t)integer(o, "context"), .threads = (int)integer(o, "threads"),
                                 .seed = integer(o, "seed"), .checkpoint_s = number(o, "checkpoint_s")};
    struct telling telling = {.fd = fd};
    int rc = tuning_run(&t, &order, on_news, &telling, &e);
    put_line(fd, rc ? json_pack("{s{ss, ss, ss}}", "error", "code", err_name(rc), "message", e.message, "hint", e.hint) : done_json(&t));
    if (!rc)
        tuned_release(&t);
    json_decref(o);
    close(fd);
    return rc ? 1 : 0;
}

/* -- the other end ------------------------------------------------------------------------------------------------------------ */

int tune_start(struct tune_process *t, const char *program, const struct tuning_order *o, struct err *e)
{
    *t = (struct tune_process){.pid = -1, .fd = -1};
    int rc = engine_process_spawn(&t->pid, &t->fd, program, TUNE_ARG, e);
    if (rc)
        return rc;
    json_t *order = json_pack("{ss, ss, ss, ss*, sI, sf, sb, sI, sf, sI, sf, sI, sI, sI, sI, sf}", "model", o->model, "corpus", o->corpus, "folder", o->folder,
                              "adapter", o->adapter, "rank", (json_int_t)o->rank, "alpha", (double)o->alpha, "rslora", o->rslora, "targets",
                              (json_int_t)o->targets, "rate", (double)o->rate, "steps", (json_int_t)o->steps, "epochs", o->epochs, "step_rows",
                              (json_int_t)o->step_rows, "context", (json_int_t)o->context, "threads", (json_int_t)o->threads, "seed", (json_int_t)o->seed,
                              "checkpoint_s", o->checkpoint_s);
    if (!order || !put_line(t->fd, order)) {
        tune_end(t);
        return err_set(e, order ? ERR_CRASHED : ERR_USAGE, order ? "the tuning process ended at once" : "a path for the tuning process is no text");
    }
    return 0;
}

int tune_next(struct tune_process *t, int ms, struct buf *line, struct err *e)
{
    for (;;) {
        char *nl = t->in.len ? memchr(t->in.data, '\n', t->in.len) : NULL;
        if (nl) {
            size_t n = (size_t)(nl - t->in.data);
            buf_clear(line);
            buf_add(line, t->in.data, n);
            buf_drop_front(&t->in, n + 1);
            return 1;
        }
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        int ready = poll(&p, 1, ms);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            return 0;
        ssize_t n = recv(t->fd, buf_room(&t->in, 1 << 16), 1 << 16, 0);
        if (n <= 0 || t->in.len > TUNE_LINE_MAX)
            return err_set(e, ERR_CRASHED, "the tuning process died");
        t->in.len += (size_t)n;
    }
}

void tune_pause(struct tune_process *t, bool pause)
{
    if (t->paused == pause || t->pid <= 0)
        return;
    kill(-t->pid, pause ? SIGSTOP : SIGCONT);
    t->paused = pause;
}

void tune_stop(struct tune_process *t)
{
    (void)!send(t->fd, "stop\n", 5, MSG_NOSIGNAL);
    tune_pause(t, false);
}

void tune_end(struct tune_process *t)
{
    int status;
    if (t->fd >= 0)
        close(t->fd);
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    buf_release(&t->in);
    *t = (struct tune_process){.pid = -1, .fd = -1};
}
