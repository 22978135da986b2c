/* One thread talks to all workers over non-blocking sockets. Several small contents are in flight to a worker at once, so
 * that it never waits for the parent; they are answered in order, so the first one unanswered is what a worker died of.
 *
 * Locking: one mutex guards the queues; workers and the jobs in flight belong to the thread alone. */
#include "indexer/pool.h"
#include "indexer/pool_wire.h"

#include "base/clock.h"
#include "base/mem.h"
#include "indexer/secrets.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FLIGHT_MAX 8             /* contents in flight to one worker */
#define FLIGHT_BYTES ((size_t)256 << 10) /* and their bytes: what the socket's buffer takes */
#define FLIGHT_LEAST ((size_t)32 << 10) /* some milliseconds of cutting, where few wait: see flight_most */
#define WAITING_PER_WORKER 8     /* contents that wait in the queue before submit blocks */
#define WAITING_BYTES ((size_t)64 << 20)
#define RESULTS_AT_ONCE 8        /* results that are worth waking their receiver for; fewer wait RESULTS_MS, unless they are all */
#define RESULTS_MS 10
#define INNOCENT_MAX 20          /* deaths of one content's workers that were no blame */
#define STARTS_MAX 5             /* workers that died before they were ready, in a row */
#define TICK_MS 100
#define WORKER_JOBS_MAX 50000    /* then a fresh one: fragmented memory goes back */

struct job {
    struct job *next;
    uint64_t tag;
    const struct language *lang;
    struct buf bytes;
    int strikes, innocent;
};

struct queue {
    struct job *head, **tail;
    size_t n, bytes;
};

struct done {
    struct done *next;
    struct pool_result result;
};

struct worker {
    int fd;
    pid_t pid;
    clockid_t cpu;
    bool ready, alone, stopping;  /* alone: serves one content that failed before, then goes; stopping: we end it */
    int verdict;                  /* why we ended it: ERR_TIMEOUT, ERR_FORMAT */
    uint32_t served;
    struct job *flight[FLIGHT_MAX];
    uint32_t nflight;
    size_t flight_bytes;
    uint32_t sent;                /* jobs of flight sent whole */
    size_t sent_bytes;            /* of the next one, header first */
    bool hello_sent;
    union {
        struct wire_ready ready;
        struct wire_answer answer;
        char bytes[16];
    } head;
    uint32_t head_got;
    struct buf body;
    int64_t wall_start, cpu_start; /* when the first of flight began */
};

struct pool {
    struct pool_options o;
    char *program;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t room, finished;
    int wake;
    bool closing;
    /* under lock */
    struct queue waiting;
    bool hungry;                  /* the thread would take another content at once: wake it */
    struct done *done, **done_tail;
    size_t ndone;
    bool taking;                  /* the receiver was woken, and takes all there is */
    size_t in_flight;             /* waiting, with workers, or failed once */
    /* the thread's */
    struct queue suspects;        /* failed once: alone in a fresh worker */
    struct worker *workers;
    int failed_starts, killed_starts; /* in a row */
    struct err start_error;
};

static void queue_init(struct queue *q)
{
    *q = (struct queue){NULL, &q->head, 0, 0};
}

static void queue_push(struct queue *q, struct job *j)
{
    j->next = NULL;
    *q->tail = j;
    q->tail = &j->next;
    q->n++;
    q->bytes += j->bytes.len;
}

static void queue_push_front(struct queue *q, struct job *j)
{
    j->next = q->head;
    q->head = j;
    if (!j->next)
        q->tail = &j->next;
    q->n++;
    q->bytes += j->bytes.len;
}

static struct job *queue_pop(struct queue *q)
{
    struct job *j = q->head;
    if (!j)
        return NULL;
    q->head = j->next;
    if (!q->head)
        q->tail = &q->head;
    q->n--;
    q->bytes -= j->bytes.len;
    return j;
}

static void job_free(struct job *j)
{
    if (!j)
        return;
    buf_release(&j->bytes);
    free(j);
}

/* Hands a job's outcome to the receiver; the record's bytes go with it. */
static void finish(struct pool *p, struct job *j, int code, const struct err *why, struct buf *record)
{
    struct done *d = mem_zero(1, sizeof *d);
    d->result.tag = j->tag;
    d->result.code = code;
    if (why)
        d->result.why = *why;
    if (record) {
        d->result.record = *record;
        *record = (struct buf)BUF_INIT;
    }
    d->result.text = j->bytes;
    j->bytes = (struct buf)BUF_INIT;
    job_free(j);
    pthread_mutex_lock(&p->lock);
    *p->done_tail = d;
    p->done_tail = &d->next;
    p->ndone++;
    p->in_flight--;
    if (p->ndone >= RESULTS_AT_ONCE || !p->in_flight)
        pthread_cond_broadcast(&p->finished);
    pthread_mutex_unlock(&p->lock);
}

