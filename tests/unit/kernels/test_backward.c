/* Gradients op by op: products against fp64, with weights of every type that files have; attention with its norms, rotation, window,
 * cap and sinks, and the gates, against differences of the forward ops; and a team gives the bytes that one thread gives. */
#include "kernels/backward.h"
#include "kernels/cpu/share.h"
#include "tests/unit/kernels/block_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define THREADS 3
enum { ROWS = 37, N = 75, K = 300 };

struct side {
    void *dev, *q[THREADS + 1]; /* by number of threads */
};

static void side_open(struct side *s, const char *isa)
{
    struct err e;
    assert_int_equal(backend_cpu.open(&s->dev, &(struct device_options){.isa = isa}, &e), 0);
    for (uint32_t i = 1; i <= THREADS; i++) {
        struct bounds b = {.rows = ROWS, .sequences = 4, .longest = ROWS, .hidden = 64, .intermediate = 64, .heads = 1, .threads = i};
        assert_int_equal(backend_cpu.queue(s->dev, &b, &s->q[i], &e), 0);
        ((struct cpu_queue *)s->q[i])->part_ns = 1;
    }
}

static void side_close(struct side *s)
{
    struct err e;
    for (uint32_t i = 1; i <= THREADS; i++) {
        if (backend_cpu.sync(s->q[i], &e))
            fail_msg("%s", e.message);
        backend_cpu.queue_close(s->q[i]);
    }
    backend_cpu.close(s->dev);
}

static struct mat mat_new(uint32_t rows, uint32_t cols, uint32_t stream)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = TYPE_F32};
    float *p = mem_zero((size_t)rows * m.stride, sizeof *p);
    for (uint32_t i = 0; i < rows && stream; i++)
        for (uint32_t c = 0; c < cols; c++)
            p[(size_t)i * m.stride + c] = number(stream, (uint64_t)i * cols + c);
    m.data = p;
    return m;
}

static float *at(const struct mat *m, uint32_t row, uint32_t col)
{
    return (float *)m->data + (size_t)row * m->stride + col;
}

static void near(const struct mat *got, double (*want)(const void *arg, uint32_t row, uint32_t col), const void *arg, double within, const char *what)
{
    double off = 0, all = 0;
    for (uint32_t i = 0; i < got->rows; i++)
        for (uint32_t c = 0; c < got->cols; c++) {
            double w = want(arg, i, c), d = *at(got, i, c) - w;
            off += d * d;
            all += w * w;
        }
    if (!(sqrt(off) <= within * sqrt(all)))
        fail_msg("%s: off by %g", what, sqrt(off / all));
}

static bool same(const struct mat *a, const struct mat *b)
{
    return memcmp(a->data, b->data, (size_t)a->rows * a->stride * sizeof(float)) == 0;
}

/* What one thread got is kept, what more of them got must be the same bytes. */
static void as_of_one_thread(uint32_t threads, struct mat *got, struct mat *first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_true(threads == 1 || same(&got[i], &first[i]));
        if (threads == 1)
            first[i] = got[i];
        else
            free(got[i].data);
    }
}

struct three { /* of a product y = x·wᵀ */
    const struct mat *x, *w, *y;
    const float *value; /* of w [n, k], instead */
};
#define SCALE .75
#define BEFORE .5 /* what was there is added to */

static double want_y(const void *arg, uint32_t i, uint32_t n)
{
    const struct three *t = arg;
    double sum = 0;
    for (uint32_t k = 0; k < t->x->cols; k++)
        sum += (double)*at(t->x, i, k) * *at(t->w, n, k);
    return BEFORE + SCALE * sum;
}

static double want_dx(const void *arg, uint32_t i, uint32_t k)
{
    const struct three *t = arg;
    double sum = 0;
    for (uint32_t n = 0; n < t->y->cols; n++)
        sum += (double)*at(t->y, i, n) * (t->value ? t->value[(size_t)n * K + k] : *at(t->w, n, k));
    return BEFORE + (t->value ? 1 : SCALE) * sum;
}

static double want_dw(const void *arg, uint32_t n, uint32_t k)
{
    const struct three *t = arg;
    double sum = 0;
    for (uint32_t i = 0; i < t->x->rows; i++)
        sum += (double)*at(t->y, i, n) * *at(t->x, i, k);
    return BEFORE + SCALE * sum;
}

static struct mat before(uint32_t rows, uint32_t cols)
{
    struct mat m = mat_new(rows, cols, 0);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t c = 0; c < cols; c++)
            *at(&m, i, c) = BEFORE;
    return m;
}

