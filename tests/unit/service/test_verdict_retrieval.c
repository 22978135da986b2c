/* Which adapters of an embedder are used: only one with which the whole retriever surely finds more, and of no kind of question less. */
#include "service/verdict_retrieval.h"

#include "engine/train/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 200

/* Of each kind so many questions; with the adapter so many of them are found first that were third before, and the other way round. */
struct wanted {
    int commits, better, worse, comments, comments_worse;
};

static size_t rows_of(struct retrieval_row *row, const struct wanted *w)
{
    size_t n = 0;
    for (int i = 0; i < w->commits; i++)
        row[n++] = (struct retrieval_row){CORPUS_CHANGE, {i < w->worse ? 1 : 1. / 3, i < w->worse ? 1 : .5},
                                          {i >= w->commits - w->better ? 1 : 1. / 3, i >= w->commits - w->better ? 1 : .5}};
    for (int i = 0; i < w->comments; i++)
        row[n++] = (struct retrieval_row){CORPUS_DOC, {1, 1}, {i < w->comments_worse ? .5 : 1, i < w->comments_worse ? .6 : 1}};
    return n;
}

static void check(const struct wanted *w, uint64_t shared, const char *why)
{
    struct retrieval_row row[2 * MOST];
    json_t *report;
    verdict_retrieval(&report, row, rows_of(row, w), shared, 5);
    json_t *whys = json_object_get(report, "why");
    const char *first = json_string_value(json_array_get(whys, 0));
    bool promote = json_is_true(json_object_get(report, "promote"));
    if (promote != !why || (json_array_size(whys) == 0) != promote || (why && (!first || !strstr(first, why))))
        fail_msg("promote %d, \"%s\", wanted \"%s\"", promote, first ? first : "", why ? why : "");
    json_decref(report);
}

static void what_is_used(void **state)
{
    check(&(struct wanted){100, 30, 0, 40, 0}, 0, NULL);
    check(&(struct wanted){100, 8, 0, 40, 0}, 0, NULL);          /* a little, and surely */
    check(&(struct wanted){100, 20, 18, 40, 0}, 0, "not surely"); /* chance */
    check(&(struct wanted){100, 0, 0, 40, 0}, 0, "not surely");   /* no change at all */
    check(&(struct wanted){100, 0, 30, 40, 0}, 0, "not surely");  /* worse */
    check(&(struct wanted){200, 100, 0, 40, 12}, 0, "\"doc\"");   /* better on the whole, and worse for those who ask otherwise */
    check(&(struct wanted){100, 30, 0, 40, 1}, 0, NULL);          /* one of 40 is chance */
    check(&(struct wanted){10, 5, 0, 5, 0}, 0, "too few");
    check(&(struct wanted){0, 0, 0, 0, 0}, 0, "too few");
    check(&(struct wanted){100, 30, 0, 40, 0}, 2, "learned: 2");
}

static void what_it_tells(void **state)
{
    struct retrieval_row row[2 * MOST];
    json_t *report;
    double ratio, low, high;
    verdict_retrieval(&report, row, rows_of(row, &(struct wanted){100, 30, 0, 0, 0}), 0, 5);
    json_t *mrr = json_object_get(json_object_get(json_object_get(report, "kinds"), "change"), "mrr");
    assert_int_equal(json_unpack(mrr, "{s{sF, sF, sF}}", "ratio", "value", &ratio, "low", &low, "high", &high), 0);
    assert_true(ratio > 1.599 && ratio < 1.601 && low > 1.3 && low < ratio && high > ratio && high < 2);
    assert_true(json_integer_value(json_object_get(mrr, "questions")) == 100);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_used), cmocka_unit_test(what_it_tells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
