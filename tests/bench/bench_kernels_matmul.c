/* Products with the weights of a decoder, on all threads: how fast one row reads them beside plain reading of as many bytes,
 * and how many operations 256 rows do. One JSON object a line; arguments: threads (2), names of types (all).
 *
 * Other users of the machine come and go: reading and product alternate, and the best of each counts. */
#include "base/clock.h"
#include "kernels/backend.h"
#include "kernels/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 4096, N = 1 << 16, PREFILL_N = 8192, PREFILL_ROWS = 256, ROUNDS = 7, THREADS_MAX = 64, HANDOFFS = 2000 };

static struct {
    const struct backend *b;
    void *dev, *queue[THREADS_MAX];
    struct team *team;
    struct mat y, x;
    struct weight *w;
    struct rows rows;
    uint32_t parts;
    uint64_t *buffer, sum[THREADS_MAX];
    size_t words;
} s;

static uint8_t block_bytes[512 << 10];

/* Bytes of which no number is infinite, and none so small that arithmetic on it is slow. */
static void fill_blocks(enum block_type file)
{
    for (size_t i = 0; i < sizeof block_bytes; i++) {
        uint8_t v = (uint8_t)(i * 2654435761u >> 13 & 0x3B);
        if ((file == BLOCK_F16 || file == BLOCK_BF16) && i % 2)
            v = 0x3B;
        block_bytes[i] = file == BLOCK_MXFP4 ? 0x70 | v : file == BLOCK_NVFP4 || file == BLOCK_F8_E4M3 ? 0x20 | v : v;
    }
}

static const void *row_of(void *arg, uint32_t row)
{
    return block_bytes + row % 64 * 64; /* rows differ; scales are whatever the bytes say, and finite */
}

static void product(void *arg, uint32_t part, uint32_t thread)
{
    uint32_t n = s.y.cols, each = (n / s.parts + MATMUL_COLUMNS - 1) / MATMUL_COLUMNS * MATMUL_COLUMNS, first = part * each;
    s.b->matmul(s.queue[thread], &s.y, &s.x, s.w, &(struct matmul){.first = first, .count = part == s.parts - 1 ? 0 : each}, &s.rows);
}

/* Whole lines into eight independent sums, as wide as the compiler's vectors are. */
static void reading(void *arg, uint32_t part, uint32_t thread)
{
    typedef uint64_t line __attribute__((vector_size(64)));
    size_t each = s.words / s.parts / 64;
    const line *p = (const line *)(s.buffer + part * each * 64);
    line sum[8] = {0};
    for (size_t i = 0; i < each; i++, p += 8) {
        for (int j = 0; j < 8; j++)
            sum[j] ^= p[j];
        __builtin_prefetch(p + 64);
    }
    for (int j = 0; j < 8; j++)
        s.sum[part] += sum[j][0] + sum[j][7];
}

/* Long enough for the other threads to claim theirs. */
static void ten_us(void *arg, uint32_t part, uint32_t thread)
{
    int64_t end = clock_ns() + 10000;
    while (clock_ns() < end)
        ;
}

static double seconds(void (*fn)(void *, uint32_t, uint32_t))
{
    int64_t start = clock_ns();
    team_run(s.team, s.parts, fn, NULL);
    return (double)(clock_ns() - start) / 1e9;
}

static struct mat mat_new(uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    void *p;
    if (s.b->memory(s.dev, &m.data, (size_t)rows * m.stride * 4, NULL) ||
        s.b->memory(s.dev, &p, (size_t)rows * m.stride / QUANT_BLOCK * sizeof *m.quant, NULL))
        exit(2);
    m.quant = p;
    return m;
}

static void mat_free(struct mat *m)
{
    s.b->release(s.dev, m->data);
    s.b->release(s.dev, m->quant);
}

