/* Attention over pages and gated activations of every instruction set against the scalar reference, which sums in double; what
 * attention must not depend on (batch, pages); and the fp16 of the cache. */
#include "base/mem.h"
#include "kernels/cpu/decode.h"
#include "tests/unit/kernels/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define KEYS 600 /* three groups of ATTENTION_KEYS */
#define PAGES 40
#define PROMPT 60 /* rows of a step that reads */

static const char *const isas[] = {"avx2", "avxvnni", "avx512", "amx", "neon", "neon-f32"};

struct side {
    void *dev, *q;
};

static bool side_open(struct side *s, const char *isa)
{
    struct err e;
    struct bounds b = {.rows = PROMPT, .sequences = 8, .longest = 1, .hidden = 128, .intermediate = 1, .heads = 1}; /* heads of 128 */
    if (backend_cpu.open(&s->dev, &(struct device_options){.isa = isa}, &e))
        return false;
    assert_int_equal(backend_cpu.queue(s->dev, &b, &s->q, &e), 0);
    return true;
}

static void side_close(struct side *s)
{
    struct err e;
    assert_int_equal(backend_cpu.sync(s->q, &e), 0);
    backend_cpu.queue_close(s->q);
    backend_cpu.close(s->dev);
}

static struct mat mat_new(uint32_t rows, uint32_t cols)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = TYPE_F32};
    m.data = mem_zero((size_t)rows * m.stride, sizeof(float));
    return m;
}

static void fill(struct mat *m, uint32_t stream, float scale)
{
    for (uint32_t i = 0; i < m->rows; i++)
        for (uint32_t c = 0; c < m->cols; c++)
            mat_row(m, i)[c] = scale * number(stream, (uint64_t)i * m->cols + c);
}

static void close_to(const struct mat *a, const struct mat *b, double tolerance, const char *what)
{
    double worst = 0, top = 0;
    for (uint32_t i = 0; i < a->rows; i++)
        for (uint32_t c = 0; c < a->cols; c++) {
            double d = fabs((double)mat_row(a, i)[c] - mat_row(b, i)[c]);
            worst = d > worst || isnan(d) ? d : worst;
            top = fmax(top, fabs((double)mat_row(b, i)[c]));
        }
    if (!(worst <= tolerance * top))
        fail_msg("%s: largest difference %g of %g", what, worst, top);
}

/* Two sequences whose pages lie anywhere, filled by prepare() itself. */
struct cached {
    struct cache c;
    struct pages p;
    uint32_t table[2 * (KEYS / CACHE_PAGE + 1)];
};

static void cached_new(struct cached *x, struct side *s, enum cache_type type, uint32_t heads, uint32_t k_dim, uint32_t v_dim, bool latent,
                       uint32_t shift)
{
    uint32_t stride = KEYS / CACHE_PAGE + 1, used[2] = {KEYS, 1}, *position = mem_alloc(KEYS * 4), *sequence = mem_alloc(KEYS * 4);
    size_t rows = (size_t)PAGES * heads * CACHE_PAGE;
    struct rows r = {.used = used, .position = position, .sequence = sequence};
    struct prepare how = {.kv_heads = heads, .k_dim = k_dim, .v_dim = latent ? 0 : v_dim};
    struct mat kv = mat_new(KEYS, heads * (k_dim + how.v_dim));
    x->c = (struct cache){.k = mem_zero(rows, k_dim * 4), .k_scale = mem_zero(rows, k_dim * 4), .type = type, .heads = heads,
                          .k_dim = k_dim, .v_dim = v_dim};
    if (!latent) {
        x->c.v = mem_zero(rows, v_dim * 4);
        x->c.v_scale = mem_zero(rows, v_dim * 4);
    }
    x->p = (struct pages){x->table, stride};
    for (uint32_t i = 0; i < 2 * stride; i++)
        x->table[i] = (i * 7 + shift) % PAGES;
    fill(&kv, 5, 2);
    for (uint32_t seq = 0; seq < 2; seq++) {
        for (uint32_t i = 0; i < KEYS; i++) {
            position[i] = i;
            sequence[i] = seq;
        }
        backend_cpu.prepare(s->q, &kv, &how, &x->c, &x->p, &r);
    }
    free(kv.data);
    free(position);
    free(sequence);
}

static void cached_free(struct cached *x)
{
    void *all[] = {x->c.k, x->c.v, x->c.k_scale, x->c.v_scale};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
}

static const struct shape {
    uint32_t heads, kv, k_dim, v_dim;
    bool latent;
} shapes[] = {{4, 2, 64, 64, false}, {7, 1, 20, 20, false}, {6, 2, 33, 7, false}, {3, 3, 128, 48, false}, {5, 1, 72, 56, true}};

