/* Models in this process. */
#define _GNU_SOURCE
#include "base/log.h"
#include "base/mem.h"
#include "engine/claims.h"
#include "engine/embed/embedder.h"
#include "engine/format/model_inside.h"
#include "engine/generate/generator.h"
#include "engine/model.h"
#include "engine/residents.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct local {
    const struct backend *backend;
    void *device;
    int threads;
    bool exact;
    size_t max_memory;
    char *prefix_folder, *draft, *adapter;
    uint64_t prefix_bytes;
    char instead[104];     /* why it is not a better backend that computes; empty: it is the best */
    pthread_mutex_t lock;  /* guards spare */
    void *spare;           /* the CPU, for models that the backend has no ops for; NULL until one comes */
    struct residents *residents; /* of the device */
};

struct local_model {
    struct local *en;
    char *path;
    struct generator *generator;     /* one of the two, while the model is there */
    struct embed_model *embedder;
    struct model_info info;          /* as it was opened first, name and provider aside */
    struct resident *resident;       /* NULL: of the spare CPU, where all stay */
};

int local_open_with(void **self, const struct backend *b, const struct engine_options *o, struct err *e)
{
    struct local *en = mem_zero(1, sizeof *en);
    struct err why = {0};
    struct device_options d = {.isa = o ? o->isa : NULL};
    bool asked = o && (o->backend || o->isa);
    cpu_set_t cores;
    en->threads = o ? o->threads : 0;
    en->exact = o && o->exact;
    en->max_memory = o ? o->max_memory : 0;
    en->draft = o && o->draft ? mem_str(o->draft) : NULL;
    en->adapter = o && o->adapter ? mem_str(o->adapter) : NULL;
    en->prefix_folder = o && o->prefix_folder ? mem_str(o->prefix_folder) : NULL;
    en->prefix_bytes = o ? o->prefix_bytes : 0;
    snprintf(en->instead, sizeof en->instead, "%.100s", o && o->instead ? o->instead : "");
    en->backend = b;
    pthread_mutex_init(&en->lock, NULL);
    if (en->threads <= 0)
        en->threads = sched_getaffinity(0, sizeof cores, &cores) ? 1 : CPU_COUNT(&cores);
    int rc = b->open(&en->device, &d, &why);
    if (rc && !asked && b != &backend_cpu) { /* no driver, no device, an old one: the CPU serves, and says so */
        log_err(rc == ERR_UNSUPPORTED ? LOG_INFO : LOG_WARN, "computing on the CPU", &why);
        snprintf(en->instead, sizeof en->instead, "%.100s", why.message);
        en->backend = &backend_cpu;
        rc = en->backend->open(&en->device, &d, &why);
    }
    if (!rc) {
        en->residents = residents_new(en->backend, en->device, o ? o->device_memory : 0);
        *self = en;
        return 0;
    }
    if (e)
        *e = why;
    pthread_mutex_destroy(&en->lock);
    free(en->prefix_folder);
    free(en->draft);
    free(en->adapter);
    free(en);
    return rc;
}

int local_open(void **self, const struct engine_options *o, struct err *e)
{
    const char *name = o && o->backend ? o->backend : o && o->isa ? "cpu" : NULL; /* instruction sets are the CPU's */
    const struct backend *b = backend_find(name);
    return b ? local_open_with(self, b, o, e) : err_set(e, ERR_UNSUPPORTED, "no backend \"%.40s\" in this build", name ? name : "");
}

static void close_local(void *self)
{
    struct local *en = self;
    residents_free(en->residents);
    if (en->spare)
        backend_cpu.close(en->spare);
    en->backend->close(en->device);
    pthread_mutex_destroy(&en->lock);
    free(en->prefix_folder);
    free(en->draft);
    free(en->adapter);
    free(en);
}

static int no_pid(void *self)
{
    return 0;
}

static void describe(char out[64], const struct backend *b, void *device, const char *instead)
{
    const char *name = b->info(device)->provider;
    if (instead[0])
        snprintf(out, 64, "%.29s (%.30s)", name, instead);
    else
        snprintf(out, 64, "%s", name);
}

static void provider(void *self, char out[64])
{
    struct local *en = self;
    describe(out, en->backend, en->device, en->instead);
}

static void name_of(struct model_info *info, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t at = n;
    while (at && path[at - 1] != '/')
        at--;
    snprintf(info->name, sizeof info->name, "%.*s", (int)(n - at), path + at);
}

