/* engine.h through the process: models that are opened again in every new process, texts in frames of moderate size. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/mem.h"
#include "engine/process/client.h"

#include <stdlib.h>
#include <string.h>

/* A frame of documents holds half a second of work, and four are in flight for all callers together: enough to keep the
 * engine's batches full, little enough that a socket's buffer, a cancel or a death costs nothing. */
#define WINDOW 4
#define FRAME_BYTES (64 << 10)

struct remote_model {
    struct client *c;
    char *path;
    uint32_t id;          /* in the process of that generation; guarded, as the generation, by the client's lock */
    uint64_t generation;
    struct model_info info;
};

/* start is held: opens the model in the process that runs now. */
static int open_there(struct remote_model *m, struct model_info *info, struct err *e)
{
    struct client *c = m->c;
    struct buf frame = BUF_INIT;
    struct call call;
    pthread_mutex_lock(&c->lock);
    uint64_t generation = c->generation;
    uint32_t id = ++c->next_model;
    pthread_mutex_unlock(&c->lock);
    frame_put_open(&frame, call_id(c), id, m->path);
    int rc = call_send(c, &call, generation, &frame, e);
    if (!rc) {
        rc = call_wait(c, &call, FRAME_OPENED, NULL, e);
        struct frame f = {FRAME_OPENED, call.id, (uint8_t *)call.answer.data, call.answer.len};
        if (!rc)
            rc = frame_get_opened(info, &f, e);
        buf_release(&call.answer);
    }
    buf_release(&frame);
    if (rc)
        return rc;
    pthread_mutex_lock(&c->lock);
    m->id = id;
    m->generation = generation;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static void close_there(struct remote_model *m)
{
    struct buf frame = BUF_INIT;
    frame_put_close(&frame, m->id);
    client_write(m->c, m->generation, &frame);
    buf_release(&frame);
}

/* *generation: of a process that has the model open, as *id. */
static int ready(struct remote_model *m, uint64_t *generation, uint32_t *id, struct err *e)
{
    struct client *c = m->c;
    struct model_info info;
    pthread_mutex_lock(&c->lock);
    bool fast = c->alive && m->generation == c->generation;
    *generation = m->generation;
    *id = m->id;
    c->used = clock_ns(); /* the process does not rest before the call has gone out */
    pthread_mutex_unlock(&c->lock);
    if (fast)
        return 0;
    pthread_mutex_lock(&c->start);
    int rc = client_alive(c, e);
    pthread_mutex_lock(&c->lock);
    fast = m->generation == c->generation; /* another caller was here first */
    pthread_mutex_unlock(&c->lock);
    if (!rc && !fast)
        rc = open_there(m, &info, e);
    if (!rc && !fast && memcmp(info.hash, m->info.hash, sizeof info.hash)) {
        close_there(m);
        pthread_mutex_lock(&c->lock);
        m->generation = 0;
        pthread_mutex_unlock(&c->lock);
        rc = err_set(e, ERR_UNAVAILABLE, "%.300s: the model's file is another than when it was opened", m->path);
        err_hint(e, "restart the daemon");
    }
    *generation = m->generation; /* these two are written under start only */
    *id = m->id;
    pthread_mutex_unlock(&c->start);
    return rc;
}

int remote_ready(struct remote_model *m, struct client **c, uint64_t *generation, uint32_t *id, struct err *e)
{
    *c = m->c;
    return ready(m, generation, id, e);
}

int remote_model_open(void **model, void *self, const char *path, struct model_info *info, struct err *e)
{
    struct remote_model *m = mem_zero(1, sizeof *m);
    m->c = self;
    m->path = mem_str(path);
    pthread_mutex_lock(&m->c->start);
    int rc = client_alive(m->c, e);
    if (!rc)
        rc = open_there(m, &m->info, e);
    pthread_mutex_unlock(&m->c->start);
    if (rc) {
        free(m->path);
        free(m);
        return rc;
    }
    *info = m->info;
    *model = m;
    return 0;
}

void remote_model_close(void *model)
{
    struct remote_model *m = model;
    close_there(m);
    free(m->path);
    free(m);
}

/* Room for one more frame of documents; wait: else only if there is room now. */
static bool take_slot(struct client *c, bool wait, const volatile bool *stop)
{
    pthread_mutex_lock(&c->lock);
    while (c->documents >= WINDOW && wait && !(stop && __atomic_load_n(stop, __ATOMIC_RELAXED)))
        clock_cond_wait(&c->slot_free, &c->lock, clock_ns() + 10000000);
    bool got = c->documents < WINDOW;
    c->documents += got;
    pthread_mutex_unlock(&c->lock);
    return got;
}

static void give_slot(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    c->documents--;
    pthread_cond_signal(&c->slot_free);
    pthread_mutex_unlock(&c->lock);
}

/* Texts on their way: frames go out in order and come in in order; calls is a ring. */
struct flight {
    struct remote_model *m;
    uint64_t generation;
    uint32_t id;
    enum embed_kind kind;
    enum priority priority;
    const char *const *text;
    const size_t *len;
    size_t n, sent, got; /* texts */
    struct call call[WINDOW];
    uint32_t count[WINDOW]; /* texts of each */
    unsigned first, in_flight;
};

static int send_next(struct flight *f, struct err *e)
{
    struct client *c = f->m->c;
    unsigned i = (f->first + f->in_flight) % WINDOW;
    struct buf frame = BUF_INIT;
    size_t k = 0, bytes = 0, *len = NULL;
    while (k < FRAME_TEXTS && f->sent + k < f->n && (!k || bytes + f->len[f->sent + k] <= FRAME_BYTES))
        bytes += f->len[f->sent + k++];
    len = mem_alloc(k * sizeof *len);
    for (size_t j = 0; j < k; j++)
        len[j] = f->len[f->sent + j] < TEXT_MAX ? f->len[f->sent + j] : TEXT_MAX;
    frame_put_embed(&frame, call_id(c), f->id, f->kind, f->priority, f->text + f->sent, len, (uint32_t)k);
    int rc = call_send(c, &f->call[i], f->generation, &frame, e);
    buf_release(&frame);
    free(len);
    if (rc)
        return rc;
    f->count[i] = (uint32_t)k;
    f->sent += k;
    f->in_flight++;
    return 0;
}

/* Waits for the oldest frame; rows go to out unless the caller has failed already (out NULL). */
static int receive(struct flight *f, float *out, uint32_t *used, const volatile bool *stop, struct err *e)
{
    struct call *call = &f->call[f->first];
    uint32_t k = f->count[f->first], dim = f->m->info.dim;
    struct frame_vectors v;
    int rc = call_wait(f->m->c, call, FRAME_VECTORS, stop, e);
    struct frame answer = {FRAME_VECTORS, call->id, (uint8_t *)call->answer.data, call->answer.len};
    if (!rc)
        rc = frame_get_vectors(&v, &answer, e);
    if (!rc && (v.n != k || v.dim != dim))
        rc = err_set(e, ERR_INTERNAL, "engine process: an answer for other texts");
    if (!rc && out) {
        memcpy(out + f->got * dim, v.rows, (size_t)k * dim * sizeof *out);
        if (used)
            memcpy(used + f->got, v.used, (size_t)k * sizeof *used);
    }
    buf_release(&call->answer);
    f->got += k;
    f->first = (f->first + 1) % WINDOW;
    f->in_flight--;
    if (f->priority == PRIORITY_DOCUMENT)
        give_slot(f->m->c);
    return rc;
}

int remote_embed(void *model, enum embed_kind kind, const char *const *text, const size_t *len, size_t n, enum priority p,
                 float *out, uint32_t *used, const volatile bool *stop, struct err *e)
{
    static const volatile bool now = true;
    struct remote_model *m = model;
    struct flight f = {.m = m, .kind = kind, .priority = p, .text = text, .len = len, .n = n};
    bool documents = p == PRIORITY_DOCUMENT;
    if (!n)
        return 0;
    int rc = ready(m, &f.generation, &f.id, e);
    while (!rc && f.got < n) {
        if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) {
            rc = err_set(e, ERR_CANCELED, "embedding was canceled");
            break;
        }
        while (!rc && f.sent < n && f.in_flight < WINDOW && (!documents || take_slot(m->c, !f.in_flight, stop))) {
            rc = send_next(&f, e);
            if (rc && documents)
                give_slot(m->c);
        }
        if (!rc && !f.in_flight) /* no slot came: it was canceled while it waited */
            rc = err_set(e, ERR_CANCELED, "embedding was canceled");
        if (!rc)
            rc = receive(&f, out, used, stop, e);
    }
    while (f.in_flight) /* the rest is called back; their answers must not outlive this frame */
        receive(&f, NULL, NULL, &now, NULL);
    return rc;
}

