/* The process: started, spoken to, buried. */
#define _GNU_SOURCE
#include "engine/process/client.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/process/spawn.h"
#include "kernels/backend.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESTART_WINDOW (600 * INT64_C(1000000000))

static void wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int ms)
{
    clock_cond_wait(cond, lock, clock_ns() + ms * 1000000LL);
}

uint64_t call_id(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t id = ++c->next_id;
    pthread_mutex_unlock(&c->lock);
    return id;
}

void client_write(struct client *c, uint64_t generation, const struct buf *frame)
{
    pthread_mutex_lock(&c->write);
    /* a failed or timed-out write ends the conversation: the reader sees it and fails the calls */
    if (c->fd >= 0 && c->fd_generation == generation && fd_write(c->fd, frame->data, frame->len, NULL))
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->write);
}

int call_send(struct client *c, struct call *call, uint64_t generation, struct buf *frame, struct err *e)
{
    struct frame f;
    if (frame_read(&f, (uint8_t *)frame->data, frame->len, e) <= 0)
        return err_set(e, ERR_LIMIT, "engine process: a request that is too large");
    *call = (struct call){.id = f.id, .generation = generation, .sent = clock_ns()};
    pthread_mutex_lock(&c->lock);
    bool alive = c->alive && c->generation == generation;
    if (alive) {
        clock_cond_init(&call->finished);
        call->link = c->calls;
        c->calls = call;
        c->used = call->sent;
    }
    pthread_mutex_unlock(&c->lock);
    if (!alive)
        return err_set(e, ERR_CRASHED, "the engine process died");
    client_write(c, generation, frame);
    return 0;
}

static void unlink_call(struct client *c, const struct call *call)
{
    for (struct call **p = &c->calls; *p; p = &(*p)->link)
        if (*p == call) {
            *p = call->link;
            return;
        }
}

static void send_cancel(struct client *c, const struct call *call)
{
    struct buf b = BUF_INIT;
    frame_put_cancel(&b, call->id);
    client_write(c, call->generation, &b);
    buf_release(&b);
}

/* Gives what came to the sink; false: it has enough. */
static bool give_pieces(struct buf *pieces, gen_sink sink, void *arg)
{
    struct frame f;
    struct gen_piece p;
    bool more = true;
    for (size_t at = 0; more && at < pieces->len;) {
        at += (size_t)frame_read(&f, (uint8_t *)pieces->data + at, pieces->len - at, NULL);
        more = frame_get_piece(&p, &f, NULL) == 0 && sink(arg, &p);
    }
    buf_clear(pieces);
    return more;
}

int call_wait_pieces(struct client *c, struct call *call, enum frame_kind wanted, gen_sink sink, void *arg,
                     const volatile bool *stop, struct err *e)
{
    bool canceled = false, hung = false, enough = !sink;
    struct buf pieces = BUF_INIT;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        if (call->pieces.len) {
            struct buf empty = pieces;
            pieces = call->pieces;
            call->pieces = empty;
            pthread_mutex_unlock(&c->lock);
            enough = enough || !give_pieces(&pieces, sink, arg);
            buf_clear(&pieces);
            pthread_mutex_lock(&c->lock);
        }
        if (call->done && !call->pieces.len)
            break;
        bool cancel = !canceled && ((enough && sink) || (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)));
        if (cancel) {
            canceled = true;
            pthread_mutex_unlock(&c->lock);
            send_cancel(c, call);
            pthread_mutex_lock(&c->lock);
            continue;
        }
        wait_ms(&call->finished, &c->lock, stop ? 10 : 1000);
        if (!call->done && !hung && clock_ns() - call->sent > c->hang && c->pid > 0 && c->generation == call->generation) {
            hung = true;
            log_line(LOG_ERROR, "the engine process has not answered for %d s: ending it", (int)(c->hang / 1000000000));
            kill(c->pid, SIGKILL);
        }
    }
    pthread_mutex_unlock(&c->lock);
    pthread_cond_destroy(&call->finished);
    buf_release(&pieces);
    buf_release(&call->pieces);
    if (call->rc) {
        if (e)
            *e = call->err;
        return call->rc;
    }
    if (call->kind != wanted)
        return err_set(e, ERR_INTERNAL, "engine process: an answer of another kind");
    return 0;
}

