/* Ops that a team shares against the same ops by one thread, to the bit: products of every type of weights, rows of every kind. */
#include "base/mem.h"
#include "kernels/cpu/share.h"
#include "tests/unit/kernels/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define THREADS 4
enum { N = 203, K = 512, ROWS = 70, EXPERTS = 3 };

static const char *const isas[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "neon-f32"};

struct side {
    void *dev, *q[THREADS + 1]; /* by number of threads */
};

static bool side_open(struct side *s, const char *isa)
{
    struct err e;
    if (backend_cpu.open(&s->dev, &(struct device_options){.isa = isa}, &e))
        return false;
    for (uint32_t i = 1; i <= THREADS; i++) {
        struct bounds b = {.rows = ROWS, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1, .threads = i};
        assert_int_equal(backend_cpu.queue(s->dev, &b, &s->q[i], &e), 0);
        ((struct cpu_queue *)s->q[i])->part_ns = 1;
    }
    return true;
}

static void side_close(struct side *s)
{
    struct err e;
    for (int i = 1; i <= THREADS; i++) {
        if (backend_cpu.sync(s->q[i], &e))
            fail_msg("%s", e.message);
        backend_cpu.queue_close(s->q[i]);
    }
    backend_cpu.close(s->dev);
}

static struct mat mat_new(uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    m.data = mem_zero((size_t)rows * m.stride, sizeof(float));
    m.quant = mem_zero((size_t)rows * m.stride / QUANT_BLOCK, sizeof *m.quant);
    return m;
}

static void mat_free(struct mat *m)
{
    free(m->data);
    free(m->quant);
}

static void fill(struct mat *m, uint32_t stream)
{
    for (size_t i = 0; i < (size_t)m->rows * m->stride; i++)
        ((float *)m->data)[i] = i % m->stride < m->cols ? number(stream, i) : 0;
}

static void same(const struct mat *a, const struct mat *b, const char *isa, const char *what, int threads, uint32_t rows)
{
    size_t n = (size_t)a->rows * a->stride;
    if (memcmp(a->data, b->data, n * sizeof(float)) || memcmp(a->quant, b->quant, n / QUANT_BLOCK * sizeof *a->quant))
        fail_msg("%s, %s of %u rows: %d threads give other bytes than one", isa, what, rows, threads);
}

static const void *weight_row(void *arg, uint32_t row)
{
    struct mat *m = arg;
    return (float *)m->data + (size_t)row * m->stride;
}

static struct weight *weight_new(struct side *s, enum type type, struct mat *from, uint32_t experts)
{
    struct weight *w = NULL;
    struct err e;
    if (backend_cpu.weight(s->dev, &w, type, &(struct weight_shape){.n = N, .k = K, .experts = experts},
                           &(struct weight_source){.type = BLOCK_F32, .row = weight_row, .arg = from}, &e))
        fail_msg("%s", e.message);
    return w;
}

static void products(void **state)
{
    static const enum type types[] = {TYPE_F32, TYPE_BF16, TYPE_Q8};
    static const uint32_t counts[] = {1, 3, 8, ROWS};
    uint32_t group[EXPERTS + 1] = {0, 21, 21, ROWS};
    struct mat values = mat_new(N * EXPERTS, K, TYPE_F32), x = mat_new(ROWS, K, TYPE_F32), bias = mat_new(EXPERTS, N, TYPE_F32);
    fill(&values, 1);
    fill(&x, 2);
    fill(&bias, 3);
    for (size_t i = 0; i < COUNT(isas); i++) {
        struct side s;
        if (!side_open(&s, isas[i]))
            continue;
        for (size_t t = 0; t < COUNT(types); t++)
            for (size_t c = 0; c <= COUNT(counts); c++) { /* the last: experts */
                bool experts = c == COUNT(counts);
                uint32_t rows = experts ? ROWS : counts[c], used[2] = {rows, 1};
                struct rows r = {.used = used, .max_rows = rows};
                struct weight *w = weight_new(&s, types[t], &values, experts ? EXPERTS : 1);
                struct matmul how = {.bias = bias.data, .activation = ACT_SILU, .groups = experts ? group : NULL};
                struct mat one = {0};
                for (int threads = 1; threads <= THREADS; threads++) {
                    struct mat xq = mat_new(ROWS, K, backend_cpu.operand(s.dev, types[t], rows)), y = mat_new(ROWS, N, TYPE_F32);
                    backend_cpu.quantize(s.q[threads], &xq, &x, &r);
                    backend_cpu.matmul(s.q[threads], &y, &xq, w, &how, &r);
                    mat_free(&xq);
                    if (threads == 1) {
                        one = y;
                        continue;
                    }
                    same(&y, &one, isas[i], experts ? "products of experts" : "a product", threads, rows);
                    mat_free(&y);
                }
                mat_free(&one);
                backend_cpu.weight_release(s.dev, w);
            }
        side_close(&s);
    }
    mat_free(&values);
    mat_free(&x);
    mat_free(&bias);
}