static void products(void **state)
{
    struct side s;
    side_open(&s, NULL);
    const struct backward_ops *b = backend_cpu.backward;
    struct mat x = mat_new(ROWS, K, 1), w = mat_new(N, K, 2), dy = mat_new(ROWS, N, 3), first[3] = {{0}};
    struct rows r = {.used = (uint32_t[]){ROWS, 1}, .max_rows = ROWS};
    struct three three = {&x, &w, &dy, NULL};
    for (uint32_t t = 1; t <= THREADS; t++) {
        struct mat got[3] = {before(ROWS, N), before(ROWS, K), before(N, K)};
        b->product(s.q[t], &got[0], &x, &w, SCALE, &r);
        b->product_dx(s.q[t], &got[1], &dy, &w, SCALE, &r);
        b->product_dw(s.q[t], &got[2], &dy, &x, SCALE, &r);
        near(&got[0], want_y, &three, 1e-6, "product");
        near(&got[1], want_dx, &three, 1e-6, "product_dx");
        near(&got[2], want_dw, &three, 1e-6, "product_dw");
        as_of_one_thread(t, got, first, 3);
    }
    for (int i = 0; i < 3; i++)
        free(first[i].data);
    free(x.data);
    free(w.data);
    free(dy.data);
    side_close(&s);
}

struct column_want {
    const struct mat *x, *dy;
    const uint32_t *token;
};

static double want_bias(const void *arg, uint32_t row, uint32_t c)
{
    const struct column_want *w = arg;
    double sum = BEFORE;
    for (uint32_t i = 0; i < ROWS; i++)
        sum += *at(w->dy, i, c);
    return sum;
}

static double want_gain(const void *arg, uint32_t row, uint32_t c)
{
    const struct column_want *w = arg;
    double sum = BEFORE;
    for (uint32_t i = 0; i < ROWS; i++) {
        double square = 0;
        for (uint32_t k = 0; k < N; k++)
            square += (double)*at(w->x, i, k) * *at(w->x, i, k);
        sum += *at(w->dy, i, c) * *at(w->x, i, c) / sqrt(square / N + 1e-5);
    }
    return sum;
}

static double want_embed(const void *arg, uint32_t row, uint32_t c)
{
    const struct column_want *w = arg;
    double sum = BEFORE;
    for (uint32_t i = 0; i < ROWS; i++)
        sum += w->token[i] == row ? SCALE * *at(w->dy, i, c) : 0;
    return sum;
}