static int64_t cpu_of(const struct worker *w)
{
    struct timespec t;
    return w->pid > 0 && !clock_gettime(w->cpu, &t) ? (int64_t)t.tv_sec * 1000000000 + t.tv_nsec : -1;
}

static void start_clocks(struct worker *w)
{
    w->wall_start = clock_ns();
    w->cpu_start = cpu_of(w);
}

static int start_worker(struct pool *p, struct worker *w)
{
    *w = (struct worker){.fd = -1, .pid = -1};
    int rc = pool_spawn(&w->fd, &w->pid, p->program, &p->start_error);
    if (rc) {
        p->failed_starts++;
        w->fd = w->pid = -1;
        return rc;
    }
    if (clock_getcpuclockid(w->pid, &w->cpu))
        w->cpu = CLOCK_MONOTONIC; /* then the wall is all we can watch */
    w->wall_start = clock_ns();
    return 0;
}

static void stop_worker(struct worker *w, int verdict)
{
    if (w->pid > 0 && !w->stopping) {
        w->stopping = true;
        w->verdict = verdict;
        kill(w->pid, SIGKILL);
    }
}

/* What a dead worker's status says of the content it died of: 0 when it is no blame. */
static int blame_of(const struct worker *w, int status, struct err *why)
{
    if (w->stopping)
        return w->verdict == ERR_TIMEOUT ? err_set(why, ERR_TIMEOUT, "cutting took too long")
                                         : err_set(why, ERR_CRASHED, "the worker sent what it should not");
    if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_MEMORY)
        return err_set(why, ERR_MEMORY, "cutting needs more memory than a worker may have");
    if (WIFEXITED(status))
        return err_set(why, ERR_CRASHED, "the worker ended with status %d", WEXITSTATUS(status));
    switch (WTERMSIG(status)) {
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
    case SIGQUIT:
    case SIGKILL: /* not by us: the system was short of memory */
    case SIGPIPE:
        return 0;
    case SIGXCPU:
        return err_set(why, ERR_TIMEOUT, "cutting took too long");
    default:
        return err_set(why, ERR_CRASHED, "the worker crashed: %s", strsignal(WTERMSIG(status)));
    }
}

/* The worker's socket has closed: what it died of is tried once more alone, the others behind it simply again. */
static void bury(struct pool *p, struct worker *w)
{
    int status = 0;
    struct err why = {0};
    kill(w->pid, SIGKILL); /* the socket may be closed and the process not gone */
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    int code = blame_of(w, status, &why);
    if (!w->ready && !w->stopping && (code || ++p->killed_starts > STARTS_MAX * INNOCENT_MAX)) {
        p->failed_starts = code ? p->failed_starts + 1 : STARTS_MAX;
        err_set(&p->start_error, ERR_UNAVAILABLE, "the worker %s ends before it serves", p->program);
        code = 0;
    }
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = w->nflight; i > 1; i--)
        queue_push_front(&p->waiting, w->flight[i - 1]);
    pthread_mutex_unlock(&p->lock);
    if (w->nflight) {
        struct job *j = w->flight[0];
        if (code && ++j->strikes >= 2) {
            finish(p, j, code, &why, NULL);
        } else if (code) {
            queue_push(&p->suspects, j);
        } else if (++j->innocent > INNOCENT_MAX) {
            err_set(&why, ERR_UNAVAILABLE, "the system keeps ending the worker");
            finish(p, j, ERR_UNAVAILABLE, &why, NULL);
        } else if (j->strikes) {
            queue_push_front(&p->suspects, j);
        } else {
            pthread_mutex_lock(&p->lock);
            queue_push_front(&p->waiting, j);
            pthread_mutex_unlock(&p->lock);
        }
    }
    close(w->fd);
    buf_release(&w->body);
    *w = (struct worker){.fd = -1, .pid = -1};
}

