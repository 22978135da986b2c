/* The engine process: requests in, answers out in any order. One thread reads and never waits for work, so that the
 * daemon's writes never wait; a thread a request in flight, for model_embed blocks (the batches are formed below it). */
#define _GNU_SOURCE
#include "base/log.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/model.h"
#include "engine/process/frames_generate.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 256 /* in flight; the daemon's own limit is far below */
#define THREADS_MAX 64

struct request {
    enum frame_kind kind;
    uint64_t id;
    struct buf payload;
    volatile bool stop;
    bool urgent;
    struct request *link;
};

struct opened {
    uint32_t id;
    struct model *model;
    unsigned users;
    bool closing;
};

/* lock guards everything but fd, engine (set before any request) and the writes. write is taken alone. */
struct server {
    int fd;
    struct engine *engine;
    pthread_mutex_t lock, write;
    pthread_cond_t work, idle;
    struct request *queue, *running;
    struct opened *model;
    size_t nmodel, model_cap;
    unsigned requests, threads, idle_threads;
    uint64_t told; /* changes of the report that the daemon has */
    bool stop;
};

static void reply(struct server *s, struct buf *b)
{
    pthread_mutex_lock(&s->write);
    fd_write(s->fd, b->data, b->len, NULL); /* a daemon that went away is seen by the reader */
    pthread_mutex_unlock(&s->write);
    buf_release(b);
}

static void reply_fail(struct server *s, uint64_t id, const struct err *e)
{
    struct buf b = BUF_INIT;
    frame_put_fail(&b, id, e);
    reply(s, &b);
}

/* With the lock held. */
static struct opened *find_model(struct server *s, uint32_t id)
{
    for (size_t i = 0; i < s->nmodel; i++)
        if (s->model[i].id == id && !s->model[i].closing)
            return &s->model[i];
    return NULL;
}

/* Takes the lock: a model to use until leave_model, NULL: none. */
static struct model *enter_model(struct server *s, uint32_t id)
{
    pthread_mutex_lock(&s->lock);
    struct opened *o = find_model(s, id);
    struct model *m = o ? o->model : NULL;
    if (o)
        o->users++;
    pthread_mutex_unlock(&s->lock);
    return m;
}

/* Who holds the device's memory now, where that is another than the daemon was told last. */
static void tell_residency(struct server *s)
{
    struct residency_report r;
    struct buf b = BUF_INIT;
    if (engine_residency(s->engine, &r, NULL) || !r.planned)
        return;
    pthread_mutex_lock(&s->lock);
    bool news = r.changes != s->told;
    s->told = r.changes;
    pthread_mutex_unlock(&s->lock);
    if (!news)
        return;
    frame_put_resident(&b, &r);
    reply(s, &b);
}

/* m NULL: closes the model of that id once nobody uses it; else one user fewer. */
static void leave_model(struct server *s, const struct model *m, uint32_t id)
{
    struct model *gone = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->nmodel; i++) {
        struct opened *o = &s->model[i];
        if (m ? o->model != m : o->id != id || o->closing)
            continue;
        if (m)
            o->users--;
        else
            o->closing = true;
        if (o->closing && !o->users) {
            gone = o->model;
            *o = s->model[--s->nmodel];
        }
        break;
    }
    pthread_mutex_unlock(&s->lock);
    model_close(gone);
    if (gone)
        tell_residency(s);
}

static int do_open(struct server *s, struct buf *out, const struct frame *f, struct err *e)
{
    struct frame_open o;
    struct model *m = NULL;
    int rc = frame_get_open(&o, f, e);
    if (!rc)
        rc = model_open(&m, s->engine, o.path, e);
    if (rc)
        return rc;
    frame_put_opened(out, f->id, model_info(m)); /* before others can close it */
    pthread_mutex_lock(&s->lock);
    bool taken = find_model(s, o.model) != NULL;
    if (!taken) {
        VEC_ROOM(s->model, s->nmodel, s->model_cap);
        s->model[s->nmodel++] = (struct opened){o.model, m, 0, false};
    }
    pthread_mutex_unlock(&s->lock);
    if (taken) {
        model_close(m);
        return err_set(e, ERR_USAGE, "engine process: model %u is open", o.model);
    }
    return 0;
}

