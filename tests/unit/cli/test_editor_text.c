/* Pieces of editors' configurations: put in once, taken out again, nothing else touched, nothing replaced that is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/editor_text.h"

static const char *const path[] = {"servers", "codeask", NULL};
#define VALUE STR("{\n  \"command\": [\"codeask\", \"lsp\"]\n}")

static void member(const char *text, const char *with, const char *without)
{
    struct buf a = BUF_INIT, b = BUF_INIT, c = BUF_INIT;
    struct err e = {0};
    assert_int_equal(member_put(&a, str_of(text), path, VALUE, &e), 0);
    assert_string_equal(a.data, with);
    assert_int_equal(member_put(&b, (struct str){a.data, a.len}, path, VALUE, &e), 0);
    assert_string_equal(b.data, with);
    assert_int_equal(member_drop(&c, (struct str){a.data, a.len}, path, &e), 0);
    assert_string_equal(c.data ? c.data : "", without);
    buf_release(&a);
    buf_release(&b);
    buf_release(&c);
}

static void members(void **state)
{
    member("", "{\n  \"servers\": {\n    \"codeask\": {\n      \"command\": [\"codeask\", \"lsp\"]\n    }\n  }\n}\n", "{\n}\n");
    member("{}\n", "{\n  \"servers\": {\n    \"codeask\": {\n      \"command\": [\"codeask\", \"lsp\"]\n    }\n  }\n}\n", "{\n}\n");
    const char *kept = "// mine\n{\n    \"a\": \"}\", // x\n    \"b\": [1, 2,],\n}\n";
    member(kept,
           "// mine\n{\n    \"servers\": {\n      \"codeask\": {\n        \"command\": [\"codeask\", \"lsp\"]\n      }\n    },\n    \"a\": \"}\", // x\n"
           "    \"b\": [1, 2,],\n}\n",
           kept);
    const char *beside = "{\n  \"servers\": {\n    \"c\": {\"command\": [\"clangd\"]}\n  }\n}\n";
    member(beside,
           "{\n  \"servers\": {\n    \"codeask\": {\n      \"command\": [\"codeask\", \"lsp\"]\n    },\n    \"c\": {\"command\": [\"clangd\"]}\n  }\n}\n",
           beside);
}

static void taken_out_wherever_it_stands(void **state)
{
    static const char *const texts[][2] = {
        {"{\"servers\": {\"c\": 1, \"codeask\": {}}}", "{\"servers\": {\"c\": 1}}"},
        {"{\"servers\": {\"c\": 1, \"codeask\": {}, \"d\": 2}}", "{\"servers\": {\"c\": 1, \"d\": 2}}"},
        {"{\"servers\": {\"codeask\": {}}, \"z\": 1}", "{ \"z\": 1}"},
        {"{\"servers\": { // mine\n\"codeask\": {} } }", "{\"servers\": { // mine\n } }"},
        {"{\"servers\": 3}", "{\"servers\": 3}"},
        {"// nothing\n", "// nothing\n"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out = BUF_INIT;
        assert_int_equal(member_drop(&out, str_of(texts[i][0]), path, NULL), 0);
        assert_string_equal(out.data, texts[i][1]);
        buf_release(&out);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        int code;
    } bad[] = {{"{\"servers\": {\"codeask\": {\"command\": []}}}", ERR_DENIED}, {"{\"servers\": []}", ERR_FORMAT}, {"[1]", ERR_FORMAT},
               {"{\"a\" 1}", ERR_FORMAT}, {"{\"a\": \"x", ERR_FORMAT}, {"{", ERR_FORMAT}, {"{\"a\": 1 \"b\": 2}", ERR_FORMAT}};
    struct buf deep = BUF_INIT, out = BUF_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(member_put(&out, str_of(bad[i].text), path, VALUE, NULL), bad[i].code);
    buf_adds(&deep, "{\"a\": ");
    for (int i = 0; i <= JSON_DEPTH; i++)
        buf_addc(&deep, '[');
    assert_int_equal(member_put(&out, (struct str){deep.data, deep.len}, path, VALUE, NULL), ERR_FORMAT);
    buf_release(&deep);
    buf_release(&out);
}

static void blocks(void **state)
{
    static const char *const texts[] = {"", "x = 1\n", "x = 1\n\n", "\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf a = BUF_INIT, b = BUF_INIT, c = BUF_INIT;
        assert_int_equal(block_put(&a, str_of(texts[i]), "#", "helix", STR("y = 2\n"), NULL), 0);
        assert_non_null(strstr(a.data, "# codeask: begin (`codeask editor uninstall helix` takes it out)\ny = 2\n# codeask: end\n"));
        assert_int_equal(block_put(&b, (struct str){a.data, a.len}, "#", "helix", STR("y = 2\n"), NULL), 0);
        assert_string_equal(a.data, b.data);
        buf_adds(&a, "z = 3\n"); /* what the user writes behind it stays */
        assert_int_equal(block_drop(&c, (struct str){a.data, a.len}, "#", NULL), 0);
        assert_int_equal(c.len, strlen(texts[i]) + strlen("z = 3\n"));
        assert_memory_equal(c.data, texts[i], strlen(texts[i]));
        buf_clear(&c);
        assert_int_equal(block_put(&c, (struct str){a.data, a.len}, "#", "helix", STR("y = 4\n"), NULL), ERR_DENIED);
        buf_release(&a);
        buf_release(&b);
        buf_release(&c);
    }
    struct buf out = BUF_INIT;
    assert_int_equal(block_put(&out, STR("# codeask: begin\nx"), "#", "helix", STR("y\n"), NULL), ERR_FORMAT);
    assert_int_equal(block_drop(&out, STR("# codeask: begin\nx"), "#", NULL), ERR_FORMAT);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(taken_out_wherever_it_stands),
        cmocka_unit_test(refused),
        cmocka_unit_test(blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
