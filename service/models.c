#include "service/models.h"

#include "service/holders.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/machine.h"
#include "engine/endpoint/endpoint.h"
#include "engine/generate.h"
#include "engine/residency.h"
#include "store/vector.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_NS 30000000000LL /* a model that could not be opened is tried again: it may have been put there meanwhile */
#define LOOKS_MISSED 2         /* in a row, then an endpoint is away: a server that is busy may miss one */

struct slot {
    pthread_mutex_t mu; /* held while a model opens: who needs it waits for it */
    struct embedder *now;
    struct err why;     /* of the last failure */
    int64_t failed_ns;
    unsigned missed;    /* looks in a row, of an endpoint that is open */
};
struct models {
    struct service *s;
    char *prefixes; /* the folder */
    struct slot slot[ROLES];
};

#define NONE "-" /* in state.mdb: none, whatever the settings say */

/* To add a role: its row, and a slot in enum model_role. */
static const struct {
    const char *name, *state, *cannot;
} roles[ROLES] = {
    [ROLE_EMBED] = {"embed", "embed_model", "embeds nothing"},
    [ROLE_ANSWER] = {"answer", "answer_model", "writes no text"},
    [ROLE_RERANK] = {"rerank", "rerank_model", "is no reranker"},
    [ROLE_FAR_EMBED] = {"embed", "embed_endpoint", "embeds nothing"},
    [ROLE_FAR_ANSWER] = {"answer", "answer_endpoint", "writes no text"},
};

const char *models_role(enum model_role role)
{
    return roles[role].name;
}

const char *models_state_name(enum model_role role)
{
    return roles[role].state;
}

static char *prefixes_of(const struct service *s)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/prefixes", s->o.paths->home);
    return buf_take(&b);
}

/* The folder of an adapter: a path as it is, a name in the home. */
static char *adapter_of(const struct service *s, const char *name)
{
    struct buf b = BUF_INIT;
    if (!*name)
        return NULL;
    if (strchr(name, '/'))
        return mem_str(name);
    buf_addf(&b, "%s/adapters/%s", s->o.paths->home, name);
    return buf_take(&b);
}

int models_open(struct models **out, struct service *s, struct err *e)
{
    struct models *m = mem_zero(1, sizeof *m);
    m->s = s;
    for (int i = 0; i < ROLES; i++)
        pthread_mutex_init(&m->slot[i].mu, NULL);
    *out = m;
    const struct config *c = s->o.config;
    m->prefixes = prefixes_of(s);
    if (!c->prefix_bytes)
        prefix_folder_forget(m->prefixes, NULL);
    char *draft = NULL, *adapter = adapter_of(s, c->answer_adapter);
    struct err why = {0};
    if (*c->draft_model && model_find(&draft, s->o.paths, c->draft_model, &why))
        log_err(LOG_WARN, "draft_model", &why);
    struct engine_options o = {
        .draft = draft,
        .adapter = adapter,
        .prefix_folder = m->prefixes,
        .prefix_bytes = c->prefix_bytes,
        .threads = (int)(c->engine_threads ? c->engine_threads : c->index_threads),
        .backend = c->provider == 1 ? "cpu" : c->provider == 2 ? "cuda" : NULL,
        .device_memory = c->gpu_memory,
        .idle_seconds = (int)(c->gpu_idle_minutes * 60),
        .max_memory = (size_t)engine_memory_of(c, machine_memory()),
    };
    int rc = engine_spawn(&s->engine, *c->engine_program ? c->engine_program : s->o.program, &o, e);
    free(draft);
    free(adapter);
    return rc;
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
    for (int i = 0; i < ROLES; i++)
        drop_locked(m->slot[i].now);
    if (m->s->engine)
        engine_close(m->s->engine);
    m->s->engine = NULL;
    for (int i = 0; i < ROLES; i++)
        pthread_mutex_destroy(&m->slot[i].mu);
    free(m->prefixes);
    free(m);
}

static const char *endpoint_of(const struct config *c, enum model_role role)
{
    return role == ROLE_FAR_EMBED ? c->embed_endpoint : role == ROLE_FAR_ANSWER ? c->answer_endpoint : "";
}

char *models_name(struct service *s, enum model_role role)
{
    struct buf b = BUF_INIT;
    struct err e;
    const struct config *c = s->o.config;
    if (role >= ROLES_HERE)
        return mem_str(!*endpoint_of(c, role) ? "" : role == ROLE_FAR_EMBED ? c->embed_endpoint_model : c->answer_endpoint_model);
    bool kept = !state_get(s->store, roles[role].state, &b, &e) && b.len;
    if (kept && strcmp(b.data, NONE))
        return buf_take(&b);
    buf_release(&b);
    return mem_str(kept ? "" : role == ROLE_EMBED ? c->embed_model : role == ROLE_ANSWER ? c->answer_model : c->rerank_model);
}

