/* bench_kernels_scan [N [DIM [PASSES]]]: the int8 scan against the memory it reads. Prints a JSON row a line;
 * tests/bench/scan.py measures usearch and faiss beside it. Times are the best of the passes, all over the same memory. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "kernels/quant.h"
#include "kernels/scan.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define K 10
#define THREADS_MAX 64

static size_t n = 1000000, dim = 384, passes = 15;
static int8_t *rows;
static float *scale;
static int8_t query[SCAN_QUERIES_MAX * SCAN_DIM_MAX];
static float qscale[SCAN_QUERIES_MAX];

/* Plain reading, four streams of 64-byte loads as the compiler makes them of this machine's vectors. */
typedef long long v8 __attribute__((vector_size(64), aligned(64)));
#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static long long read_all(const int8_t *from, size_t bytes)
{
    const v8 *p = (const void *)from;
    v8 a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i + 4 <= bytes / sizeof *p; i += 4)
        a ^= p[i], b ^= p[i + 1], c ^= p[i + 2], d ^= p[i + 3];
    a ^= b ^ c ^ d;
    return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

struct part {
    size_t from, n, nq;
    const struct scan *ops; /* NULL: only read */
    struct scan_top top[SCAN_QUERIES_MAX];
    struct scan_hit hit[SCAN_QUERIES_MAX][K];
    volatile long long sink;
};

static void *run_part(void *arg)
{
    struct part *p = arg;
    if (!p->ops) {
        p->sink = read_all(rows + p->from * dim, p->n * dim);
        return NULL;
    }
    for (size_t i = 0; i < p->nq; i++)
        p->top[i] = (struct scan_top){p->hit[i], 0, K};
    struct scan_rows r = {rows + p->from * dim, scale + p->from, p->n, dim, (uint32_t)p->from};
    struct scan_queries q = {query, qscale, p->nq};
    scan_topk(p->ops, &r, NULL, &q, p->top);
    return NULL;
}

/* One pass over all rows, shared among threads, in milliseconds. */
static double pass(const struct scan *ops, size_t nq, size_t threads)
{
    static struct part part[THREADS_MAX];
    pthread_t id[THREADS_MAX];
    double start = clock_ms();
    for (size_t t = 0; t < threads; t++) {
        part[t].from = n / 16 * t / threads * 16;
        part[t].n = (t + 1 == threads ? n : n / 16 * (t + 1) / threads * 16) - part[t].from;
        part[t].nq = nq;
        part[t].ops = ops;
        if (t + 1 < threads)
            pthread_create(&id[t], NULL, run_part, &part[t]);
        else
            run_part(&part[t]);
    }
    for (size_t t = 0; t + 1 < threads; t++)
        pthread_join(id[t], NULL);
    return clock_ms() - start;
}

struct timing {
    const struct scan *ops;
    size_t nq, threads;
    double ms; /* the best of the passes */
};

/* In turns, so that a busy moment of the machine meets all of them. */
static void measure(struct timing *t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        t[i].ms = INFINITY;
    for (size_t round = 0; round < passes; round++)
        for (size_t i = 0; i < count; i++)
            t[i].ms = fmin(t[i].ms, pass(t[i].ops, t[i].nq, t[i].threads));
}

static void row(const char *name, double value, const char *unit, const char *against, double ratio, double goal)
{
    printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", \"against\": ", name, value, unit);
    printf(against ? "\"%s\"" : "null", against);
    printf(", \"ratio\": ");
    printf(ratio ? "%.3f" : "null", ratio);
    printf(", \"goal\": ");
    printf(goal ? "%g}\n" : "null}\n", goal);
    fflush(stdout);
}

/* -- recall ------------------------------------------------------------------------------------------------------- */
static uint64_t seed = 88172645463325252u;
static float uniform(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (float)(seed >> 40) / (float)(1 << 24);
}

static float normal(void)
{
    return sqrtf(-2 * logf(uniform() + 1e-9f)) * cosf(6.2831853f * uniform());
}

static void unit(float *x)
{
    float sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += x[i] * x[i];
    sum = 1 / sqrtf(sum);
    for (size_t i = 0; i < dim; i++)
        x[i] *= sum;
}