static void attend_like_reference(void **state)
{
    static const uint32_t position[] = {0, 31, 32, 255, 256, 599};
    uint32_t used[2] = {COUNT(position), 2}, sequence[] = {0, 1, 0, 1, 0, 1};
    struct rows r = {.used = used, .position = position, .sequence = sequence};
    struct side ref, fast;
    assert_true(side_open(&ref, "scalar"));
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&fast, isas[i]))
            continue;
        for (size_t k = 0; k < COUNT(shapes); k++)
            for (int type = CACHE_F32; type <= CACHE_Q8; type++)
                for (int kind = 0; kind < 4; kind++) {
                    const struct shape *s = &shapes[k];
                    struct cached x;
                    float sinks[8] = {.5f, -1, 2, 0, 1, -.5f, 3, 0};
                    struct mat q = mat_new(6, s->heads * s->k_dim), want = mat_new(6, s->heads * s->v_dim), got = mat_new(6, s->heads * s->v_dim);
                    struct attend how = {.heads = s->heads, .scale = 1 / sqrtf((float)s->k_dim), .window = kind == 1 ? 45 : 0,
                                         .sinks = kind == 2 ? sinks : NULL, .softcap = kind == 3 ? 2 : 0};
                    char what[100];
                    cached_new(&x, &ref, (enum cache_type)type, s->kv, s->k_dim, s->v_dim, s->latent, 3);
                    fill(&q, 9, 3);
                    backend_cpu.attend(ref.q, &want, &q, &how, &x.c, &x.p, &r);
                    backend_cpu.attend(fast.q, &got, &q, &how, &x.c, &x.p, &r);
                    snprintf(what, sizeof what, "%s attend shape %zu cache %d kind %d", isas[i], k, type, kind);
                    close_to(&got, &want, 5e-6, what);
                    cached_free(&x);
                    free(q.data);
                    free(want.data);
                    free(got.data);
                }
        side_close(&fast);
    }
    side_close(&ref);
}

/* Two prompts in one step, which are read in tiles: one from the beginning, one after 250 keys, across a border of groups. */
static void prompts_like_reference(void **state)
{
    uint32_t used[2] = {PROMPT, 2}, sequence[PROMPT], position[PROMPT];
    struct rows r = {.used = used, .position = position, .sequence = sequence};
    struct side ref, fast;
    assert_true(side_open(&ref, "scalar"));
    for (uint32_t i = 0; i < PROMPT; i++) {
        sequence[i] = i >= 23;
        position[i] = i < 23 ? i : 250 + i - 23;
    }
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&fast, isas[i]))
            continue;
        for (size_t k = 0; k < COUNT(shapes); k++)
            for (int type = CACHE_F32; type <= CACHE_Q8; type++)
                for (int kind = 0; kind < 5; kind++) {
                    const struct shape *s = &shapes[k];
                    struct cached x;
                    float sinks[8] = {.5f, -1, 2, 0, 1, -.5f, 3, 0};
                    struct mat q = mat_new(PROMPT, s->heads * s->k_dim), want = mat_new(PROMPT, s->heads * s->v_dim);
                    struct mat got = mat_new(PROMPT, s->heads * s->v_dim), one = mat_new(PROMPT, s->heads * s->v_dim);
                    struct attend how = {.heads = s->heads, .scale = 1 / sqrtf((float)s->k_dim), .window = kind == 1 ? 45 : kind == 4 ? 7 : 0,
                                         .sinks = kind == 2 ? sinks : NULL, .softcap = kind == 3 ? 2 : 0};
                    char what[100];
                    cached_new(&x, &ref, (enum cache_type)type, s->kv, s->k_dim, s->v_dim, s->latent, 3);
                    fill(&q, 9, 3);
                    backend_cpu.attend(ref.q, &want, &q, &how, &x.c, &x.p, &r);
                    backend_cpu.attend(fast.q, &got, &q, &how, &x.c, &x.p, &r);
                    snprintf(what, sizeof what, "%s prompts, shape %zu cache %d kind %d", isas[i], k, type, kind);
                    close_to(&got, &want, 1e-5, what);
                    /* the second prompt alone: the same bytes from other tiles */
                    struct rows second = {.used = (uint32_t[]){PROMPT - 23, 1}, .position = position + 23, .sequence = sequence + 23};
                    struct mat from = q, to = one;
                    from.data = mat_row(&q, 23);
                    to.data = mat_row(&one, 23);
                    backend_cpu.attend(fast.q, &to, &from, &how, &x.c, &x.p, &second);
                    for (uint32_t row = 23; row < PROMPT; row++)
                        if (memcmp(mat_row(&one, row), mat_row(&got, row), one.cols * sizeof(float)))
                            fail_msg("%s: row %u depends on who is beside it", what, row);
                    cached_free(&x);
                    struct mat *all[] = {&q, &want, &got, &one};
                    for (size_t j = 0; j < COUNT(all); j++)
                        free(all[j]->data);
                }
        side_close(&fast);
    }
    side_close(&ref);
}