static int number_of(struct embedder *m, struct service *s, struct err *e)
{
    struct txn *t = NULL;
    const struct model_info *i = model_info(m->model);
    int rc = store_write(&t, s->store, e);
    if (rc)
        return rc;
    rc = vector_model(t, i->hash, i->dim, &m->number, e);
    if (rc)
        txn_end(t);
    else
        rc = txn_commit(t, e);
    return rc;
}

static bool writes(enum model_role role)
{
    return role == ROLE_ANSWER || role == ROLE_FAR_ANSWER;
}

static bool embeds(enum model_role role)
{
    return role == ROLE_EMBED || role == ROLE_FAR_EMBED;
}

static bool good_for(const struct model_info *i, enum model_role role)
{
    return writes(role) ? i->context : role == ROLE_RERANK ? i->scores : i->dim;
}

static int open_far(struct model **out, const struct config *c, enum model_role role, const volatile bool *stop, struct err *e)
{
    bool embed = role == ROLE_FAR_EMBED;
    struct endpoint_options o = {.url = endpoint_of(c, role), .model = embed ? c->embed_endpoint_model : c->answer_endpoint_model,
                                 .key = embed ? c->embed_endpoint_key : c->answer_endpoint_key, .ca = c->net_ca,
                                 .stall_seconds = (unsigned)c->endpoint_stall_seconds, .embeds = embed, .stop = stop};
    return endpoint_open(out, &o, e);
}

/* role: ROLES for the one that the model is good for. */
static int open_named(struct embedder **out, struct service *s, const char *name, enum model_role role, const volatile bool *stop, struct err *e)
{
    char *path = NULL;
    struct embedder *m = mem_zero(1, sizeof *m);
    m->refs = 1;
    int rc = role == ROLES || role < ROLES_HERE ? model_find(&path, s->o.paths, name, e) : open_far(&m->model, s->o.config, role, stop, e);
    if (!rc && path)
        rc = model_open(&m->model, s->engine, path, e);
    const struct model_info *i = rc ? NULL : model_info(m->model);
    m->role = role != ROLES ? role : i && i->context ? ROLE_ANSWER : i && i->scores ? ROLE_RERANK : ROLE_EMBED;
    if (!rc && !good_for(i, m->role)) {
        rc = err_set(e, ERR_UNSUPPORTED, "%s: a model of the family %s %s", i->name, i->family, roles[m->role].cannot);
        err_hint(e, "codeask model use NAME chooses another");
    }
    if (!rc && embeds(m->role))
        rc = number_of(m, s, e);
    free(path);
    if (rc && m->model)
        model_close(m->model);
    if (rc)
        free(m);
    else
        *out = m;
    return rc;
}

/* What failed is not tried again by whoever asks: for a while, or, of an endpoint that is looked after, until it was seen. */
static bool left_alone(const struct service *s, const struct slot *x, enum model_role role)
{
    bool watched = role >= ROLES_HERE && s->health;
    return !x->now && x->failed_ns && (watched || clock_ns() - x->failed_ns < RETRY_NS);
}

static int take(struct embedder **out, struct service *s, enum model_role role, struct err *e)
{
    struct slot *x = &s->models->slot[role];
    int rc = 0;
    *out = NULL;
    pthread_mutex_lock(&x->mu);
    if (left_alone(s, x, role)) {
        rc = x->why.code;
        if (e)
            *e = x->why;
    } else if (!x->now) {
        char *name = models_name(s, role);
        rc = *name ? open_named(&x->now, s, name, role, NULL, &x->why) : err_set(e, ERR_NOT_FOUND, "no model is chosen");
        x->failed_ns = rc && *name ? clock_ns() : 0;
        if (rc && *name) {
            log_err(LOG_WARN, roles[role].state, &x->why);
            if (e)
                *e = x->why;
        }
        free(name);
    }
    if (!rc) {
        x->now->refs++;
        *out = x->now;
    }
    pthread_mutex_unlock(&x->mu);
    return rc;
}

int models_embedder(struct embedder **out, struct service *s, enum model_role role, struct err *e)
{
    *out = NULL;
    if (!s->o.config->embed)
        return err_set(e, ERR_UNAVAILABLE, "embedding is switched off (embed = no)");
    return take(out, s, role, e);
}

int models_generator(struct embedder **out, struct service *s, enum model_role role, struct err *e)
{
    const char *adapter = s->o.config->answer_adapter;
    *out = NULL;
    if (role == ROLE_ANSWER && *adapter && !strchr(adapter, '/') && adapter_blocked(s, adapter)) {
        err_set(e, ERR_UNSUPPORTED, "the adapter %.100s has learned a content that was purged since: no model writes with it", adapter);
        err_hint(e, "train another one, or take answer_adapter out of the configuration");
        return ERR_UNSUPPORTED;
    }
    return take(out, s, role, e);
}

