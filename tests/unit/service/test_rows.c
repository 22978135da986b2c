/* The table of methods, builds, and JSON out of foreign bytes. */
#include "service/alone.h"
#include "service/core.h"
#include "service/methods.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_row_is_bound(void **state)
{
    for (const struct method *m = methods; m->name; m++) {
        char name[64];
        size_t i = 0;
        for (; m->name[i]; i++)
            name[i] = m->name[i] == ' ' ? '.' : m->name[i];
        name[i] = 0;
        assert_ptr_equal(method_named(m->name), m);
        assert_ptr_equal(method_named(name), m);
        if (!m->local && !(m->apart ? alone_named(name) != NULL : binding_named(name) != NULL))
            fail_msg("%s has no function", name);
        assert_non_null(m->help);
    }
    assert_null(method_named("sear"));
    assert_null(method_named("searches"));
    assert_null(method_named(""));
}

static void flags_mean_the_same_everywhere(void **state)
{
    for (const struct method *a = methods; a->name; a++)
        for (const struct method_flag *f = a->flags; f && f->name; f++) {
            assert_true((f->type == FLAG_BOOL) == (f->argument == NULL));
            for (const struct method *b = methods; b->name; b++)
                for (const struct method_flag *g = b->flags; g && g->name; g++)
                    if (!strcmp(f->name, g->name) && (f->type != g->type || f->letter != g->letter))
                        fail_msg("--%s of %s and of %s differ", f->name, a->name, b->name);
        }
}

static void builds_have_an_order(void **state)
{
    static const char *const rising[] = {"0.1.0+0", "0.1.0+9", "0.1.0+1763700000", "0.2.0+5", "0.10.0+1", "1.0.0+0"};
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++)
        for (size_t k = 0; k < sizeof rising / sizeof *rising; k++) {
            int c = build_compare(rising[i], rising[k]);
            assert_int_equal(c < 0 ? -1 : c > 0, i < k ? -1 : i > k);
        }
    char name[BUILD_MAX];
    build_name(name, "/nowhere/at/all");
    assert_string_equal(name, CODEASK_VERSION "+0");
}

static void text_becomes_utf8(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        {"plain", "plain"},
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"caf\xE9!", "caf\xEF\xBF\xBD!"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* a surrogate */
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* overlong */
        {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"\xF0\x9F\x98", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        json_t *j = json_text(t[i].in, strlen(t[i].in));
        assert_string_equal(json_string_value(j), t[i].out);
        json_decref(j);
    }
    json_t *j = json_text("a\0b", 3);
    assert_string_equal(json_string_value(j), "a\xEF\xBF\xBD" "b");
    json_decref(j);
}

static void base64_pads(void **state)
{
    static const char *const t[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        json_t *j = json_base64(t[i][0], strlen(t[i][0]));
        assert_string_equal(json_string_value(j), t[i][1]);
        json_decref(j);
    }
    json_t *j = json_base64("\xFF\xFE\xFD", 3);
    assert_string_equal(json_string_value(j), "//79");
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_bound), cmocka_unit_test(flags_mean_the_same_everywhere),
        cmocka_unit_test(builds_have_an_order), cmocka_unit_test(text_becomes_utf8), cmocka_unit_test(base64_pads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