int call_wait(struct client *c, struct call *call, enum frame_kind wanted, const volatile bool *stop, struct err *e)
{
    return call_wait_pieces(c, call, wanted, NULL, NULL, stop, e);
}

/* A frame from the process; false: it speaks another language. */
static bool take_answer(struct client *c, const struct frame *f)
{
    struct residency_report r;
    if (f->kind < FRAME_READY)
        return false;
    if (f->kind == FRAME_RESIDENT) {
        if (frame_get_resident(&r, f, NULL))
            return false;
        pthread_mutex_lock(&c->lock);
        c->residency = r;
        pthread_mutex_unlock(&c->lock);
        return true;
    }
    pthread_mutex_lock(&c->lock);
    struct call *call = c->calls;
    while (call && call->id != f->id)
        call = call->link;
    if (call && f->kind == FRAME_PIECE) {
        buf_add(&call->pieces, f->payload - FRAME_HEAD, FRAME_HEAD + f->len);
        call->sent = clock_ns(); /* it is alive: the hang is counted from here */
        pthread_cond_signal(&call->finished);
    } else if (call) {
        unlink_call(c, call);
        c->used = clock_ns();
        call->kind = f->kind;
        if (f->kind == FRAME_FAIL)
            call->rc = frame_get_fail(f, &call->err);
        else
            buf_add(&call->answer, f->payload, f->len);
        call->done = true;
        pthread_cond_signal(&call->finished);
    }
    pthread_mutex_unlock(&c->lock);
    return true;
}

