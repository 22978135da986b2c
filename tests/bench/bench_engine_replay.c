/* What does not have to be computed again: a prompt's beginning that is kept, and an answer that quotes its context. Arguments: model
 * file, threads, recorded texts (replay.txt, replay_two.txt: a row each, the first's without a number). Weights are random, so the recorded
 * answer is forced through the mask of the constrained output; guesses come out of the context alone and every one is verified in full. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/generate/prefix.h"
#include "engine/generate/schedule.h"
#include "engine/sample/lookup.h"
#include "engine/sample/sample.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3, KEPT = 1024, SUFFIX = 128 };

static struct err e;

static void must(int rc)
{
    if (rc) {
        fprintf(stderr, "%s\n", e.message);
        exit(2);
    }
}

struct tokens {
    uint32_t *at;
    size_t n, cap;
};

/* Words with the blank before them, single signs, runs of blanks: about what byte-level BPE makes of code. */
static void tokenize(struct tokens *out, const char *p, const char *end, uint32_t vocab)
{
    while (p < end) {
        const char *from = p;
        p += *p == ' ' && p + 1 < end && isalnum((unsigned char)p[1]);
        if (isalnum((unsigned char)*p))
            while (p < end && isalnum((unsigned char)*p))
                p++;
        else if (isspace((unsigned char)*p))
            while (p < end && isspace((unsigned char)*p) && !(p > from && p + 1 < end && *p == ' ' && isalnum((unsigned char)p[1])))
                p++;
        else
            p++;
        VEC_ROOM(out->at, out->n, out->cap);
        out->at[out->n++] = (uint32_t)(hash64(from, (size_t)(p - from)) % vocab);
    }
}

struct replay {
    const struct tokens *answer;
    struct lookup *lookup;
    struct sampler *sampler;
    uint32_t *allowed; /* [vocab / 32]: bits */
    size_t said;
    pthread_mutex_t lock;
    pthread_cond_t news;
    bool ended;
    struct schedule_result result;
    int64_t began, first, last;
};

static bool choose(void *arg, float *logits, uint32_t *token)
{
    struct replay *r = arg;
    struct sample_dist d;
    if (r->said == r->answer->n)
        return false;
    uint32_t want = r->answer->at[r->said];
    r->allowed[want / 32] |= 1u << want % 32;
    must(sample_dist(r->sampler, &d, logits, r->allowed, NULL, 0, &SAMPLE_GREEDY, &e));
    r->allowed[want / 32] = 0;
    *token = sample_draw(&d, 0, r->said++);
    if (r->lookup)
        lookup_add(r->lookup, token, 1);
    r->last = clock_ns();
    r->first = r->first ? r->first : r->last;
    return true;
}

static uint32_t draft(void *arg, uint32_t *token, uint32_t most)
{
    struct replay *r = arg;
    return r->lookup ? (uint32_t)lookup_draft(r->lookup, token, most) : 0;
}

static void ended(void *arg, int rc, bool cut, const struct err *why, const struct schedule_result *result)
{
    struct replay *r = arg;
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    r->result = *result;
    pthread_cond_signal(&r->news);
    pthread_mutex_unlock(&r->lock);
}

/* Seconds of writing the answer after its first token. */
static double replay(struct schedule *s, const struct tokens *prompt, const struct tokens *answer, uint32_t vocab, bool guess,
                     struct schedule_result *result)
{
    struct gen_provenance none = {0};
    struct replay r = {.answer = answer, .lookup = guess ? lookup_new() : NULL, .sampler = sampler_new(vocab),
                       .allowed = mem_zero(vocab / 32 + 1, sizeof(uint32_t))};
    struct schedule_task task = {.prompt = prompt->at, .n = (uint32_t)prompt->n, .most = (uint32_t)answer->n + 1, .from = &none,
                                 .choose = choose, .draft = draft, .ended = ended, .arg = &r};
    uint64_t id;
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.news, NULL);
    if (guess)
        lookup_add(r.lookup, prompt->at, prompt->n);
    must(schedule_submit(s, &task, &id, &e));
    pthread_mutex_lock(&r.lock);
    while (!r.ended)
        pthread_cond_wait(&r.news, &r.lock);
    pthread_mutex_unlock(&r.lock);
    *result = r.result;
    lookup_free(r.lookup);
    sampler_free(r.sampler);
    free(r.allowed);
    return (double)(r.last - r.first) / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_size);
    return x[n / 2];
}

static void speculation(struct decoder *d, const struct decoder_info *info, const char *path, const char *number)
{
    struct buf text = BUF_INIT;
    struct tokens prompt = {0}, answer = {0};
    struct schedule *s;
    struct schedule_result result;
    double ratio[ROUNDS], with[ROUNDS];
    must(file_read(&text, path, 1 << 20, &e));
    buf_add(&text, "", 1);
    const char *mark = strstr(text.data, "%%\n");
    if (!mark)
        exit(2);
    tokenize(&prompt, text.data, mark, info->vocab);
    tokenize(&answer, mark + 3, text.data + text.len - 1, info->vocab);
    must(schedule_open(&s, d, &(struct schedule_options){.keep_nothing = true}, &e));
    for (int i = 0; i < ROUNDS; i++) {
        double plain = replay(s, &prompt, &answer, info->vocab, false, &result);
        with[i] = replay(s, &prompt, &answer, info->vocab, true, &result);
        ratio[i] = plain / with[i];
    }
    schedule_close(s);
    printf("{\"name\": \"speculation.replay%s\", \"value\": %.1f, \"unit\": \"tokens/s\", \"against\": \"without guesses; %u of %u accepted, %zu tokens\", "
           "\"ratio\": %.3f, \"goal\": 1.8}\n", number, (double)answer.n / median(with, ROUNDS), result.accepted, result.drafted, answer.n,
           median(ratio, ROUNDS));
    buf_release(&text);
    free(prompt.at);
    free(answer.at);
}

