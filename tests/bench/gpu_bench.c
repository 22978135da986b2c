/* Speed of the CUDA backend's ops on this device, a row of JSON a line: what scripts/gpu-check runs. Without an argument the shapes of
 * a model of eight thousand million weights; "small": shapes that an interpreter can run, whose figures mean nothing.
 *
 * Figures are of many launches in a row, the host's clock around them and the wait; weights of a format are as many as the caches
 * cannot hold. "of": what the row is held against, a rate measured here in the same run. */
#include "base/mem.h"
#include "kernels/backend.h"
#include "kernels/cuda/probe.h"
#include "kernels/cuda/scan.h"
#include "kernels/draw.h"
#include "tests/bench/gpu_blas.h"
#include "tests/unit/kernels/block_file.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CACHE_BYTES ((size_t)256 << 20) /* of weights that are read in turn: twice the largest L2 */
#define LEAST_SECONDS .1

static const struct backend *cuda;
static void *dev, *queue;
static bool small;
static double read_rate, blas_rate; /* bytes and operations a second; 0: not measured */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *memory(size_t bytes)
{
    struct err e;
    void *p = NULL;
    if (cuda->memory(dev, &p, bytes, &e)) {
        fprintf(stderr, "%s\n", e.message);
        exit(1);
    }
    return p;
}

static void wait_for(const char *what)
{
    struct err e;
    if (cuda->sync(queue, &e)) {
        printf("{\"name\":\"%s\",\"error\":\"%s\"}\n", what, e.message);
        exit(1);
    }
}

/* against 0: nothing to hold it against. */
static void row(const char *name, double value, const char *unit, double against, const char *of, double goal)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", name, value, unit);
    if (against > 0)
        printf(",\"ratio\":%.4g,\"of\":\"%s\"", value / against, of);
    if (goal > 0)
        printf(",\"goal\":%g", goal);
    puts("}");
    fflush(stdout);
}

/* Seconds of one call: rounds are doubled until they take long enough. */
static double seconds_of(void (*once)(void *arg, uint32_t i), void *arg, const char *what)
{
    for (uint32_t rounds = small ? 1 : 4;; rounds *= 2) {
        once(arg, 0);
        wait_for(what);
        double begin = now();
        for (uint32_t i = 0; i < rounds; i++)
            once(arg, i);
        wait_for(what);
        double took = now() - begin;
        if (small || took >= LEAST_SECONDS)
            return took / rounds;
    }
}

struct reading {
    void *from;
    size_t bytes;
    uint32_t *out;
};
static void read_once(void *arg, uint32_t i)
{
    struct reading *r = arg;
    cuda_probe(queue, r->from, r->bytes, r->out);
}
static void copy_once(void *arg, uint32_t i)
{
    struct reading *r = arg;
    cuda->copy(queue, r->from, (char *)r->from + r->bytes / 2, r->bytes / 2);
}

static void bandwidth(void)
{
    struct reading r = {.bytes = small ? 1 << 16 : (size_t)2 << 30};
    r.from = memory(r.bytes);
    r.out = memory(4);
    read_rate = (double)r.bytes / seconds_of(read_once, &r, "gpu.read");
    row("gpu.read", read_rate / 1e9, "GB/s", 0, NULL, 0);
    row("gpu.copy", (double)r.bytes / seconds_of(copy_once, &r, "gpu.copy") / 1e9, "GB/s, read and written", read_rate / 1e9, "gpu.read", 0);
    cuda->release(dev, r.from);
    cuda->release(dev, r.out);
}

