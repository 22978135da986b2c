/* A decoder of a model file, asked line by line on stdin so that a peer can be measured in turn. Arguments: file, threads.
 * First answers "load SECONDS BYTES", then to each line with seconds:
 *   prefill N   N tokens into an empty sequence, logits of the last
 *   decode N    N tokens, one by one, after what was read last
 *   verify N    N tokens in one step behind what was read last, logits of each; then they are taken back
 *   read        as many bytes as the weights have, plainly, by all threads
 *   expect N    nothing: what N tokens are expected to take to read, as measured
 * One number a line; weights are random, so tokens are too. */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/run/decoder.h"
#include "kernels/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define VERIFY_MOST 64
#define LARGE_PAGE ((size_t)2 << 20)
#define PART (1 << 20) /* bytes that a thread reads at once */

struct bench {
    void *dev;
    struct decoder *d;
    struct decoder_info info;
    struct sequence *s;
    float *logits;
    struct team *team;
    uint64_t *buffer; /* [info.weight_bytes] */
    uint64_t *sum;    /* [parts] */
};

static void must(int rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "%s\n", e->message);
        exit(2);
    }
}

/* Whole lines into eight independent sums, as wide as the compiler's vectors are. */
static void reading(void *arg, uint32_t part, uint32_t thread)
{
    typedef uint64_t line __attribute__((vector_size(64)));
    const struct bench *b = arg;
    const line *p = (const line *)(b->buffer + (size_t)part * (PART / 8));
    line sum[8] = {0};
    for (size_t i = 0; i < PART / sizeof(line); i += 8, p += 8) {
        for (int j = 0; j < 8; j++)
            sum[j] ^= p[j];
        __builtin_prefetch(p + 64);
    }
    for (int j = 1; j < 8; j++)
        sum[0] ^= sum[j];
    b->sum[part] += sum[0][0] + sum[0][7];
}

static void read_plainly(struct bench *b)
{
    uint32_t parts = (uint32_t)(b->info.weight_bytes / PART);
    if (!b->buffer) {
        b->buffer = aligned_alloc(LARGE_PAGE, ((size_t)parts * PART + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
        madvise(b->buffer, (size_t)parts * PART, MADV_HUGEPAGE); /* as weights lie */
        b->sum = mem_zero(parts, sizeof *b->sum);
        memset(b->buffer, 1, (size_t)parts * PART);
    }
    team_run(b->team, parts, reading, b);
}

static void prefill(struct bench *b, uint32_t n)
{
    struct err e;
    uint32_t *token = mem_alloc(n * sizeof *token);
    for (uint32_t i = 0; i < n; i++)
        token[i] = (i * 7919 + 11) % b->info.vocab;
    sequence_free(b->s);
    must(sequence_new(&b->s, b->d, &e), &e);
    for (uint32_t i = 0, k; i < n; i += k) {
        k = n - i < b->info.max_rows ? n - i : b->info.max_rows;
        must(decoder_step(b->d, &(struct step_part){b->s, token + i, k, i + k == n}, 1, b->logits, &e), &e);
    }
    free(token);
}

static void decode(struct bench *b, uint32_t n)
{
    struct err e;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t token = (i * 104729 + 5) % b->info.vocab;
        must(decoder_step(b->d, &(struct step_part){b->s, &token, 1, 1}, 1, b->logits, &e), &e);
    }
}

static void verify(struct bench *b, uint32_t n)
{
    struct err e;
    uint32_t token[VERIFY_MOST];
    float *logits = mem_alloc((size_t)n * b->info.vocab * sizeof *logits);
    for (uint32_t i = 0; i < n; i++)
        token[i] = (i * 104729 + 7) % b->info.vocab;
    must(decoder_step(b->d, &(struct step_part){b->s, token, n, n}, 1, logits, &e), &e);
    must(sequence_roll_back(b->s, n, &e), &e);
    free(logits);
}

static int64_t expected(struct bench *b, double n)
{
    struct decoder_speed speed;
    struct err e;
    sequence_free(b->s);
    b->s = NULL;
    must(decoder_measure(b->d, &speed, &e), &e);
    return (int64_t)((n * speed.token_s + n * n / 2 * speed.key_s) * 1e9);
}

static void open_all(struct bench *b, const char *path, int threads)
{
    struct model_file *f;
    struct err e;
    int64_t start = clock_ns();
    must(backend_cpu.open(&b->dev, &(struct device_options){.isa = getenv("CODEASK_BENCH_ISA")}, &e), &e);
    must(model_file_open(&f, path, &e), &e);
    must(decoder_new(&b->d, f, &backend_cpu, b->dev,
                     &(struct decoder_options){.threads = threads, .kv = KV_F16, .context = 16384, .max_sequences = 4}, &e), &e);
    model_file_close(f);
    decoder_info(b->d, &b->info);
    printf("load %.4f %zu\n", (double)(clock_ns() - start) / 1e9, b->info.weight_bytes);
    fflush(stdout);
    b->logits = mem_alloc(b->info.vocab * sizeof *b->logits);
    must(team_open(&b->team, (uint32_t)threads, &e), &e);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    char line[100], what[20];
    if (argc < 3 || atoi(argv[2]) < 1)
        return 2;
    open_all(&b, argv[1], atoi(argv[2]));
    while (fgets(line, sizeof line, stdin)) {
        unsigned n = 1;
        if (sscanf(line, "%19s %u", what, &n) < 1)
            continue;
        int64_t start = clock_ns();
        if (strcmp(what, "prefill") == 0)
            prefill(&b, n);
        else if (strcmp(what, "decode") == 0)
            decode(&b, n);
        else if (strcmp(what, "verify") == 0 && n && n <= VERIFY_MOST)
            verify(&b, n);
        else if (strcmp(what, "read") == 0)
            read_plainly(&b);
        else if (strcmp(what, "expect") == 0)
            start = clock_ns() - expected(&b, n);
        else
            return 2;
        printf("%.6f\n", (double)(clock_ns() - start) / 1e9);
        fflush(stdout);
    }
    sequence_free(b.s);
    decoder_free(b.d);
    backend_cpu.close(b.dev);
    team_close(b.team);
    free(b.logits);
    free(b.buffer);
    free(b.sum);
    return 0;
}