int models_reranker(struct embedder **out, struct service *s, struct err *e)
{
    *out = NULL;
    return take(out, s, ROLE_RERANK, e);
}

void models_drop(struct service *s, struct embedder *m)
{
    if (!m)
        return;
    struct slot *x = &s->models->slot[m->role];
    pthread_mutex_lock(&x->mu);
    drop_locked(m);
    pthread_mutex_unlock(&x->mu);
}

bool models_closed(struct service *s, enum model_role role)
{
    struct slot *x = &s->models->slot[role];
    if (pthread_mutex_trylock(&x->mu)) /* being opened */
        return true;
    bool closed = !x->now && !left_alone(s, x, role);
    pthread_mutex_unlock(&x->mu);
    return closed;
}

void models_fell(struct service *s, struct embedder *m, const struct err *why)
{
    struct slot *x = &s->models->slot[m->role];
    pthread_mutex_lock(&x->mu);
    if (x->now == m) {
        x->now = NULL;
        x->why = *why;
        x->failed_ns = clock_ns();
        drop_locked(m); /* the slot's; the caller has its own */
        log_err(LOG_WARN, roles[m->role].state, why);
    }
    pthread_mutex_unlock(&x->mu);
}

static void put_back(struct service *s, enum model_role role, const volatile bool *stop)
{
    struct slot *x = &s->models->slot[role];
    struct embedder *fresh = NULL;
    struct err why = {0};
    int rc = open_named(&fresh, s, "", role, stop, &why);
    pthread_mutex_lock(&x->mu);
    if (!rc && !x->now) {
        x->now = fresh;
        x->failed_ns = x->missed = 0;
        fresh = NULL;
        log_line(LOG_WARN, "%s: it is there again", roles[role].state);
    } else if (rc && rc != ERR_CANCELED && !x->now) {
        x->why = why;
    }
    drop_locked(fresh);
    pthread_mutex_unlock(&x->mu);
}

void models_look(struct service *s, enum model_role role, const volatile bool *stop)
{
    struct slot *x = &s->models->slot[role];
    struct model *seen = NULL;
    struct err why = {0};
    pthread_mutex_lock(&x->mu);
    struct embedder *m = x->now;
    bool away = !m && x->failed_ns;
    if (m)
        m->refs++;
    pthread_mutex_unlock(&x->mu);
    if (away)
        put_back(s, role, stop);
    if (!m)
        return;
    int rc = open_far(&seen, s->o.config, role, stop, &why);
    if (!rc)
        model_close(seen);
    pthread_mutex_lock(&x->mu);
    x->missed = rc && rc != ERR_CANCELED ? x->missed + 1 : 0;
    bool gone = x->missed >= LOOKS_MISSED;
    pthread_mutex_unlock(&x->mu);
    if (gone)
        models_fell(s, m, &why);
    models_drop(s, m);
}

bool models_number(struct service *s, enum model_role role, uint16_t *number)
{
    struct slot *x = &s->models->slot[role];
    pthread_mutex_lock(&x->mu);
    bool open = x->now != NULL;
    if (open && number)
        *number = x->now->number;
    pthread_mutex_unlock(&x->mu);
    return open;
}

int models_use(enum model_role *role, struct service *s, const char *name, struct err *e)
{
    struct embedder *fresh = NULL;
    int rc = open_named(&fresh, s, name, ROLES, NULL, e);
    if (rc)
        return rc;
    struct slot *x = &s->models->slot[*role = fresh->role];
    pthread_mutex_lock(&x->mu);
    rc = state_put(s->store, roles[*role].state, name, strlen(name), e);
    if (!rc) {
        drop_locked(x->now);
        x->now = fresh;
        x->failed_ns = 0;
    } else {
        drop_locked(fresh);
    }
    pthread_mutex_unlock(&x->mu);
    return rc;
}

int models_use_none(struct service *s, enum model_role role, struct err *e)
{
    if (role == ROLE_EMBED) {
        err_set(e, ERR_USAGE, "embedding is switched off in the settings");
        err_hint(e, "embed = no");
        return ERR_USAGE;
    }
    struct slot *x = &s->models->slot[role];
    pthread_mutex_lock(&x->mu);
    int rc = state_put(s->store, roles[role].state, NONE, strlen(NONE), e);
    if (!rc) {
        drop_locked(x->now);
        x->now = NULL;
        x->failed_ns = 0;
    }
    pthread_mutex_unlock(&x->mu);
    return rc;
}