static void rows_of_every_type(void **state)
{
    static const enum type types[] = {TYPE_F32, TYPE_BF16, TYPE_Q8};
    uint32_t used[2] = {ROWS - 1, 1};
    struct rows r = {.used = used, .max_rows = ROWS};
    struct mat x = mat_new(ROWS, K, TYPE_F32), gain = mat_new(1, K, TYPE_F32);
    fill(&x, 4);
    fill(&gain, 5);
    for (size_t i = 0; i < COUNT(isas); i++) {
        struct side s;
        if (!side_open(&s, isas[i]))
            continue;
        for (size_t t = 0; t < COUNT(types); t++) {
            struct mat one[2];
            for (int threads = 1; threads <= THREADS; threads++) {
                struct mat y = mat_new(ROWS, K, TYPE_F32), yq = mat_new(ROWS, K, types[t]);
                backend_cpu.norm(s.q[threads], &y, &yq, &x, &(struct norm){.gain = gain.data, .eps = 1e-5f, .rms = true}, &r);
                if (threads > 1) {
                    same(&y, &one[0], isas[i], "norm", threads, used[0]);
                    same(&yq, &one[1], isas[i], "norm's operand", threads, used[0]);
                    mat_free(&y);
                    mat_free(&yq);
                    continue;
                }
                one[0] = y;
                one[1] = yq;
                for (uint32_t c = 0; c < K; c++) /* the last row is not in use */
                    assert_true(((float *)y.data)[(size_t)(ROWS - 1) * y.stride + c] == 0);
            }
            mat_free(&one[0]);
            mat_free(&one[1]);
        }
        side_close(&s);
    }
    mat_free(&x);
    mat_free(&gain);
}

static const void *block_row(void *arg, uint32_t row)
{
    const struct mat *m = arg; /* its bytes, as any type's rows */
    return (const uint8_t *)m->data + (size_t)row * 1024;
}

/* Held by a team, from rows that stay or are copied: the bytes that one thread makes. */
static void weights_repacked_together(void **state)
{
    struct mat bytes = mat_new(N * EXPERTS, 64 * 4, TYPE_F32);
    struct side s;
    struct team *team;
    struct err e;
    for (size_t i = 0; i < (size_t)N * EXPERTS * 1024; i++)
        ((uint8_t *)bytes.data)[i] = (uint8_t)(number(6, i) * 31 + 32); /* no infinities in any type */
    assert_int_equal(team_open(&team, THREADS, &e), 0);
    assert_true(side_open(&s, NULL));
    for (int t = 0; t < BLOCK_COUNT; t++) {
        struct weight *w[3] = {NULL};
        struct weight_shape shape = {.n = N, .k = 256, .experts = EXPERTS};
        for (int i = 0; i < 3; i++) {
            struct weight_source from = {.type = (enum block_type)t, .row = block_row, .arg = &bytes, .stays = i == 2, .team = i ? team : NULL};
            if (backend_cpu.weight(s.dev, &w[i], backend_cpu.held(s.dev, (enum block_type)t, false), &shape, &from, &e))
                fail_msg("%s: %s", block_formats[t].name, e.message);
            if (w[i]->bytes != w[0]->bytes || memcmp(w[i]->data, w[0]->data, w[0]->panel_bytes * EXPERTS * ((N + w[0]->panel - 1) / w[0]->panel)))
                fail_msg("%s: other bytes %s", block_formats[t].name, i == 2 ? "from rows that stay" : "from rows that are copied");
        }
        for (int i = 0; i < 3; i++)
            backend_cpu.weight_release(s.dev, w[i]);
    }
    side_close(&s);
    team_close(team);
    mat_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights_repacked_together), cmocka_unit_test(products), cmocka_unit_test(rows_of_every_type)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
