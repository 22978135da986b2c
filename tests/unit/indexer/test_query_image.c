/* Queries out of their images are the queries that compiling gives; what is no image of them is refused. */
#include "indexer/language.h"
#include "indexer/tags.h"

#include "third_party/query_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static TSQuery *compiled(const struct language *l)
{
    uint32_t at;
    TSQueryError why;
    TSQuery *q = ts_query_new(l->grammar(), l->tags_scm, (uint32_t)strlen(l->tags_scm), &at, &why);
    assert_non_null(q);
    return q;
}

static void same_names(const TSQuery *a, const TSQuery *b)
{
    uint32_t n, m;
    assert_int_equal(ts_query_capture_count(a), ts_query_capture_count(b));
    assert_int_equal(ts_query_string_count(a), ts_query_string_count(b));
    for (uint32_t i = 0; i < ts_query_capture_count(a); i++) {
        assert_string_equal(ts_query_capture_name_for_id(a, i, &n), ts_query_capture_name_for_id(b, i, &m));
        assert_int_equal(n, m);
    }
    for (uint32_t i = 0; i < ts_query_string_count(a); i++)
        assert_string_equal(ts_query_string_value_for_id(a, i, &n), ts_query_string_value_for_id(b, i, &m));
}

static void same_patterns(const TSQuery *a, const TSQuery *b, uint32_t source)
{
    assert_int_equal(ts_query_pattern_count(a), ts_query_pattern_count(b));
    for (uint32_t i = 0; i < ts_query_pattern_count(a); i++) {
        uint32_t n, m;
        const TSQueryPredicateStep *p = ts_query_predicates_for_pattern(a, i, &n), *q = ts_query_predicates_for_pattern(b, i, &m);
        assert_int_equal(n, m);
        for (uint32_t k = 0; k < n; k++)
            assert_true(p[k].type == q[k].type && p[k].value_id == q[k].value_id);
        assert_int_equal(ts_query_start_byte_for_pattern(a, i), ts_query_start_byte_for_pattern(b, i));
        assert_int_equal(ts_query_end_byte_for_pattern(a, i), ts_query_end_byte_for_pattern(b, i));
        assert_int_equal(ts_query_is_pattern_rooted(a, i), ts_query_is_pattern_rooted(b, i));
        assert_int_equal(ts_query_is_pattern_non_local(a, i), ts_query_is_pattern_non_local(b, i));
        for (uint32_t k = 0; k < ts_query_capture_count(a); k++)
            assert_int_equal(ts_query_capture_quantifier_for_id(a, i, k), ts_query_capture_quantifier_for_id(b, i, k));
    }
    for (uint32_t at = 0; at < source; at++)
        assert_int_equal(ts_query_is_pattern_guaranteed_at_step(a, at), ts_query_is_pattern_guaranteed_at_step(b, at));
}

static void test_shipped(void **state)
{
    for (const struct language *l = languages; l->name; l++) {
        if (!l->grammar || !l->tags_scm)
            continue;
        TSQuery *q = compiled(l);
        same_names(q, tags_of(l)->query);
        same_patterns(q, tags_of(l)->query, (uint32_t)strlen(l->tags_scm));
        ts_query_delete(q);
    }
}

/* The same bytes whenever they are made: a build can be repeated. */
static void test_repeated(void **state)
{
    for (const struct language *l = languages; l->name; l++) {
        if (!l->grammar || !l->tags_scm)
            continue;
        size_t n = strlen(l->tags_scm);
        char *bytes[2], *junk = malloc(1 << 20);
        memset(junk, 0x5a, 1 << 20); /* what the second one's memory has held before */
        TSQuery *first = compiled(l);
        free(junk);
        TSQuery *second = compiled(l);
        size_t len = query_image_write(&bytes[0], first, l->tags_scm, n);
        assert_int_equal(query_image_write(&bytes[1], second, l->tags_scm, n), len);
        assert_memory_equal(bytes[0], bytes[1], len);
        ts_query_delete(first);
        ts_query_delete(second);
        free(bytes[0]);
        free(bytes[1]);
    }
}

static void test_refused(void **state)
{
    const struct language *l = language_named("go"), *other = language_named("java");
    size_t n = strlen(l->tags_scm);
    char *bytes, *source = strdup(l->tags_scm);
    TSQuery *q = compiled(l), *again;
    size_t len = query_image_write(&bytes, q, l->tags_scm, n);
    assert_true(len > 1000);
    again = query_image_read(bytes, len, l->grammar(), l->tags_scm, n);
    assert_non_null(again);
    same_names(q, again);
    ts_query_delete(again);
    for (size_t cut = 0; cut < len; cut += 1 + cut / 200) {
        char *exact = malloc(cut + 1); /* so that a sanitizer sees a read past it */
        memcpy(exact, bytes, cut);
        exact = realloc(exact, cut ? cut : 1);
        assert_null(query_image_read(exact, cut, l->grammar(), l->tags_scm, n));
        free(exact);
    }
    source[n / 2] ^= 1;
    assert_null(query_image_read(bytes, len, l->grammar(), source, n));
    assert_null(query_image_read(bytes, len, l->grammar(), l->tags_scm, n - 1));
    assert_null(query_image_read(bytes, len, other->grammar(), l->tags_scm, n));
    ts_query_delete(q);
    free(bytes);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shipped), cmocka_unit_test(test_repeated), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
