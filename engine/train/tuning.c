#define _GNU_SOURCE
#include "engine/train/tuning.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/train/encode.h"
#include "engine/train/lora_gguf.h"
#include "engine/train/peft.h"
#include "engine/train/trainer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define STATE_FILE "state"
#define LOCK_FILE "lock"
#define RECORDS_LEAST 8       /* learned, and as many held out would be wanted: fewer say nothing */
#define HELD_LEAST 2
#define WARM_UP 20            /* one of so many steps warms up */
#define LOSS_MEAN .9          /* of the shown loss: how much of it is older */
#define CORPUS_READ_MAX CORPUS_MAX

struct tuning {
    const struct tuning_order *o;
    tuning_cb cb;
    void *arg;
    struct tuning_news news;
    int lock;
    void *device;
    struct model_file *file;
    struct tokenizer *tokenizer;
    struct conversation *conversation;
    struct decoder *decoder;
    struct buf bytes;
    struct corpus corpus;
    struct peft_base base;
    struct encoder_of_records encode;
    struct example *x;       /* [n]: learned */
    size_t n;
};

static uint64_t resident(void)
{
    unsigned long long pages = 0, all;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%llu %llu", &all, &pages) != 2)
            pages = 0;
        fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int tell(struct tuning *t, struct err *e)
{
    t->news.memory = resident();
    return t->cb(t->arg, &t->news) ? 0 : err_set(e, ERR_CANCELED, "tuning was stopped");
}

static int stage(struct tuning *t, const char *name, uint64_t steps, struct err *e)
{
    t->news = (struct tuning_news){.stage = name, .steps = steps, .loss = t->news.loss};
    return tell(t, e);
}

static char *in_folder(const struct tuning *t, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", t->o->folder, name);
    return buf_take(&b);
}

/* -- opening ------------------------------------------------------------------------------------------------------------------ */

static int take_lock(struct tuning *t, struct err *e)
{
    int rc = dir_make(t->o->folder, 0700, e);
    char *path = in_folder(t, LOCK_FILE);
    if (!rc && (t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        rc = err_errno(e, errno, path);
    if (!rc && flock(t->lock, LOCK_EX | LOCK_NB))
        rc = err_set(e, ERR_BUSY, "another process tunes in %s", t->o->folder);
    free(path);
    return rc;
}

static const char *last_name(const char *path)
{
    const char *name = strrchr(path, '/');
    return name ? name + 1 : path;
}

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static int open_model(struct tuning *t, struct err *e)
{
    const struct tuning_order *o = t->o;
    struct decoder_info info;
    uint32_t context = o->context ? o->context : TUNING_CONTEXT;
    struct decoder_options d = {.threads = o->threads > 0 ? o->threads : cores(), .kv = KV_F32, .context = context, .max_rows = context, .max_sequences = 64};
    int rc = model_file_open(&t->file, o->model, e);
    if (!rc)
        rc = model_file_hash(t->file, t->base.hash, e);
    if (!rc)
        rc = backend_cpu.open(&t->device, &(struct device_options){0}, e);
    if (!rc && (rc = decoder_new(&t->decoder, t->file, &backend_cpu, t->device, &d, e)) == ERR_USAGE) {
        d.context = 0; /* the model's own window is smaller */
        rc = decoder_new(&t->decoder, t->file, &backend_cpu, t->device, &d, e);
    }
    if (!rc)
        rc = tokenizer_open(&t->tokenizer, t->file, e);
    if (!rc)
        rc = conversation_open(&t->conversation, t->file, t->tokenizer, e);
    t->base.name = last_name(o->model);
    if (!rc) {
        decoder_info(t->decoder, &info);
        context = info.context < context ? info.context : context;
        t->encode = (struct encoder_of_records){t->tokenizer, t->conversation, tokenizer_memory_new(), context};
    }
    return rc;
}

static int read_corpus(struct tuning *t, struct err *e)
{
    uint32_t learned = 0, held = 0;
    int rc = file_read(&t->bytes, t->o->corpus, CORPUS_READ_MAX, e);
    if (!rc)
        rc = corpus_read(&t->corpus, t->bytes.data, t->bytes.len, e);
    for (uint32_t i = 0; i < t->corpus.records && !rc; i++)
        t->corpus.record[i].held ? held++ : learned++;
    if (!rc && ((!t->o->adapter && learned < RECORDS_LEAST) || held < HELD_LEAST)) {
        rc = err_set(e, ERR_USAGE, "%u records to learn from and %u to measure by are too few", learned, held);
        err_hint(e, "tuning wants some files with documented code, or a history; at least %d and %d", RECORDS_LEAST, HELD_LEAST);
    }
    return rc;
}

static void release(struct tuning *t)
{
    for (size_t i = 0; i < t->n; i++)
        free((void *)t->x[i].token);
    free(t->x);
    decoder_free(t->decoder);
    conversation_close(t->conversation);
    tokenizer_close(t->tokenizer);
    tokenizer_memory_free(t->encode.memory);
    model_file_close(t->file);
    if (t->device)
        backend_cpu.close(t->device);
    corpus_release(&t->corpus);
    buf_release(&t->bytes);
    if (t->lock >= 0)
        close(t->lock);
}

/* -- learning ----------------------------------------------------------------------------------------------------------------- */

static int encode_learned(struct tuning *t, struct tuned *out, struct err *e)
{
    int rc = 0;
    t->x = mem_zero((size_t)t->corpus.records + 1, sizeof *t->x);
    for (uint32_t i = 0; i < t->corpus.records && !rc; i++) {
        struct example *x = &t->x[t->n];
        if (t->corpus.record[i].held)
            continue;
        rc = record_encode(x, &t->encode, &t->corpus.record[i], 0, e);
        if (!rc && x->n >= 2) {
            out->tokens += x->n - 1;
            t->n++;
        }
        if (!rc)
            rc = tell(t, e);
    }
    out->texts = t->n;
    return rc;
}

static int save(const struct tuning *t, const struct trainer *tr, struct err *e)
{
    char *path = in_folder(t, STATE_FILE);
    int rc = trainer_save(tr, path, e);
    free(path);
    return rc;
}

static int steps(struct tuning *t, struct trainer *tr, struct tuned *out, struct err *e)
{
    int64_t saved = clock_ns(), began = saved;
    uint64_t tokens = 0, all = t->news.steps, first = trainer_steps(tr);
    int rc = 0;
    while (trainer_steps(tr) < all && !rc) {
        struct trained s;
        if ((rc = trainer_step(tr, &s, e)))
            break;
        tokens += s.rows;
        double seconds = (double)(clock_ns() - began) / 1e9;
        t->news.loss = t->news.loss > 0 ? LOSS_MEAN * t->news.loss + (1 - LOSS_MEAN) * s.loss : s.loss;
        t->news.step = s.step;
        t->news.tokens_per_s = (double)tokens / seconds;
        t->news.eta_s = seconds / (double)(s.step - first) * (double)(all - s.step);
        out->seconds = seconds;
        rc = tell(t, e);
        bool due = (double)(clock_ns() - saved) / 1e9 >= t->o->checkpoint_s;
        if (rc == ERR_CANCELED || due || s.step == all) {
            int kept = save(t, tr, rc ? NULL : e);
            rc = rc ? rc : kept;
            saved = clock_ns();
        }
    }
    out->loss = t->news.loss;
    out->steps = trainer_steps(tr);
    return rc;
}

static uint64_t steps_of(const struct tuning *t, const struct tuned *out, uint32_t rows)
{
    double n = ceil((t->o->epochs > 0 ? t->o->epochs : 1) * (double)out->tokens / rows);
    return t->o->steps ? t->o->steps : n < 1 ? 1 : (uint64_t)n;
}

/* As PEFT has it, and for llama.cpp beside it. */
static int write_adapter(const struct tuning *t, const struct lora *l, struct err *e)
{
    char *gguf = in_folder(t, LORA_GGUF_FILE);
    int rc = peft_write(t->o->folder, l, &t->base, e);
    if (!rc)
        rc = lora_gguf_write(gguf, l, &t->base, e);
    free(gguf);
    return rc;
}

static int learn(struct tuning *t, struct tuned *out, struct err *e)
{
    struct trainer *tr = NULL;
    uint32_t rows = t->o->step_rows ? t->o->step_rows : TUNING_STEP_ROWS;
    int rc = encode_learned(t, out, e);
    uint64_t all = steps_of(t, out, rows);
    struct trainer_options o = {.lora = {t->o->rank, t->o->alpha, t->o->rslora, t->o->targets}, .policy = ACTIVATIONS_RECOMPUTE, .step_rows = rows, .seed = t->o->seed,
                                .adamw = {.rate = t->o->rate, .beta1 = .9f, .beta2 = .999f, .eps = 1e-8f, .clip = 1, .warmup = all / WARM_UP,
                                          .steps = all, .least = .1f}};
    char *path = in_folder(t, STATE_FILE);
    memcpy(o.base, t->base.hash, sizeof o.base);
    if (!rc)
        rc = trainer_new(&tr, t->decoder, t->x, t->n, &o, e);
    if (!rc && file_exists(path))
        rc = trainer_load(tr, path, e);
    if (!rc)
        rc = stage(t, "learning", all, e);
    if (!rc)
        rc = steps(t, tr, out, e);
    if (!rc)
        rc = write_adapter(t, trainer_lora(tr), e);
    trainer_free(tr);
    free(path);
    return rc;
}

/* -- measuring ---------------------------------------------------------------------------------------------------------------- */

/* -ln p of a text, in all and of one token. */
static int loss_of(double *all, uint32_t *tokens, struct tuning *t, struct gradient *g, const struct corpus_record *r, int i, struct err *e)
{
    struct example x;
    *all = 0;
    *tokens = 0;
    int rc = record_encode(&x, &t->encode, r, i, e);
    if (!rc && x.n >= 2) {
        rc = gradient_loss(g, &x, 1, all, e);
        *tokens = x.n - x.learn;
    }
    free((void *)x.token);
    return rc;
}

static int measure_one(double *out, uint32_t *tokens, struct tuning *t, struct gradient *g, const struct corpus_record *r, struct err *e)
{
    double loss[CORPUS_TEXTS];
    int rc = 0, rank = 1;
    if (r->texts == 1)
        return loss_of(out, tokens, t, g, r, 0, e);
    for (int i = 0; i < r->texts && !rc; i++) {
        rc = loss_of(&loss[i], tokens, t, g, r, i, e);
        loss[i] = *tokens ? loss[i] / *tokens : INFINITY;
    }
    for (int i = 0; i < r->texts && !rc; i++) /* of equal ones the worst rank: nothing is gained by saying the same of all */
        rank += i != r->right && loss[i] <= loss[r->right];
    *out = rank;
    return rc;
}

/* The held-out ones, and some of those that are learned, evenly. */
static void choose(struct tuned *out, const struct corpus_record **record, const struct corpus *c)
{
    uint32_t learned = 0, seen = 0;
    for (uint32_t i = 0; i < c->records; i++)
        learned += !c->record[i].held;
    uint32_t step = learned > TUNING_MEASURED ? learned / TUNING_MEASURED : 1;
    for (uint32_t i = 0; i < c->records; i++) {
        const struct corpus_record *r = &c->record[i];
        if (!r->held && seen++ % step)
            continue;
        out->row[out->rows] = (struct measured){.kind = r->kind, .held = r->held, .texts = r->texts};
        record[out->rows++] = r;
    }
}

static int measure_all(struct tuning *t, struct tuned *out, const struct corpus_record **record, struct gradient *g, bool tuned, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < out->rows && !rc; i++) {
        struct measured *m = &out->row[i];
        rc = measure_one(tuned ? &m->tuned : &m->base, &m->tokens, t, g, record[i], e);
        t->news.step++;
        if (!rc)
            rc = tell(t, e);
    }
    return rc;
}

/* -- asking ------------------------------------------------------------------------------------------------------------------- */

/* Whether one of the sources answers the question of a held-out record; -1: it is no such question. */
static int answerable(const struct corpus_record *r)
{
    if (!r->held || (r->kind != CORPUS_CITE && r->kind != CORPUS_UNANSWERABLE) || (r->kind == CORPUS_UNANSWERABLE && r->right != 0))
        return -1;
    return r->kind == CORPUS_CITE;
}

/* Some of each sort, evenly. */
static void choose_asked(struct tuned *out, const struct corpus_record **record, const struct corpus *c)
{
    uint32_t all[2] = {0}, seen[2] = {0}, taken[2] = {0};
    for (uint32_t i = 0; i < c->records; i++)
        if (answerable(&c->record[i]) >= 0)
            all[answerable(&c->record[i])]++;
    for (uint32_t i = 0; i < c->records; i++) {
        int sort = answerable(&c->record[i]);
        if (sort < 0)
            continue;
        uint64_t due = all[sort] < TUNING_ASKED ? seen[sort] + 1 : (uint64_t)(seen[sort] + 1) * TUNING_ASKED / all[sort];
        seen[sort]++;
        if (taken[sort] >= due)
            continue;
        taken[sort]++;
        out->asked[out->questions] = (struct asked){.answerable = sort};
        record[out->questions++] = &c->record[i];
    }
}

static int ask_all(struct tuning *t, struct tuned *out, const struct lora *l, struct err *e)
{
    const struct corpus_record *record[2 * TUNING_ASKED];
    struct buf text = BUF_INIT;
    out->asked = mem_zero(2 * TUNING_ASKED, sizeof *out->asked);
    choose_asked(out, record, &t->corpus);
    if (t->encode.context <= 2 * SAID_TOKENS)
        out->questions = 0;
    int rc = stage(t, "asking", 2 * out->questions, e);
    for (size_t i = 0; i < out->questions; i++)
        for (int tuned = 0; tuned < 2 && !rc; tuned++) {
            struct asked *a = &out->asked[i];
            rc = said_write(&text, t->decoder, &t->encode, record[i], tuned ? &l->adapt : NULL, e);
            *(tuned ? &a->tuned : &a->base) = said_read((struct str){text.data, text.len}, a->answerable ? record[i]->right + 1u : 0);
            t->news.step++;
            if (!rc)
                rc = tell(t, e);
        }
    buf_release(&text);
    return rc;
}

/* The adapter as it was written: what is served is what is measured. */
static int measure(struct tuning *t, struct tuned *out, struct err *e)
{
    const char *folder = t->o->adapter ? t->o->adapter : t->o->folder;
    struct lora *l = NULL;
    struct gradient *g = NULL;
    float *kept = NULL;
    out->row = mem_zero((size_t)t->corpus.records + 1, sizeof *out->row);
    const struct corpus_record **record = mem_alloc(((size_t)t->corpus.records + 1) * sizeof(const struct corpus_record *));
    choose(out, record, &t->corpus);
    int rc = peft_read(&l, t->decoder, folder, &t->base, e);
    if (!rc)
        rc = gradient_new(&g, t->decoder, l, ACTIVATIONS_RECOMPUTE, e);
    if (!rc)
        rc = stage(t, "measuring", 2 * out->rows, e);
    if (!rc) { /* an adapter of zeros adds nothing */
        kept = mem_alloc(l->count * sizeof *kept);
        memcpy(kept, l->value, l->count * sizeof *kept);
        memset(l->value, 0, l->count * sizeof *kept);
        rc = measure_all(t, out, record, g, false, e);
        memcpy(l->value, kept, l->count * sizeof *kept);
    }
    if (!rc)
        rc = measure_all(t, out, record, g, true, e);
    if (!rc)
        rc = ask_all(t, out, l, e);
    gradient_free(g);
    lora_free(l);
    free(kept);
    free(record);
    return rc;
}

void tuned_release(struct tuned *t)
{
    free(t->row);
    free(t->asked);
    *t = (struct tuned){0};
}

int tuning_run(struct tuned *out, const struct tuning_order *o, tuning_cb cb, void *arg, struct err *e)
{
    struct tuning t = {.o = o, .cb = cb, .arg = arg, .lock = -1};
    *out = (struct tuned){0};
    int rc = o->adapter ? 0 : take_lock(&t, e);
    if (!rc)
        rc = read_corpus(&t, e);
    if (!rc)
        rc = stage(&t, "opening", 0, e);
    if (!rc)
        rc = open_model(&t, e);
    if (!rc)
        memcpy(out->base, t.base.hash, sizeof out->base);
    if (!rc && !o->adapter)
        rc = learn(&t, out, e);
    if (!rc)
        rc = measure(&t, out, e);
    release(&t);
    if (rc)
        tuned_release(out);
    return rc;
}