static int not_open(uint32_t model, struct err *e)
{
    return err_set(e, ERR_USAGE, "engine process: model %u is not open", model);
}

static int do_embed(struct server *s, struct buf *out, const struct frame *f, const volatile bool *stop, struct err *e)
{
    struct frame_embed q;
    int rc = frame_get_embed(&q, f, e);
    if (rc)
        return rc;
    struct model *m = enter_model(s, q.model);
    if (m) {
        uint32_t dim = model_info(m)->dim, *used = mem_zero(q.n + 1u, sizeof *used);
        float *rows = mem_zero((size_t)q.n + 1, dim * sizeof *rows);
        rc = model_embed_sized(m, q.kind, q.text, q.len, q.n, q.priority, rows, used, stop, e);
        if (!rc)
            frame_put_vectors(out, f->id, q.n, dim, used, rows);
        free(used);
        free(rows);
        leave_model(s, m, 0);
    } else {
        rc = not_open(q.model, e);
    }
    frame_embed_release(&q);
    return rc;
}

static int do_rerank(struct server *s, struct buf *out, const struct frame *f, const volatile bool *stop, struct err *e)
{
    struct frame_embed q;
    int rc = frame_get_embed(&q, f, e);
    if (rc)
        return rc;
    struct model *m = enter_model(s, q.model);
    uint32_t *none = mem_zero(q.n + 1u, sizeof *none);
    float *score = mem_zero(q.n + 1u, sizeof *score);
    rc = m ? model_rerank_sized(m, q.text, q.len, q.n, score, stop, e) : not_open(q.model, e);
    if (!rc)
        frame_put_vectors(out, f->id, q.n - 1, 1, none, score);
    if (m)
        leave_model(s, m, 0);
    free(none);
    free(score);
    frame_embed_release(&q);
    return rc;
}

struct telling { /* where the pieces of a request go */
    struct server *s;
    uint64_t id;
};

static bool tell(void *arg, const struct gen_piece *p)
{
    struct telling *t = arg;
    struct buf b = BUF_INIT;
    frame_put_piece(&b, t->id, p);
    reply(t->s, &b);
    return true;
}

static int do_generate(struct server *s, struct buf *out, const struct frame *f, const volatile bool *stop, struct err *e)
{
    struct frame_generate g;
    struct gen_result result;
    struct telling t = {s, f->id};
    int rc = frame_get_generate(&g, f, e);
    if (rc)
        return rc;
    struct model *m = enter_model(s, g.model);
    rc = m ? model_generate(m, &g.prompt, tell, &t, &result, stop, e) : not_open(g.model, e);
    if (!rc)
        frame_put_generated(out, f->id, &result);
    if (m)
        leave_model(s, m, 0);
    frame_generate_release(&g);
    return rc;
}

static int do_count(struct server *s, struct buf *out, const struct frame *f, struct err *e)
{
    struct frame_count q;
    int rc = frame_get_count(&q, f, e);
    if (rc)
        return rc;
    struct model *m = enter_model(s, q.model);
    uint32_t *count = mem_zero(q.n + 1u, sizeof *count);
    rc = m ? model_count(m, q.text, q.len, q.n, count, e) : not_open(q.model, e);
    if (!rc)
        frame_put_counts(out, f->id, count, q.n);
    if (m)
        leave_model(s, m, 0);
    free(count);
    frame_count_release(&q);
    return rc;
}

static int do_forget(struct server *s, struct buf *out, const struct frame *f, struct err *e)
{
    uint32_t id;
    const uint8_t *content;
    int rc = frame_get_forget(&id, &content, f, e);
    if (rc)
        return rc;
    struct model *m = enter_model(s, id);
    rc = m ? model_forget(m, content, e) : not_open(id, e);
    if (!rc)
        frame_put_counts(out, f->id, NULL, 0);
    if (m)
        leave_model(s, m, 0);
    return rc;
}

