#include "engine/embed/embedder.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/nice.h"
#include "engine/batch.h"
#include "engine/embed/judge.h"
#include "engine/embed/reader.h"
#include "engine/embed/tensors.h"
#include "engine/run/decoder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 2048             /* texts tokenized before they are queued */
#define TOKENS_A_THREAD 4096   /* of a batch of documents through an encoder: about .2 s of work, the most that a cancel waits */
#define TOKENS_DECODER 512     /* the same through a decoder, whose layers are ten times as many and wide; its largest step */
#define PAIR_LEAST 8           /* tokens: reader_pair needs them */
#define PAIRS 16               /* scored between two looks at whether it was canceled: some .2 s */
#define PAIRS_DECODER 2        /* the same through a decoder of half a billion weights: as many as its largest step holds */

/* A decoder belongs to one thread at a time: a question goes before the documents that wait. */
struct turn {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t over;
    bool taken;
    unsigned urgent;      /* questions that wait */
};

struct embed_model {
    struct model_config config;
    uint32_t dim;
    struct reader *reader;
    struct encoder *encoder;           /* one of the two */
    struct decoder *decoder;
    struct turn turn;
    struct judge *judge;               /* of a decoder that scores */
    struct batcher *batcher;
    pthread_mutex_t lock;              /* guards memory */
    struct reader_memory **memory;     /* not in use */
    size_t nmemory, memory_cap;
};

/* What a thread of its own does, so that the encoder's helpers inherit its niceness: they work on documents only, a query
 * is computed by the thread that took it. */
struct load {
    struct embed_model *m;
    const struct backend *backend;
    void *device;
    struct embed_tensors tensors;
    struct encoder_options o;
    int rc;
    struct err err;
};

static void *load_encoder(void *arg)
{
    struct load *l = arg;
    thread_be_nice();
    l->rc = encoder_new(&l->m->encoder, l->backend, l->device, &l->m->config.bert,
                        &(struct tensor_source){embed_tensors_find, &l->tensors}, &l->o, &l->err);
    return NULL;
}

static int open_encoder(struct load *l, struct err *e)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, load_encoder, l);
    if (err)
        return err_errno(e, err, "cannot start a thread");
    pthread_join(thread, NULL);
    embed_tensors_release(&l->tensors);
    if (l->rc && e)
        *e = l->err;
    return l->rc;
}

static int run_encoder(void *arg, enum priority p, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    struct embed_model *m = arg;
    return encoder_run(m->encoder, token, offset, n, out, e);
}