int remote_start(void **flight, void *model, const char *const *text, const size_t *len, struct err *e)
{
    struct flight *f = mem_zero(1, sizeof *f);
    *f = (struct flight){.m = model, .kind = EMBED_QUERY, .priority = PRIORITY_QUERY, .text = text, .len = len, .n = 1};
    int rc = ready(f->m, &f->generation, &f->id, e);
    if (!rc)
        rc = send_next(f, e);
    if (rc)
        free(f);
    else
        *flight = f;
    return rc;
}

int remote_finish(void *flight, float *out, const volatile bool *stop, struct err *e)
{
    int rc = receive(flight, out, NULL, stop, e);
    free(flight);
    return rc;
}

int remote_rerank(void *model, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop, struct err *e)
{
    struct remote_model *m = model;
    struct buf frame = BUF_INIT;
    struct frame_vectors v;
    struct call call;
    uint64_t generation;
    uint32_t id;
    size_t sized[RERANK_MAX + 1];
    int rc = ready(m, &generation, &id, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++)
        sized[i] = len[i] < PAIR_TEXT_MAX ? len[i] : PAIR_TEXT_MAX;
    frame_put_rerank(&frame, call_id(m->c), id, text, sized, (uint32_t)n);
    rc = call_send(m->c, &call, generation, &frame, e);
    buf_release(&frame);
    if (rc)
        return rc;
    rc = call_wait(m->c, &call, FRAME_VECTORS, stop, e);
    struct frame answer = {FRAME_VECTORS, call.id, (uint8_t *)call.answer.data, call.answer.len};
    if (!rc)
        rc = frame_get_vectors(&v, &answer, e);
    if (!rc && (v.n != n - 1 || v.dim != 1))
        rc = err_set(e, ERR_INTERNAL, "engine process: scores of other documents");
    if (!rc)
        memcpy(score, v.rows, (n - 1) * sizeof *score);
    buf_release(&call.answer);
    return rc;
}
