/* Models in this process. */
#define _GNU_SOURCE
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nice.h"
#include "engine/batch.h"
#include "engine/format/model_config.h"
#include "engine/format/safetensors.h"
#include "engine/format/sha256.h"
#include "engine/generate/generator.h"
#include "engine/model.h"
#include "engine/run/forward.h"
#include "engine/tokenizer/wordpiece.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SLICE 2048             /* texts tokenized before they are queued */
#define TOKENS_A_THREAD 4096   /* of a batch of documents: about .2 s of work, the most that a cancel waits */

struct local {
    const struct backend *backend;
    void *device;
    int threads;
    bool exact;
    size_t max_memory;
    char instead[104]; /* why it is not a better backend that computes; empty: it is the best */
};

struct local_model {
    struct local *en;
    struct generator *generator;       /* of a model that writes: then all below is empty */
    struct model_config config;
    struct wordpiece *words;
    struct encoder *encoder;
    struct batcher *batcher;
    pthread_mutex_t lock;              /* guards memory */
    struct wordpiece_memory **memory;  /* not in use */
    size_t nmemory, memory_cap;
};

int local_open(void **self, const struct engine_options *o, struct err *e)
{
    struct local *en = mem_zero(1, sizeof *en);
    struct err why;
    struct device_options d = {.isa = o ? o->isa : NULL};
    const char *name = o && o->backend ? o->backend : o && o->isa ? "cpu" : NULL; /* instruction sets are the CPU's */
    cpu_set_t cores;
    int rc = 0;
    en->threads = o ? o->threads : 0;
    en->exact = o && o->exact;
    en->max_memory = o ? o->max_memory : 0;
    if (en->threads <= 0)
        en->threads = sched_getaffinity(0, sizeof cores, &cores) ? 1 : CPU_COUNT(&cores);
    en->backend = backend_find(name);
    if (!en->backend) {
        rc = err_set(e, ERR_UNSUPPORTED, "no backend \"%.40s\" in this build", name ? name : "");
        goto out;
    }
    rc = en->backend->open(&en->device, &d, name || en->backend == &backend_cpu ? e : &why);
    if (rc && !name && en->backend != &backend_cpu) { /* no driver, no device, an old one: the CPU serves, and says so */
        log_err(rc == ERR_UNSUPPORTED ? LOG_INFO : LOG_WARN, "computing on the CPU", &why);
        snprintf(en->instead, sizeof en->instead, "%.100s", why.message);
        en->backend = &backend_cpu;
        rc = en->backend->open(&en->device, &d, e);
    }
out:
    if (rc)
        free(en);
    else
        *self = en;
    return rc;
}

static void close_local(void *self)
{
    struct local *en = self;
    en->backend->close(en->device);
    free(en);
}

static int no_pid(void *self)
{
    return 0;
}

static void provider(void *self, char out[64])
{
    struct local *en = self;
    const char *name = en->backend->info(en->device)->provider;
    if (en->instead[0])
        snprintf(out, 64, "%.29s (%.30s)", name, en->instead);
    else
        snprintf(out, 64, "%s", name);
}

static bool find_tensor(void *self, const char *name, struct tensor_view *out)
{
    const struct st_tensor *t = safetensors_find(self, name);
    if (!t || t->rank > 4 || (t->type != ST_F32 && t->type != ST_F16 && t->type != ST_BF16))
        return false;
    *out = (struct tensor_view){t->data, t->type == ST_F32 ? TYPE_F32 : t->type == ST_F16 ? TYPE_F16 : TYPE_BF16, t->rank, {0}};
    memcpy(out->shape, t->shape, (size_t)t->rank * sizeof *t->shape);
    return true;
}

/* What a thread of its own does, so that the encoder's helpers inherit its niceness: they work on documents only, a query
 * is computed by the thread that took it. */
struct load {
    struct local_model *m;
    struct tensor_source from;
    int rc;
    struct err err;
};

static void *load_encoder(void *arg)
{
    struct load *l = arg;
    struct local *en = l->m->en;
    struct encoder_options o = {.threads = en->threads, .exact = en->exact};
    thread_be_nice();
    l->rc = encoder_new(&l->m->encoder, en->backend, en->device, &l->m->config.bert, &l->from, &o, &l->err);
    return NULL;
}

