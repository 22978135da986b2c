/* Positions against a slow reading of them, in all encodings; names at positions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lsp/place.h"
#include "text.h"

static void columns_as_counted_slowly(void **state)
{
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct buf text = BUF_INIT;
        put_random(&text, &seed, draw(&seed, 30));
        buf_adds(&text, "");
        const char *next;
        struct str line = first_line((struct str){text.data ? text.data : "", text.len}, &next);
        for (int how = 0; how < 3; how++)
            for (uint32_t column = 0; column < 70; column++) {
                size_t bytes = column_to_bytes(line, column, how);
                assert_int_equal(bytes, slow_offset(line.p, line.n, 0, column, how));
                uint32_t back = column_of_bytes(line, bytes, how);
                assert_true(back <= column);
                assert_int_equal(column_to_bytes(line, back, how), bytes);
            }
        buf_release(&text);
    }
}

static void past_the_end_and_inside(void **state)
{
    struct str line = STR("a\xF0\x9F\x98\x80" "b");
    assert_int_equal(column_to_bytes(line, 2, ENCODING_UTF16), 1); /* between surrogates: before the character */
    assert_int_equal(column_to_bytes(line, 3, ENCODING_UTF16), 5);
    assert_int_equal(column_to_bytes(line, 3, ENCODING_UTF8), 1);
    assert_int_equal(column_to_bytes(line, 2, ENCODING_UTF32), 5);
    assert_int_equal(column_to_bytes(line, UINT32_MAX, ENCODING_UTF16), 6);
    assert_int_equal(column_of_bytes(line, 100, ENCODING_UTF16), 4);
    assert_int_equal(column_of_bytes(line, 100, ENCODING_UTF8), 6);
    struct str broken = {"\xFF\xC3" "a\xE2\x82", 5}; /* a client sees each of these bytes as one U+FFFD */
    assert_int_equal(column_of_bytes(broken, 3, ENCODING_UTF16), 3);
}

static void names_at(void **state)
{
    static const struct {
        const char *line;
        size_t at;
        const char *scoped, *name;
    } cases[] = {
        {"x = session.send(1);", 13, "session.send", "send"}, {"x = session.send(1);", 16, "session.send", "send"},
        {"x = session.send(1);", 6, "session", "session"},    {"a::b::run()", 7, "b::run", "run"},
        {"p->next = q", 4, "p->next", "next"},                {"  .send()", 4, "send", "send"},
        {"f(1)", 2, "", ""},                                  {"", 0, "", ""},
        {"a + b", 2, "", ""},                                 {"valid?(x)", 1, "valid?", "valid?"},
        {"\xC3\xA9t\xC3\xA9 = 1", 2, "\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct word w = word_at(str_of(cases[i].line), cases[i].at);
        char *scoped = strndup(cases[i].line + w.scope, w.end - w.scope);
        assert_string_equal(scoped, cases[i].scoped);
        assert_string_equal(word_last(scoped), cases[i].name);
        assert_int_equal(w.end - w.begin, strlen(cases[i].name));
        free(scoped);
    }
}

static void whole_words(void **state)
{
    size_t at;
    assert_true(word_in(&at, STR("resend send"), STR("send"), 0));
    assert_int_equal(at, 7);
    assert_false(word_in(&at, STR("resend sends _send"), STR("send"), 0));
    assert_true(word_in(&at, STR("def valid?(x)"), STR("valid?"), 0));
    assert_false(word_in(&at, STR(""), STR("a"), 0));
    assert_false(word_in(&at, STR("a"), STR(""), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_as_counted_slowly),
        cmocka_unit_test(past_the_end_and_inside),
        cmocka_unit_test(names_at),
        cmocka_unit_test(whole_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
