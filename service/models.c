#include "service/models.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/vector.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_NS 30000000000LL /* a model that could not be opened is tried again: it may have been put there meanwhile */
#define STATE_NAME "embed_model"

struct models {
    struct service *s;
    pthread_mutex_t mu; /* held while a model opens: who needs it waits for it */
    struct embedder *now;
    struct err why;     /* of the last failure */
    int64_t failed_ns;
};

int models_open(struct models **out, struct service *s, struct err *e)
{
    struct models *m = mem_zero(1, sizeof *m);
    m->s = s;
    pthread_mutex_init(&m->mu, NULL);
    *out = m;
    const struct config *c = s->o.config;
    struct engine_options o = {
        .threads = (int)(c->engine_threads ? c->engine_threads : c->index_threads),
        .backend = c->provider == 1 ? "cpu" : c->provider == 2 ? "cuda" : NULL,
        .max_memory = (size_t)c->engine_memory,
    };
    return engine_spawn(&s->engine, s->o.program, &o, e);
}

static void drop_locked(struct embedder *m)
{
    if (m && --m->refs == 0) {
        model_close(m->model);
        free(m);
    }
}

void models_close(struct models *m)
{
    if (!m)
        return;
    drop_locked(m->now);
    if (m->s->engine)
        engine_close(m->s->engine);
    m->s->engine = NULL;
    pthread_mutex_destroy(&m->mu);
    free(m);
}

char *models_name(struct service *s)
{
    struct buf b = BUF_INIT;
    struct err e;
    if (!state_get(s->store, STATE_NAME, &b, &e) && b.len)
        return buf_take(&b);
    buf_release(&b);
    return mem_str(s->o.config->embed_model);
}

static int open_named(struct embedder **out, struct service *s, const char *name, struct err *e)
{
    char *path = NULL;
    struct embedder *m = mem_zero(1, sizeof *m);
    struct txn *t = NULL;
    m->refs = 1;
    int rc = model_find(&path, s->o.paths, name, e);
    if (!rc)
        rc = model_open(&m->model, s->engine, path, e);
    if (!rc)
        rc = store_write(&t, s->store, e);
    if (!rc) {
        const struct model_info *i = model_info(m->model);
        rc = vector_model(t, i->hash, i->dim, &m->number, e);
        if (rc)
            txn_end(t);
        else
            rc = txn_commit(t, e);
    }
    free(path);
    if (rc && m->model)
        model_close(m->model);
    if (rc)
        free(m);
    else
        *out = m;
    return rc;
}

int models_embedder(struct embedder **out, struct service *s, struct err *e)
{
    struct models *m = s->models;
    int rc = 0;
    *out = NULL;
    if (!s->o.config->embed)
        return err_set(e, ERR_UNAVAILABLE, "embedding is switched off (embed = no)");
    pthread_mutex_lock(&m->mu);
    if (!m->now && m->failed_ns && clock_ns() - m->failed_ns < RETRY_NS) {
        rc = m->why.code;
        if (e)
            *e = m->why;
    } else if (!m->now) {
        char *name = models_name(s);
        rc = open_named(&m->now, s, name, &m->why);
        free(name);
        m->failed_ns = rc ? clock_ns() : 0;
        if (rc) {
            log_err(LOG_WARN, "embedding model", &m->why);
            if (e)
                *e = m->why;
        }
    }
    if (!rc) {
        m->now->refs++;
        *out = m->now;
    }
    pthread_mutex_unlock(&m->mu);
    return rc;
}

void models_drop(struct service *s, struct embedder *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&s->models->mu);
    drop_locked(m);
    pthread_mutex_unlock(&s->models->mu);
}

bool models_number(struct service *s, uint16_t *number)
{
    pthread_mutex_lock(&s->models->mu);
    bool open = s->models->now != NULL;
    if (open && number)
        *number = s->models->now->number;
    pthread_mutex_unlock(&s->models->mu);
    return open;
}

int models_use(struct service *s, const char *name, struct err *e)
{
    struct models *m = s->models;
    struct embedder *fresh = NULL;
    pthread_mutex_lock(&m->mu);
    int rc = open_named(&fresh, s, name, e);
    if (!rc)
        rc = state_put(s->store, STATE_NAME, name, strlen(name), e);
    if (!rc) {
        drop_locked(m->now);
        m->now = fresh;
        m->failed_ns = 0;
    } else if (fresh) {
        drop_locked(fresh);
    }
    pthread_mutex_unlock(&m->mu);
    return rc;
}

char *models_trouble(struct service *s)
{
    if (!s->o.config->embed)
        return mem_str("embedding is switched off (embed = no)");
    pthread_mutex_lock(&s->models->mu);
    char *text = !s->models->now && s->models->failed_ns ? mem_str(s->models->why.message) : mem_str("");
    pthread_mutex_unlock(&s->models->mu);
    return text;
}

json_t *models_json(struct service *s, char provider[64])
{
    char *name = models_name(s), *trouble = models_trouble(s);
    json_t *row = json_pack("{ss, so}", "role", "embed", "name", json_cstr(name));
    strcpy(provider, "none");
    pthread_mutex_lock(&s->models->mu);
    if (s->models->now) {
        const struct model_info *i = model_info(s->models->now->model);
        char hash[65];
        hex_of(hash, i->hash, 32);
        memcpy(provider, i->provider, sizeof i->provider);
        json_object_update_new(row, json_pack("{ss, so, so, sI, sI, sI, ss}", "state", "ready", "family",
                                              json_cstr(i->family), "provider", json_cstr(i->provider), "dim",
                                              (json_int_t)i->dim, "max_tokens", (json_int_t)i->max_tokens, "bytes",
                                              (json_int_t)i->bytes, "sha256", hash));
    } else {
        json_object_set_new(row, "state", json_string(*trouble ? "unavailable" : "closed"));
        if (*trouble)
            json_object_set_new(row, "message", json_cstr(trouble));
    }
    pthread_mutex_unlock(&s->models->mu);
    free(name);
    free(trouble);
    return json_pack("[o]", row);
}