static int run(void *arg, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    return encoder_run(arg, token, offset, n, out, e);
}

/* Before anything of the model is read, for it may not even fit. */
static int check_size(const struct local *en, const char *path, struct err *e)
{
    struct buf name = BUF_INIT;
    struct stat st;
    int rc = 0;
    buf_addf(&name, "%s/model.safetensors", path);
    if (en->max_memory && !stat(name.data, &st) && (uint64_t)st.st_size > en->max_memory) {
        rc = err_set(e, ERR_MEMORY, "%s: %lld MB of weights, and the cap is %zu MB", name.data,
                     (long long)st.st_size >> 20, en->max_memory >> 20);
        err_hint(e, "raise engine_memory, or use a smaller model");
    }
    buf_release(&name);
    return rc;
}

static int load_weights(struct local_model *m, const char *path, struct model_info *info, struct err *e)
{
    struct safetensors *st = NULL;
    struct buf name = BUF_INIT;
    pthread_t thread;
    size_t bytes;
    buf_addf(&name, "%s/model.safetensors", path);
    int rc = safetensors_open(&st, name.data, e);
    if (rc)
        goto out;
    const void *file = safetensors_file(st, &bytes);
    rc = safetensors_finite(st, e);
    if (!rc)
        rc = sha256(info->hash, file, bytes, e);
    if (rc)
        goto out;
    struct load l = {.m = m, .from = {find_tensor, st}};
    int err = pthread_create(&thread, NULL, load_encoder, &l);
    if (err) {
        rc = err_errno(e, err, "cannot start a thread");
        goto out;
    }
    pthread_join(thread, NULL);
    rc = l.rc;
    if (rc)
        err_set(e, rc, "%s: %.400s", name.data, l.err.message);
out:
    safetensors_close(st);
    buf_release(&name);
    return rc;
}