/* An answer is whole: is it a record of what was asked? */
static void take_answer(struct pool *p, struct worker *w)
{
    struct job *j = w->flight[0];
    struct err why = {0};
    struct record r;
    int code = w->head.answer.code;
    w->flight_bytes -= j->bytes.len;
    memmove(w->flight, w->flight + 1, --w->nflight * sizeof *w->flight);
    w->sent--;
    w->served++;
    p->failed_starts = p->killed_starts = 0;
    start_clocks(w);
    if (code) {
        err_set(&why, code, "%.*s", (int)(w->body.len < 500 ? w->body.len : 500), w->body.data ? w->body.data : "");
        finish(p, j, code, &why, NULL);
        return;
    }
    code = record_check(&r, w->body.data, w->body.len, &why);
    if (!code && (r.head->source_bytes != j->bytes.len || strcmp(r.head->language, j->lang->name)))
        code = err_set(&why, ERR_FORMAT, "the record is of another content");
    if (code) {
        finish(p, j, ERR_FORMAT, &why, NULL);
        stop_worker(w, ERR_FORMAT);
        return;
    }
    for (uint32_t i = 0; i < r.head->nsecrets; i++)
        secret_mask(j->bytes.data, r.secret[i].start, r.secret[i].end);
    finish(p, j, 0, NULL, &w->body);
}

/* Larger than any true record of n bytes: a word of two bytes gives 16, and short contents have their head and chunks. */
static uint64_t record_limit(uint64_t n)
{
    return n * 40 + (1 << 20);
}

/* Reads what is there. False when the worker is gone. */
static bool receive(struct pool *p, struct worker *w)
{
    for (;;) {
        size_t want = w->ready ? sizeof w->head.answer : sizeof w->head.ready;
        bool in_head = w->head_got < want;
        if (in_head) {
            ssize_t k = recv(w->fd, w->head.bytes + w->head_got, want - w->head_got, 0);
            if (k <= 0)
                return k < 0 && (errno == EAGAIN || errno == EINTR);
            w->head_got += (uint32_t)k;
            if (w->head_got < want)
                continue;
            if (w->head.ready.magic != WIRE_MAGIC) {
                stop_worker(w, ERR_FORMAT);
                return true;
            }
            if (!w->ready) {
                w->ready = true;
                w->head_got = 0;
                start_clocks(w);
                continue;
            }
            if (!w->sent || w->head.answer.n > record_limit(w->flight[0]->bytes.len)) {
                stop_worker(w, ERR_FORMAT);
                return true;
            }
            buf_clear(&w->body);
            buf_room(&w->body, w->head.answer.n + 1);
        }
        while (w->body.len < w->head.answer.n) {
            ssize_t k = recv(w->fd, w->body.data + w->body.len, w->head.answer.n - w->body.len, 0);
            if (k <= 0)
                return k < 0 && (errno == EAGAIN || errno == EINTR);
            w->body.len += (size_t)k;
        }
        w->head_got = 0;
        take_answer(p, w);
        if (w->stopping)
            return true;
    }
}

/* Sends as much as the socket takes. Errors are left to the reading side, which sees the end. */
static void send_more(struct pool *p, struct worker *w)
{
    if (!w->hello_sent) { /* 16 bytes always fit in an empty socket */
        struct wire_hello hello = {WIRE_MAGIC, (uint32_t)p->o.cpu_seconds, p->o.memory};
        w->hello_sent = true;
        if (send(w->fd, &hello, sizeof hello, MSG_NOSIGNAL) != sizeof hello)
            return;
    }
    while (w->sent < w->nflight) {
        const struct job *j = w->flight[w->sent];
        struct wire_job head = {WIRE_MAGIC, (uint32_t)(j->lang - languages), j->bytes.len};
        const char *from = w->sent_bytes < sizeof head ? (const char *)&head + w->sent_bytes : j->bytes.data + w->sent_bytes - sizeof head;
        size_t left = w->sent_bytes < sizeof head ? sizeof head - w->sent_bytes : j->bytes.len + sizeof head - w->sent_bytes;
        if (left) {
            ssize_t k = send(w->fd, from, left, MSG_NOSIGNAL);
            if (k < 0)
                return;
            w->sent_bytes += (size_t)k;
        }
        if (w->sent_bytes == sizeof head + j->bytes.len) {
            w->sent++;
            w->sent_bytes = 0;
        }
    }
}

static void give(struct worker *w, struct job *j)
{
    if (!w->nflight)
        start_clocks(w);
    w->flight[w->nflight++] = j;
    w->flight_bytes += j->bytes.len;
}

/* Under lock: the bytes that may be in flight to one worker. When few wait, the end may be near, and what one worker has taken no other
 * can help with. */