/* A product of `rows` rows in the type that is best for so many. */
static void setup(enum block_type file, uint32_t rows, uint32_t n, uint32_t used[2])
{
    enum type held = s.b->held(s.dev, file, false);
    fill_blocks(file);
    struct mat x = mat_new(rows, K, TYPE_F32);
    for (size_t i = 0; i < (size_t)rows * K; i++)
        ((float *)x.data)[i] = (float)(i * 37 % 101) / 50 - 1;
    used[0] = rows;
    s.rows = (struct rows){.used = used, .max_rows = rows};
    s.x = mat_new(rows, K, s.b->operand(s.dev, held, rows));
    s.y = mat_new(rows, n, TYPE_F32);
    s.b->quantize(s.queue[0], &s.x, &x, &s.rows);
    if (s.b->weight(s.dev, &s.w, held, &(struct weight_shape){.n = n, .k = K},
                    &(struct weight_source){.type = file, .row = row_of}, NULL))
        exit(2);
    mat_free(&x);
}

static void teardown(void)
{
    s.b->weight_release(s.dev, s.w);
    mat_free(&s.x);
    mat_free(&s.y);
}

static void decode(enum block_type file, const char *name)
{
    uint32_t used[2];
    double read = 1e9, best = 1e9;
    setup(file, 1, N, used);
    size_t bytes = s.b->weight_bytes(s.w);
    s.words = bytes / 8;
    for (int i = 0; i < ROUNDS; i++) {
        double t = seconds(reading);
        read = t < read ? t : read;
        t = seconds(product);
        best = t < best ? t : best;
    }
    printf("{\"name\": \"matmul.decode.%s\", \"value\": %.1f, \"unit\": \"GB/s\", \"against\": \"reading, %.1f GB/s\", \"ratio\": %.3f, "
           "\"goal\": %s}\n", name, (double)bytes / best / 1e9, (double)bytes / read / 1e9, read / best,
           file == BLOCK_Q8_0 ? "0.85" : file == BLOCK_Q4_K ? "0.7" : "null");
    teardown();
}

static void prefill(enum block_type file, const char *name)
{
    uint32_t used[2];
    double best = 1e9;
    setup(file, PREFILL_ROWS, PREFILL_N, used);
    for (int i = 0; i < ROUNDS; i++) {
        double t = seconds(product);
        best = t < best ? t : best;
    }
    printf("{\"name\": \"matmul.prefill.%s\", \"value\": %.0f, \"unit\": \"GOP/s\", \"against\": null, \"ratio\": null, \"goal\": null}\n",
           name, 2.0 * PREFILL_ROWS * PREFILL_N * K / best / 1e9);
    teardown();
}

static void handoff(void)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_ns();
        for (int j = 0; j < HANDOFFS; j++)
            team_run(s.team, s.parts, ten_us, NULL);
        double t = (double)(clock_ns() - start) / 1e3 / HANDOFFS - 10;
        best = t < best ? t : best;
    }
    printf("{\"name\": \"team.handoff\", \"value\": %.2f, \"unit\": \"us\", \"against\": null, \"ratio\": null, \"goal\": null}\n", best);
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 2;
}

int main(int argc, char **argv)
{
    uint32_t threads = argc > 1 ? (uint32_t)atoi(argv[1]) : 2;
    struct bounds bounds = {.rows = PREFILL_ROWS, .sequences = 1, .longest = 1, .hidden = 64, .intermediate = 64, .heads = 1};
    s.b = &backend_cpu;
    if (threads == 0 || threads > THREADS_MAX || team_open(&s.team, threads, NULL) ||
        s.b->open(&s.dev, &(struct device_options){.isa = getenv("CODEASK_BENCH_ISA")}, NULL))
        return 2;
    for (uint32_t i = 0; i < threads; i++)
        if (s.b->queue(s.dev, &bounds, &s.queue[i], NULL))
            return 2;
    s.parts = threads;
    void *buffer;
    if (s.b->memory(s.dev, &buffer, (size_t)N * K * 2 + (64 << 10), NULL))
        return 2;
    s.buffer = buffer;
    memset(s.buffer, 1, (size_t)N * K * 2);
    handoff();
    for (int t = 0; t < BLOCK_COUNT; t++)
        if (wanted(block_formats[t].name, argc, argv) && t != BLOCK_F32) {
            decode((enum block_type)t, block_formats[t].name);
            prefill((enum block_type)t, block_formats[t].name);
        }
    for (uint32_t i = 0; i < threads; i++)
        s.b->queue_close(s.queue[i]);
    s.b->release(s.dev, s.buffer);
    s.b->close(s.dev);
    team_close(s.team);
    return 0;
}
