/* Names at positions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lsp/place.h"

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
        cmocka_unit_test(names_at),
        cmocka_unit_test(whole_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