static void attend_is_invariant(void **state)
{
    struct side fast;
    assert_true(side_open(&fast, NULL));
    for (size_t k = 0; k < COUNT(shapes); k++) {
        const struct shape *s = &shapes[k];
        struct cached x, moved;
        uint32_t position[] = {599, 300, 31}, sequence[] = {0, 1, 0}, used[2] = {3, 2}, one[2] = {1, 1};
        struct rows r = {.used = used, .position = position, .sequence = sequence};
        struct mat q = mat_new(3, s->heads * s->k_dim), a = mat_new(3, s->heads * s->v_dim), b = mat_new(3, s->heads * s->v_dim);
        struct attend how = {.heads = s->heads, .scale = .3f};
        cached_new(&x, &fast, CACHE_F16, s->kv, s->k_dim, s->v_dim, s->latent, 3);
        cached_new(&moved, &fast, CACHE_F16, s->kv, s->k_dim, s->v_dim, s->latent, 11);
        fill(&q, 9, 3);
        backend_cpu.attend(fast.q, &a, &q, &how, &x.c, &x.p, &r);
        for (uint32_t i = 0; i < 3; i++) {
            struct rows alone = {.used = one, .position = position + i, .sequence = sequence + i};
            struct mat qi = q, bi = b;
            qi.data = mat_row(&q, i);
            bi.data = mat_row(&b, i);
            backend_cpu.attend(fast.q, &bi, &qi, &how, &moved.c, &moved.p, &alone);
        }
        assert_memory_equal(a.data, b.data, 3 * a.stride * sizeof(float));
        cached_free(&x);
        cached_free(&moved);
        free(q.data);
        free(a.data);
        free(b.data);
    }
    side_close(&fast);
}

static void glu_like_reference(void **state)
{
    struct side ref, fast;
    assert_true(side_open(&ref, "scalar"));
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&fast, isas[i]))
            continue;
        for (uint32_t cols = 1; cols < 70; cols += 11)
            for (int kind = GLU_SILU; kind <= GLU_CLAMPED; kind++) {
                uint32_t used[2] = {3, 1};
                struct rows r = {.used = used};
                struct mat g = mat_new(3, cols), u = mat_new(3, cols), want = mat_new(3, cols), got = mat_new(3, cols);
                struct glu how = {.kind = (enum glu_kind)kind, .limit = 2, .alpha = 1.7f};
                char what[60];
                fill(&g, 1, 6);
                fill(&u, 2, 4);
                backend_cpu.glu(ref.q, &want, &g, &u, &how, &r);
                backend_cpu.glu(fast.q, &got, &g, &u, &how, &r);
                snprintf(what, sizeof what, "%s glu %d of %u", isas[i], kind, cols);
                close_to(&got, &want, 3e-6, what);
                struct mat *all[] = {&g, &u, &want, &got};
                for (size_t j = 0; j < COUNT(all); j++)
                    free(all[j]->data);
            }
        side_close(&fast);
    }
    side_close(&ref);
}

/* Every fp16 that is finite comes back as the same bits, and what lies between two goes to the nearer, the even one of a tie. */
static void half_precision(void **state)
{
    uint16_t bits, next;
    float x, y, back;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        bits = (uint16_t)h;
        next = (uint16_t)(h + 1);
        cache_load(&x, &bits, NULL, CACHE_F16, 0, 1, 1);
        cache_load(&y, &next, NULL, CACHE_F16, 0, 1, 1);
        assert_true(x < y);
        cache_store(&bits, NULL, CACHE_F16, 0, 1, &x);
        assert_int_equal(bits, h);
        back = -(x + (y - x) / 2);
        cache_store(&bits, NULL, CACHE_F16, 0, 1, &back);
        assert_int_equal(bits, 0x8000 | (h & 1 ? h + 1 : h));
        back = x + (y - x) * .75f;
        cache_store(&bits, NULL, CACHE_F16, 0, 1, &back);
        assert_int_equal(bits, h + 1);
    }
    x = 70000;
    cache_store(&bits, NULL, CACHE_F16, 0, 1, &x);
    assert_int_equal(bits, 0x7c00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attend_like_reference), cmocka_unit_test(prompts_like_reference), cmocka_unit_test(attend_is_invariant), cmocka_unit_test(glu_like_reference),
        cmocka_unit_test(half_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