static int run_decoder(void *arg, enum priority p, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    struct embed_model *m = arg;
    int (*run)(struct decoder *, const uint32_t *, const uint32_t *, size_t, float *, struct err *) = m->judge ? decoder_last : decoder_embed;
    struct turn *t = &m->turn;
    pthread_mutex_lock(&t->lock);
    t->urgent += p == PRIORITY_QUERY;
    while (t->taken || (p == PRIORITY_DOCUMENT && t->urgent))
        pthread_cond_wait(&t->over, &t->lock);
    t->urgent -= p == PRIORITY_QUERY;
    t->taken = true;
    pthread_mutex_unlock(&t->lock);
    int rc = run(m->decoder, token, offset, n, out, e);
    pthread_mutex_lock(&t->lock);
    t->taken = false;
    pthread_cond_broadcast(&t->over);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static int open_decoder(struct load *l, const struct model_file *f, struct err *e)
{
    struct embed_model *m = l->m;
    struct decoder_info info;
    struct decoder_options d = {.threads = l->o.threads, .exact = l->o.exact, .kv = l->o.exact ? KV_F32 : KV_F16,
                                .context = m->config.max_tokens, .max_rows = TOKENS_DECODER, .op_by_op = true};
    int rc = decoder_new(&m->decoder, f, l->backend, l->device, &d, e);
    if (rc)
        return rc;
    decoder_info(m->decoder, &info);
    m->config.bert.vocab = info.vocab;
    m->dim = info.hidden;
    if (!m->config.bert.scores)
        return 0;
    if (!reader_tokenizer(m->reader))
        return err_set(e, ERR_UNSUPPORTED, "a decoder with BERT's tokenizer");
    return judge_open(&m->judge, f, &m->config, reader_tokenizer(m->reader), m->dim, e);
}

/* A device that wants many rows at once gets four micro-batches, so that it never waits for a host. */
static size_t batch_tokens(const struct load *l)
{
    size_t rows = l->backend->info(l->device)->batch_rows;
    if (l->m->decoder)
        return TOKENS_DECODER;
    return rows ? 4 * rows : (size_t)l->o.threads * TOKENS_A_THREAD;
}

static void describe(struct model_info *info, const struct embed_model *m)
{
    struct decoder_info d = {0};
    if (m->decoder)
        decoder_info(m->decoder, &d);
    snprintf(info->family, sizeof info->family, "%s", m->config.family);
    info->dim = m->config.bert.scores ? 0 : m->dim;
    info->scores = m->config.bert.scores;
    info->max_tokens = m->config.max_tokens;
    info->bytes = reader_bytes(m->reader) + (m->decoder ? d.weight_bytes + d.kv_bytes : encoder_bytes(m->encoder));
}

int embed_model_open(struct embed_model **out, const struct backend *b, void *device, const struct model_file *f,
                     const struct model_config *c, const struct embed_model_options *o, struct model_info *info, struct err *e)
{
    struct embed_model *m = mem_zero(1, sizeof *m);
    struct load l = {.m = m, .backend = b, .device = device, .tensors = {.file = f}, .o = {.threads = o->threads, .exact = o->exact}};
    m->config = *c;
    m->dim = c->bert.hidden;
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->turn.lock, NULL);
    pthread_cond_init(&m->turn.over, NULL);
    int rc = reader_open(&m->reader, f, e);
    if (!rc)
        rc = c->decoder ? open_decoder(&l, f, e) : open_encoder(&l, e);
    if (!rc && reader_vocab(m->reader) > m->config.bert.vocab)
        rc = err_set(e, ERR_FORMAT, "the tokenizer knows %u pieces and the model %u", reader_vocab(m->reader), m->config.bert.vocab);
    if (!rc && c->bert.scores && !c->decoder && (c->bert.type_vocab == 1 || c->max_tokens < PAIR_LEAST))
        rc = err_set(e, ERR_UNSUPPORTED, "a cross-encoder of %u token types and %u tokens", c->bert.type_vocab, c->max_tokens);
    if (!rc && !c->bert.scores)
        rc = batcher_new(&m->batcher, c->decoder ? run_decoder : run_encoder, m, m->dim, batch_tokens(&l), e);
    if (rc) {
        embed_model_close(m);
        return rc;
    }
    describe(info, m);
    *out = m;
    return 0;
}

void embed_model_close(struct embed_model *m)
{
    if (!m)
        return;
    batcher_free(m->batcher);
    encoder_free(m->encoder);
    decoder_free(m->decoder);
    judge_close(m->judge);
    reader_close(m->reader);
    for (size_t i = 0; i < m->nmemory; i++)
        reader_memory_free(m->memory[i]);
    free(m->memory);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->turn.lock);
    pthread_cond_destroy(&m->turn.over);
    free(m);
}

static struct reader_memory *take_memory(struct embed_model *m)
{
    pthread_mutex_lock(&m->lock);
    struct reader_memory *w = m->nmemory ? m->memory[--m->nmemory] : NULL;
    pthread_mutex_unlock(&m->lock);
    return w ? w : reader_memory_new();
}

static void give_memory(struct embed_model *m, struct reader_memory *w)
{
    pthread_mutex_lock(&m->lock);
    VEC_ROOM(m->memory, m->nmemory, m->memory_cap);
    m->memory[m->nmemory++] = w;
    pthread_mutex_unlock(&m->lock);
}

static size_t readable(size_t len, size_t max)
{
    return len < max ? len : max;
}

/* Tokens of one slice: token and type grow, offset: [n + 1]. */
struct slice {
    uint32_t *token, *type, *offset;
    size_t cap;
    struct buf text; /* prefix and text together */
};

static void slice_release(struct slice *s)
{
    free(s->token);
    free(s->type);
    free(s->offset);
    buf_release(&s->text);
}

static void slice_room(struct slice *s, size_t need, bool types)
{
    if (s->cap >= need)
        return;
    s->cap = need * 2;
    s->token = mem_grow(s->token, s->cap, sizeof *s->token);
    if (types)
        s->type = mem_grow(s->type, s->cap, sizeof *s->type);
}