static void gains_biases_and_embeddings(void **state)
{
    struct side s;
    side_open(&s, NULL);
    const struct backward_ops *b = backend_cpu.backward;
    uint32_t token[ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        token[i] = i * 7 % 11; /* some stand there several times */
    struct mat x = mat_new(ROWS, N, 1), dy = mat_new(ROWS, N, 2), first[3] = {{0}};
    struct rows r = {.used = (uint32_t[]){ROWS, 1}, .token = token, .max_rows = ROWS};
    struct column_want want = {&x, &dy, token};
    for (uint32_t t = 1; t <= THREADS; t++) {
        struct mat got[3] = {before(1, N), before(1, N), before(11, N)};
        b->bias(s.q[t], got[0].data, &dy, &r);
        b->gain(s.q[t], got[1].data, &dy, &x, &(struct norm){.eps = 1e-5f, .rms = true}, &r);
        b->embed(s.q[t], &got[2], &dy, SCALE, &r);
        near(&got[0], want_bias, &want, 1e-6, "bias");
        near(&got[1], want_gain, &want, 1e-6, "gain");
        near(&got[2], want_embed, &want, 1e-6, "embed");
        as_of_one_thread(t, got, first, 3);
    }
    for (int i = 0; i < 3; i++)
        free(first[i].data);
    free(x.data);
    free(dy.data);
    side_close(&s);
}

/* Values put into a weight that was made of others: the product of one that was made of them, to the bit, on every instruction set. */
static void weights_are_put_in_place(void **state)
{
    static const char *const isa[] = {NULL, "scalar", "avx2"};
    for (size_t i = 0; i < COUNT(isa); i++) {
        struct err e;
        struct side s;
        void *there;
        if (backend_cpu.open(&there, &(struct device_options){.isa = isa[i]}, &e))
            continue; /* not on this machine */
        backend_cpu.close(there);
        side_open(&s, isa[i]);
        struct file f[2] = {file_new(BLOCK_F32, N, K), file_new(BLOCK_F32, N, K)};
        struct weight *w[2];
        for (size_t j = 0; j < (size_t)N * K; j++)
            ((float *)f[1].bytes)[j] = number(9, j);
        for (int j = 0; j < 2; j++)
            assert_int_equal(backend_cpu.weight(s.dev, &w[j], TYPE_F32, &(struct weight_shape){.n = N, .k = K},
                                                &(struct weight_source){.type = BLOCK_F32, .row = file_row, .arg = &f[j]}, &e), 0);
        struct mat x = mat_new(ROWS, K, 1), got = mat_new(ROWS, N, 0), want = mat_new(ROWS, N, 0);
        struct mat values = {.data = f[1].bytes, .rows = N, .cols = K, .stride = K, .type = TYPE_F32};
        struct rows r = {.used = (uint32_t[]){ROWS, 1}, .max_rows = ROWS};
        backend_cpu.backward->weight_put(s.q[THREADS], w[0], &values);
        backend_cpu.matmul(s.q[1], &got, &x, w[0], &(struct matmul){0}, &r);
        backend_cpu.matmul(s.q[1], &want, &x, w[1], &(struct matmul){0}, &r);
        assert_true(same(&got, &want));
        values.rows--;
        backend_cpu.backward->weight_put(s.q[1], w[0], &values);
        assert_int_equal(backend_cpu.sync(s.q[1], &e), ERR_INTERNAL);
        for (int j = 0; j < 2; j++) {
            backend_cpu.weight_release(s.dev, w[j]);
            file_free(&f[j]);
        }
        free(x.data);
        free(got.data);
        free(want.data);
        side_close(&s);
    }
}

static void transposed_products_of_every_type(void **state)
{
    struct side s;
    side_open(&s, NULL);
    struct rows r = {.used = (uint32_t[]){ROWS, 1}, .max_rows = ROWS};
    struct mat dy = mat_new(ROWS, N, 3);
    for (int t = 0; t < BLOCK_COUNT; t++) {
        uint32_t values = block_formats[t].values, k = values == 1 ? K : (K + values - 1) / values * values;
        struct file f = file_new((enum block_type)t, N, k);
        struct weight *w = NULL;
        struct err e;
        struct weight_shape shape = {.n = N, .k = k};
        struct weight_source from = {.type = f.type, .row = file_row, .arg = &f};
        struct mat dx = before(ROWS, k), one = before(ROWS, k);
        if (backend_cpu.weight(s.dev, &w, backend_cpu.held(s.dev, f.type, false), &shape, &from, &e))
            fail_msg("%s", e.message);
        backend_cpu.backward->matmul_dx(s.q[THREADS], &dx, &dy, w, &r);
        backend_cpu.backward->matmul_dx(s.q[1], &one, &dy, w, &r);
        assert_true(same(&dx, &one));
        double off = 0, all = 0;
        for (uint32_t i = 0; i < ROWS; i++)
            for (uint32_t c = 0; c < k; c++) {
                double want = BEFORE;
                for (uint32_t n = 0; n < N; n++)
                    want += (double)*at(&dy, i, n) * f.value[(size_t)n * k + c];
                off += (*at(&dx, i, c) - want) * (*at(&dx, i, c) - want);
                all += want * want;
            }
        if (!(sqrt(off) <= 1e-6 * sqrt(all)))
            fail_msg("%s: off by %g", block_formats[t].name, sqrt(off / all));
        backend_cpu.weight_release(s.dev, w);
        free(dx.data);
        free(one.data);
        file_free(&f);
    }
    free(dy.data);
    side_close(&s);
}

/* Σ y·weight of a forward function of x, and its slope by x at one place. */
struct slope {
    double (*f)(void *arg, const struct mat *x);
    void *arg;
};
#define STEP 4e-3f
static double slope_at(const struct slope *s, struct mat *x, uint32_t row, uint32_t col)
{
    float *p = at(x, row, col), was = *p;
    *p = was + STEP;
    double up = s->f(s->arg, x);
    *p = was - STEP;
    double down = s->f(s->arg, x);
    *p = was;
    return (up - down) / (2 * (double)STEP);
}

static void slopes_fit(const struct slope *s, struct mat *x, const struct mat *dx, const char *what)
{
    double off = 0, all = 0;
    for (uint32_t i = 0; i < x->rows; i++)
        for (uint32_t c = 0; c < x->cols; c++) {
            double want = slope_at(s, x, i, c), d = *at(dx, i, c) - want;
            off += d * d;
            all += want * want;
        }
    if (!(sqrt(off) <= 1e-3 * sqrt(all)))
        fail_msg("%s: off by %g", what, sqrt(off / all));
}

static double weighed(const struct mat *y, const struct mat *by)
{
    double sum = 0;
    for (uint32_t i = 0; i < y->rows; i++)
        for (uint32_t c = 0; c < y->cols; c++)
            sum += (double)*at(y, i, c) * *at(by, i, c);
    return sum;
}

enum { HEADS = 4, KV_HEADS = 2, K_DIM = 8, V_DIM = 20, TOKENS = 14, WIDE = HEADS * K_DIM + KV_HEADS * (K_DIM + V_DIM) };

struct attending { /* prepare, then attend, of two sequences of 5 and 9 rows */
    void *q;
    struct prepare prepare;
    struct attend attend;
    struct cache cache;
    struct pages pages;
    struct rows r;
    struct mat by, turned, y;
};

static double attending(void *arg, const struct mat *x)
{
    struct attending *a = arg;
    memcpy(a->turned.data, x->data, (size_t)TOKENS * x->stride * sizeof(float));
    backend_cpu.prepare(a->q, &a->turned, &a->prepare, &a->cache, &a->pages, &a->r);
    backend_cpu.attend(a->q, &a->y, &a->turned, &a->attend, &a->cache, &a->pages, &a->r);
    return weighed(&a->y, &a->by);
}

static void attention_slopes(void **state)
{
    struct side s;
    side_open(&s, "scalar");
    float gain[2][K_DIM], sink[HEADS], frequency[K_DIM / 2];
    for (int i = 0; i < K_DIM; i++) {
        gain[0][i] = 1.5f + .5f * number(20, i);
        gain[1][i] = 1.5f + .5f * number(21, i);
        frequency[i / 2] = 1 / (float)(1 + i / 2);
    }
    for (int i = 0; i < HEADS; i++)
        sink[i] = number(22, i);
    uint32_t position[TOKENS], sequence[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++) {
        sequence[i] = i >= 5;
        position[i] = i >= 5 ? i - 5 : i;
    }
    for (int kind = 0; kind < 4; kind++) { /* each of norms, window and cap and sinks alone and together; both kinds of pairs */
        struct attending a = {
            .q = s.q[1],
            .prepare = {.heads = HEADS, .kv_heads = KV_HEADS, .k_dim = K_DIM, .v_dim = V_DIM, .eps = 1e-5f,
                        .rope = {.frequency = frequency, .dims = kind ? K_DIM : K_DIM / 2, .interleaved = kind & 1, .magnitude = 1.25f}},
            .attend = {.heads = HEADS, .scale = .7f},
            .cache = {.type = CACHE_F32, .heads = KV_HEADS, .k_dim = K_DIM, .v_dim = V_DIM},
            .pages = {(uint32_t[]){1, 0}, 1},
            .r = {.used = (uint32_t[]){TOKENS, 2}, .position = position, .sequence = sequence, .offset = (uint32_t[]){0, 5, TOKENS},
                  .max_rows = TOKENS, .max_sequences = 2, .longest = 9},
            .by = mat_new(TOKENS, HEADS * V_DIM, 23), .turned = mat_new(TOKENS, WIDE, 0), .y = mat_new(TOKENS, HEADS * V_DIM, 0),
        };
        a.cache.k = mem_zero(2 * CACHE_PAGE * KV_HEADS * K_DIM, sizeof(float));
        a.cache.v = mem_zero(2 * CACHE_PAGE * KV_HEADS * V_DIM, sizeof(float));
        if (kind == 1 || kind == 3) {
            a.prepare.q_gain = gain[0];
            a.prepare.k_gain = gain[1];
        }
        if (kind >= 2) {
            a.attend.window = 4;
            a.attend.softcap = 1.5f;
            a.attend.sinks = sink;
        }
        struct mat x = mat_new(TOKENS, WIDE, 24), first = {0};
        attending(&a, &x);
        for (uint32_t t = 1; t <= THREADS; t++) {
            struct mat dx = mat_new(TOKENS, WIDE, 0);
            backend_cpu.backward->attend(s.q[t], &dx, &a.by, &a.turned, &a.attend, &a.cache, &a.r);
            backend_cpu.backward->prepare(s.q[t], &dx, &x, &a.prepare, &a.r);
            if (t == 1)
                first = dx;
            else
                assert_true(same(&dx, &first));
            if (t > 1)
                free(dx.data);
        }
        slopes_fit(&(struct slope){attending, &a}, &x, &first, "attention");
        free(first.data);
        free(x.data);
        free(a.by.data);
        free(a.turned.data);
        free(a.y.data);
        free(a.cache.k);
        free(a.cache.v);
    }
    side_close(&s);
}

enum { GATES = 70 };
struct gates {
    void *q;
    struct glu how;
    struct rows r;
    struct mat by, y;
    bool norm;
    struct norm n;
};

static struct mat half(const struct mat *m, uint32_t first)
{
    struct mat v = *m;
    v.data = at(m, 0, first);
    v.cols = GATES;
    return v;
}

static double gate(void *arg, const struct mat *x)
{
    struct gates *g = arg;
    struct mat left = half(x, 0), right = half(x, GATES);
    if (g->norm)
        backend_cpu.norm(g->q, &g->y, NULL, &left, &g->n, &g->r);
    else
        backend_cpu.glu(g->q, &g->y, &left, &right, &g->how, &g->r);
    return weighed(&g->y, &g->by);
}

static void gates_and_norm(void **state)
{
    static const enum glu_kind kinds[] = {GLU_SILU, GLU_GELU_TANH, GLU_GELU};
    struct side s;
    float gain[GATES];
    side_open(&s, "scalar");
    for (int i = 0; i < GATES; i++)
        gain[i] = 1 + .5f * number(30, i);
    for (size_t i = 0; i <= COUNT(kinds); i++) { /* the last: the norm */
        struct gates g = {.q = s.q[1], .r = {.used = (uint32_t[]){5, 1}, .max_rows = 5}, .by = mat_new(5, GATES, 31),
                          .y = mat_new(5, GATES, 0), .norm = i == COUNT(kinds), .n = {.gain = gain, .eps = 1e-3f, .rms = true}};
        struct mat x = mat_new(5, 2 * GATES, 32), dx = mat_new(5, 2 * GATES, 0), left = half(&x, 0), right = half(&x, GATES),
                   dleft = half(&dx, 0), dright = half(&dx, GATES);
        if (g.norm) {
            backend_cpu.backward->norm(s.q[2], &dleft, &g.by, &left, &g.n, &g.r);
        } else {
            g.how.kind = kinds[i];
            backend_cpu.backward->glu(s.q[2], &dleft, &dright, &g.by, &left, &right, &g.how, &g.r);
        }
        slopes_fit(&(struct slope){gate, &g}, &x, &dx, g.norm ? "norm" : "gate");
        free(x.data);
        free(dx.data);
        free(g.by.data);
        free(g.y.data);
    }
    side_close(&s);
}

static void what_is_not_known_is_said(void **state)
{
    struct side s;
    struct err e;
    side_open(&s, NULL);
    struct rows r = {.used = (uint32_t[]){1, 1}, .max_rows = 1, .offset = (uint32_t[]){0, 1}, .position = (uint32_t[]){3}, .longest = 1};
    struct mat m = mat_new(1, 64, 1), d = mat_new(1, 64, 0);
    float gain[64] = {0};
    uint32_t target = 64;
    double loss;
    struct cache c = {.heads = 1, .k_dim = 16, .v_dim = 16};
    struct mat y = mat_new(1, 16, 1);
    const struct backward_ops *b = backend_cpu.backward;
    b->norm(s.q[1], &d, &m, &m, &(struct norm){.gain = gain}, &r);
    assert_int_equal(backend_cpu.sync(s.q[1], &e), ERR_INTERNAL);
    b->glu(s.q[1], &d, &d, &m, &m, &m, &(struct glu){.kind = GLU_CLAMPED}, &r);
    assert_int_equal(backend_cpu.sync(s.q[1], &e), ERR_INTERNAL);
    b->product(s.q[1], &m, &m, &d, 1, &r);
    assert_int_equal(backend_cpu.sync(s.q[1], &e), ERR_INTERNAL);
    b->cross_entropy(s.q[1], &d, &loss, &m, &target, 1, &r);
    assert_int_equal(backend_cpu.sync(s.q[1], &e), ERR_INTERNAL);
    b->attend(s.q[1], &d, &y, &m, &(struct attend){.heads = 1, .scale = 1}, &c, &r); /* of a sequence from position 3 on */
    assert_int_equal(backend_cpu.sync(s.q[1], &e), ERR_INTERNAL);
    free(m.data);
    free(d.data);
    free(y.data);
    side_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(products), cmocka_unit_test(gains_biases_and_embeddings), cmocka_unit_test(weights_are_put_in_place), cmocka_unit_test(transposed_products_of_every_type),
                                       cmocka_unit_test(attention_slopes), cmocka_unit_test(gates_and_norm),
                                       cmocka_unit_test(what_is_not_known_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
