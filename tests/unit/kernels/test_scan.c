/* Every instruction set of this machine against plain sums: the same numbers and the same scores to the bit. */
#include "kernels/quant.h"
#include "kernels/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const isas[] = {"scalar", "avx2", "avx512", "neon"};

static uint64_t seed = 1;
static uint32_t rnd(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

struct data {
    int8_t *rows, *query;
    float *scale, qscale[SCAN_QUERIES_MAX];
    size_t n, dim;
};

static struct data make(size_t n, size_t dim)
{
    struct data d = {.n = n, .dim = dim};
    d.rows = malloc(n * dim + 1);
    d.query = malloc(SCAN_QUERIES_MAX * dim);
    d.scale = malloc((n + 1) * sizeof *d.scale);
    for (size_t i = 0; i < n * dim; i++)
        d.rows[i] = (int8_t)((int)(rnd() % 255) - 127);
    for (size_t i = 0; i < SCAN_QUERIES_MAX * dim; i++)
        d.query[i] = (int8_t)(rnd() % 8 ? (int)(rnd() % 255) - 127 : (int)(rnd() % 2) * 254 - 127);
    for (size_t i = 0; i < n; i++)
        d.scale[i] = rnd() % 9 ? (float)(rnd() % 1000) / 7e4f : 0; /* zero vectors: equal scores */
    for (size_t i = 0; i < SCAN_QUERIES_MAX; i++)
        d.qscale[i] = (float)(1 + rnd() % 100) / 3e3f;
    return d;
}

static void release(struct data *d)
{
    free(d->rows);
    free(d->query);
    free(d->scale);
}

static float score(const struct data *d, size_t row, size_t query)
{
    int32_t sum = 0;
    for (size_t i = 0; i < d->dim; i++)
        sum += d->rows[row * d->dim + i] * d->query[query * d->dim + i];
    return (float)sum * d->scale[row] * d->qscale[query];
}

static int best_first(const void *a, const void *b)
{
    const struct scan_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void check(const struct scan *s, const struct data *d, size_t nq, uint32_t k, uint32_t first, const uint64_t *candidates)
{
    struct scan_top top[SCAN_QUERIES_MAX];
    struct scan_hit *all = malloc((d->n + 1) * sizeof *all);
    for (size_t i = 0; i < nq; i++)
        top[i] = (struct scan_top){malloc(k * sizeof(struct scan_hit)), 0, k};
    /* in two runs, as segments are */
    size_t cut = d->n / 3;
    struct scan_rows a = {d->rows, d->scale, cut, d->dim, first};
    struct scan_rows b = {d->rows + cut * d->dim, d->scale + cut, d->n - cut, d->dim, first + (uint32_t)cut};
    struct scan_queries q = {d->query, d->qscale, nq};
    scan_topk(s, &b, candidates, &q, top);
    scan_topk(s, &a, candidates, &q, top);
    for (size_t i = 0; i < nq; i++) {
        size_t n = 0;
        for (size_t r = 0; r < d->n; r++) {
            uint32_t number = first + (uint32_t)r;
            if (!candidates || candidates[number / 64] >> number % 64 & 1)
                all[n++] = (struct scan_hit){score(d, r, i), number};
        }
        qsort(all, n, sizeof *all, best_first);
        scan_top_sort(&top[i]);
        assert_int_equal(top[i].n, n < k ? n : k);
        if (top[i].n)
            assert_memory_equal(top[i].hit, all, top[i].n * sizeof *all);
        free(top[i].hit);
    }
    free(all);
}

static void topk(void **state)
{
    static const size_t dims[] = {384, 64, 1, 63, 65, 100, 768, 1000, SCAN_DIM_MAX};
    static const size_t counts[] = {0, 1, 15, 16, 17, 500};
    for (size_t x = 0; x < sizeof isas / sizeof *isas; x++) {
        const struct scan *s = scan_find(isas[x]);
        if (!s)
            continue;
        print_message("%s\n", scan_name(s));
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                struct data d = make(counts[c], dims[i]);
                uint32_t first = rnd() % 200;
                /* of exactly the words that the numbers need: a sanitizer sees a read past them */
                size_t words = (first + d.n + 63) / 64;
                uint64_t *candidates = malloc(words * sizeof *candidates + 1);
                for (size_t w = 0; w < words; w++)
                    candidates[w] = (uint64_t)rnd() << 32 & (uint64_t)rnd() << 32 & (rnd() % 2 ? ~(uint64_t)0 : 0);
                for (size_t nq = 1; nq <= SCAN_QUERIES_MAX; nq += 1 + rnd() % 3) {
                    check(s, &d, nq, 10, first, NULL);
                    check(s, &d, nq, 1 + rnd() % 30, first, candidates);
                }
                check(s, &d, SCAN_QUERIES_MAX, 700, first, NULL);
                free(candidates);
                release(&d);
            }
        }
    }
}