static uint64_t size_of(const char *path, const char *name)
{
    char full[4096];
    struct stat st;
    return snprintf(full, sizeof full, "%s%s", path, name) < (int)sizeof full && !stat(full, &st) && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* f NULL: before anything is mapped, for it may not even fit; then once more with the sizes of all files. */
static int check_size(const struct local *en, const struct model_file *f, const char *path, struct err *e)
{
    uint64_t bytes = f ? model_file_bytes(f) : size_of(path, "") + size_of(path, "/model.safetensors");
    if (!en->max_memory || bytes <= en->max_memory)
        return 0;
    err_set(e, ERR_MEMORY, "%s: %llu MB of weights, and the cap is %zu MB", path, (unsigned long long)bytes >> 20,
            en->max_memory >> 20);
    err_hint(e, "raise engine_memory, or use a smaller model");
    return ERR_MEMORY;
}

static int open_embedder(struct local_model *m, const struct backend *b, void *device, const struct model_file *f,
                         const struct model_config *c, const char *path, struct model_info *info, struct err *e)
{
    struct err why = {0};
    int rc = model_file_finite(f, e);
    if (!rc)
        rc = model_file_hash(f, info->hash, e);
    if (rc)
        return rc;
    rc = embed_model_open(&m->embedder, b, device, f, c, &(struct embed_model_options){m->en->threads, m->en->exact}, info, &why);
    if (!rc)
        return 0;
    if (strstr(why.message, path))
        err_set(e, rc, "%s", why.message);
    else
        err_set(e, rc, "%s: %.400s", path, why.message);
    err_hint(e, "%s", why.hint);
    return rc;
}

/* The file, and c where it is no model that writes: *writes. What makes no vectors is explained by what the decoders say about it. */
static int look_at(struct model_file **f, struct model_config *c, bool *writes, const struct local *en, const char *path, struct err *e)
{
    struct err why = {0};
    int rc = check_size(en, NULL, path, e);
    if (!rc)
        rc = model_file_open(f, path, e);
    if (!rc)
        rc = check_size(en, *f, path, e);
    if (rc)
        return rc;
    rc = model_config_open(c, *f, &why);
    *writes = rc == ERR_UNSUPPORTED && !c->family[0];
    if (!*writes && rc && e)
        *e = why;
    return *writes ? 0 : rc;
}

static int open_on(struct local_model *m, const struct backend *b, void *device, uint64_t kv, struct model_info *info, struct err *e)
{
    struct model_file *f = NULL;
    struct model_config c;
    struct local *en = m->en;
    struct generator_options o = {.threads = en->threads, .exact = en->exact, .kv_bytes = kv, .provider = b->info(device)->provider,
                                  .draft = en->draft, .adapter = en->adapter, .prefix_folder = en->prefix_folder, .prefix_bytes = en->prefix_bytes};
    bool writes;
    int rc = look_at(&f, &c, &writes, en, m->path, e);
    if (!rc && writes)
        rc = generator_open(&m->generator, b, device, m->path, &o, info, e);
    else if (!rc)
        rc = open_embedder(m, b, device, f, &c, m->path, info, e);
    model_file_close(f);
    return rc;
}

static void unload(void *model)
{
    struct local_model *m = model;
    generator_close(m->generator);
    embed_model_close(m->embedder);
    m->generator = NULL;
    m->embedder = NULL;
}

/* On the device: the first time, and again whenever it had to leave. */
static int load(void *model, uint64_t kv, struct err *e)
{
    struct local_model *m = model;
    struct model_info again = {0}, *info = m->info.family[0] ? &again : &m->info;
    int rc = open_on(m, m->en->backend, m->en->device, kv, info, e);
    if (rc || info == &m->info || !memcmp(again.hash, m->info.hash, sizeof again.hash))
        return rc;
    unload(m);
    rc = err_set(e, ERR_UNAVAILABLE, "%.300s: the model's file is another than when it was opened", m->path);
    err_hint(e, "restart the daemon");
    return rc;
}

static const struct resident_ops residence = {load, unload};

/* Its claims, where the device has memory of its own. */
static int register_model(struct local_model *m, struct err *e)
{
    struct local *en = m->en;
    struct claim claim[CLAIMS_MAX] = {0};
    struct model_file *f = NULL;
    struct model_config c;
    struct model_info named = {0};
    size_t n = 0;
    bool writes;
    int rc = 0;
    if (en->backend->room) {
        uint64_t draft = en->draft ? size_of(en->draft, "") + size_of(en->draft, "/model.safetensors") : 0;
        rc = look_at(&f, &c, &writes, en, m->path, e);
        if (!rc)
            rc = claims_of(claim, &n, f, writes ? NULL : &c, en->backend, en->device, en->threads, en->exact, draft, e);
        model_file_close(f);
        name_of(&named, m->path);
    }
    for (size_t i = 0; i < n; i++)
        snprintf(claim[i].name, sizeof claim[i].name, "%.60s", named.name);
    return rc ? rc : resident_new(&m->resident, en->residents, claim, n, &residence, m, e);
}

static void close_model(void *model)
{
    struct local_model *m = model;
    resident_free(m->resident);
    unload(m); /* of the spare CPU */
    free(m->path);
    free(m);
}

static int enter(struct local_model *m, struct err *e)
{
    return m->resident ? resident_enter(m->resident, e) : 0;
}

static void leave(struct local_model *m)
{
    if (m->resident)
        resident_leave(m->resident);
}

/* The CPU's device beside the backend's own. */
static int spare(void **device, struct local *en, struct err *e)
{
    pthread_mutex_lock(&en->lock);
    int rc = en->spare ? 0 : backend_cpu.open(&en->spare, &(struct device_options){0}, e);
    *device = en->spare;
    pthread_mutex_unlock(&en->lock);
    return rc;
}

static int open_model(void **model, void *self, const char *path, struct model_info *info, struct err *e)
{
    struct local *en = self;
    struct local_model *m = mem_zero(1, sizeof *m);
    struct err why = {0};
    void *cpu;
    m->en = en;
    m->path = mem_str(path);
    int rc = register_model(m, &why);
    if (!rc)
        rc = enter(m, &why);
    if (!rc) {
        leave(m);
        *info = m->info;
        provider(en, info->provider);
    } else if (rc == ERR_UNSUPPORTED && en->backend != &backend_cpu && !spare(&cpu, en, NULL)) {
        resident_free(m->resident);
        m->resident = NULL;
        rc = open_on(m, &backend_cpu, cpu, 0, info, e); /* says why, where the CPU cannot do it either */
        if (!rc) {
            log_err(LOG_WARN, "computing this model on the CPU", &why);
            size_t n = strncmp(why.message, path, strlen(path)) ? 0 : strlen(path) + 2; /* short: the path is known */
            describe(info->provider, &backend_cpu, cpu, why.message + (n < strlen(why.message) ? n : 0));
        }
    } else if (e) {
        *e = why;
    }
    if (rc) {
        close_model(m);
        return rc;
    }
    name_of(info, path);
    *model = m;
    return 0;
}

static int embed(void *model, enum embed_kind kind, const char *const *text, const size_t *len, size_t n, enum priority p,
                 float *out, uint32_t *used, const volatile bool *stop, struct err *e)
{
    struct local_model *m = model;
    int rc = enter(m, e);
    if (rc)
        return rc;
    rc = m->embedder ? embed_model_vectors(m->embedder, kind, text, len, n, p, out, used, stop, e)
                     : err_set(e, ERR_UNSUPPORTED, "a model that writes gives no vectors");
    leave(m);
    return rc;
}

/* Called for models that score only (engine.c). */
static int rerank(void *model, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop,
                  struct err *e)
{
    struct local_model *m = model;
    int rc = enter(m, e);
    if (rc)
        return rc;
    rc = embed_model_scores(m->embedder, text, len, n, score, stop, e);
    leave(m);
    return rc;
}

/* Called for models with a window only (generate.c). */
static int generate(void *model, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                    const volatile bool *stop, struct err *e)
{
    struct local_model *m = model;
    int rc = enter(m, e);
    if (rc)
        return rc;
    rc = generator_run(m->generator, p, sink, arg, out, stop, e);
    leave(m);
    return rc;
}

static int count(void *model, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    struct local_model *m = model;
    int rc = enter(m, e);
    if (rc)
        return rc;
    rc = generator_count(m->generator, text, len, n, out, e);
    leave(m);
    return rc;
}

static int forget(void *model, const uint8_t content[20], struct err *e)
{
    struct local_model *m = model;
    if (m->resident && !resident_enter_if_there(m->resident)) /* nor does it remember anything */
        return 0;
    int rc = generator_forget(m->generator, content, e);
    leave(m);
    return rc;
}

static int residency(void *self, struct residency_report *out, struct err *e)
{
    residents_report(((struct local *)self)->residents, out);
    return 0;
}

const struct engine_kind engine_local = {.residency = residency, .close = close_local, .pid = no_pid, .provider = provider, .model_open = open_model,
                                         .model_close = close_model, .embed = embed, .rerank = rerank, .generate = generate, .count = count,
                                         .forget = forget};