/* Share of the exact best ten that the int8 scan finds, over x [rows, dim] and y [questions, dim] of unit length: its best ten,
 * its best 40 scored again with fp32, and the int8 scan of one row in SIGNS_SHARE, those that signs say most of (retriever/dense.h). */
#define SIGNS_SHARE 64
static void recall(const char *rows_of, const char *kind, const float *x, size_t nrows, const float *y, size_t questions)
{
    enum { WIDE = 40 };
    float *s = mem_alloc(sizeof *s * nrows), *exact = mem_alloc(sizeof *exact * nrows);
    int8_t *q = mem_alloc(nrows * dim), *qy = mem_alloc(dim);
    size_t plain = 0, again = 0, signs = 0, wide = nrows / SIGNS_SHARE;
    uint64_t *bits = mem_alloc(nrows * SCAN_SIGN_WORDS(dim) * sizeof *bits);
    float *factor = mem_alloc(nrows * sizeof *factor), *said = mem_alloc(nrows * sizeof *said), *score = mem_alloc((wide + 1) * sizeof *score);
    struct scan_hit *chosen = mem_alloc((wide + 1) * sizeof *chosen);
    uint32_t *number = mem_alloc((wide + 1) * sizeof *number);
    for (size_t i = 0; i < nrows; i++)
        s[i] = quant_row(q + i * dim, x + i * dim, dim);
    scan_signs_make(&(struct scan_rows){q, s, nrows, dim, 0}, bits, factor);
    for (size_t i = 0; i < questions; i++, y += dim) {
        struct scan_hit best[K], hit[WIDE], second[K], third[K];
        struct scan_top choice = {chosen, 0, (uint32_t)wide}, by_signs = {third, 0, K};
        struct scan_top want = {best, 0, K}, got = {hit, 0, WIDE}, rescored = {second, 0, K};
        for (size_t r = 0; r < nrows; r++) {
            float sum = 0;
            for (size_t k = 0; k < dim; k++)
                sum += x[r * dim + k] * y[k];
            exact[r] = sum;
            scan_top_push(&want, (struct scan_hit){sum, (uint32_t)r});
        }
        float sy = quant_row(qy, y, dim);
        struct scan_rows rr = {q, s, nrows, dim, 0};
        struct scan_queries qq = {qy, &sy, 1};
        scan_topk(scan_find(NULL), &rr, NULL, &qq, &got);
        scan_top_sort(&got);
        for (size_t k = 0; k < WIDE; k++)
            scan_top_push(&rescored, (struct scan_hit){exact[hit[k].number], hit[k].number});
        scan_signs(scan_find(NULL), bits, factor, nrows, dim, qy, sy, said);
        for (size_t r = 0; r < nrows; r++)
            scan_top_push(&choice, (struct scan_hit){said[r], (uint32_t)r});
        for (size_t k = 0; k < wide; k++)
            number[k] = chosen[k].number;
        scan_pick(scan_find(NULL), &rr, number, wide, qy, sy, score);
        for (size_t k = 0; k < wide; k++)
            scan_top_push(&by_signs, (struct scan_hit){score[k], number[k]});
        for (size_t a = 0; a < K; a++) {
            for (size_t b = 0; b < K; b++) {
                signs += third[a].number == hit[b].number;
                plain += hit[a].number == best[b].number;
                again += second[a].number == best[b].number;
            }
        }
    }
    char name[64];
    snprintf(name, sizeof name, "%srecall10.%s", rows_of, kind);
    row(name, (double)plain / (double)(questions * K), "share", "fp32", (double)plain / (double)(questions * K), 0);
    snprintf(name, sizeof name, "%srecall10_rescored.%s", rows_of, kind);
    row(name, (double)again / (double)(questions * K), "share", "fp32", (double)again / (double)(questions * K), 0.99);
    snprintf(name, sizeof name, "%srecall10_signs.%s", rows_of, kind);
    row(name, (double)signs / (double)(questions * K), "share", "the int8 scan of all rows", (double)signs / (double)(questions * K),
        strcmp(kind, "real") ? 0 : 0.99);
    free(s), free(exact), free(q), free(qy), free(bits), free(factor), free(said), free(score), free(chosen), free(number);
}

