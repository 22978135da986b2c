#include "indexer/rules.h"

#include "store/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void patterns_match_as_git_says(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool dir, yes;
    } row[] = {
        {"*.o", "a.o", false, true},         {"*.o", "d/e/a.o", false, true},     {"*.o", "a.oo", false, false},
        {"/a", "a", false, true},            {"/a", "d/a", false, false},         {"d/a", "d/a", false, true},
        {"d/a", "x/d/a", false, false},      {"a/", "a", true, true},             {"a/", "a", false, false},
        {"**/a", "a", false, true},          {"**/a", "x/y/a", false, true},      {"a/**", "a", true, false},
        {"a/**", "a/b/c", false, true},      {"a/**/b", "a/b", false, true},      {"a/**/b", "a/x/y/b", false, true},
        {"a/**/b", "a/x/y/c", false, false}, {"d/*", "d/x", false, true},         {"d/*", "d/x/y", false, false},
        {"?.c", "a.c", false, true},         {"?.c", "ab.c", false, false},       {"[a-c].c", "b.c", false, true},
        {"[!a-c].c", "b.c", false, false},   {"[[:digit:]]x", "7x", false, true}, {"[]-]x", "]x", false, true},
        {"[a", "[a", false, false},          {"\\!a", "!a", false, true},         {"\\#a", "#a", false, true},
        {"a*b*c", "aXbYbZc", false, true},   {"a*b*c", "aXbYbZd", false, false},  {"*", "anything", false, true},
        {"**", "a/b", false, true},          {"d/**/x/**/y", "d/x/x/y", false, true},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (pattern_matches(row[i].pattern, row[i].path, row[i].dir) != row[i].yes)
            fail_msg("%s against %s", row[i].pattern, row[i].path);
}

static void hostile_patterns_end(void **state)
{
    char pattern[4096], path[4096];
    for (int i = 0; i < 2000; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    strcpy(pattern + 4000, "b");
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_false(pattern_matches(pattern, path, false));
    for (int i = 0; i < 1000; i++)
        memcpy(pattern + 4 * i, "**/a", 4);
    pattern[4000] = 0;
    assert_false(pattern_matches(pattern, "b/b/b", false));
}

static void the_last_and_the_deepest_rule_wins(void **state)
{
    struct arena mem;
    arena_init(&mem);
    struct level *top = level_new(&mem, STR(""), NULL);
    level_ignore(top, &mem, STR("# comment\n*.log\n!keep.log\nout/\nspace\\ \ntrailing   \n"));
    struct level *sub = level_new(&mem, STR("sub/"), top);
    level_ignore(sub, &mem, STR("!x.log\r\n/here\n"));
    assert_true(level_ignores(top, STR("a.log"), false));
    assert_false(level_ignores(top, STR("keep.log"), false));
    assert_true(level_ignores(top, STR("d/out"), true));
    assert_false(level_ignores(top, STR("d/out"), false));
    assert_true(level_ignores(top, STR("space "), false));
    assert_true(level_ignores(top, STR("trailing"), false));
    assert_true(level_ignores(sub, STR("sub/a.log"), false));
    assert_false(level_ignores(sub, STR("sub/x.log"), false));
    assert_true(level_ignores(sub, STR("sub/here"), false));
    assert_false(level_ignores(sub, STR("sub/d/here"), false));
    arena_release(&mem);
}

static void attributes_say_what_a_file_is(void **state)
{
    struct arena mem;
    arena_init(&mem);
    struct level *top = level_new(&mem, STR(""), NULL);
    level_attributes(top, &mem, STR("*.pb.c linguist-generated\n/vendor/** linguist-vendored=true\n*.png binary\n"
                                    "docs/** linguist-documentation -text\nvendor/own/** -linguist-vendored\n"
                                    "\"q.c\" linguist-generated=false\n[attr]x y\n"));
    struct level *sub = level_new(&mem, STR("sub/"), top);
    level_attributes(sub, &mem, STR("*.pb.c !linguist-generated\n"));
    assert_int_equal(level_flags(top, STR("d/a.pb.c")), OCC_GENERATED);
    assert_int_equal(level_flags(top, STR("vendor/a/b.c")), OCC_VENDORED);
    assert_int_equal(level_flags(top, STR("vendor/own/b.c")), OCC_NOT_VENDORED);
    assert_int_equal(level_flags(top, STR("x.png")), OCC_SKIPPED);
    assert_int_equal(level_flags(top, STR("docs/a.md")), OCC_DOCUMENTATION);
    assert_int_equal(level_flags(top, STR("q.c")), OCC_NOT_GENERATED);
    assert_int_equal(level_flags(sub, STR("sub/a.pb.c")), 0);
    assert_int_equal(level_flags(NULL, STR("a.c")), 0);
    arena_release(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_git_says),
        cmocka_unit_test(hostile_patterns_end),
        cmocka_unit_test(the_last_and_the_deepest_rule_wins),
        cmocka_unit_test(attributes_say_what_a_file_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
