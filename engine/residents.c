#include "engine/residents.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLAIMS_OF_ONE 2
#define MEMINFO_BYTES 4096 /* what is read of it stands in the first lines */

struct resident {
    struct residents *k;
    const struct resident_ops *ops;
    void *model;
    uint32_t owner;
    bool placed, moving; /* moving: being loaded or released, or about to be: nobody enters */
    unsigned users;
};

/* lock guards all below, and the residents. */
struct residents {
    const struct backend *backend;
    void *device;
    uint64_t most;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct claim claim[RESIDENCY_CLAIMS_MAX];
    struct resident *of[RESIDENCY_CLAIMS_MAX]; /* whose the claim is */
    size_t n;
    uint32_t owners;
    uint64_t changes;
    bool loading;
};

struct residents *residents_new(const struct backend *b, void *device, uint64_t most)
{
    struct residents *k = mem_zero(1, sizeof *k);
    k->backend = b;
    k->device = device;
    k->most = most;
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    return k;
}

void residents_free(struct residents *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->changed);
    free(k);
}

int resident_new(struct resident **out, struct residents *k, const struct claim *c, size_t n, const struct resident_ops *ops, void *model,
                 struct err *e)
{
    int rc = 0;
    struct resident *r = mem_zero(1, sizeof *r);
    pthread_mutex_lock(&k->lock);
    if (n > CLAIMS_OF_ONE || k->n + n > RESIDENCY_CLAIMS_MAX) {
        rc = err_set(e, ERR_LIMIT, "%zu models share the device already", k->n);
        free(r);
        goto out;
    }
    *r = (struct resident){.k = k, .ops = ops, .model = model, .owner = ++k->owners};
    for (size_t i = 0; i < n; i++) {
        k->claim[k->n] = c[i];
        k->claim[k->n].owner = r->owner;
        k->claim[k->n].placed = k->claim[k->n].busy = false;
        k->of[k->n++] = r;
    }
    *out = r;
out:
    pthread_mutex_unlock(&k->lock);
    return rc;
}

void resident_free(struct resident *r)
{
    if (!r)
        return;
    struct residents *k = r->k;
    pthread_mutex_lock(&k->lock);
    while (r->moving) /* for another's sake: it is being released */
        pthread_cond_wait(&k->changed, &k->lock);
    r->moving = true;
    pthread_mutex_unlock(&k->lock);
    if (r->placed)
        r->ops->close(r->model);
    pthread_mutex_lock(&k->lock);
    size_t kept = 0;
    for (size_t i = 0; i < k->n; i++)
        if (k->of[i] != r) {
            k->claim[kept] = k->claim[i];
            k->of[kept++] = k->of[i];
        }
    k->n = kept;
    k->changes++;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    free(r);
}

static int look(const struct residents *k, struct device_room *room, struct err *e)
{
    char text[MEMINFO_BYTES];
    int rc = k->backend->room(k->device, room, e);
    if (rc || !room->unified)
        return rc;
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    residency_meminfo(room, text);
    return 0;
}

/* Encoders get buffers when several threads use them at once (run/forward.c): what is held beyond the grants is theirs. */
static void count_growth(struct residents *k, uint64_t held)
{
    uint64_t granted = 0, encoders = 0;
    for (size_t i = 0; i < k->n; i++) {
        granted += k->claim[i].placed ? k->claim[i].grant : 0;
        encoders += k->claim[i].placed && (k->claim[i].tenant == TENANT_EMBEDDER || k->claim[i].tenant == TENANT_RERANKER);
    }
    for (size_t i = 0; i < k->n && held > granted; i++)
        if (k->claim[i].placed && (k->claim[i].tenant == TENANT_EMBEDDER || k->claim[i].tenant == TENANT_RERANKER))
            k->claim[i].grant += (held - granted) / encoders;
}