/* spread: size of the noise around one of 300 centres, where near neighbours are hard to tell apart; 0: no centres. */
static void recall_of_made_ones(const char *kind, float spread)
{
    enum { ROWS = 50000, QUERIES = 200 };
    float *x = mem_alloc(sizeof *x * ROWS * dim), *centre = mem_alloc(sizeof *centre * 300 * dim);
    float *y = mem_alloc(sizeof *y * QUERIES * dim);
    for (size_t i = 0; i < 300 * dim; i++)
        centre[i] = normal();
    for (size_t i = 0; i < ROWS; i++) {
        const float *c = centre + (size_t)(uniform() * 299.9f) * dim;
        for (size_t k = 0; k < dim; k++)
            x[i * dim + k] = spread ? c[k] + spread * normal() : normal();
        unit(x + i * dim);
    }
    for (size_t i = 0; i < QUERIES; i++) {
        const float *near = x + (size_t)(uniform() * (ROWS - 1)) * dim;
        for (size_t k = 0; k < dim; k++)
            y[i * dim + k] = near[k] * 20 + normal();
        unit(y + i * dim);
    }
    recall("scan.", kind, x, ROWS, y, QUERIES);
    free(x), free(centre), free(y);
}

/* A file of fp32 vectors: the questions, then the rows. */
static int recall_of_file(const char *path, size_t questions)
{
    struct buf b = BUF_INIT;
    struct err e;
    if (file_read(&b, path, (size_t)4 << 30, &e)) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    const float *v = (const float *)b.data;
    size_t count = b.len / (dim * sizeof *v);
    if (count > questions + K)
        recall("", "real", v + questions * dim, count - questions, v, questions);
    buf_release(&b);
    return count > questions + K ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "recall") && (dim = (size_t)atol(argv[3])) > 0 && dim <= SCAN_DIM_MAX)
        return recall_of_file(argv[2], (size_t)atol(argv[4]));
    if (argc > 1)
        n = (size_t)atol(argv[1]);
    if (argc > 2)
        dim = (size_t)atol(argv[2]);
    if (argc > 3)
        passes = (size_t)atol(argv[3]);
    if (!n || !dim || dim > SCAN_DIM_MAX) {
        fprintf(stderr, "usage: bench_kernels_scan [N [DIM [PASSES]]] | recall FILE DIM QUESTIONS\n");
        return 2;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    rows = mmap(NULL, n * dim + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    scale = mem_alloc(n * sizeof *scale);
    if (rows == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < n * dim; i++)
        rows[i] = (int8_t)((int)((uint32_t)i * 2654435761u >> 24) % 255 - 127);
    for (size_t i = 0; i < n; i++)
        scale[i] = 0.001f + 0.001f * uniform();
    for (size_t i = 0; i < SCAN_QUERIES_MAX * dim; i++)
        query[i] = (int8_t)(uniform() * 254 - 127);
    for (size_t i = 0; i < SCAN_QUERIES_MAX; i++)
        qscale[i] = 0.01f;

    const struct scan *ops = scan_find(NULL);
    double gb = (double)(n * dim) / 1e6; /* per ms: GB/s */
    struct timing t[] = {{NULL, 1, 1}, {ops, 1, 1}, {NULL, 1, threads}, {ops, 1, threads}, {ops, SCAN_QUERIES_MAX, 1}};
    measure(t, 5);
    double one = t[1].ms, all = t[3].ms, eight = t[4].ms / SCAN_QUERIES_MAX;
    row("scan.vs_bandwidth", gb / one, "GB/s", "plain reading, one core", t[0].ms / one, 0.9);
    row("scan.vs_bandwidth_all_cores", gb / all, "GB/s", "plain reading, all cores", t[2].ms / all, 0.8);
    row("scan.ms", one, "ms", NULL, 0, 0);
    row("scan.batch8_ms", eight, "ms a query", "one query at a time", one / eight, 0);
    for (const char *const *isa = (const char *const[]){"scalar", "avx2", "neon", NULL}; *isa; isa++) {
        struct timing other = {scan_find(*isa), 1, 1};
        char name[64];
        snprintf(name, sizeof name, "scan.%s_ms", *isa);
        if (!other.ops)
            continue;
        measure(&other, 1);
        row(name, other.ms, "ms", NULL, 0, 0);
    }
    recall_of_made_ones("random", 0);
    recall_of_made_ones("clustered", 0.5f);
    recall_of_made_ones("tight", 0.15f);
    return 0;
}