static size_t flight_most(const struct pool *p)
{
    size_t share = p->waiting.bytes / (2 * (size_t)p->o.workers);
    return share < FLIGHT_LEAST ? FLIGHT_LEAST : share < FLIGHT_BYTES ? share : FLIGHT_BYTES;
}

/* Jobs to workers that have room; workers are started when there is work for them. */
static void hand_out(struct pool *p)
{
    for (int i = 0; i < p->o.workers; i++) {
        struct worker *w = &p->workers[i];
        if (w->stopping)
            continue;
        if (w->pid > 0 && !w->nflight && (w->alone || (p->suspects.n && w->served) || w->served >= WORKER_JOBS_MAX)) {
            stop_worker(w, 0); /* a suspect wants a fresh one; the socket's end starts it */
            continue;
        }
        if (p->suspects.n && !w->nflight && !w->alone) {
            if (w->pid < 0 && start_worker(p, w))
                continue;
            w->alone = true;
            give(w, queue_pop(&p->suspects));
            continue;
        }
        while (!w->alone && w->nflight < FLIGHT_MAX) {
            pthread_mutex_lock(&p->lock);
            struct job *j = NULL;
            if (p->waiting.head && (!w->nflight || w->flight_bytes + p->waiting.head->bytes.len <= flight_most(p)))
                j = queue_pop(&p->waiting);
            if (!j)
                p->hungry = true;
            else if (p->waiting.n <= (size_t)p->o.workers * WAITING_PER_WORKER / 2) /* several at a time: a switch of threads costs 5 us */
                pthread_cond_signal(&p->room);
            pthread_mutex_unlock(&p->lock);
            if (!j)
                break;
            if (w->pid < 0 && start_worker(p, w)) {
                pthread_mutex_lock(&p->lock);
                queue_push_front(&p->waiting, j);
                p->hungry = true;
                pthread_mutex_unlock(&p->lock);
                break;
            }
            give(w, j);
        }
    }
}

/* No worker starts: everything that waits fails, and the next one is tried anew. */
static void give_up(struct pool *p)
{
    struct job *j;
    p->failed_starts = p->killed_starts = 0;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        j = queue_pop(&p->waiting);
        pthread_cond_signal(&p->room);
        pthread_mutex_unlock(&p->lock);
        if (!j && !(j = queue_pop(&p->suspects)))
            return;
        finish(p, j, ERR_UNAVAILABLE, &p->start_error, NULL);
    }
}

static void watch(struct pool *p, struct worker *w)
{
    int64_t cpu = cpu_of(w), now = clock_ns();
    if (w->pid < 0 || w->stopping || (!w->nflight && w->ready))
        return;
    if (now - w->wall_start > (int64_t)p->o.wall_seconds * 1000000000 ||
        (w->ready && cpu >= 0 && cpu - w->cpu_start > (int64_t)p->o.cpu_seconds * 1000000000))
        stop_worker(w, ERR_TIMEOUT);
}

static void *talk(void *arg)
{
    struct pool *p = arg;
    struct pollfd *fds = mem_zero((size_t)p->o.workers + 1, sizeof *fds);
    for (;;) {
        pthread_mutex_lock(&p->lock);
        bool closing = p->closing;
        pthread_mutex_unlock(&p->lock);
        if (closing)
            break;
        hand_out(p);
        if (p->failed_starts >= STARTS_MAX)
            give_up(p);
        bool busy = false;
        fds[0] = (struct pollfd){.fd = p->wake, .events = POLLIN};
        for (int i = 0; i < p->o.workers; i++) {
            struct worker *w = &p->workers[i];
            if (w->pid > 0)
                send_more(p, w);
            fds[i + 1] = (struct pollfd){.fd = w->fd, .events = (short)(POLLIN | (w->sent < w->nflight ? POLLOUT : 0))};
            busy |= w->pid > 0 && (w->nflight || !w->ready || w->stopping);
        }
        bool starved = p->failed_starts > 0; /* a start failed: tried again after a tick */
        if (poll(fds, (nfds_t)p->o.workers + 1, busy || starved ? TICK_MS : -1) < 0 && errno != EINTR)
            break;
        uint64_t count;
        if (fds[0].revents && read(p->wake, &count, sizeof count) < 0)
            errno = 0;
        for (int i = 0; i < p->o.workers; i++) {
            struct worker *w = &p->workers[i];
            if (w->pid > 0 && fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR) && (!receive(p, w) || w->stopping))
                bury(p, w);
            else if (w->pid > 0)
                watch(p, w);
        }
    }
    free(fds);
    return NULL;
}

