/* Which adapters are used: only one that is surely better, that chooses no worse, and that has not seen what it is measured by. */
#include "service/verdict.h"

#include "engine/train/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void put(json_t *rows, const char *kind, bool held, int texts, int tokens, double base, double tuned)
{
    json_array_append_new(rows, json_pack("[s, b, i, i, f, f]", kind, held, texts, tokens, base, tuned));
}

static double noise(uint64_t i)
{
    return 2 * random_unit(17, i) - 1;
}

/* Losses fall by these shares, with some noise; ranks: how many of 40 the base and the tuned choose rightly. */
struct wanted {
    double learned, held;
    int cite_base, cite_tuned, refuse_base, refuse_tuned;
    json_t *asked; /* NULL: nothing was written */
};

static json_t *rows_of(const struct wanted *w)
{
    json_t *rows = json_array();
    static const char *const kinds[] = {"doc", "code", "fill"};
    for (int i = 0; i < 60; i++) {
        double base = 100 + 40 * noise((uint64_t)i);
        put(rows, kinds[i % 3], false, 1, 40, base, base * (1 - w->learned + .03 * noise(1000 + (uint64_t)i)));
        put(rows, kinds[i % 3], true, 1, 40, base + 5, (base + 5) * (1 - w->held + .03 * noise(2000 + (uint64_t)i)));
    }
    for (int i = 0; i < 40; i++) {
        put(rows, "cite", true, 4, 10, i < w->cite_base ? 1 : 3, i < w->cite_tuned ? 1 : 3);
        put(rows, "unanswerable", true, 2, 10, i < w->refuse_base ? 1 : 2, i < w->refuse_tuned ? 1 : 2);
        put(rows, "definition", true, 16, 10, 4, 4);
    }
    return rows;
}

static json_t *judged(const struct wanted *w, uint64_t shared)
{
    struct err e;
    json_t *rows = rows_of(w), *report = NULL;
    if (verdict(&report, rows, w->asked, shared, 9, &e))
        fail_msg("%s", e.message);
    json_decref(rows);
    return report;
}

static void check(const struct wanted *w, uint64_t shared, const char *why)
{
    json_t *report = judged(w, shared), *whys = json_object_get(report, "why");
    bool promote = json_is_true(json_object_get(report, "promote"));
    const char *first = json_string_value(json_array_get(whys, 0));
    if (promote != !why || json_array_size(whys) != !promote || (why && !strstr(first, why)))
        fail_msg("promote %d, \"%s\", wanted \"%s\"", promote, first ? first : "", why ? why : "");
    json_decref(report);
}

static void what_is_used(void **state)
{
    check(&(struct wanted){.3, .2, 20, 24, 30, 30}, 0, NULL);
    check(&(struct wanted){.02, .015, 20, 20, 30, 30}, 0, NULL);                 /* a little, and surely */
    check(&(struct wanted){.3, .0, 20, 24, 30, 30}, 0, "perplexity");            /* learned by heart */
    check(&(struct wanted){-.4, -.4, 20, 20, 30, 30}, 0, "perplexity");          /* of shuffled tokens: worse on everything */
    check(&(struct wanted){.3, .2, 20, 20, 30, 20}, 0, "refuses worse");
    check(&(struct wanted){.3, .2, 20, 12, 30, 30}, 0, "cited worse");
    check(&(struct wanted){.3, .2, 20, 19, 30, 29}, 0, NULL);                    /* one of 40 is chance */
    check(&(struct wanted){.1, .5, 20, 24, 30, 30}, 0, "has seen");              /* trained on what is held out */
    check(&(struct wanted){.3, .2, 20, 24, 30, 30}, 3, "3 records");             /* and known to be */
}

/* Of 24 answerable questions and 24 others: how many answers name the right source and how many another one, how many decline; without and with. */
static json_t *written(int right_base, int right_tuned, int wrong_base, int wrong_tuned, int decline_base, int decline_tuned)
{
    json_t *asked = json_array();
    for (int i = 0; i < 24; i++) {
        int right[2] = {i < right_base, i < right_tuned}, wrong[2] = {i < wrong_base, i < wrong_tuned}, decline[2] = {i < decline_base, i < decline_tuned};
        json_array_append_new(asked, json_pack("[b, [i, i, b], [i, i, b]]", 1, right[0] + wrong[0], right[0], 0, right[1] + wrong[1], right[1], 0));
        json_array_append_new(asked, json_pack("[b, [i, i, b], [i, i, b]]", 0, !decline[0], 0, 1, !decline[1], 0, 1)); /* who names one too has not declined */
    }
    return asked;
}

