/* Quoting: what sources say is shown, never rendered. */
#include "retriever/markdown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(void (*quote)(struct buf *, struct str), struct str s, const char *want)
{
    struct buf out = BUF_INIT;
    quote(&out, s);
    assert_string_equal(out.data ? out.data : "", want);
    buf_release(&out);
}

static void text(void **state)
{
    check(md_text, STR("Sends a snake_case request, 2 < 3."), "Sends a snake_case request, 2 \\< 3.");
    check(md_text, STR("<script>alert(1)</script>"), "\\<script>alert(1)\\</script>");
    check(md_text, STR("![x](http://evil.example/p.png)"), "!\\[x\\](http\\://evil.example/p.png)");
    check(md_text, STR("see www.evil.example or HTTPS://evil.example"), "see www\\.evil.example or HTTPS\\://evil.example");
    check(md_text, STR("mail ann@example.org"), "mail ann\\@example.org");
    check(md_text, STR("*bold* _it_ `code` [1] \\"), "\\*bold\\* \\_it\\_ \\`code\\` \\[1\\] \\\\");
    check(md_text, STR("# no heading"), "\\# no heading");
    check(md_text, STR("- no list"), "\\- no list");
    check(md_text, STR("12. no list"), "12\\. no list");
    check(md_text, STR("two\nlines\r\n\there"), "two lines  here");
    check(md_text, STR("&lt; &#60; a & b"), "\\&lt; \\&#60; a & b");
    check(md_text, STR("a | b"), "a \\| b");
    check(md_text, STR(""), "");
}

static void hidden_characters(void **state)
{
    check(md_clean, STR("a\x1b[31mred"), "a\xef\xbf\xbd[31mred");
    check(md_clean, STR("if\xe2\x80\xae(x)\xe2\x81\xa6"), "if\xef\xbf\xbd(x)\xef\xbf\xbd");
    check(md_clean, STR("a\xc2\x85\xe2\x80\x8b"), "a\xef\xbf\xbd\xef\xbf\xbd");
    check(md_clean, STR("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd");
    check(md_clean, STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check(md_clean, STR("a\r\nb\rc\0d"), "a\nb\xef\xbf\xbd"
                                         "c\xef\xbf\xbd"
                                         "d");
    check(md_clean, STR("\xf3\xa0\x81\x81"), "\xef\xbf\xbd"); /* a tag character */
    check(md_clean, STR("日本 é 👩\xe2\x80\x8d💻"), "日本 é 👩\xe2\x80\x8d💻");
}

static void code(void **state)
{
    check(md_code, STR("Session.send"), "`Session.send`");
    check(md_code, STR("a`b"), "``a`b``");
    check(md_code, STR("`a`` b"), "``` `a`` b ```");
    check(md_code, STR("`"), "`` ` ``");
    check(md_code, STR(""), "");
    check(md_code, STR("a\nb"), "`a b`");
}

static void fence(void **state)
{
    struct buf out = BUF_INIT;
    md_fence(&out, "python", STR("def f():\n    pass"));
    assert_string_equal(out.data, "```python\ndef f():\n    pass\n```\n");
    buf_clear(&out);
    md_fence(&out, "py\n<b>", STR("```\n````\nx\n"));
    assert_string_equal(out.data, "`````\n```\n````\nx\n`````\n");
    buf_clear(&out);
    md_fence(&out, NULL, STR(""));
    assert_string_equal(out.data, "```\n```\n");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),
        cmocka_unit_test(hidden_characters),
        cmocka_unit_test(code),
        cmocka_unit_test(fence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
