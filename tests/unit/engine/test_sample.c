#include "engine/sample/sample.h"
#include "kernels/draw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VOCAB 40

static void make_logits(float *logits, size_t n, uint64_t seed, float scale)
{
    for (size_t i = 0; i < n; i++)
        logits[i] = scale * (float)(sample_uniform(seed, i, 9) * 2 - 1);
}

/* The chain again, by the plain definition: everything sorted, in double. */
static size_t plain(double *p, const float *logits, size_t n, const struct sample_settings *how)
{
    size_t order[VOCAB], k = n;
    double sum = 0, mass = 0;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (logits[order[j]] > logits[order[i]]) {
                size_t swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
    if (how->top_k && how->top_k < k)
        k = how->top_k;
    memset(p, 0, n * sizeof *p);
    for (size_t i = 0; i < k; i++)
        sum += exp((double)logits[order[i]] / (double)how->temperature);
    size_t kept = 0;
    for (; kept < k && (!kept || mass < (double)how->top_p * sum); kept++)
        mass += exp((double)logits[order[kept]] / (double)how->temperature);
    double most = exp((double)logits[order[0]] / (double)how->temperature);
    while (kept > 1 && exp((double)logits[order[kept - 1]] / (double)how->temperature) < (double)how->min_p * most)
        kept--;
    sum = 0;
    for (size_t i = 0; i < kept; i++)
        sum += p[order[i]] = exp((double)logits[order[i]] / (double)how->temperature);
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
    return kept;
}

static void test_chain(void **state)
{
    static const struct sample_settings how[] = {
        {1, 0, 1, 0, 1}, {.7f, 5, 1, 0, 1}, {1.5f, 0, .8f, 0, 1}, {1, 0, 1, .2f, 1}, {.9f, 20, .9f, .05f, 1}, {2, 1, 1, 0, 1}, {1, 0, .0001f, 0, 1},
        {.2f, 39, .999f, .001f, 1},
    };
    struct sampler *s = sampler_new(VOCAB);
    for (uint64_t seed = 0; seed < 60; seed++) {
        float logits[VOCAB];
        make_logits(logits, VOCAB, seed, seed % 3 ? 8 : 2);
        for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
            double p[VOCAB];
            struct sample_dist d;
            size_t n = plain(p, logits, VOCAB, &how[i]);
            assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how[i], NULL), 0);
            assert_int_equal(d.n, n);
            for (size_t k = 0; k < d.n; k++)
                assert_true(fabs(sample_p(&d, k) - p[d.choice[k].id]) < 1e-6);
        }
    }
    sampler_free(s);
}

/* 100,000 equal or nearly equal logits: what is selected does not depend on how. */
static void test_large(void **state)
{
    size_t n = 100000;
    float *logits = malloc(n * sizeof *logits);
    struct sampler *s = sampler_new(n);
    struct sample_dist d;
    for (size_t i = 0; i < n; i++)
        logits[i] = (float)(i * 7919 % 10);
    struct sample_settings how = {1, 25, 1, 0, 1};
    assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how, NULL), 0);
    assert_int_equal(d.n, 25);
    for (size_t k = 0; k < d.n; k++) { /* the 25 lowest ids of those with 9 */
        assert_int_equal((size_t)d.choice[k].id * 7919 % 10, 9);
        assert_int_equal(d.choice[k].id, 1 + 10 * k);
    }
    make_logits(logits, n, 5, 20);
    how = (struct sample_settings){1, 0, .95f, 0, 1};
    assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how, NULL), 0);
    double sum = 0;
    for (size_t k = 0; k < d.n; k++) {
        sum += sample_p(&d, k);
        assert_true(!k || d.choice[k].id > d.choice[k - 1].id);
    }
    assert_true(fabs(sum - 1) < 1e-9 && d.n > 100 && d.n < n);
    sampler_free(s);
    free(logits);
}

static void test_greedy_and_mask(void **state)
{
    float logits[40] = {0};
    uint32_t allowed[2] = {0xFFFFFFFF, 0xFF};
    struct sampler *s = sampler_new(40);
    struct sample_dist d;
    struct err e = {0};
    struct sample_settings how = SAMPLE_GREEDY;
    logits[7] = logits[9] = logits[33] = 2;
    assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how, &e), 0);
    assert_int_equal(d.choice[0].id, 7);
    assert_int_equal(sample_draw(&d, 1, 2), 7);
    how.temperature = 1e-40f; /* colder than a float can divide by */
    assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how, &e), 0);
    assert_true(d.n == 1 && d.choice[0].id == 7 && sample_p(&d, 0) == 1);
    allowed[0] = 0;
    assert_int_equal(sample_dist(s, &d, logits, allowed, NULL, 0, &how, &e), 0);
    assert_int_equal(d.choice[0].id, 33);
    allowed[1] = 0;
    assert_int_equal(sample_dist(s, &d, logits, allowed, NULL, 0, &how, &e), ERR_UNSUPPORTED);
    logits[3] = NAN;
    assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "token 3"));
    logits[3] = INFINITY;
    assert_int_equal(sample_dist(s, &d, logits, NULL, NULL, 0, &how, &e), ERR_FORMAT);
    how.top_p = 2;
    assert_int_equal(sample_check(&how, &e), ERR_USAGE);
    assert_non_null(strstr(e.message, "top_p"));
    how.top_p = NAN;
    assert_int_equal(sample_check(&how, &e), ERR_USAGE);
    sampler_free(s);
}