static void what_is_written_counts(void **state)
{
    static const struct {
        int right[2], wrong[2], decline[2];
        const char *why;
    } cases[] = {
        {{12, 14}, {6, 6}, {18, 18}, NULL},
        {{20, 8}, {0, 0}, {18, 18}, "name the right source"},
        {{20, 20}, {2, 22}, {18, 18}, "that its answers name are right"},
        {{12, 12}, {6, 6}, {20, 6}, "what the sources do not say"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wanted w = {.3, .2, 20, 24, 30, 30, written(cases[i].right[0], cases[i].right[1], cases[i].wrong[0], cases[i].wrong[1], cases[i].decline[0], cases[i].decline[1])};
        check(&w, 0, cases[i].why);
        json_decref(w.asked);
    }
    struct wanted w = {.3, .2, 20, 24, 30, 30, written(12, 18, 4, 6, 18, 12)};
    json_t *report = judged(&w, 0), *citation = json_object_get(report, "citation"), *p = json_object_get(citation, "precision"), *r = json_object_get(citation, "recall");
    assert_int_equal(json_integer_value(json_object_get(citation, "questions")), 24);
    assert_true(fabs(json_number_value(json_object_get(p, "base")) - .75) < 1e-9 && fabs(json_number_value(json_object_get(p, "tuned")) - .75) < 1e-9);
    assert_true(fabs(json_number_value(json_object_get(r, "base")) - .5) < 1e-9 && fabs(json_number_value(json_object_get(r, "tuned")) - .75) < 1e-9);
    assert_true(json_number_value(json_object_get(json_object_get(r, "gain"), "low")) > 0);
    assert_true(fabs(json_number_value(json_object_get(json_object_get(report, "declining"), "tuned")) - .5) < 1e-9);
    json_decref(report);
    json_decref(w.asked);
    struct err e;
    json_t *rows = json_array(), *bad = json_pack("[[b, [i, i, b], [i, i, b]]]", 1, 1, 2, 0, 1, 1, 0); /* more right ones than it names */
    assert_int_equal(verdict(&report, rows, bad, 0, 1, &e), ERR_FORMAT);
    json_decref(rows);
    json_decref(bad);
}

static void what_it_tells(void **state)
{
    json_t *report = judged(&(struct wanted){.3, .2, 20, 24, 30, 30}, 0), *p = json_object_get(report, "perplexity"), *ratio = json_object_get(p, "ratio"),
           *cite = json_object_get(report, "cite"), *again = judged(&(struct wanted){.3, .2, 20, 24, 30, 30}, 0);
    assert_int_equal(json_integer_value(json_object_get(p, "records")), 60);
    double value = json_real_value(json_object_get(ratio, "value")), low = json_real_value(json_object_get(ratio, "low")), high = json_real_value(json_object_get(ratio, "high"));
    assert_true(low < value && value < high && low > 1);
    assert_true(json_real_value(json_object_get(p, "base")) / json_real_value(json_object_get(p, "tuned")) - value < 1e-9);
    assert_true(fabs(json_real_value(json_object_get(cite, "base")) - .5) < 1e-9 && fabs(json_real_value(json_object_get(cite, "tuned")) - .6) < 1e-9);
    assert_true(fabs(json_real_value(json_object_get(json_object_get(report, "definition"), "base")) - .25) < 1e-9);
    assert_true(json_equal(report, again)); /* the same seed, the same intervals */
    json_decref(report);
    json_decref(again);
}

static void what_is_no_measurement(void **state)
{
    struct err e;
    json_t *report = NULL, *rows = json_array();
    assert_int_equal(verdict(&report, rows, NULL, 0, 1, &e), 0); /* nothing measured: not used, and it says why */
    assert_false(json_is_true(json_object_get(report, "promote")));
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(report, "why"), 0)), "too few"));
    json_decref(report);
    put(rows, "nonsense", true, 1, 4, 1, 1);
    assert_int_equal(verdict(&report, rows, NULL, 0, 1, &e), ERR_FORMAT);
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_used), cmocka_unit_test(what_is_written_counts), cmocka_unit_test(what_it_tells), cmocka_unit_test(what_is_no_measurement)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