/* How it ended, in words. */
static void describe(struct err *e, int status, bool garbled)
{
    if (garbled)
        err_set(e, ERR_CRASHED, "the engine process sent what is no answer and was ended");
    else if (WIFSIGNALED(status))
        err_set(e, ERR_CRASHED, "the engine process died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        err_set(e, ERR_CRASHED, "the engine process ended with status %d", WEXITSTATUS(status));
}

/* With the lock held: whether a GPU may be to blame for the end of the process. */
static bool of_gpu(const struct client *c)
{
    if (c->provider[0])
        return strncmp(c->provider, "cpu", 3) != 0;
    return strcmp(c->hello.backend, "cpu") != 0 && !c->hello.isa[0] && backend_find("cuda") != NULL;
}

/* The end of the conversation: reaps the process, fails its calls. */
static void bury(struct client *c, bool garbled)
{
    struct err why = {0};
    int status = 0;
    pthread_mutex_lock(&c->lock);
    pid_t pid = c->pid;
    bool closing = c->closing || c->resting, gpu = of_gpu(c);
    c->resting = false;
    c->pid = -1; /* from here on nobody signals it: after waitpid the number may be another's */
    c->alive = false;
    c->provider[0] = 0;
    c->residency = (struct residency_report){0};
    pthread_mutex_unlock(&c->lock);
    /* one that was asked to leave gets the time to do so */
    bool left = false;
    for (int ms = 0; closing && !garbled && !left && ms < 5000; ms += 10) {
        left = waitpid(pid, &status, WNOHANG) > 0;
        if (!left)
            nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    if (!left) {
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    describe(&why, status, garbled);
    if (!closing)
        log_err(LOG_ERROR, "engine", &why);
    pthread_mutex_lock(&c->write);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->write);
    pthread_mutex_lock(&c->lock);
    if (!closing) {
        c->death[c->deaths++ % ENGINE_RESTARTS] = clock_ns();
        c->gpu_deaths = gpu ? c->gpu_deaths + 1 : 0;
    }
    while (c->calls) {
        struct call *call = c->calls;
        c->calls = call->link;
        call->rc = ERR_CRASHED;
        call->err = why;
        call->done = true;
        pthread_cond_signal(&call->finished);
    }
    pthread_cond_broadcast(&c->slot_free);
    pthread_cond_broadcast(&c->gone);
    pthread_mutex_unlock(&c->lock);
}

#define IDLE_LOOK_MS 500
#define LEAVES_NS 5000000000LL /* what bury() gives one that was asked to leave */

/* A GPU's memory is wanted by others too. Whoever comes now finds no living process and starts another. */
static void rest_when_idle(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    bool rest = c->alive && !c->resting && !c->calls && clock_ns() - c->used > c->idle && c->provider[0] && strncmp(c->provider, "cpu", 3);
    if (rest) {
        c->resting = true;
        c->alive = false;
        c->leaves_by = clock_ns() + LEAVES_NS;
    } else if (c->resting && clock_ns() > c->leaves_by && c->pid > 0) { /* a driver that hangs keeps nobody waiting */
        kill(c->pid, SIGKILL);
    }
    pthread_mutex_unlock(&c->lock);
    if (!rest)
        return;
    log_line(LOG_INFO, "the engine process was asked nothing for %d s: it gives the GPU's memory back", (int)(c->idle / 1000000000));
    pthread_mutex_lock(&c->write);
    shutdown(c->fd, SHUT_WR); /* it reads the end and leaves */
    pthread_mutex_unlock(&c->write);
}

/* Waits for bytes of the process, and looks now and then whether anybody still wants something of it. */
static void await(struct client *c, int fd)
{
    while (c->idle && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, IDLE_LOOK_MS) == 0)
        rest_when_idle(c);
}

static void *read_answers(void *arg)
{
    struct client *c = arg;
    struct buf in = BUF_INIT;
    struct frame f;
    long k = 0;
    int fd = c->fd; /* only this thread closes it */
    while (k >= 0) {
        await(c, fd);
        ssize_t n = recv(fd, buf_room(&in, 1 << 18), 1 << 18, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        in.len += (size_t)n;
        size_t at = 0;
        while ((k = frame_read(&f, (uint8_t *)in.data + at, in.len - at, NULL)) > 0) {
            if (!take_answer(c, &f)) {
                k = ERR_FORMAT;
                break;
            }
            at += (size_t)k;
        }
        buf_drop_front(&in, at);
    }
    buf_release(&in);
    bury(c, k < 0);
    return NULL;
}

/* From now on the CPU computes: a driver or device that fails again and again would take every request with it. */
static void leave_gpu(struct client *c)
{
    snprintf(c->hello.backend, sizeof c->hello.backend, "cpu");
    snprintf(c->hello.instead, sizeof c->hello.instead, "the GPU failed %d times", ENGINE_RESTARTS);
    pthread_mutex_lock(&c->lock);
    c->deaths = c->gpu_deaths = 0;
    pthread_mutex_unlock(&c->lock);
    struct err why;
    err_set(&why, ERR_UNAVAILABLE, "the engine process died %d times within ten minutes with the GPU", ENGINE_RESTARTS);
    err_hint(&why, "the CPU computes until the daemon is started anew");
    log_err(LOG_ERROR, "engine", &why);
}

/* Too many deaths in the last ten minutes? With `start` held. */
static int check_restarts(struct client *c, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    int64_t oldest = c->deaths < ENGINE_RESTARTS ? 0 : c->death[c->deaths % ENGINE_RESTARTS];
    unsigned deaths = c->deaths, gpu = c->gpu_deaths;
    pthread_mutex_unlock(&c->lock);
    int64_t left = oldest + RESTART_WINDOW - clock_ns();
    if (deaths < ENGINE_RESTARTS || left <= 0)
        return 0;
    if (gpu >= ENGINE_RESTARTS) {
        leave_gpu(c);
        return 0;
    }
    err_set(e, ERR_UNAVAILABLE, "the engine process died %d times within ten minutes; it is started again in %d s",
            ENGINE_RESTARTS, (int)(left / 1000000000) + 1);
    err_hint(e, "words and symbols still answer; the log says what it died of; embed = no in the config turns it off");
    return ERR_UNAVAILABLE;
}

static int start_process(struct client *c, struct err *e)
{
    int fd = -1;
    pid_t pid = -1;
    int rc = engine_process_spawn(&pid, &fd, c->program, "--engine", e);
    if (rc)
        return rc;
    /* a process that no longer reads must not hold a writer for ever */
    struct timeval limit = {c->hang / 1000000000, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    pthread_mutex_lock(&c->lock);
    c->pid = pid;
    c->alive = true;
    c->used = clock_ns();
    uint64_t generation = ++c->generation;
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&c->write);
    c->fd = fd;
    c->fd_generation = generation;
    pthread_mutex_unlock(&c->write);
    int err = pthread_create(&c->reader, NULL, read_answers, c);
    c->reader_started = !err;
    if (err) {
        bury(c, true);
        return err_errno(e, err, "cannot start a thread");
    }
    struct buf frame = BUF_INIT;
    struct call call;
    frame_put_hello(&frame, call_id(c), &c->hello);
    rc = call_send(c, &call, generation, &frame, e);
    if (!rc) {
        char provider[64] = "";
        rc = call_wait(c, &call, FRAME_READY, NULL, e);
        struct frame f = {FRAME_READY, call.id, (uint8_t *)call.answer.data, call.answer.len};
        if (!rc)
            rc = frame_get_ready(provider, &f, e);
        pthread_mutex_lock(&c->lock);
        memcpy(c->provider, provider, sizeof provider);
        pthread_mutex_unlock(&c->lock);
        buf_release(&call.answer);
    }
    if (rc) { /* it runs but is of no use: another build, no device */
        pthread_mutex_lock(&c->lock);
        if (c->pid > 0)
            kill(c->pid, SIGKILL);
        pthread_mutex_unlock(&c->lock);
    }
    buf_release(&frame);
    return rc;
}

int client_alive(struct client *c, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    bool alive = c->alive && c->provider[0];
    pthread_mutex_unlock(&c->lock);
    if (alive)
        return 0;
    if (c->reader_started) {
        pthread_join(c->reader, NULL);
        c->reader_started = false;
    }
    int rc = check_restarts(c, e);
    return rc ? rc : start_process(c, e);
}

int engine_client_open(void **self, const char *program, const struct engine_options *o, struct err *e)
{
    struct client *c = mem_zero(1, sizeof *c);
    pthread_mutex_init(&c->start, NULL);
    pthread_mutex_init(&c->write, NULL);
    pthread_mutex_init(&c->lock, NULL);
    clock_cond_init(&c->slot_free);
    clock_cond_init(&c->gone);
    c->program = mem_str(program);
    c->fd = -1;
    c->pid = -1;
    c->hang = (int64_t)(o && o->hang_seconds > 0 ? o->hang_seconds : ENGINE_HANG_SECONDS) * 1000000000;
    snprintf(c->hello.build, sizeof c->hello.build, "%s", CODEASK_VERSION);
    if (o) {
        c->hello.threads = o->threads > 0 ? (uint32_t)o->threads : 0;
        c->hello.max_memory = o->max_memory;
        snprintf(c->hello.backend, sizeof c->hello.backend, "%s", o->backend ? o->backend : "");
        snprintf(c->hello.isa, sizeof c->hello.isa, "%s", o->isa ? o->isa : "");
        snprintf(c->hello.prefix_folder, sizeof c->hello.prefix_folder, "%s", o->prefix_folder ? o->prefix_folder : "");
        c->hello.prefix_bytes = o->prefix_bytes;
        c->hello.device_memory = o->device_memory;
        c->idle = (int64_t)o->idle_seconds * 1000000000;
        snprintf(c->hello.draft, sizeof c->hello.draft, "%s", o->draft ? o->draft : "");
        snprintf(c->hello.adapter, sizeof c->hello.adapter, "%s", o->adapter ? o->adapter : "");
    }
    *self = c;
    return 0;
}

static void close_client(void *self)
{
    struct client *c = self;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&c->write);
    if (c->fd >= 0)
        shutdown(c->fd, SHUT_WR); /* it reads the end and leaves */
    pthread_mutex_unlock(&c->write);
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < 50 && c->alive; i++)
        wait_ms(&c->gone, &c->lock, 100);
    if (c->pid > 0)
        kill(c->pid, SIGKILL);
    pthread_mutex_unlock(&c->lock);
    if (c->reader_started)
        pthread_join(c->reader, NULL);
    pthread_mutex_destroy(&c->start);
    pthread_mutex_destroy(&c->write);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->slot_free);
    pthread_cond_destroy(&c->gone);
    free(c->program);
    free(c);
}

static int pid(void *self)
{
    struct client *c = self;
    pthread_mutex_lock(&c->lock);
    int id = c->pid > 0 ? c->pid : 0;
    pthread_mutex_unlock(&c->lock);
    return id;
}

static void provider(void *self, char out[64])
{
    struct client *c = self;
    pthread_mutex_lock(&c->lock);
    memcpy(out, c->provider, 64);
    pthread_mutex_unlock(&c->lock);
}

static int residency(void *self, struct residency_report *out, struct err *e)
{
    struct client *c = self;
    pthread_mutex_lock(&c->lock);
    *out = c->residency;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

const struct engine_kind engine_client = {close_client, pid, provider, remote_model_open, remote_model_close, remote_embed, remote_rerank, remote_start, remote_finish,
                                          remote_generate, remote_count, remote_forget, residency};