int pool_open(struct pool **out, const struct pool_options *o, struct err *e)
{
    struct pool *p = mem_zero(1, sizeof *p);
    sigset_t all, before;
    p->o = *o;
    if (p->o.workers <= 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        p->o.workers = n > 0 && n < 1024 ? (int)n : 1;
    }
    p->o.memory = o->memory ? o->memory : POOL_MEMORY;
    p->o.cpu_seconds = o->cpu_seconds > 0 ? o->cpu_seconds : POOL_CPU_SECONDS;
    p->o.wall_seconds = o->wall_seconds > 0 ? o->wall_seconds : POOL_WALL_SECONDS;
    p->program = mem_str(o->program);
    p->workers = mem_zero((size_t)p->o.workers, sizeof *p->workers);
    for (int i = 0; i < p->o.workers; i++)
        p->workers[i].fd = p->workers[i].pid = -1;
    queue_init(&p->waiting);
    queue_init(&p->suspects);
    p->done_tail = &p->done;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->room, NULL);
    clock_cond_init(&p->finished);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = p->wake < 0 ? errno : 0;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!rc)
        rc = pthread_create(&p->thread, NULL, talk, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        err_errno(e, rc, "cannot start the workers' thread");
        if (p->wake >= 0)
            close(p->wake);
        free(p->program);
        free(p->workers);
        free(p);
        return ERR_IO;
    }
    *out = p;
    return 0;
}

static void wake(struct pool *p)
{
    uint64_t one = 1;
    while (write(p->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

int pool_submit(struct pool *p, uint64_t tag, const struct language *lang, struct buf *bytes, struct err *e)
{
    if (bytes->len > (size_t)1 << 30)
        return err_set(e, ERR_LIMIT, "a content of %zu bytes is more than 1 GiB", bytes->len);
    struct job *j = mem_zero(1, sizeof *j);
    j->tag = tag;
    j->lang = lang;
    j->bytes = *bytes;
    *bytes = (struct buf)BUF_INIT;
    pthread_mutex_lock(&p->lock);
    while (p->waiting.n && (p->waiting.n >= (size_t)p->o.workers * WAITING_PER_WORKER || p->waiting.bytes + j->bytes.len > WAITING_BYTES))
        pthread_cond_wait(&p->room, &p->lock);
    queue_push(&p->waiting, j);
    p->in_flight++;
    bool hungry = p->hungry;
    p->hungry = false;
    pthread_mutex_unlock(&p->lock);
    if (hungry)
        wake(p);
    return 0;
}

/* Under lock: until there are several results, or all of them, or at least one after a while. */
static void await_results(struct pool *p)
{
    while (!p->taking && p->in_flight && p->ndone < RESULTS_AT_ONCE) {
        if (!clock_cond_wait(&p->finished, &p->lock, clock_ns() + RESULTS_MS * 1000000LL) && p->done)
            break;
    }
}

static bool next(struct pool *p, struct pool_result *out, bool wait)
{
    pthread_mutex_lock(&p->lock);
    if (wait)
        await_results(p);
    struct done *d = p->done;
    if (d) {
        p->done = d->next;
        p->ndone--;
        if (!p->done)
            p->done_tail = &p->done;
    }
    p->taking = p->ndone > 0;
    pthread_mutex_unlock(&p->lock);
    if (d)
        *out = d->result;
    free(d);
    return d != NULL;
}

bool pool_next(struct pool *p, struct pool_result *out)
{
    return next(p, out, true);
}

bool pool_try_next(struct pool *p, struct pool_result *out)
{
    return next(p, out, false);
}

void pool_close(struct pool *p)
{
    struct job *j;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < p->o.workers; i++) {
        struct worker *w = &p->workers[i];
        if (w->pid > 0) {
            kill(w->pid, SIGKILL);
            while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
                ;
            close(w->fd);
        }
        for (uint32_t k = 0; k < w->nflight; k++)
            job_free(w->flight[k]);
        buf_release(&w->body);
    }
    while ((j = queue_pop(&p->waiting)) || (j = queue_pop(&p->suspects)))
        job_free(j);
    while (p->done) {
        struct done *d = p->done;
        p->done = d->next;
        buf_release(&d->result.record);
        buf_release(&d->result.text);
        free(d);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->finished);
    close(p->wake);
    free(p->workers);
    free(p->program);
    free(p);
}