void models_forget(struct service *s, const uint8_t content[20])
{
    struct slot *x = &s->models->slot[ROLE_ANSWER];
    struct err e = {0};
    pthread_mutex_lock(&x->mu);
    if (x->now && model_forget(x->now->model, content, &e))
        log_err(LOG_WARN, "prompts that the answer model keeps", &e);
    pthread_mutex_unlock(&x->mu);
    prefix_folder_forget(s->models->prefixes, content);
}

int model_is_named(const struct request *rq, enum model_role role, struct err *e)
{
    const char *wanted = param_str(rq, "model");
    char *name = models_name(rq->s, role);
    int rc = !wanted || !strcmp(wanted, name) ? 0 : err_set(e, ERR_NOT_FOUND, "no model that does this is called %.100s", wanted);
    free(name);
    return rc;
}

static char *trouble_of(struct service *s, enum model_role role)
{
    struct slot *x = &s->models->slot[role];
    pthread_mutex_lock(&x->mu);
    char *text = !x->now && x->failed_ns ? mem_str(x->why.message) : mem_str("");
    pthread_mutex_unlock(&x->mu);
    return text;
}

char *models_trouble(struct service *s, enum model_role role)
{
    return s->o.config->embed ? trouble_of(s, role) : mem_str("embedding is switched off (embed = no)");
}

static json_t *row_of(struct service *s, enum model_role role, char provider[64])
{
    char *name = models_name(s, role), *trouble = embeds(role) ? models_trouble(s, role) : trouble_of(s, role);
    struct slot *x = &s->models->slot[role];
    json_t *row = json_pack("{ss, so}", "role", roles[role].name, "name", json_cstr(name));
    if (role >= ROLES_HERE)
        json_object_set_new(row, "endpoint", json_cstr(endpoint_of(s->o.config, role)));
    pthread_mutex_lock(&x->mu);
    if (x->now) {
        const struct model_info *i = model_info(x->now->model);
        char hash[65];
        hex_of(hash, i->hash, 32);
        memcpy(provider, i->provider, sizeof i->provider);
        json_object_update_new(row, json_pack("{ss, so, so, sI, sI, sI, ss}", "state", "ready", "family",
                                              json_cstr(i->family), "provider", json_cstr(i->provider), "dim",
                                              (json_int_t)i->dim, "max_tokens", (json_int_t)i->max_tokens, "bytes",
                                              (json_int_t)i->bytes, "sha256", hash));
        if (*i->draft)
            json_object_set_new(row, "draft", json_cstr(i->draft));
        if (*i->adapter)
            json_object_set_new(row, "adapter", json_cstr(i->adapter));
        if (i->scores)
            json_object_set_new(row, "reranks", json_true());
        if (i->context)
            json_object_update_new(row, json_pack("{sI, sf}", "context", (json_int_t)i->context, "prompt_rate", (double)(i->prompt_rate / model_slowness(x->now->model))));
    } else {
        json_object_set_new(row, "state", json_string(*trouble ? "unavailable" : "closed"));
        if (*trouble)
            json_object_set_new(row, "message", json_cstr(trouble));
    }
    pthread_mutex_unlock(&x->mu);
    free(name);
    free(trouble);
    return row;
}

json_t *models_residency(struct service *s)
{
    struct residency_report r;
    struct err e = {0};
    json_t *o = json_object();
    if (!s->engine || engine_residency(s->engine, &r, &e) || !r.planned)
        return o;
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r.n; i++) {
        const struct claim *c = &r.claim[i];
        const char *state = !c->placed ? "released" : c->busy ? "busy" : "resident";
        json_array_append_new(rows, json_pack("{ss, so, si, ss, sI, sI, sI}", "tenant", tenants[c->tenant].name, "model", json_cstr(c->name),
                                              "priority", (int)tenants[c->tenant].rank, "state", state, "floor", (json_int_t)c->floor,
                                              "ceiling", (json_int_t)c->ceiling, "bytes", (json_int_t)(c->placed ? c->grant : 0)));
    }
    json_object_update_new(o, json_pack("{sb, sI, sI, sI, sI, so}", "unified", r.room.unified, "total", (json_int_t)r.room.total, "free",
                                        (json_int_t)r.room.free, "held", (json_int_t)r.room.held, "budget", (json_int_t)r.budget,
                                        "tenants", rows));
    return o;
}

json_t *models_json(struct service *s, char provider[64])
{
    json_t *rows = json_array();
    strcpy(provider, "none");
    for (int role = 0; role < ROLES; role++) {
        char *name = models_name(s, (enum model_role)role), other[64];
        if (role == ROLE_EMBED || *name)
            json_array_append_new(rows, row_of(s, (enum model_role)role, role == ROLE_EMBED ? provider : other));
        free(name);
    }
    return rows;
}
