#define _GNU_SOURCE
#include "engine/generate/generator.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/generate/adapters.h"
#include "engine/generate/conversation.h"
#include "engine/generate/drafter.h"
#include "engine/generate/prefix_disk.h"
#include "engine/generate/schedule.h"
#include "engine/generate/writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_NS 20000000 /* how often a waiting caller looks whether it was canceled */

struct generator {
    struct model_file *file;     /* NULL once everything is read out of it */
    struct tokenizer *tokenizer;
    struct conversation *conversation;
    struct decoder *decoder;
    struct schedule *schedule;
    struct prefix_disk *disk;    /* NULL: none */
    struct drafter *drafter;     /* NULL: none */
    struct adapters *adapters;   /* that requests name */
    char *adapter;               /* folder of the one that the others have on; NULL: none */
    char *name;                  /* the model's, which adapters borrow */
    struct sampler *sampler;
    struct decoder_info info;
    pthread_mutex_t lock;        /* guards vocab */
    struct grammar_vocab *vocab; /* NULL until a grammar is asked for */
};

/* A request between the schedule's thread and its caller's. */
struct flight {
    struct generator *g;
    struct writer *writer;
    uint32_t prompt;
    struct gen_provenance from; /* with a scope of the adapter's own */
    struct buf scope;
    struct draft *draft;  /* the schedule's thread's own, as what follows; NULL: none */
    uint32_t *token;      /* [ntoken]: the prompt, then what was chosen; kept where there is a drafter */
    uint32_t ntoken, token_cap;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t news;
    struct buf pieces;    /* struct piece_head and its bytes, … */
    bool ended, cut;
    int rc;
    struct err why;
    struct schedule_result result;
    int64_t first;        /* when the first byte came; 0: none yet */
};
struct piece_head {
    enum gen_channel channel;
    uint32_t len, done;
};

static void add_piece(struct flight *f, struct piece_head h, const char *bytes)
{
    pthread_mutex_lock(&f->lock);
    if (h.len && !f->first)
        f->first = clock_ns();
    buf_add(&f->pieces, &h, sizeof h);
    buf_add(&f->pieces, bytes, h.len);
    pthread_cond_signal(&f->news);
    pthread_mutex_unlock(&f->lock);
}

static void emit(void *arg, enum gen_channel channel, const char *bytes, size_t n)
{
    add_piece(arg, (struct piece_head){channel, (uint32_t)n, 0}, bytes);
}

static bool choose(void *arg, float *logits, uint32_t *token)
{
    struct flight *f = arg;
    bool more = writer_choose(f->writer, logits, token);
    if (more && f->g->drafter) {
        VEC_ROOM(f->token, f->ntoken, f->token_cap);
        f->token[f->ntoken++] = *token;
    }
    return more;
}

static void draw(void *arg, struct draw_batch *out, const uint32_t *ahead, uint32_t n)
{
    writer_draw(((struct flight *)arg)->writer, out, ahead, n);
}

static uint32_t draft(void *arg, uint32_t *token, uint32_t most)
{
    struct flight *f = arg;
    uint32_t n = writer_draft(f->writer, token, most); /* what stands in the context costs nothing */
    if (n || !f->g->drafter)
        return n;
    if (!f->draft)
        f->draft = draft_new(f->g->drafter);
    return draft_next(f->draft, f->token, f->ntoken, token, most);
}

static void prompt_read(void *arg, uint32_t done)
{
    add_piece(arg, (struct piece_head){GEN_ANSWER, 0, done}, "");
}

static void ended(void *arg, int rc, bool cut, const struct err *why, const struct schedule_result *r)
{
    struct flight *f = arg;
    draft_free(f->draft);
    f->draft = NULL;
    pthread_mutex_lock(&f->lock);
    f->ended = true;
    f->cut = cut;
    f->rc = rc;
    f->result = *r;
    if (rc)
        f->why = *why;
    pthread_cond_signal(&f->news);
    pthread_mutex_unlock(&f->lock);
}