/* With the lock held, which it gives up while models close. *kv: what the newcomer's keys and values may take. */
static int make_room(struct residents *k, const struct resident *r, uint64_t *kv, struct err *e)
{
    struct device_room room;
    struct resident *leaving[RESIDENCY_CLAIMS_MAX];
    size_t n = 0;
    int rc = look(k, &room, e);
    if (rc)
        return rc;
    uint64_t budget = residency_budget(&room, k->most);
    k->backend->limit(k->device, budget);
    count_growth(k, room.held);
    for (size_t i = 0; i < k->n; i++)
        k->claim[i].busy = k->of[i]->users > 0;
    rc = residency_admit(k->claim, k->n, r->owner, budget, e);
    for (size_t i = 0; i < k->n && !rc; i++) {
        if (k->claim[i].leaves && !k->of[i]->moving) { /* nobody enters from here on */
            k->of[i]->moving = true;
            leaving[n++] = k->of[i];
        }
        if (k->of[i] == r && k->claim[i].tenant == TENANT_KV)
            *kv = k->claim[i].grant;
    }
    for (size_t j = 0; j < n; j++) {
        struct resident *x = leaving[j];
        while (x->users)
            pthread_cond_wait(&k->changed, &k->lock);
        pthread_mutex_unlock(&k->lock);
        x->ops->close(x->model);
        pthread_mutex_lock(&k->lock);
        x->placed = x->moving = false;
        k->changes++;
        for (size_t i = 0; i < k->n; i++)
            if (k->of[i] == x) {
                k->claim[i].placed = k->claim[i].leaves = false;
                log_line(LOG_INFO, "the GPU's memory: %.63s (%s) was released", k->claim[i].name, tenants[k->claim[i].tenant].name);
            }
        pthread_cond_broadcast(&k->changed);
    }
    return rc;
}

/* What the model has really taken counts from now on, keys and values first: that is known. */
static void settle(struct residents *k, struct resident *r, uint64_t before)
{
    struct device_room room;
    uint64_t took = k->backend->room && !k->backend->room(k->device, &room, NULL) && room.held > before ? room.held - before : 0;
    for (size_t i = 0; i < k->n; i++)
        if (k->of[i] == r && k->claim[i].tenant == TENANT_KV)
            took = took > k->claim[i].grant ? took - k->claim[i].grant : 0;
    for (size_t i = 0; i < k->n; i++) {
        struct claim *c = &k->claim[i];
        if (k->of[i] != r)
            continue;
        c->placed = true;
        if (c->tenant != TENANT_KV && took)
            c->grant = took;
    }
}

/* With the lock held, which it gives up while the model opens. */
static int load(struct resident *r, struct err *e)
{
    struct residents *k = r->k;
    struct device_room room = {0};
    uint64_t kv = 0;
    k->loading = r->moving = true;
    int rc = k->backend->room ? make_room(k, r, &kv, e) : 0;
    if (!rc && k->backend->room)
        rc = k->backend->room(k->device, &room, e);
    pthread_mutex_unlock(&k->lock);
    if (!rc)
        rc = r->ops->open(r->model, kv, e);
    pthread_mutex_lock(&k->lock);
    if (!rc) {
        r->placed = true;
        k->changes++;
        settle(k, r, room.held);
    }
    k->loading = r->moving = false;
    pthread_cond_broadcast(&k->changed);
    return rc;
}

/* With the lock held. */
static void use(struct resident *r)
{
    struct residents *k = r->k;
    r->users++;
    for (size_t i = 0; i < k->n; i++)
        if (k->of[i] == r)
            k->claim[i].used = clock_ns();
}

int resident_enter(struct resident *r, struct err *e)
{
    struct residents *k = r->k;
    int rc = 0;
    pthread_mutex_lock(&k->lock);
    while (r->moving || (!r->placed && k->loading))
        pthread_cond_wait(&k->changed, &k->lock);
    if (!r->placed)
        rc = load(r, e);
    if (!rc)
        use(r);
    pthread_mutex_unlock(&k->lock);
    return rc;
}

bool resident_enter_if_there(struct resident *r)
{
    struct residents *k = r->k;
    pthread_mutex_lock(&k->lock);
    while (r->moving)
        pthread_cond_wait(&k->changed, &k->lock);
    bool there = r->placed;
    if (there)
        use(r);
    pthread_mutex_unlock(&k->lock);
    return there;
}

void resident_leave(struct resident *r)
{
    pthread_mutex_lock(&r->k->lock);
    if (--r->users == 0)
        pthread_cond_broadcast(&r->k->changed);
    pthread_mutex_unlock(&r->k->lock);
}

void residents_report(struct residents *k, struct residency_report *out)
{
    *out = (struct residency_report){0};
    pthread_mutex_lock(&k->lock);
    if (k->backend->room && !look(k, &out->room, NULL)) {
        out->planned = true;
        out->budget = residency_budget(&out->room, k->most);
        out->changes = k->changes;
        out->n = (uint32_t)k->n;
        memcpy(out->claim, k->claim, k->n * sizeof *k->claim);
        for (size_t i = 0; i < k->n; i++)
            out->claim[i].busy = k->of[i]->users > 0;
    }
    pthread_mutex_unlock(&k->lock);
}