static int act(struct server *s, struct buf *out, const struct frame *f, const volatile bool *stop, struct err *e)
{
    switch (f->kind) {
    case FRAME_OPEN:
        return do_open(s, out, f, e);
    case FRAME_EMBED:
        return do_embed(s, out, f, stop, e);
    case FRAME_RERANK:
        return do_rerank(s, out, f, stop, e);
    case FRAME_GENERATE:
        return do_generate(s, out, f, stop, e);
    case FRAME_COUNT:
        return do_count(s, out, f, e);
    default:
        return do_forget(s, out, f, e);
    }
}

static void serve(struct server *s, struct request *r)
{
    struct frame f = {r->kind, r->id, (const uint8_t *)r->payload.data, r->payload.len};
    struct buf out = BUF_INIT;
    struct err err = {0};
    int rc = act(s, &out, &f, &r->stop, &err);
    tell_residency(s);
    if (!rc) {
        reply(s, &out);
        return;
    }
    buf_release(&out);
    bool lost = rc == ERR_UNAVAILABLE; /* of the device alone (driver_check): it stays so until the process has gone */
    if (lost)
        err.code = ERR_CRASHED;
    reply_fail(s, r->id, &err);
    if (lost) {
        log_err(LOG_ERROR, "the engine process ends", &err);
        shutdown(s->fd, SHUT_RDWR); /* read_frames() sees the end */
    }
}

static void *work(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct request *r = s->queue;
        if (!r && s->stop)
            break;
        if (!r) {
            s->idle_threads++;
            pthread_cond_wait(&s->work, &s->lock);
            s->idle_threads--;
            continue;
        }
        s->queue = r->link;
        r->link = s->running;
        s->running = r;
        pthread_mutex_unlock(&s->lock);
        serve(s, r);
        pthread_mutex_lock(&s->lock);
        struct request **p = &s->running;
        while (*p != r)
            p = &(*p)->link;
        *p = r->link;
        s->requests--;
        buf_release(&r->payload);
        free(r);
    }
    s->threads--;
    pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static bool add_thread(struct server *s)
{
    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 1 << 20);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    bool ok = !pthread_create(&t, &a, work, s);
    pthread_attr_destroy(&a);
    return ok;
}

static int submit(struct server *s, const struct frame *f, struct err *e)
{
    /* offset 5 of EMBED is its priority; a malformed one is refused when it is read whole */
    bool urgent = f->kind >= FRAME_GENERATE || (f->kind == FRAME_EMBED && f->len > 5 && f->payload[5] == PRIORITY_QUERY);
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    if (s->requests == REQUESTS_MAX) {
        rc = err_set(e, ERR_BUSY, "engine process: %d requests wait", REQUESTS_MAX);
        goto out;
    }
    struct request *r = mem_zero(1, sizeof *r), **at = &s->queue;
    *r = (struct request){.kind = f->kind, .id = f->id, .urgent = urgent};
    buf_add(&r->payload, f->payload, f->len);
    while (*at && (!urgent || (*at)->urgent))
        at = &(*at)->link;
    r->link = *at;
    *at = r;
    s->requests++;
    if (!s->idle_threads && s->threads < THREADS_MAX && add_thread(s))
        s->threads++;
    pthread_cond_signal(&s->work);
out:
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void cancel(struct server *s, uint64_t id)
{
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < 2; i++)
        for (struct request *r = i ? s->running : s->queue; r; r = r->link)
            if (r->id == id || !id)
                __atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&s->lock);
}

static void cap_memory(uint64_t bytes, const char *provider)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)bytes, (void)provider; /* their shadow memory is terabytes of address space */
#else
    struct rlimit cap = {bytes, bytes};
    if (bytes && !strncmp(provider, "cpu", 3)) /* a GPU's driver reserves more than any sensible cap */
        (void)!setrlimit(RLIMIT_AS, &cap);
#endif
}