static void close_model(void *model)
{
    struct local_model *m = model;
    generator_close(m->generator);
    batcher_free(m->batcher);
    encoder_free(m->encoder);
    wordpiece_close(m->words);
    for (size_t i = 0; i < m->nmemory; i++)
        wordpiece_memory_free(m->memory[i]);
    free(m->memory);
    pthread_mutex_destroy(&m->lock);
    free(m);
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

static void describe(struct model_info *info, const struct local_model *m)
{
    snprintf(info->family, sizeof info->family, "%s", m->config.family);
    info->dim = m->config.bert.hidden;
    info->max_tokens = m->config.max_tokens;
    info->bytes = encoder_bytes(m->encoder) + wordpiece_bytes(m->words);
}

/* Of a batch of documents. A device that wants many rows at once gets four micro-batches, so that it never waits for a host. */
static size_t batch_tokens(const struct local *en)
{
    size_t rows = en->backend->info(en->device)->batch_rows;
    return rows ? 4 * rows : (size_t)en->threads * TOKENS_A_THREAD;
}

static int open_encoder(struct local_model *m, const char *path, struct model_info *info, struct err *e)
{
    struct local *en = m->en;
    int rc = check_size(en, path, e);
    if (!rc)
        rc = wordpiece_open(&m->words, path, e);
    if (!rc && wordpiece_vocab(m->words) > m->config.bert.vocab)
        rc = err_set(e, ERR_FORMAT, "%s: the tokenizer knows %u pieces and the model %u", path, wordpiece_vocab(m->words),
                     m->config.bert.vocab);
    if (!rc)
        rc = load_weights(m, path, info, e);
    if (!rc)
        rc = batcher_new(&m->batcher, run, m->encoder, m->config.bert.hidden, batch_tokens(en), e);
    if (!rc)
        describe(info, m);
    return rc;
}

/* One that writes. Where the device has no ops for decoders yet, the CPU computes. */
static int open_generator(struct local_model *m, const char *path, struct model_info *info, struct err *e)
{
    struct local *en = m->en;
    struct generator_options o = {.threads = en->threads, .exact = en->exact};
    return generator_open(&m->generator, en->backend, en->device, path, &o, info, e);
}

static bool is_file(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

static int open_model(void **model, void *self, const char *path, struct model_info *info, struct err *e)
{
    struct local_model *m = mem_zero(1, sizeof *m);
    m->en = self;
    pthread_mutex_init(&m->lock, NULL);
    bool file = is_file(path);
    int rc = file ? 0 : model_config_read(&m->config, path, e);
    if (file || rc == ERR_UNSUPPORTED) /* no encoder: what the decoders say about it is the answer */
        rc = open_generator(m, path, info, e);
    else if (!rc)
        rc = open_encoder(m, path, info, e);
    if (rc) {
        close_model(m);
        return rc;
    }
    name_of(info, path);
    provider(m->en, info->provider);
    *model = m;
    return 0;
}

static struct wordpiece_memory *take_memory(struct local_model *m)
{
    pthread_mutex_lock(&m->lock);
    struct wordpiece_memory *w = m->nmemory ? m->memory[--m->nmemory] : NULL;
    pthread_mutex_unlock(&m->lock);
    return w ? w : wordpiece_memory_new();
}

static void give_memory(struct local_model *m, struct wordpiece_memory *w)
{
    pthread_mutex_lock(&m->lock);
    VEC_ROOM(m->memory, m->nmemory, m->memory_cap);
    m->memory[m->nmemory++] = w;
    pthread_mutex_unlock(&m->lock);
}

/* Tokens of one slice: token grows, offset: [n + 1]. */
struct slice {
    uint32_t *token, *offset;
    size_t cap;
    struct buf text; /* prefix and text together */
};

static void tokenize(struct slice *s, const struct local_model *m, struct wordpiece_memory *memory, const char *prefix,
                     const char *const *text, const size_t *len, size_t n)
{
    size_t max = m->config.max_tokens, at = 0, prefixed = strlen(prefix);
    s->offset[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const char *p = text[i];
        size_t bytes = len[i] < TEXT_MAX ? len[i] : TEXT_MAX;
        if (prefixed) {
            buf_clear(&s->text);
            buf_add(&s->text, prefix, prefixed);
            buf_add(&s->text, p, bytes);
            p = s->text.data;
            bytes = s->text.len;
        }
        if (s->cap - at < max) {
            s->cap = (at + max) * 2;
            s->token = mem_grow(s->token, s->cap, sizeof *s->token);
        }
        at += wordpiece_encode(m->words, memory, p, bytes, s->token + at, max);
        s->offset[i + 1] = (uint32_t)at;
    }
}

static int embed(void *model, enum embed_kind kind, const char *const *text, const size_t *len, size_t n, enum priority p,
                 float *out, uint32_t *used, const volatile bool *stop, struct err *e)
{
    struct local_model *m = model;
    if (m->generator)
        return err_set(e, ERR_UNSUPPORTED, "a model that writes gives no vectors");
    struct wordpiece_memory *memory = take_memory(m);
    const char *prefix = kind == EMBED_QUERY ? m->config.query_prefix : m->config.document_prefix;
    struct slice s = {.offset = mem_alloc(((n < SLICE ? n : SLICE) + 1) * sizeof(uint32_t))};
    int rc = 0;
    for (size_t at = 0; at < n && !rc; at += SLICE) {
        size_t k = n - at < SLICE ? n - at : SLICE;
        tokenize(&s, m, memory, prefix, text + at, len + at, k);
        rc = batcher_embed(m->batcher, p, s.token, s.offset, k, out + at * m->config.bert.hidden, stop, e);
        for (size_t i = 0; i < k && used; i++)
            used[at + i] = s.offset[i + 1] - s.offset[i];
    }
    give_memory(m, memory);
    free(s.token);
    free(s.offset);
    buf_release(&s.text);
    return rc;
}

/* Called for models with a window only (generate.c). */
static int generate(void *model, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                    const volatile bool *stop, struct err *e)
{
    struct local_model *m = model;
    return generator_run(m->generator, p, sink, arg, out, stop, e);
}

static int count(void *model, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    struct local_model *m = model;
    return generator_count(m->generator, text, len, n, out, e);
}

static int forget(void *model, const uint8_t content[20], struct err *e)
{
    struct local_model *m = model;
    return generator_forget(m->generator, content, e);
}

const struct engine_kind engine_local = {.close = close_local, .pid = no_pid, .provider = provider, .model_open = open_model,
                                         .model_close = close_model, .embed = embed, .generate = generate, .count = count,
                                         .forget = forget};