/* false: the sink has enough. */
static bool give(const struct flight *f, const struct buf *pieces, gen_sink sink, void *arg)
{
    struct piece_head h;
    bool more = true;
    for (size_t at = 0; more && at < pieces->len; at += h.len) {
        memcpy(&h, pieces->data + at, sizeof h);
        at += sizeof h;
        more = sink(arg, &(struct gen_piece){h.channel, pieces->data + at, h.len, h.done, f->prompt});
    }
    return more;
}

/* Gives pieces until the request has ended; false: the sink had enough before. */
static bool attend(struct flight *f, uint64_t id, gen_sink sink, void *arg, const volatile bool *stop)
{
    bool more = true, canceled = false;
    struct buf pieces = BUF_INIT;
    pthread_mutex_lock(&f->lock);
    while (!f->ended || f->pieces.len) {
        if (!canceled && (!more || (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)))) {
            canceled = true;
            pthread_mutex_unlock(&f->lock);
            schedule_cancel(f->g->schedule, id);
            pthread_mutex_lock(&f->lock);
        }
        if (f->pieces.len) {
            struct buf empty = pieces;
            pieces = f->pieces;
            f->pieces = empty;
            pthread_mutex_unlock(&f->lock);
            more = more && give(f, &pieces, sink, arg);
            buf_clear(&pieces);
            pthread_mutex_lock(&f->lock);
        } else {
            clock_cond_wait(&f->news, &f->lock, clock_ns() + POLL_NS);
        }
    }
    pthread_mutex_unlock(&f->lock);
    buf_release(&pieces);
    return more;
}

static const char *vocab_bytes(void *arg, uint32_t id, size_t *len)
{
    if (id < tokenizer_info(arg)->vocab)
        return tokenizer_bytes(arg, id, false, len);
    *len = 0;
    return NULL;
}

static const struct grammar_vocab *vocab(struct generator *g)
{
    pthread_mutex_lock(&g->lock);
    if (!g->vocab)
        g->vocab = grammar_vocab_new(g->info.vocab, vocab_bytes, g->tokenizer);
    const struct grammar_vocab *v = g->vocab;
    pthread_mutex_unlock(&g->lock);
    return v;
}

static void flight_init(struct flight *f, struct generator *g)
{
    *f = (struct flight){.g = g};
    pthread_mutex_init(&f->lock, NULL);
    clock_cond_init(&f->news);
}

static void flight_release(struct flight *f)
{
    writer_free(f->writer);
    free(f->token);
    buf_release(&f->pieces);
    buf_release(&f->scope);
    pthread_cond_destroy(&f->news);
    pthread_mutex_destroy(&f->lock);
}

/* The request's adapter; what is kept of its prompt is no other's. */
static int put_on(struct flight *f, const struct pass_adapt **adapt, const struct gen_prompt *p, struct err *e)
{
    const struct generator *g = f->g;
    const char *folder = p->adapter ? p->adapter : g->adapter;
    const struct lora *l;
    uint64_t key;
    f->from = p->provenance;
    *adapt = NULL;
    if (!folder)
        return 0;
    int rc = adapters_get(&l, &key, g->adapters, folder, e);
    if (rc)
        return rc;
    buf_addf(&f->scope, "%s|adapter %016llx", p->provenance.scope ? p->provenance.scope : "", (unsigned long long)key);
    f->from.scope = f->scope.data;
    *adapt = &l->adapt;
    return 0;
}