struct rows_of { /* n rows in one sequence */
    struct rows r;
    void *memory;
};
static struct rows_of rows_of(uint32_t n)
{
    uint32_t *host = mem_zero(2 + 4 * (size_t)n + 2, sizeof *host), *at = memory((4 * (size_t)n + 4) * sizeof *at);
    host[0] = n;
    host[1] = 1;
    for (uint32_t i = 0; i < n; i++)
        host[2 + i] = i; /* positions; sequences and tokens are 0 */
    host[2 + 3 * n + 1] = n;
    cuda->put(queue, at, host, (4 * (size_t)n + 4) * sizeof *at);
    wait_for("rows");
    free(host);
    return (struct rows_of){{.used = at, .position = at + 2, .sequence = at + 2 + n, .token = at + 2 + 2 * n, .offset = at + 2 + 3 * n,
                             .max_rows = n, .max_sequences = 1, .longest = n}, at};
}

static struct mat matrix(uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    m.data = memory((size_t)rows * m.stride * (type == TYPE_F32 ? 4 : type == TYPE_Q8 ? 1 : 2));
    if (type == TYPE_Q8)
        m.quant = memory((size_t)rows * m.stride / QUANT_BLOCK * sizeof *m.quant);
    return m;
}

/* Numbers as a model has them, so that no product is of zeros alone. */
static void fill(struct mat *m, const struct rows *r)
{
    struct mat f = matrix(m->rows, m->cols, TYPE_F32);
    float *line = mem_zero(f.stride, sizeof *line);
    for (uint32_t c = 0; c < f.cols; c++)
        line[c] = number(3, c);
    for (uint32_t i = 0; i < f.rows; i++)
        cuda->put(queue, (float *)f.data + (size_t)i * f.stride, line, f.stride * sizeof *line);
    if (m->type == TYPE_F32)
        cuda->copy(queue, m->data, f.data, (size_t)f.rows * f.stride * 4);
    else
        cuda->quantize(queue, m, &f, r);
    wait_for("fill");
    cuda->release(dev, f.data);
    free(line);
}

static const void *one_line(void *arg, uint32_t i)
{
    return arg;
}

struct product {
    struct weight *w[64];
    uint32_t count;
    struct mat x, y;
    struct rows_of r;
    size_t bytes; /* of a weight */
};
static void multiply_once(void *arg, uint32_t i)
{
    struct product *p = arg;
    cuda->matmul(queue, &p->y, &p->x, p->w[i % p->count], &(struct matmul){0}, &p->r.r);
}

static void product_open(struct product *p, enum block_type file, uint32_t rows, uint32_t n, uint32_t k, bool many)
{
    struct file f = file_new(file, 1, k);
    struct weight_shape shape = {.n = n, .k = k};
    struct weight_source from = {.type = file, .row = one_line, .arg = f.bytes};
    struct err e;
    *p = (struct product){.r = rows_of(rows)};
    enum type held = cuda->held(dev, file, false);
    do {
        if (cuda->weight(dev, &p->w[p->count], held, &shape, &from, &e)) {
            fprintf(stderr, "%s\n", e.message);
            exit(1);
        }
        p->bytes = cuda->weight_bytes(p->w[p->count++]);
    } while (many && p->count * p->bytes < CACHE_BYTES && p->count < 64 && !small);
    p->x = matrix(rows, k, cuda->operand(dev, held, rows));
    p->y = matrix(rows, n, TYPE_F32);
    fill(&p->x, &p->r.r);
    file_free(&f);
}