static int hello(struct server *s, const struct frame *f, struct err *e)
{
    struct frame_hello h;
    struct buf out = BUF_INIT;
    int rc = frame_get_hello(&h, f, e);
    if (!rc && s->engine)
        rc = err_set(e, ERR_USAGE, "engine process: a second HELLO");
    if (!rc && strcmp(h.build, CODEASK_VERSION))
        rc = err_set(e, ERR_VERSION, "engine process: build %s, and the daemon is %s", CODEASK_VERSION, h.build);
    if (rc)
        return rc;
    struct engine_options o = {.threads = (int)h.threads, .backend = h.backend[0] ? h.backend : NULL,
                               .isa = h.isa[0] ? h.isa : NULL, .instead = h.instead, .max_memory = h.max_memory, .prefix_folder = h.prefix_folder,
                               .prefix_bytes = h.prefix_bytes, .draft = h.draft, .adapter = h.adapter,
                               .device_memory = h.device_memory};
    rc = engine_open(&s->engine, &o, e);
    if (rc)
        return rc;
    char provider[64];
    engine_provider(s->engine, provider);
    cap_memory(h.max_memory, provider);
    frame_put_ready(&out, f->id, provider);
    reply(s, &out);
    return 0;
}

/* false: the other end speaks another language. */
static bool take(struct server *s, const struct frame *f)
{
    struct err err = {0};
    uint32_t model;
    int rc = 0;
    switch (f->kind) {
    case FRAME_HELLO:
        rc = hello(s, f, &err);
        break;
    case FRAME_OPEN:
    case FRAME_EMBED:
    case FRAME_GENERATE:
    case FRAME_COUNT:
    case FRAME_FORGET:
    case FRAME_RERANK:
        rc = s->engine ? submit(s, f, &err) : err_set(&err, ERR_USAGE, "engine process: no HELLO yet");
        break;
    case FRAME_CANCEL:
        cancel(s, f->id ? f->id : UINT64_MAX);
        return true;
    case FRAME_CLOSE:
        if (!frame_get_close(&model, f, &err))
            leave_model(s, NULL, model);
        return true;
    default:
        return false;
    }
    if (rc)
        reply_fail(s, f->id, &err);
    return true;
}

static int read_frames(struct server *s)
{
    struct buf in = BUF_INIT;
    struct frame f;
    struct err err = {0};
    int status = 0;
    for (;;) {
        ssize_t n = recv(s->fd, buf_room(&in, 1 << 16), 1 << 16, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* the daemon is gone or has closed us */
        in.len += (size_t)n;
        size_t at = 0;
        long k;
        while ((k = frame_read(&f, (uint8_t *)in.data + at, in.len - at, &err)) > 0) {
            if (!take(s, &f)) {
                k = ERR_FORMAT;
                break;
            }
            at += (size_t)k;
        }
        if (k < 0) {
            log_line(LOG_ERROR, "engine process: a bad frame from the daemon");
            status = 2;
            break;
        }
        buf_drop_front(&in, at);
    }
    buf_release(&in);
    return status;
}

/* The kernel's first victim when memory runs out: it can be started again, the daemon cannot. */
static void offer_to_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "500", 3);
        close(fd);
    }
}

int engine_main(int fd)
{
    struct server s = {.fd = fd};
    pthread_mutex_init(&s.lock, NULL);
    pthread_mutex_init(&s.write, NULL);
    pthread_cond_init(&s.work, NULL);
    pthread_cond_init(&s.idle, NULL);
    prctl(PR_SET_NAME, "codeask-engine");
    signal(SIGINT, SIG_IGN);
    mallopt(M_ARENA_MAX, 2); /* an arena a thread would eat the address space's cap */
    offer_to_oom();
    int status = read_frames(&s);
    cancel(&s, 0);
    pthread_mutex_lock(&s.lock);
    s.stop = true;
    pthread_cond_broadcast(&s.work);
    while (s.threads)
        pthread_cond_wait(&s.idle, &s.lock);
    pthread_mutex_unlock(&s.lock);
    for (size_t i = 0; i < s.nmodel; i++)
        model_close(s.model[i].model);
    free(s.model);
    engine_close(s.engine);
    close(fd);
    return status;
}