static void tokenize(struct slice *s, const struct embed_model *m, struct reader_memory *memory, const char *prefix,
                     const char *const *text, const size_t *len, size_t n)
{
    size_t max = m->config.max_tokens, at = 0, prefixed = strlen(prefix);
    s->offset[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const char *p = text[i];
        size_t bytes = readable(len[i], TEXT_MAX);
        if (prefixed) {
            buf_clear(&s->text);
            buf_add(&s->text, prefix, prefixed);
            buf_add(&s->text, p, bytes);
            p = s->text.data;
            bytes = s->text.len;
        }
        slice_room(s, at + max, false);
        at += reader_text(m->reader, memory, p, bytes, s->token + at, max);
        s->offset[i + 1] = (uint32_t)at;
    }
}

int embed_model_vectors(struct embed_model *m, enum embed_kind kind, const char *const *text, const size_t *len, size_t n,
                        enum priority p, float *out, uint32_t *used, const volatile bool *stop, struct err *e)
{
    if (m->config.bert.scores)
        return err_set(e, ERR_UNSUPPORTED, "a reranker scores, and gives no vectors");
    struct reader_memory *memory = take_memory(m);
    const char *prefix = kind == EMBED_QUERY ? m->config.query_prefix : m->config.document_prefix;
    struct slice s = {.offset = mem_alloc(((n < SLICE ? n : SLICE) + 1) * sizeof(uint32_t))};
    int rc = 0;
    for (size_t at = 0; at < n && !rc; at += SLICE) {
        size_t k = n - at < SLICE ? n - at : SLICE;
        tokenize(&s, m, memory, prefix, text + at, len + at, k);
        rc = batcher_embed(m->batcher, p, s.token, s.offset, k, out + at * m->dim, stop, e);
        for (size_t i = 0; i < k && used; i++)
            used[at + i] = s.offset[i + 1] - s.offset[i];
    }
    give_memory(m, memory);
    slice_release(&s);
    return rc;
}

/* Tokens of the pairs of text[0] with each of k documents. */
static int read_pairs(struct slice *s, const struct embed_model *m, struct reader_memory *memory, const char *const *text, const size_t *len,
                      const char *const *document, const size_t *document_len, size_t k, struct err *e)
{
    size_t max = m->config.max_tokens, tokens = 0, n, a_len = readable(len[0], PAIR_TEXT_MAX);
    for (size_t i = 0; i < k; i++) {
        size_t b_len = readable(document_len[i], PAIR_TEXT_MAX);
        slice_room(s, tokens + max, true);
        if (m->judge) {
            int rc = judge_pair(m->judge, reader_memory_tokens(memory), text[0], a_len, document[i], b_len, s->token + tokens, &n, max, e);
            if (rc)
                return rc;
        } else {
            n = reader_pair(m->reader, memory, text[0], a_len, document[i], b_len, s->token + tokens, s->type + tokens, max);
        }
        tokens += n;
        s->offset[i + 1] = (uint32_t)tokens;
    }
    return 0;
}

static int judge_some(struct embed_model *m, const struct slice *s, size_t k, float *score, struct err *e)
{
    float *last = mem_alloc(k * m->dim * sizeof *last);
    int rc = run_decoder(m, PRIORITY_QUERY, s->token, s->offset, k, last, e);
    for (size_t i = 0; i < k && !rc; i++)
        score[i] = judge_score(m->judge, last + i * m->dim);
    free(last);
    return rc;
}

/* text[0]: the question. n: texts in all. */
int embed_model_scores(struct embed_model *m, const char *const *text, const size_t *len, size_t n, float *score,
                       const volatile bool *stop, struct err *e)
{
    if (!m->config.bert.scores)
        return err_set(e, ERR_UNSUPPORTED, "a model of the family %s is no reranker", m->config.family);
    struct reader_memory *memory = take_memory(m);
    struct slice s = {.offset = mem_zero(PAIRS + 1, sizeof(uint32_t))};
    size_t most = m->judge ? PAIRS_DECODER : PAIRS;
    int rc = 0;
    for (size_t at = 1; at < n && !rc; at += most) {
        size_t k = n - at < most ? n - at : most;
        rc = read_pairs(&s, m, memory, text, len, text + at, len + at, k, e);
        if (!rc && stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
            rc = err_set(e, ERR_CANCELED, "reranking was canceled");
        else if (!rc && m->judge)
            rc = judge_some(m, &s, k, score + at - 1, e);
        else if (!rc)
            rc = encoder_score(m->encoder, s.token, s.type, s.offset, k, score + at - 1, e);
    }
    give_memory(m, memory);
    slice_release(&s);
    return rc;
}