static void product_close(struct product *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        cuda->weight_release(dev, p->w[i]);
    void *all[] = {p->x.data, p->x.quant, p->y.data, p->r.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda->release(dev, all[i]);
}

static void decode(void)
{
    static const enum block_type types[] = {BLOCK_Q8_0, BLOCK_Q4_K, BLOCK_BF16, BLOCK_Q6_K, BLOCK_F16, BLOCK_Q4_0, BLOCK_Q4_1, BLOCK_Q5_0,
                                            BLOCK_Q5_1, BLOCK_Q5_K, BLOCK_IQ4_NL, BLOCK_IQ4_XS, BLOCK_MXFP4, BLOCK_NVFP4};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (uint32_t rows = 1; rows <= 8; rows += 7) {
            struct product p;
            char name[60];
            double goal = rows > 1 ? 0 : types[t] == BLOCK_Q8_0 || types[t] == BLOCK_BF16 ? .75 : types[t] == BLOCK_Q4_K ? .6 : 0;
            if (rows > 1 && t > 3)
                continue;
            product_open(&p, types[t], rows, small ? 64 : 14336, small ? 256 : 4096, true);
            snprintf(name, sizeof name, "gpu.decode.%s.%u", block_formats[types[t]].name, rows);
            row(name, (double)p.bytes / seconds_of(multiply_once, &p, name) / 1e9, "GB/s of weights", read_rate / 1e9, "gpu.read", goal);
            product_close(&p);
        }
}

static void prefill(void)
{
    static const enum block_type types[] = {BLOCK_BF16, BLOCK_Q8_0, BLOCK_Q4_K, BLOCK_Q6_K, BLOCK_F16, BLOCK_IQ4_XS};
    uint32_t rows = small ? 70 : 4096, n = small ? 70 : 14336, k = small ? 256 : 4096;
    double operations = 2. * rows * n * k, took = gpu_blas_seconds(rows, n, k);
    char why[200];
    if (took > 0) {
        blas_rate = operations / took;
        row("gpu.blas.bf16", blas_rate / 1e12, "TFLOP/s", 0, NULL, 0);
    } else {
        gpu_blas_reason(why, sizeof why);
        printf("{\"name\":\"gpu.blas.bf16\",\"missing\":\"%s\"}\n", why);
    }
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        struct product p;
        char name[60];
        product_open(&p, types[t], rows, n, k, false);
        snprintf(name, sizeof name, "gpu.prefill.%s", block_formats[types[t]].name);
        row(name, operations / seconds_of(multiply_once, &p, name) / 1e12, "TFLOP/s", blas_rate / 1e12, "gpu.blas.bf16", t ? 0 : .6);
        product_close(&p);
    }
}

struct attending {
    struct mat q, y;
    struct cache c;
    struct pages p;
    struct rows_of r;
    struct attend how;
};
static void attend_once(void *arg, uint32_t i)
{
    struct attending *a = arg;
    cuda->attend(queue, &a->y, &a->q, &a->how, &a->c, &a->p, &a->r.r);
}

