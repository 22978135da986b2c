/* A model trained from scratch on the code of packages, then tuned on another package, beside an adapter of equal size tuned on a third one:
 *
 *   bench_service_scratch MODEL BASE.corpus OWN.corpus OTHER.corpus FOLDER STEPS TUNED_STEPS THREADS
 *
 * MODEL: a folder with weights as they were drawn; FOLDER: a new one for what is made. Prints progress, then one line of JSON: both verdicts by what is held
 * out of OWN (service/verdict.h), and seconds. tests/bench/tune_scratch.py drives it. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/process/tune.h"
#include "engine/train/encode.h"
#include "engine/train/trainer.h"
#include "service/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT 256     /* tokens of the longest text: about 700 bytes */
#define STEP_ROWS 2048  /* of training from scratch */
#define TUNED_ROWS 1024 /* of tuning */
#define RANK 16
#define SEED 1

static struct err e;

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, e.message);
    return 2;
}

static double since(int64_t began)
{
    return (double)(clock_ns() - began) / 1e9;
}

struct scratch {
    void *device;
    struct model_file *file;
    struct decoder *decoder;
    struct encoder_of_records encode;
    struct tokenizer *tokenizer;
    struct conversation *conversation;
    struct buf bytes;
    struct corpus corpus;
    struct example *x;
    size_t n, tokens;
};

static int open_all(struct scratch *s, const char *model, const char *corpus, int threads)
{
    struct decoder_options o = {.threads = threads, .exact = true, .kv = KV_F32, .context = CONTEXT, .max_rows = STEP_ROWS};
    int rc = model_file_open(&s->file, model, &e);
    if (!rc)
        rc = backend_cpu.open(&s->device, &(struct device_options){0}, &e);
    if (!rc)
        rc = decoder_new(&s->decoder, s->file, &backend_cpu, s->device, &o, &e);
    if (!rc)
        rc = tokenizer_open(&s->tokenizer, s->file, &e);
    if (!rc)
        rc = conversation_open(&s->conversation, s->file, s->tokenizer, &e);
    s->encode = (struct encoder_of_records){s->tokenizer, s->conversation, tokenizer_memory_new(), CONTEXT};
    if (!rc)
        rc = file_read(&s->bytes, corpus, CORPUS_MAX, &e);
    if (!rc)
        rc = corpus_read(&s->corpus, s->bytes.data, s->bytes.len, &e);
    s->x = mem_zero((size_t)s->corpus.records + 1, sizeof *s->x);
    for (uint32_t i = 0; i < s->corpus.records && !rc; i++) {
        struct example *x = &s->x[s->n];
        if (s->corpus.record[i].held)
            continue;
        rc = record_encode(x, &s->encode, &s->corpus.record[i], 0, &e);
        x->learn = 1; /* a model that knows nothing learns from what is asked, too */
        if (x->n >= 2) {
            s->tokens += x->n - 1;
            s->n++;
        }
    }
    return rc;
}

static void close_all(struct scratch *s)
{
    for (size_t i = 0; i < s->n; i++)
        free((void *)s->x[i].token);
    free(s->x);
    corpus_release(&s->corpus);
    buf_release(&s->bytes);
    decoder_free(s->decoder);
    conversation_close(s->conversation);
    tokenizer_close(s->tokenizer);
    tokenizer_memory_free(s->encode.memory);
    model_file_close(s->file);
    if (s->device)
        backend_cpu.close(s->device);
}

static int from_scratch(const char *out, const char *model, const char *corpus, uint64_t steps, int threads)
{
    struct scratch s = {0};
    struct trainer *t = NULL;
    struct trained done = {0};
    int64_t began = clock_ns();
    int rc = open_all(&s, model, corpus, threads);
    struct trainer_options o = {.full = s.file, .policy = ACTIVATIONS_SAVE, .step_rows = STEP_ROWS, .seed = SEED,
                                .adamw = {.rate = 3e-3, .beta1 = .9, .beta2 = .95, .eps = 1e-8, .decay = .1, .clip = 1, .warmup = steps / 20, .steps = steps, .least = .05}};
    if (!rc)
        rc = trainer_new(&t, s.decoder, s.x, s.n, &o, &e);
    if (!rc)
        printf("from scratch: %zu weights, %zu texts of %zu tokens, %llu steps of %d\n", trainer_full(t)->count, s.n, s.tokens, (unsigned long long)steps, STEP_ROWS);
    for (uint64_t i = 0; i < steps && !rc; i++) {
        rc = trainer_step(t, &done, &e);
        if (!rc && (i % 50 == 0 || i + 1 == steps))
            printf("step %llu: loss %.3f, %.1f s\n", (unsigned long long)done.step, done.loss, since(began));
        fflush(stdout);
    }
    if (!rc)
        rc = full_write(out, model, trainer_full(t), &e);
    trainer_free(t);
    close_all(&s);
    return rc;
}

static bool go_on(void *arg, const struct tuning_news *n)
{
    return true;
}

/* adapter NULL: one is learned in folder. *report: what it is worth by the held-out records of the corpus. */
static int tuned(json_t **report, const char *model, const char *corpus, const char *folder, const char *adapter, uint64_t steps, int threads)
{
    struct tuned t;
    struct tuning_order o = {.model = model, .corpus = corpus, .folder = folder, .adapter = adapter, .rank = RANK, .alpha = 2 * RANK, .rate = 2e-3f, .steps = steps,
                             .step_rows = TUNED_ROWS, .context = CONTEXT, .threads = threads, .seed = SEED, .checkpoint_s = 1e9};
    int64_t began = clock_ns();
    int rc = tuning_run(&t, &o, go_on, NULL, &e);
    if (rc)
        return rc;
    json_t *rows = tune_rows_json(&t), *asked = tune_asked_json(&t);
    rc = verdict(report, rows, asked, 0, SEED, &e);
    json_decref(asked);
    json_decref(rows);
    printf("%s: %.1f s, of them %.1f learning %llu steps; %zu records measured\n", folder, since(began), t.seconds, (unsigned long long)t.steps, t.rows);
    fflush(stdout);
    tuned_release(&t);
    return rc;
}

int main(int argc, char **argv)
{
    char base[4096], own[4096], other[4096];
    json_t *report[3] = {NULL};
    if (argc != 9)
        return 2;
    int threads = atoi(argv[8]);
    uint64_t steps = strtoull(argv[6], NULL, 10), more = strtoull(argv[7], NULL, 10);
    snprintf(base, sizeof base, "%s/base", argv[5]);
    snprintf(own, sizeof own, "%s/own", argv[5]);
    snprintf(other, sizeof other, "%s/other", argv[5]);
    int64_t began = clock_ns();
    if (dir_make(argv[5], 0700, &e) || from_scratch(base, argv[1], argv[2], steps, threads))
        return fail("from scratch");
    double scratch_s = since(began);
    if (tuned(&report[0], base, argv[3], own, NULL, more, threads) || tuned(&report[1], base, argv[4], other, NULL, more, threads) ||
        tuned(&report[2], base, argv[3], own, other, more, threads))
        return fail("tuning");
    json_t *all = json_pack("{so, so, so, sf, sf}", "own", report[0], "third", report[1], "other", report[2], "scratch_s", scratch_s, "seconds", since(began));
    char *text = json_dumps(all, JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(all);
    return 0;
}
