/* The table of languages: every query compiles, every row is found by its names, and headers are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "indexer/tags.h"

#include <string.h>

static void test_queries_compile(void **state)
{
    (void)state;
    unsigned bad = 0;
    for (const struct language *l = languages; l->name; l++) {
        struct err e = {0};
        assert_true(strlen(l->name) < LANGUAGE_NAME_MAX);
        assert_ptr_equal(language_named(l->name), l);
        if (!l->grammar)
            continue;
        struct tags *t = tags_new(l, &e);
        if (!t) {
            print_error("%s\n", e.message);
            bad++;
        }
        tags_free(t);
    }
    assert_int_equal(bad, 0);
}

static const char *name_of(const char *path, const char *head)
{
    return language_for(str_of(path), str_of(head))->name;
}

static void test_by_name(void **state)
{
    static const struct {
        const char *path, *head, *name;
    } cases[] = {
        {"src/a.c", "", "c"},           {"a/b.py", "", "python"},         {"x/Makefile", "", "make"},
        {"Makefile.am", "", "make"},    {"a.TS", "", "typescript"},       {"types.d.ts", "", "typescript"},
        {"a.C", "", "cpp"},             {"a.c", "", "c"},                 {"a.H", "", "c"},
        {"bin/tool", "#!/usr/bin/env python3\n", "python"},               {"bin/tool", "#!/bin/sh -e\n", "bash"},
        {"bin/tool", "#!/usr/bin/env -S node --x\n", "javascript"},       {"x", "#!/usr/bin/python3.11\n", "python"},
        {"README", "", "text"},         {"a.unknown", "", "text"},        {"", "", "text"},
        {"Gemfile", "", "ruby"},        {"a.mli", "", "ocaml_interface"}, {"k.cu", "", "cuda"},
        {"dir.py/file", "", "text"},    {".py", "", "python"},            {"x", "#!", "text"},
        {"x", "#!/usr/bin/env", "text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(name_of(cases[i].path, cases[i].head), cases[i].name);
    assert_ptr_equal(language_named("C++"), language_named("cpp"));
    assert_ptr_equal(language_named("golang"), language_named("go"));
    assert_ptr_equal(language_named("js"), language_named("javascript"));
    assert_null(language_named("klingon"));
    assert_null(language_named(NULL));
}

static void test_headers(void **state)
{
    (void)state;
    assert_string_equal(name_of("a.h", "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f(struct class_t *c);\n"), "c");
    assert_string_equal(name_of("a.h", "/* a class of things\n class X */\nint f(void);\n"), "c");
    assert_string_equal(name_of("a.h", "#pragma once\nnamespace a {\nclass X;\n}\n"), "cpp");
    assert_string_equal(name_of("a.h", "#include <vector>\n"), "cpp");
    assert_string_equal(name_of("a.h", "struct X {\n  std::string name;\n};\n"), "cpp");
    assert_string_equal(name_of("a.h", ""), "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries_compile),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