/* One sequence of `keys` tokens in fp16, 32 heads over 8 of keys; rows: its last ones. */
static double attend_seconds(uint32_t rows, uint32_t keys, const char *name)
{
    struct attending a = {.r = rows_of(rows), .how = {.heads = small ? 4 : 32, .scale = .09f}};
    uint32_t kv = small ? 1 : 8, pages = (keys + CACHE_PAGE - 1) / CACHE_PAGE, *host = mem_zero(pages + rows, 4), *table = memory(pages * 4);
    size_t bytes = (size_t)pages * kv * CACHE_PAGE * 128 * 2;
    for (uint32_t i = 0; i < pages; i++)
        host[i] = i;
    for (uint32_t i = 0; i < rows; i++)
        host[pages + i] = keys - rows + i;
    cuda->put(queue, table, host, pages * 4);
    cuda->put(queue, (void *)(uintptr_t)a.r.r.position, host + pages, rows * 4);
    a.c = (struct cache){.k = memory(bytes), .v = memory(bytes), .type = CACHE_F16, .heads = kv, .k_dim = 128, .v_dim = 128};
    a.p = (struct pages){table, pages};
    a.q = matrix(rows, a.how.heads * 128, TYPE_F32);
    a.y = matrix(rows, a.how.heads * 128, TYPE_F32);
    fill(&a.q, &a.r.r);
    double took = seconds_of(attend_once, &a, name);
    void *all[] = {a.q.data, a.y.data, a.c.k, a.c.v, table, a.r.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda->release(dev, all[i]);
    free(host);
    return took;
}

static void attention(void)
{
    uint32_t keys = small ? 300 : 32768, rows = small ? 40 : 4096;
    double bytes = 2. * keys * (small ? 1 : 8) * 128 * 2;
    row("gpu.attend.decode", bytes / attend_seconds(1, keys, "gpu.attend.decode") / 1e9, "GB/s of keys and values", read_rate / 1e9, "gpu.read", 0);
    row("gpu.attend.prefill", 2. * 2 * rows * rows / 2 * (small ? 4 : 32) * 128 / attend_seconds(rows, rows, "gpu.attend.prefill") / 1e12,
        "TFLOP/s, causal", blas_rate / 1e12, "gpu.blas.bf16", 0);
}

struct encoding {
    struct mat qkv, y;
    struct attention how;
    struct rows_of r;
};
static void encode_once(void *arg, uint32_t i)
{
    struct encoding *a = arg;
    cuda->attention(queue, &a->y, &a->qkv, &a->how, &a->r.r);
}

/* Attention of an encoder: 16 sequences of 512, 12 heads of 64. */
static void encoder_attention(void)
{
    uint32_t sequences = small ? 2 : 16, each = small ? 40 : 512, rows = sequences * each, heads = small ? 2 : 12;
    struct encoding a = {.r = rows_of(rows), .how = {heads, 64, .125f, false, 0}};
    uint32_t *offset = mem_zero(sequences + 1, 4), *there = memory((sequences + 1) * 4), used[2] = {rows, sequences};
    for (uint32_t i = 0; i <= sequences; i++)
        offset[i] = i * each;
    cuda->put(queue, there, offset, (sequences + 1) * 4);
    cuda->put(queue, (void *)(uintptr_t)a.r.r.used, used, sizeof used);
    a.r.r.offset = there;
    a.r.r.max_sequences = sequences;
    a.r.r.longest = each;
    a.qkv = matrix(rows, 3 * heads * 64, TYPE_BF16);
    a.y = matrix(rows, heads * 64, TYPE_BF16);
    fill(&a.qkv, &a.r.r);
    double took = seconds_of(encode_once, &a, "gpu.attention.encoder");
    row("gpu.attention.encoder", 4. * rows * each * heads * 64 / took / 1e12, "TFLOP/s", blas_rate / 1e12, "gpu.blas.bf16", 0);
    void *all[] = {a.qkv.data, a.y.data, there, a.r.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda->release(dev, all[i]);
    free(offset);
}

struct drawing {
    struct mat logits;
    struct draw_row *row;
    struct draw_out *out;
    struct rows_of rows;
    void *host;
};
static void draw_once(void *arg, uint32_t i)
{
    struct drawing *d = arg;
    cuda->draw(queue, d->out, &d->logits, d->row, NULL, &d->rows.r);
}
/* What the draw saves a step: all logits to the host. */
static void fetch_once(void *arg, uint32_t i)
{
    struct drawing *d = arg;
    cuda->get(queue, d->host, d->logits.data, (size_t)d->logits.rows * d->logits.stride * sizeof(float));
}

/* Tokens of 1 and of 32 rows of logits: the likeliest, and one of those that weigh .95 of the 40 likeliest. */
static void draw(void)
{
    uint32_t vocab = small ? 700 : 151936;
    for (uint32_t rows = 1; rows <= 32; rows += 31) {
        struct drawing d = {.logits = matrix(rows, vocab, TYPE_F32), .row = memory(32 * sizeof *d.row), .out = memory(32 * sizeof *d.out),
                            .rows = rows_of(rows), .host = mem_zero((size_t)rows * (vocab + 64), sizeof(float))};
        float *host = d.host;
        for (size_t i = 0; i < (size_t)rows * d.logits.stride; i++)
            host[i] = (float)(int32_t)((uint32_t)i * 2654435761u) / (1u << 28);
        cuda->put(queue, d.logits.data, host, (size_t)rows * d.logits.stride * sizeof *host);
        double fetched = seconds_of(fetch_once, &d, "gpu.draw");
        for (int drawn = 0; drawn < 2; drawn++) {
            struct draw_row how[32];
            char name[40];
            for (uint32_t i = 0; i < 32; i++)
                how[i] = (struct draw_row){.vocab = vocab, .repetition = 1, .scale = drawn ? 1.25f : 0, .top_k = drawn ? 40 : 0,
                                           .top_p = drawn ? 4080218931u : 0, .least = 1, .uniform = (uint64_t)i << 58};
            cuda->put(queue, d.row, how, sizeof how);
            double seconds = seconds_of(draw_once, &d, "gpu.draw");
            snprintf(name, sizeof name, "gpu.draw.%s.%u", drawn ? "top_p" : "greedy", rows);
            row(name, 1e-3 / seconds, "thousand steps/s", 1e-3 / fetched, "logits to the host", 0);
        }
        void *all[] = {d.logits.data, d.row, d.out, d.rows.memory};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            cuda->release(dev, all[i]);
        free(d.host);
    }
}

static void scan(void)
{
    size_t n = small ? 600 : 4000000, dim = small ? 64 : 768;
    int8_t *rows = mem_alloc(n * dim), *q = mem_alloc(8 * dim);
    float *scale = mem_alloc(n * sizeof *scale), qscale[8];
    struct cuda_scan *s = NULL;
    struct err e;
    for (size_t i = 0; i < n * dim; i++)
        rows[i] = (int8_t)(i * 2654435761u >> 24);
    for (size_t i = 0; i < 8 * dim; i++)
        q[i] = (int8_t)(i * 40503 >> 8);
    for (size_t i = 0; i < n; i++)
        scale[i] = .01f;
    for (int i = 0; i < 8; i++)
        qscale[i] = .01f;
    struct scan_rows r = {rows, scale, n, dim, 0};
    if (cuda_scan_new(&s, dev, &r, &e)) {
        printf("{\"name\":\"gpu.scan\",\"error\":\"%s\"}\n", e.message);
        goto out;
    }
    for (uint32_t queries = 1; queries <= 8; queries += 7) {
        struct scan_hit hit[8][64];
        struct scan_top top[8];
        char name[40];
        double best = 1e30;
        for (int round = 0; round < (small ? 1 : 10); round++) {
            for (int i = 0; i < 8; i++)
                top[i] = (struct scan_top){hit[i], 0, 64};
            double begin = now();
            if (cuda_scan_topk(s, NULL, &(struct scan_queries){q, qscale, queries}, top, &e)) {
                printf("{\"name\":\"gpu.scan\",\"error\":\"%s\"}\n", e.message);
                goto out;
            }
            best = now() - begin < best ? now() - begin : best;
        }
        snprintf(name, sizeof name, "gpu.scan.%u", queries);
        row(name, (double)n * (double)dim / best / 1e9, "GB/s of vectors, hits read back", read_rate / 1e9, "gpu.read", queries == 1 ? .85 : 0);
    }
out:
    cuda_scan_free(s);
    free(rows);
    free(q);
    free(scale);
}

int main(int argc, char **argv)
{
    struct bounds b = {8192, 64, 8192, 4096, 14336, 32};
    struct err e;
    small = argc > 1 && strcmp(argv[1], "small") == 0;
    cuda = backend_find("cuda");
    if (!cuda || cuda->open(&dev, NULL, &e) || cuda->queue(dev, &b, &queue, &e)) {
        fprintf(stderr, "%s\n", cuda ? e.message : "built without the CUDA backend");
        return 77;
    }
    bandwidth();
    decode();
    prefill();
    attention();
    encoder_attention();
    draw();
    scan();
    cuda->queue_close(queue);
    cuda->close(dev);
    return 0;
}
