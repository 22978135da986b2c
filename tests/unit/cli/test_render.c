/* Markdown, code and foreign text on a terminal. */
#include "cli/text.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct look color = {.color = true, .tty = true, .width = 40}, plain = {.width = 100};

/* Takes the escapes of style() out. */
static char *bare(const struct buf *b)
{
    static char out[16384];
    size_t n = 0;
    for (size_t i = 0; i < b->len && n < sizeof out - 1; i++) {
        if (b->data[i] == '\033') {
            while (b->data[i] != 'm')
                i++;
            continue;
        }
        out[n++] = b->data[i];
    }
    out[n] = 0;
    return out;
}

static void takes_the_active_out(void **state)
{
    static const char *const t[][2] = {
        {"plain\ttext\n", "plain\ttext\n"},
        {"\033[31mred", "\xEF\xBF\xBD[31mred"},
        {"a\rb", "ab"},
        {"bell\a", "bell\xEF\xBF\xBD"},
        {"\xC2\x9B" "31m", "\xEF\xBF\xBD" "31m"},              /* a C1 control */
        {"\xE2\x80\xAE" "abc", "\xEF\xBF\xBD" "abc"},           /* right-to-left override */
        {"\xE2\x81\xA6" "abc", "\xEF\xBF\xBD" "abc"},           /* an isolate */
        {"\xFF\xC3", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xE4\xB8\xAD\xF0\x9F\x98\x80", "\xE4\xB8\xAD\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = BUF_INIT;
        put_cleans(&b, t[i][0]);
        assert_string_equal(b.data, t[i][1]);
        buf_release(&b);
    }
}

static void measures_columns(void **state)
{
    assert_int_equal(columns_of("abc", 3), 3);
    assert_int_equal(columns_of("\033[1mabc\033[0m", 11), 3);
    if (!setlocale(LC_CTYPE, "C.UTF-8")) {
        print_message("no C.UTF-8 locale: skipped\n");
        skip();
    }
    assert_int_equal(columns_of("\xE4\xB8\xAD", 3), 2);
    assert_int_equal(columns_of("e\xCC\x81", 3), 1);
}

static void wraps_markdown(void **state)
{
    const char *text = "# Title\n\nA paragraph that is longer than forty columns is broken at its spaces [1].\n\n- one\n- two "
                       "`code`\n  with more words than fit into one line of it\n\n```c\nint x = 1; /* a [1] */\n```\n";
    struct buf b = BUF_INIT;
    put_markdown(&b, &color, text, strlen(text));
    assert_string_equal(bare(&b), "Title\n\nA paragraph that is longer than forty\ncolumns is broken at its spaces [1].\n\n"
                                  "• one\n• two code with more words than fit into\n  one line of it\n\n  int x = 1; /* a [1] */\n");
    assert_non_null(strstr(b.data, "\033[1;34m[1]"));
    buf_release(&b);
    put_markdown(&b, &plain, text, strlen(text));
    assert_string_equal(b.data, text);
    buf_release(&b);
}

static void keeps_html_inert(void **state)
{
    const char *text = "<b>bold</b> & &lt;script&gt; ![x](http://evil/) \033[31m\n";
    struct buf b = BUF_INIT;
    put_markdown(&b, &color, text, strlen(text));
    assert_non_null(strstr(bare(&b), "<b>bold</b> & <script>"));
    assert_null(strstr(bare(&b), "evil"));
    assert_null(strstr(b.data, "\033[31m"));
    buf_release(&b);
}

static void loses_no_code(void **state)
{
    static const char *const t[][2] = {
        {"c", "static int f(char c) { return c == '\\'' ? 0x1F : \"a\\\"b\"[0]; } // end"},
        {"rust", "fn f<'a>(x: &'a str) -> Option<&'a str> { Some(\"x\") }"},
        {"python", "def f(x): return \"\"\"doc\"\"\" + 'it''s'  # don't"},
        {"haskell", "f' x = x -- note"},
        {"ruby", "puts \"unterminated"},
        {"", "don't panic: 'x"},
        {"json", "{\"a\": [1, true]}"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = BUF_INIT;
        int s = 0;
        put_code(&b, &color, t[i][0], t[i][1], strlen(t[i][1]), &s);
        assert_string_equal(bare(&b), t[i][1]);
        buf_release(&b);
    }
}

static void carries_comments_over_lines(void **state)
{
    struct buf b = BUF_INIT;
    int s = 0;
    put_code(&b, &color, "c", "a /* begins", 11, &s);
    assert_int_not_equal(s, 0);
    put_code(&b, &color, "c", "if return", 9, &s);
    assert_null(strstr(b.data, "\033[34m")); /* no keyword inside a comment */
    put_code(&b, &color, "c", "ends */ return", 14, &s);
    assert_int_equal(s, 0);
    assert_non_null(strstr(b.data, "\033[34mreturn"));
    buf_release(&b);
}

static void survives_any_bytes(void **state)
{
    static const char *const language[] = {"c", "python", "html", "lua", "ocaml", "", "markdown"};
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char line[64];
        struct buf b = BUF_INIT;
        int s = 0;
        size_t n = (size_t)rand_r(&seed) % sizeof line;
        for (size_t i = 0; i < n; i++)
            line[i] = "\"'`/*#-{}()<!>\\ \nab1[]_\xC3\xE2\x80"[rand_r(&seed) % 27];
        put_code(&b, &color, language[round % 7], line, n, &s);
        put_markdown(&b, &color, line, n);
        buf_release(&b);
    }
}

static void says_figures(void **state)
{
    char out[32];
    assert_string_equal(human_bytes(out, 999), "999 B");
    assert_string_equal(human_bytes(out, 1800000), "1.8 MB");
    assert_string_equal(human_bytes(out, 62e6), "62 MB");
    assert_string_equal(human_time(out, 42), "42 s");
    assert_string_equal(human_time(out, 3725), "1:02 h");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_active_out), cmocka_unit_test(measures_columns), cmocka_unit_test(wraps_markdown),
        cmocka_unit_test(keeps_html_inert), cmocka_unit_test(loses_no_code), cmocka_unit_test(carries_comments_over_lines),
        cmocka_unit_test(survives_any_bytes), cmocka_unit_test(says_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
