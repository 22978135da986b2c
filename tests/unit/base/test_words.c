#include "base/words.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* the words of a text, separated by spaces; wholes in [ ] */
static void check(const char *text, const char *want)
{
    struct words w;
    struct word out;
    struct buf got = BUF_INIT;
    words_init(&w, text, strlen(text));
    while (words_next(&w, &out)) {
        if (got.len)
            buf_addc(&got, ' ');
        buf_addf(&got, out.kind == WORD_WHOLE ? "[%.*s]" : "%.*s", (int)out.len, out.text);
        assert_true(out.at < strlen(text));
    }
    assert_string_equal(got.data ? got.data : "", want);
    buf_release(&got);
}

static void identifiers(void **state)
{
    check("thread_pool", "thread pool [threadpool]");
    check("threadPool = ThreadPool()", "thread pool [threadpool] thread pool [threadpool]");
    check("HTTPServer parseURL", "http server [httpserver] parse url [parseurl]");
    check("uv__io_poll", "uv io poll [uviopoll]");
    check("__init__", "init");
    check("utf8 base64Encode", "utf8 base64 encode [base64encode]");
    check("MAX_SIZE 404", "max size [maxsize] 404");
    check("x", "x");
    check("_ __ ___", "");
    check("a.b->c::d", "a b c d");
    check("123456789012345", "");
}

static void unicode(void **state)
{
    check("Größe straße", "grösse strasse");
    check("ПриветМир", "привет мир [приветмир]");
    check("日本語", "日本 本語");
    check("語", "語");
    check("foo日本bar", "foo 日本 bar");
    check("\xff\xfe"
          "abc\xc3",
          "abc");
    check("ﬁle", "file");
}

static void long_runs(void **state)
{
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    check(text, "");
    /* a long CJK run gives every bigram */
    struct buf b = BUF_INIT;
    for (int i = 0; i < 300; i++)
        buf_adds(&b, i % 2 ? "本" : "日");
    struct words w;
    struct word out;
    unsigned n = 0;
    words_init(&w, b.data, b.len);
    while (words_next(&w, &out))
        n++;
    assert_int_equal(n, 299);
    buf_release(&b);
}

static void stems(void **state)
{
    char a[] = "connections", b[] = "connecting", c[] = "größe", d[] = "use";
    size_t n = word_stem(a, strlen(a)), m = word_stem(b, strlen(b));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    char added[] = "added", adding[] = "adding";
    assert_int_equal(word_stem(added, 5), 3);
    assert_int_equal(word_stem(adding, 6), 3);
    assert_int_equal(word_stem(c, strlen(c)), strlen(c));
    assert_int_equal(word_stem(d, 3), 3);
    assert_true(term_of(TERM_WORD, "a", 1) != term_of(TERM_DEF, "a", 1));
}

static void order(void **state)
{
    assert_true(str_cmp(STR("a"), STR("b")) < 0 && str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("a/b")) < 0 && str_cmp(STR("a/b"), STR("a")) > 0);
    assert_true(str_cmp(STR("\x7f"), STR("\xc3\xa4")) < 0); /* bytes, whatever a char is */
    assert_int_equal(str_cmp(STR("same"), STR("same")), 0);
    assert_int_equal(str_cmp((struct str){NULL, 0}, (struct str){NULL, 0}), 0);
    assert_true(str_cmp((struct str){NULL, 0}, STR("a")) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(unicode),
        cmocka_unit_test(long_runs),
        cmocka_unit_test(stems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