int generator_run(struct generator *g, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                  const volatile bool *stop, struct err *e)
{
    struct tokenizer_memory *memory = tokenizer_memory_new();
    struct prompt_tokens prompt = {0};
    struct writer_shared shared = {.tokenizer = g->tokenizer, .sampler = g->sampler, .logits = g->info.vocab,
                                   .vocab = p->options.grammar ? vocab(g) : NULL};
    struct flight f;
    uint64_t id;
    int64_t began = clock_ns();
    const struct pass_adapt *adapt;
    flight_init(&f, g);
    shared.template_text = conversation_template(g->conversation, &shared.template_len);
    int rc = put_on(&f, &adapt, p, e);
    if (!rc)
        rc = conversation_render(&prompt, g->conversation, memory, p->message, p->n, p->options.max_reasoning, e);
    f.prompt = (uint32_t)prompt.n;
    if (!rc)
        rc = writer_new(&f.writer, &shared, &p->options, prompt.text.text.data, prompt.text.text.len, prompt.token, f.prompt, emit,
                        &f, e);
    if (rc)
        goto out;
    if (g->drafter) {
        f.token = mem_alloc((prompt.n + 64) * sizeof *f.token);
        memcpy(f.token, prompt.token, prompt.n * sizeof *f.token);
        f.ntoken = f.prompt;
        f.token_cap = f.prompt + 64;
    }
    uint32_t room = prompt.n < g->info.context ? g->info.context - f.prompt : 0;
    struct schedule_task task = {.prompt = prompt.token, .n = f.prompt, .most = room ? room : 1, .from = &f.from, .adapt = adapt,
                                 .choose = choose, .draft = draft, .draw = draw, .read = prompt_read, .ended = ended, .arg = &f};
    if ((rc = schedule_submit(g->schedule, &task, &id, e)))
        goto out;
    bool whole = attend(&f, id, sink, arg, stop);
    rc = f.rc;
    if (rc && e)
        *e = f.why;
    int wrote = writer_end(f.writer, out, rc ? NULL : e); /* may emit the rest */
    if (!rc)
        rc = wrote;
    if (!rc && f.cut)
        out->end = GEN_END_LENGTH;
    if (!whole || (!rc && !give(&f, &f.pieces, sink, arg))) {
        out->end = GEN_END_SINK;
        rc = rc == ERR_CANCELED ? 0 : rc;
    }
    out->prompt_tokens = f.prompt;
    out->reused_tokens = f.result.reused;
    out->drafted = f.result.drafted;
    out->accepted = f.result.accepted;
    out->ms_prompt = f.result.ms_prompt;
    out->ms_read = f.result.ms_read;
    out->ms_first = f.first ? (double)(f.first - began) / 1e6 : 0;
    out->ms_total = (double)(clock_ns() - began) / 1e6;
out:
    flight_release(&f);
    prompt_tokens_release(&prompt);
    tokenizer_memory_free(memory);
    return rc;
}

int generator_count(struct generator *g, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    struct tokenizer_memory *memory = tokenizer_memory_new();
    uint32_t *token = NULL;
    size_t cap = 0;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        tokenizer_encode(g->tokenizer, memory, text[i], len[i], NULL, &token, &k, &cap);
        out[i] = (uint32_t)k;
    }
    free(token);
    tokenizer_memory_free(memory);
    return 0;
}

int generator_forget(struct generator *g, const uint8_t content[20], struct err *e)
{
    (void)e;
    schedule_forget(g->schedule, content);
    return 0;
}

static int probe(struct generator *g, struct model_info *info, struct err *e)
{
    struct decoder_speed speed;
    int rc = decoder_measure(g->decoder, &speed, e);
    if (rc)
        return rc;
    info->prompt_rate = (float)(1 / speed.token_s);
    info->prompt_slope = (float)speed.key_s;
    return 0;
}

/* Everything that decides what a state's bytes mean. The window decides the rotation's scaling (longrope), the rest of it the file. */
static void open_disk(struct generator *g, const struct generator_options *o, const struct decoder_options *d, const uint8_t hash[32])
{
    struct buf b = BUF_INIT;
    struct err why = {0};
    if (!o->prefix_folder || !*o->prefix_folder || !o->prefix_bytes)
        return;
    buf_add(&b, hash, 32);
    buf_addf(&b, "kv %d, exact %d, window %u, family %s, %s, build %s", (int)d->kv, d->exact, g->info.context, g->info.family,
             o->provider ? o->provider : "", CODEASK_VERSION);
    struct hash128 key = hash128(b.data, b.len);
    if (prefix_disk_new(&g->disk, o->prefix_folder, o->prefix_bytes, (const uint8_t *)&key, &why))
        log_err(LOG_WARN, "prefixes are kept in memory only", &why);
    buf_release(&b);
}

static const char *last_name(const char *path)
{
    const char *name = strrchr(path, '/');
    return name ? name + 1 : path;
}