/* What a step of some rows of one text costs, over a step of one: what guesses may cost. */
static void rows_cost(struct decoder *d, const struct decoder_info *info)
{
    enum { MOST = 16, DEEP = 512 };
    uint32_t token[DEEP];
    float *logits = mem_alloc((size_t)MOST * info->vocab * sizeof *logits);
    struct sequence *s;
    double took[2][ROUNDS * 4];
    for (uint32_t i = 0; i < DEEP; i++)
        token[i] = (i * 7919 + 3) % info->vocab;
    must(sequence_new(&s, d, &e));
    must(decoder_step(d, &(struct step_part){s, token, DEEP, 0}, 1, NULL, &e));
    for (uint32_t rows = 2; rows <= MOST; rows *= 2) {
        for (int i = 0; i < ROUNDS * 4; i++)
            for (int many = 0; many < 2; many++) {
                uint32_t n = many ? rows : 1;
                int64_t start = clock_ns();
                must(decoder_step(d, &(struct step_part){s, token, n, n}, 1, logits, &e));
                took[many][i] = (double)(clock_ns() - start) / 1e6;
                must(sequence_roll_back(s, n, &e));
            }
        double one = median(took[0], ROUNDS * 4), many = median(took[1], ROUNDS * 4);
        printf("{\"name\": \"speculation.rows.%u\", \"value\": %.2f, \"unit\": \"ms\", \"against\": \"a step of one row, %.2f ms\", "
               "\"ratio\": %.3f, \"goal\": null}\n", rows, many, one, many / one);
    }
    sequence_free(s);
    free(logits);
}

static void read_on(struct decoder *d, struct sequence *s, const uint32_t *token, uint32_t n, float *logits)
{
    for (uint32_t i = 0, k; i < n; i += k) {
        k = n - i < 512 ? n - i : 512;
        must(decoder_step(d, &(struct step_part){s, token + i, k, i + k == n}, 1, logits, &e));
    }
}

/* A kept prompt is taken and its suffix read, beside the suffix read by the sequence that holds the prompt anyway. */
static void reuse(struct decoder *d, const struct decoder_info *info)
{
    uint32_t token[KEPT + SUFFIX];
    float *logits = mem_alloc(info->vocab * sizeof *logits);
    struct gen_provenance none = {0};
    struct prefix_cache *kept = prefix_cache_new(2);
    struct sequence *live, *s;
    double ratio[2 * ROUNDS], took[2 * ROUNDS];
    for (uint32_t i = 0; i < KEPT + SUFFIX; i++)
        token[i] = (i * 7919 + 3) % info->vocab;
    must(sequence_new(&live, d, &e));
    must(sequence_new(&s, d, &e));
    read_on(d, live, token, KEPT, logits);
    read_on(d, s, token, KEPT, logits);
    prefix_keep(kept, s, &none);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        int64_t start = clock_ns();
        s = prefix_take(kept, token, KEPT + SUFFIX, "");
        if (!s || sequence_length(s) != KEPT)
            exit(2);
        read_on(d, s, token + KEPT, SUFFIX, logits);
        took[i] = (double)(clock_ns() - start) / 1e9;
        sequence_free(s);
        start = clock_ns();
        read_on(d, live, token + KEPT, SUFFIX, logits);
        ratio[i] = (double)(clock_ns() - start) / 1e9 / took[i];
        must(sequence_roll_back(live, SUFFIX, &e));
    }
    printf("{\"name\": \"prefix.reuse\", \"value\": %.1f, \"unit\": \"ms\", \"against\": \"%d tokens after %d that are live\", \"ratio\": %.3f, "
           "\"goal\": 0.91}\n", 1e3 * median(took, 2 * ROUNDS), SUFFIX, KEPT, median(ratio, 2 * ROUNDS));
    sequence_free(live);
    prefix_cache_free(kept);
    free(logits);
}

int main(int argc, char **argv)
{
    struct model_file *f;
    struct decoder *d;
    struct decoder_info info;
    void *dev;
    if (argc < 4)
        return 2;
    must(backend_cpu.open(&dev, &(struct device_options){.isa = getenv("CODEASK_BENCH_ISA")}, &e));
    must(model_file_open(&f, argv[1], &e));
    must(decoder_new(&d, f, &backend_cpu, dev, &(struct decoder_options){.threads = atoi(argv[2]), .kv = KV_F16, .context = 4096}, &e));
    model_file_close(f);
    decoder_info(d, &info);
    reuse(d, &info);
    rows_cost(d, &info);
    fflush(stdout);
    for (int i = 3; i < argc && i < 12; i++)
        speculation(d, &info, argv[i], i == 3 ? "" : (char[]){'.', (char)('0' + i - 2), '\0'});
    decoder_free(d);
    backend_cpu.close(dev);
    return 0;
}
