#include "engine/sample/lookup.h"
#include "engine/sample/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds text cut into pieces of `size`; the output, and what was shown before the end. */
static int run(struct buf *out, const char *text, size_t size, const struct str *stops, size_t n)
{
    struct stop *s = NULL;
    assert_int_equal(stop_open(&s, stops, n, NULL), 0);
    buf_clear(out);
    for (size_t i = 0; i < strlen(text); i += size)
        stop_feed(s, out, text + i, strlen(text) - i < size ? strlen(text) - i : size);
    stop_end(s, out);
    int found = stop_found(s);
    stop_close(s);
    return found;
}

static void test_stops(void **state)
{
    static const struct {
        const char *text, *stop[3], *out;
        int found;
    } row[] = {
        {"hello END more", {"END"}, "hello ", 0},
        {"hello EN", {"END"}, "hello EN", -1},
        {"aabaabaac", {"aabaac"}, "aab", 0},
        {"ababababc", {"ababc"}, "abab", 0},
        {"x\n\nUser: hi", {"User:", "\n\n"}, "x", 1},
        {"abcd", {"bc", "abc"}, "", 1},
        {"abcd", {"cd", "abcde"}, "ab", 0},
        {"\xC3\xA9t\xC3\xA9", {"t"}, "\xC3\xA9", 0},
        {"a\xF0\x9F\x98\x80", {"zz"}, "a\xF0\x9F\x98\x80", -1},
        {"a\xF0\x9F\x98", {"zz"}, "a\xEF\xBF\xBD", -1},
        {"a\xFF z", {"zz"}, "a\xFF z", -1},
        {"", {"x"}, "", -1},
        {"no stops", {NULL}, "no stops", -1},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct str stops[3];
        size_t n = 0;
        for (; n < 3 && row[i].stop[n]; n++)
            stops[n] = str_of(row[i].stop[n]);
        for (size_t size = 1; size < 16; size++) {
            assert_int_equal(run(&out, row[i].text, size, stops, n), row[i].found);
            assert_int_equal(out.len, strlen(row[i].out));
            if (out.len)
                assert_string_equal(out.data, row[i].out);
        }
    }
    buf_release(&out);
}

/* Nothing is held back that cannot become a stop string. */
static void test_prompt(void **state)
{
    struct stop *s = NULL;
    struct buf out = BUF_INIT;
    assert_int_equal(stop_open(&s, &STR("<|end|>"), 1, NULL), 0);
    assert_false(stop_feed(s, &out, "abc<", 4));
    assert_string_equal(out.data, "abc");
    assert_false(stop_feed(s, &out, "|x\xE2\x82", 4));
    assert_string_equal(out.data, "abc<|x");
    assert_false(stop_feed(s, &out, "\xAC", 1));
    assert_string_equal(out.data, "abc<|x\xE2\x82\xAC");
    assert_true(stop_feed(s, &out, "!<|end|>?", 9));
    assert_string_equal(out.data, "abc<|x\xE2\x82\xAC!");
    assert_true(stop_feed(s, &out, "more", 4));
    assert_string_equal(out.data, "abc<|x\xE2\x82\xAC!");
    stop_close(s);
    buf_release(&out);
    struct err e = {0};
    assert_int_equal(stop_open(&s, &STR(""), 1, &e), ERR_USAGE);
}

static size_t drafted(struct lookup *l, uint32_t *out)
{
    return lookup_draft(l, out, 4);
}

static void test_lookup(void **state)
{
    static const uint32_t text[] = {1, 2, 3, 4, 5, 6, 7, 2, 3, 9, 8, 2, 3};
    uint32_t out[4];
    struct lookup *l = lookup_new();
    assert_int_equal(drafted(l, out), 0);
    lookup_add(l, text, 13);
    assert_int_equal(drafted(l, out), LOOKUP_AFTER_TWO); /* the last 2 3, not the first */
    assert_memory_equal(out, ((uint32_t[]){9, 8}), LOOKUP_AFTER_TWO * sizeof *out);
    lookup_rollback(l, 4); /* … 7 2 3 */
    assert_int_equal(drafted(l, out), LOOKUP_AFTER_TWO);
    assert_memory_equal(out, ((uint32_t[]){4, 5}), LOOKUP_AFTER_TWO * sizeof *out);
    lookup_add(l, (uint32_t[]){4}, 1);
    assert_int_equal(drafted(l, out), 4);
    assert_memory_equal(out, ((uint32_t[]){5, 6, 7, 2}), sizeof out);
    lookup_add(l, (uint32_t[]){100}, 1);
    assert_int_equal(drafted(l, out), 0);
    lookup_rollback(l, 100);
    assert_int_equal(lookup_length(l), 0);
    lookup_add(l, (uint32_t[]){5, 5, 5, 5, 5, 5, 5}, 7); /* overlapping itself */
    assert_int_equal(drafted(l, out), 1);
    assert_int_equal(out[0], 5);
    lookup_free(l);
}

/* Random adding and taking back beside a search through all. */
static void test_lookup_random(void **state)
{
    struct lookup *l = lookup_new();
    uint32_t all[6000];
    size_t n = 0;
    srand(3);
    for (int round = 0; round < 20000; round++) {
        if (rand() % 4 && n < 6000) {
            all[n] = (uint32_t)(rand() % 6);
            lookup_add(l, &all[n++], 1);
        } else {
            size_t back = (size_t)(rand() % 4) < n ? (size_t)(rand() % 3) : 0;
            back = back > n ? n : back;
            lookup_rollback(l, back);
            n -= back;
        }
        uint32_t out[4];
        size_t got = drafted(l, out), want = 0, end = 0;
        for (size_t len = 4; len >= 2 && !want; len--)
            for (end = n; end-- > len && !want;)
                if (n > len && !memcmp(all + end - len, all + n - len, len * sizeof *all)) {
                    size_t most = len == 2 ? LOOKUP_AFTER_TWO : 4; /* after three it is four too */
                    want = n - end < most ? n - end : most;
                    assert_memory_equal(out, all + end, want * sizeof *out);
                }
        assert_int_equal(got, want);
    }
    lookup_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops), cmocka_unit_test(test_prompt), cmocka_unit_test(test_lookup), cmocka_unit_test(test_lookup_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