static void open_drafter(struct generator *g, const struct backend *b, void *device, const struct generator_options *o,
                         struct model_info *info)
{
    struct err why = {0};
    if (!o->draft || !*o->draft)
        return;
    if (drafter_open(&g->drafter, b, device, o->draft, g->tokenizer, o->threads, g->info.context, &why)) {
        log_err(LOG_WARN, "draft model", &why);
        return;
    }
    snprintf(info->draft, sizeof info->draft, "%s", last_name(o->draft));
}

static void open_adapter(struct generator *g, const char *path, const struct generator_options *o, struct model_info *info)
{
    struct peft_base base = {.name = g->name = mem_str(last_name(path))};
    struct err why = {0};
    const struct lora *l;
    uint64_t key;
    memcpy(base.hash, info->hash, sizeof base.hash);
    g->adapters = adapters_new(g->decoder, &base);
    if (!o->adapter || !*o->adapter)
        return;
    if (adapters_get(&l, &key, g->adapters, o->adapter, &why)) {
        log_err(LOG_WARN, "the answer model writes without its adapter", &why);
        return;
    }
    g->adapter = mem_str(o->adapter);
    snprintf(info->adapter, sizeof info->adapter, "%s", last_name(o->adapter));
}

/* Text must never make a token that the model has no row for. Special ones are only made by a template; Gemma 3's tokenizer has one
 * for images that its models of text do not have. */
static int check_vocab(const struct generator *g, const char *path, struct err *e)
{
    uint32_t known = tokenizer_info(g->tokenizer)->vocab;
    for (uint32_t id = g->info.vocab; id < known; id++) {
        size_t n = 0;
        tokenizer_bytes(g->tokenizer, id, false, &n);
        if (n)
            return err_set(e, ERR_FORMAT, "%s: the tokenizer knows %u tokens and the model %u", path, known, g->info.vocab);
    }
    return 0;
}

int generator_open(struct generator **out, const struct backend *b, void *device, const char *path,
                   const struct generator_options *o, struct model_info *info, struct err *e)
{
    struct generator *g = mem_zero(1, sizeof *g);
    struct decoder_options d = {.threads = o->threads, .exact = o->exact, .context = o->context, .kv_bytes = o->kv_bytes, .kv = o->exact ? KV_F32 : KV_F16};
    pthread_mutex_init(&g->lock, NULL);
    int rc = model_file_open(&g->file, path, e);
    if (!rc)
        rc = model_file_finite(g->file, e);
    if (!rc)
        rc = model_file_hash(g->file, info->hash, e);
    if (!rc)
        rc = decoder_new(&g->decoder, g->file, b, device, &d, e); /* first: an unknown architecture is what is to be said */
    if (!rc)
        rc = tokenizer_open(&g->tokenizer, g->file, e);
    if (!rc)
        rc = conversation_open(&g->conversation, g->file, g->tokenizer, e);
    model_file_close(g->file);
    g->file = NULL;
    if (!rc)
        decoder_info(g->decoder, &g->info);
    if (!rc)
        rc = check_vocab(g, path, e);
    if (!rc)
        rc = probe(g, info, e);
    if (!rc)
        open_drafter(g, b, device, o, info);
    if (!rc)
        open_adapter(g, path, o, info);
    if (!rc)
        open_disk(g, o, &d, info->hash);
    if (!rc)
        rc = schedule_open(&g->schedule, g->decoder,
                           &(struct schedule_options){.disk = g->disk}, e);
    if (rc) {
        generator_close(g);
        return rc;
    }
    g->sampler = sampler_new(g->info.vocab);
    snprintf(info->family, sizeof info->family, "%s", g->info.family);
    info->context = info->max_tokens = g->info.context;
    info->bytes = g->info.weight_bytes + g->info.kv_bytes;
    *out = g;
    return 0;
}

void generator_close(struct generator *g)
{
    if (!g)
        return;
    schedule_close(g->schedule);
    prefix_disk_free(g->disk);
    drafter_close(g->drafter);
    sampler_free(g->sampler);
    grammar_vocab_free(g->vocab);
    adapters_free(g->adapters);
    free(g->adapter);
    free(g->name);
    decoder_free(g->decoder);
    conversation_close(g->conversation);
    tokenizer_close(g->tokenizer);
    model_file_close(g->file);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