static void test_penalties(void **state)
{
    const float logits[4] = {4, 3, -1, 2};
    const uint32_t history[] = {3, 0, 0, 2, 99};
    struct sampler *s = sampler_new(4);
    struct sample_dist d;
    struct sample_settings how = {1, 0, 1, 0, 2, .5f, .25f, 0, 0};
    static const float want[] = {4 / 2.f - .5f - .5f, 3, -2 - .5f - .25f, 1 - .5f - .25f};
    for (int again = 0; again < 2; again++) { /* nothing is remembered */
        assert_int_equal(sample_dist(s, &d, logits, NULL, history, 5, &how, NULL), 0);
        for (int i = 0; i < 4; i++)
            assert_true(fabsf(d.choice[i].logit - want[d.choice[i].id]) < 1e-6f);
    }
    how.last_n = 2; /* 2 and 99 */
    assert_int_equal(sample_dist(s, &d, logits, NULL, history, 5, &how, NULL), 0);
    assert_true(fabsf(d.choice[0].logit - 4) < 1e-6f && fabsf(d.choice[2].logit + 2.75f) < 1e-6f);
    sampler_free(s);
}

/* Known answers of Random123 (kat_vectors, philox4x32 10). */
static void test_uniform(void **state)
{
    assert_true(sample_uniform(0, 0, 0) == (double)(0xe169c58d6627e8d5ull >> 11) * 0x1p-53);
    double sum = 0, square = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double u = sample_uniform(42, i, LANE_DRAW);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
    }
    assert_true(fabs(sum / 1e5 - .5) < .004 && fabs(square / 1e5 - 1. / 3) < .004);
    assert_true(sample_uniform(1, 2, LANE_DRAW) != sample_uniform(1, 2, LANE_ACCEPT));
    assert_true(sample_uniform(1, 2, LANE_DRAW) != sample_uniform(1, 3, LANE_DRAW));
}

/* Chi square of counts against probabilities; the degrees of freedom are returned. */
static double chi_square(const uint32_t *count, const double *p, size_t n, double draws, int *freedom)
{
    double x = 0;
    *freedom = -1;
    for (size_t i = 0; i < n; i++) {
        if (p[i] * draws < 1e-9) {
            assert_int_equal(count[i], 0);
            continue;
        }
        x += (count[i] - p[i] * draws) * (count[i] - p[i] * draws) / (p[i] * draws);
        ++*freedom;
    }
    return x;
}

/* Drawn alone, with looked-up drafts, with drafts of another distribution: each as the distribution says. The draws are
 * fixed, so this never fails by chance: the bound is 4 standard deviations. */
static void test_speculation(void **state)
{
    static const struct sample_settings how = {1, 12, .95f, 0, 1};
    enum { DRAWS = 40000 };
    struct sampler *sp = sampler_new(VOCAB), *sq = sampler_new(VOCAB);
    for (int way = 0; way < 4; way++) {
        float logits[VOCAB], other[VOCAB];
        uint32_t count[VOCAB] = {0}, kept = 0;
        double p[VOCAB] = {0}, expected = 0;
        struct sample_dist dp, dq;
        struct sample_settings draft_how = {way == 3 ? 2 : 1, 0, way == 3 ? .7f : 1, 0, 1};
        make_logits(logits, VOCAB, 77, 3);
        make_logits(other, VOCAB, 78, 3);
        for (int i = 0; i < VOCAB; i++)
            other[i] = .5f * other[i] + .5f * logits[i];
        assert_int_equal(sample_dist(sp, &dp, logits, NULL, NULL, 0, &how, NULL), 0);
        assert_int_equal(sample_dist(sq, &dq, other, NULL, NULL, 0, &draft_how, NULL), 0);
        for (size_t i = 0; i < dp.n; i++)
            p[dp.choice[i].id] = sample_p(&dp, i);
        for (size_t i = 0; i < dq.n; i++)
            expected += fmin(sample_p(&dq, i), p[dq.choice[i].id]);
        for (uint64_t at = 0; at < DRAWS; at++) {
            uint32_t token, draft = dp.choice[2].id;
            if (way == 0) {
                token = sample_draw(&dp, 5, at);
            } else if (way == 1) {
                kept += sample_verify(sp, &token, &dp, NULL, draft, 5, at);
                assert_int_equal(token, sample_draw(&dp, 5, at));
            } else {
                double u = sample_uniform(6, at, LANE_DRAFT), mass = 0;
                draft = dq.choice[dq.n - 1].id;
                for (size_t i = 0; i < dq.n && draft == dq.choice[dq.n - 1].id; i++)
                    if (u < (mass += sample_p(&dq, i)))
                        draft = dq.choice[i].id;
                kept += sample_verify(sp, &token, &dp, &dq, draft, 6, at);
            }
            count[token]++;
        }
        int freedom;
        double x = chi_square(count, p, VOCAB, DRAWS, &freedom);
        assert_true(freedom > 5);
        assert_true(fabs(x - freedom) < 4 * sqrt(2. * freedom));
        if (way >= 2) /* as many as can be */
            assert_true(fabs(kept / (double)DRAWS - expected) < .01);
    }
    sampler_free(sp);
    sampler_free(sq);
}