static void scores(void **state)
{
    for (size_t dim = 1; dim < 500; dim += 1 + rnd() % 60) {
        struct data d = make(100 + dim % 33, dim);
        float *out[SCAN_QUERIES_MAX];
        struct scan_rows r = {d.rows, d.scale, d.n, d.dim, 0};
        for (size_t i = 0; i < SCAN_QUERIES_MAX; i++)
            out[i] = malloc(d.n * sizeof **out);
        for (size_t nq = 1; nq <= SCAN_QUERIES_MAX; nq++) {
            scan_scores(&r, &(struct scan_queries){d.query, d.qscale, nq}, out);
            for (size_t k = 0; k < nq; k++)
                for (size_t i = 0; i < d.n; i++) {
                    assert_true(out[k][i] == score(&d, i, k));
                    out[k][i] = 2; /* no score: the next round must write it */
                }
        }
        for (size_t i = 0; i < SCAN_QUERIES_MAX; i++)
            free(out[i]);
        release(&d);
    }
}

/* Some rows, and what the signs of all say: the definition of scan.h, whatever the instruction set. */
static void signs(void **state)
{
    for (size_t x = 0; x < sizeof isas / sizeof *isas; x++) {
        const struct scan *s = scan_find(isas[x]);
        for (size_t dim = 1; dim < 900 && s; dim += 1 + rnd() % 90) {
            struct data d = make(1 + rnd() % 5000, dim);
            struct scan_rows r = {d.rows, d.scale, d.n, d.dim, 0};
            uint64_t *bits = malloc(d.n * SCAN_SIGN_WORDS(dim) * sizeof *bits);
            float *factor = malloc(d.n * sizeof *factor), *out = malloc(d.n * sizeof *out);
            uint32_t *some = malloc(d.n * sizeof *some);
            for (size_t i = 0; i < d.n; i++)
                some[i] = rnd() % d.n;
            scan_pick(s, &r, some, d.n, d.query, d.qscale[0], out);
            for (size_t i = 0; i < d.n; i++)
                assert_true(out[i] == score(&d, some[i], 0));
            scan_signs_make(&r, bits, factor);
            scan_signs(s, bits, factor, d.n, d.dim, d.query, d.qscale[0], out);
            for (size_t i = 0; i < d.n; i++) {
                int32_t dot = 0, squares = 0, sizes = 0;
                for (size_t k = 0; k < dim; k++) {
                    int8_t e = d.rows[i * dim + k];
                    dot += e > 0 ? d.query[k] : -d.query[k];
                    squares += e * e;
                    sizes += abs(e);
                }
                assert_true(factor[i] == (sizes ? d.scale[i] * (float)squares / (float)sizes : 0));
                assert_true(out[i] == (float)dot * factor[i] * d.qscale[0]);
            }
            free(bits);
            free(factor);
            free(out);
            free(some);
            release(&d);
        }
    }
}

static void found(void **state)
{
    assert_non_null(scan_find(NULL));
    assert_non_null(scan_find("scalar"));
    assert_null(scan_find("abacus"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(topk), cmocka_unit_test(scores), cmocka_unit_test(signs), cmocka_unit_test(found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
