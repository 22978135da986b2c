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
    assert_memory_equal(out, ((uint32_t[]){9, 8, 2}), LOOKUP_AFTER_TWO * sizeof *out);
    lookup_rollback(l, 4); /* … 7 2 3 */
    assert_int_equal(drafted(l, out), LOOKUP_AFTER_TWO);
    assert_memory_equal(out, ((uint32_t[]){4, 5, 6}), LOOKUP_AFTER_TWO * sizeof *out);
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
    lookup_rollback(l, 100);
    lookup_add(l, (uint32_t[]){9, 1, 2, 3, 4, 10, 8, 1, 2, 3, 4, 11, 9, 1, 2, 3, 4}, 17); /* a 9 before it: the first, not the last */
    assert_int_equal(lookup_draft(l, out, 1), 1);
    assert_int_equal(out[0], 10);
    lookup_rollback(l, 100);
    lookup_add(l, (uint32_t[]){7, 20, 21, 22, 7, 20, 30, 7}, 8); /* one token that was always followed by the same */
    assert_int_equal(drafted(l, out), LOOKUP_AFTER_ONE);
    assert_memory_equal(out, ((uint32_t[]){20, 30}), LOOKUP_AFTER_ONE * sizeof *out);
    lookup_add(l, (uint32_t[]){40, 41, 7}, 3); /* and is no more */
    assert_int_equal(drafted(l, out), 0);
    lookup_free(l);
}

/* Where a search through all finds the last `len` of n tokens; the length of what agrees before them decides. */
static size_t searched(const uint32_t *all, size_t n, size_t len)
{
    size_t best = 0, most = 0;
    for (size_t end = n; end-- > len;) {
        size_t same = 0;
        if (memcmp(all + end - len, all + n - len, len * sizeof *all))
            continue;
        if (len == 1 && best && all[best] != all[end])
            return 0;
        while (same < LOOKUP_BEFORE && same + len < end && all[end - len - same - 1] == all[n - len - same - 1])
            same++;
        if (!best || same > most) {
            best = end;
            most = same;
        }
    }
    return best;
}

/* Random adding and taking back beside it. */
static void test_lookup_random(void **state)
{
    static const size_t after[] = {LOOKUP_AFTER_ONE, LOOKUP_AFTER_TWO, LOOKUP_AFTER_THREE, 4};
    struct lookup *l = lookup_new();
    uint32_t all[1500];
    size_t n = 0, found[5] = {0};
    srand(3);
    for (int round = 0; round < 20000; round++) {
        if (rand() % 4 && n < 1500) {
            all[n] = n > 40 && rand() % 8 ? all[n - 37] : (uint32_t)(rand() % 300); /* repeats itself, with errors */
            lookup_add(l, &all[n++], 1);
        } else {
            size_t back = (size_t)(rand() % 3);
            back = back > n ? n : back;
            lookup_rollback(l, back);
            n -= back;
        }
        uint32_t out[4];
        size_t got = drafted(l, out), len = 4, end = 0;
        while (len >= 1 && !(end = n > len ? searched(all, n, len) : 0))
            len--;
        if (!end || (len == 1 && !got)) { /* of a token that stood there often it does not look at all places */
            assert_int_equal(got, 0);
            continue;
        }
        size_t most = after[len - 1] < n - end ? after[len - 1] : n - end;
        assert_int_equal(got, most < 4 ? most : 4);
        if (len < 4 || n < 200) /* more places than it looks at */
            assert_memory_equal(out, all + end, got * sizeof *out);
        found[len]++;
    }
    for (size_t len = 1; len <= 4; len++)
        assert_true(found[len] > 10);
    lookup_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops), cmocka_unit_test(test_prompt), cmocka_unit_test(test_lookup), cmocka_unit_test(test_lookup_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