/* The row that a device is given, drawn by the plain definition: everything sorted, whole numbers added. */
static uint32_t drawn_plainly(const struct draw_batch *b, const struct draw_row *r, const float *logits)
{
    float x[VOCAB];
    uint32_t order[VOCAB], n = r->vocab, kept = r->top_k && r->top_k < n ? r->top_k : n;
    uint64_t w[VOCAB] = {0}, sum = 0, mass = 0;
    memcpy(x, logits, n * sizeof *x);
    for (uint32_t i = r->first; i < r->first + r->said; i++)
        x[b->said[i].token] = draw_penalized(x[b->said[i].token], b->said[i].count, r->repetition, r->presence, r->frequency);
    for (uint32_t i = 0; i < n; i++) {
        x[i] *= r->scale > 0 ? r->scale : 1;
        uint32_t at = i;
        for (; at && x[i] > x[order[at - 1]]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    if (!(r->scale > 0))
        return order[0];
    for (uint32_t k = 0; k < kept; k++)
        sum += w[order[k]] = draw_weight(x[order[k]], x[order[0]]);
    for (uint32_t k = 0; k < kept && r->top_p; k++) {
        if (mass >= draw_share(sum, r->top_p))
            w[order[k]] = 0;
        mass += w[order[k]];
    }
    sum = mass = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += w[i] = w[i] >= r->least ? w[i] : 0;
    for (uint32_t i = 0; i < n; i++)
        if ((mass += w[i]) > draw_scaled(sum, r->uniform))
            return i;
    fail_msg("nothing is drawn");
    return 0;
}

static void test_on_device(void **state)
{
    static const struct sample_settings how[] = {
        {0, 0, 1, 0, 1.5f}, {1, 0, 1, 0, 1}, {.7f, 5, 1, 0, 1}, {1.5f, 0, .8f, 0, 1.2f}, {1, 0, 1, .2f, 1}, {.9f, 20, .9f, .05f, 1, .5f, .25f, 6},
    };
    struct sampler *s = sampler_new(VOCAB);
    struct draw_batch *b = calloc(1, sizeof *b);
    uint32_t history[30];
    for (uint64_t seed = 0; seed < 200; seed++) {
        float logits[VOCAB];
        struct sample_settings h = how[seed % 6];
        struct sample_dist d;
        h.seed = seed;
        make_logits(logits, VOCAB, seed, 5);
        for (size_t i = 0; i < 30; i++)
            history[i] = (uint32_t)(seed * 7 + i * i) % (VOCAB + 3);
        b->rows = b->nsaid = (uint32_t)seed % 3; /* behind others */
        uint32_t ahead = (uint32_t)seed % 5, row = b->rows;
        assert_true(sample_on_device(s, b, VOCAB, history, 30 - ahead, history + 30 - ahead, ahead, &h, seed + 9));
        assert_int_equal(sample_dist(s, &d, logits, NULL, history, 30, &h, NULL), 0);
        assert_int_equal(drawn_plainly(b, &b->row[row], logits), sample_draw(&d, seed, seed + 9));
    }
    b->nsaid = DRAW_SAID_MAX - 2; /* three and more do not fit */
    b->rows = 1;
    assert_false(sample_on_device(s, b, VOCAB, history, 30, NULL, 0, &how[0], 0));
    assert_true(b->rows == 2 && b->nsaid == DRAW_SAID_MAX - 2 && b->row[1].vocab == 0);
    assert_true(sample_on_device(s, b, VOCAB, history, 0, NULL, 0, &how[0], 0)); /* nothing of it is left behind */
    assert_int_equal(b->row[2].said, 0);
    free(b);
    sampler_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain), cmocka_unit_test(test_large), cmocka_unit_test(test_greedy_and_mask),
        cmocka_unit_test(test_penalties), cmocka_unit_test(test_uniform), cmocka_unit_test(test_speculation), cmocka_unit_test(test_on_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
