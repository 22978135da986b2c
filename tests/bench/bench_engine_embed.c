/* The embedding side of the engine for tests/bench/embed.py, which runs it beside other engines: answers commands on stdin,
 * one line each, so that all of them are measured in turn in the same run.
 *
 *   bench_engine_embed MODEL TEXTS THREADS [exact]     TEXTS: UTF-8 texts, each ended by a NUL; the first one is the query;
 *                                                      exact: fp32 throughout instead of the fast path
 *   documents FROM COUNT   embeds those texts      → seconds
 *   query TIMES            embeds the first text   → median milliseconds
 *   write PATH             fp32 vectors of all texts, embedded as one call → tokens read
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_query(struct model *m, const char *const *text, long times, float *out, struct err *e)
{
    double *ms = mem_zero((size_t)times, sizeof *ms), p50;
    for (long i = 0; i < times; i++) {
        double start = clock_ms();
        if (model_embed(m, EMBED_QUERY, text, 1, PRIORITY_QUERY, out, NULL, NULL, e)) {
            free(ms);
            return -1;
        }
        ms[i] = clock_ms() - start;
    }
    qsort(ms, (size_t)times, sizeof *ms, by_value);
    p50 = ms[times / 2];
    free(ms);
    return p50;
}

static int answer(struct model *m, const char *const *text, size_t n, float *out, const char *line, struct err *e)
{
    size_t from, count, dim = model_info(m)->dim;
    long times;
    char path[1000];
    if (sscanf(line, "documents %zu %zu", &from, &count) == 2 && from <= n && count <= n - from) {
        double start = clock_ms();
        int rc = model_embed(m, EMBED_DOCUMENT, text + from, count, PRIORITY_DOCUMENT, out, NULL, NULL, e);
        printf("%.6f\n", (clock_ms() - start) / 1000);
        return rc;
    }
    if (sscanf(line, "query %ld", &times) == 1 && times > 0 && times < 1000000) {
        double p50 = median_query(m, text, times, out, e);
        printf("%.4f\n", p50);
        return p50 < 0 ? e->code : 0;
    }
    if (sscanf(line, "write %999s", path) == 1) {
        uint32_t *tokens = mem_zero(n, sizeof *tokens);
        uint64_t total = 0;
        int rc = model_embed(m, EMBED_DOCUMENT, text, n, PRIORITY_DOCUMENT, out, tokens, NULL, e);
        for (size_t i = 0; i < n; i++)
            total += tokens[i];
        free(tokens);
        if (rc == 0)
            rc = file_write(path, out, n * dim * sizeof *out, 0644, e);
        printf("%llu\n", (unsigned long long)total);
        return rc;
    }
    return err_set(e, ERR_USAGE, "no such command: %s", line);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct engine *en = NULL;
    struct model *m = NULL;
    struct buf bytes = BUF_INIT;
    const char **text = NULL;
    size_t n = 0, cap = 0;
    float *out = NULL;
    char line[1200];
    int rc = argc == 4 || (argc == 5 && !strcmp(argv[4], "exact"))
        ? 0 : err_set(&e, ERR_USAGE, "usage: bench_engine_embed MODEL TEXTS THREADS [exact]");
    if (rc == 0)
        rc = file_read(&bytes, argv[2], 1u << 30, &e);
    for (size_t at = 0; rc == 0 && at < bytes.len; at += strlen(bytes.data + at) + 1) {
        VEC_ROOM(text, n, cap);
        text[n++] = bytes.data + at;
    }
    if (rc == 0 && n == 0)
        rc = err_set(&e, ERR_USAGE, "no texts in %s", argv[2]);
    if (rc == 0)
        rc = engine_open(&en, &(struct engine_options){.threads = atoi(argv[3]), .backend = "cpu", .exact = argc == 5}, &e);
    if (rc == 0)
        rc = model_open(&m, en, argv[1], &e);
    if (rc == 0) {
        out = mem_zero(n, model_info(m)->dim * sizeof *out);
        printf("%s\n", model_info(m)->provider);
        fflush(stdout);
    }
    while (rc == 0 && fgets(line, sizeof line, stdin)) {
        rc = answer(m, text, n, out, line, &e);
        fflush(stdout);
    }
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    if (m)
        model_close(m);
    if (en)
        engine_close(en);
    free(out);
    free(text);
    buf_release(&bytes);
    return rc ? 1 : 0;
}
