/* Expressions beside PCRE2: those of every family, over real text and over random code points. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "engine/tokenizer/charset.h"
#include "engine/tokenizer/expression.h"
#include "engine/tokenizer/families.h"
#include "engine/tokenizer/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static struct err e;

struct oracle {
    pcre2_code *code;
    pcre2_match_data *data;
};

/* PCRE2 10.42 has no && in sets and takes U+180E for a blank: what is asked of it is written without. */
static void oracle_open(struct oracle *o, const char *text)
{
    struct buf b = BUF_INIT;
    int code;
    PCRE2_SIZE at;
    buf_adds(&b, text);
    for (char *p; (p = strstr(b.data, "&&[^\\p{Han}]]"));) {
        char *open = p;
        while (*open != '[')
            open--;
        struct buf c = BUF_INIT; /* [x&&[^y]] is (?:(?!y)[x]) */
        buf_add(&c, b.data, (size_t)(open - b.data));
        buf_adds(&c, "(?:(?!\\p{Han})");
        buf_add(&c, open, (size_t)(p - open));
        buf_adds(&c, "])");
        buf_adds(&c, p + strlen("&&[^\\p{Han}]]"));
        buf_release(&b);
        b = c;
    }
    for (char *p; (p = strstr(b.data, "{Han}"));) { /* the script, not its extensions */
        struct buf c = BUF_INIT;
        buf_add(&c, b.data, (size_t)(p - b.data));
        buf_adds(&c, "{sc:Han}");
        buf_adds(&c, p + 5);
        buf_release(&b);
        b = c;
    }
    o->code = pcre2_compile((PCRE2_SPTR)b.data, b.len, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &code, &at, NULL);
    if (!o->code)
        fail_msg("%s", b.data);
    assert_int_equal(pcre2_jit_compile(o->code, PCRE2_JIT_COMPLETE), 0);
    o->data = pcre2_match_data_create(1, NULL);
    buf_release(&b);
}

static void oracle_close(struct oracle *o)
{
    pcre2_match_data_free(o->data);
    pcre2_code_free(o->code);
}

static size_t compare(const struct expression *x, struct oracle *o, const char *text, const char *p, size_t n)
{
    size_t at = 0, from = 0, to = 0, matches = 0;
    for (;;) {
        size_t want = at, end = 0;
        bool found = false;
        while (want < n && pcre2_match(o->code, (PCRE2_SPTR)p, n, want, PCRE2_NO_UTF_CHECK, o->data, NULL) >= 0) {
            const PCRE2_SIZE *v = pcre2_get_ovector_pointer(o->data);
            want = v[0], end = v[1];
            found = end > want;
            if (found)
                break;
            do
                want++;
            while (want < n && ((uint8_t)p[want] & 0xC0) == 0x80);
        }
        bool got = expression_find(x, p, n, at, &from, &to);
        if (got != found || (found && (from != want || to != end)))
            fail_msg("%s\nfrom %zu of %zu: %d [%zu, %zu), PCRE2: %d [%zu, %zu): %.40s", text, at, n, got, from, to, found, want, end, p + at);
        if (!found)
            return matches;
        at = end;
        matches++;
    }
}

static uint32_t seed = 1;
static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* Two libraries may be of two versions of Unicode: only what was a character in both is asked. */
static bool both_know(uint32_t c)
{
    static pcre2_code *unassigned;
    static pcre2_match_data *data;
    char s[4];
    int code;
    PCRE2_SIZE at;
    if (c >= 0xD800 && c < 0xE000)
        return false;
    if (!unassigned) {
        unassigned = pcre2_compile((PCRE2_SPTR) "\\p{Cn}", 6, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
        data = pcre2_match_data_create(1, NULL);
    }
    size_t n = (size_t)unicode_encode(s, c);
    return pcre2_match(unassigned, (PCRE2_SPTR)s, n, 0, 0, data, NULL) < 0 && utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_CN;
}

/* Letters, signs and blanks of many scripts, and what expressions treat specially. */
static size_t random_text(char *to, size_t max)
{
    static const char *const special[] = {"'s", "'S", "'ll", "'Re", "'", " ", "  ", "\n", "\r\n", "\t", "/", "123", "4567", "Abc", "aBC",
                                          "\xc5\xbf", "\xe4\xb8\xad", "\xe3\x81\x82", "\xea\xb0\x80", "e\xcc\x81", "<sentinel:7>", "IMGIMGABZ", "@user", "\xc2\xa0", "\xc2\x85",
                                          "\xe3\x80\x80", "\xf0\x9f\x98\x80", "\xc2\xb2", "\xe2\x85\xab", "\xc7\x85"};
    size_t n = 0;
    while (n + 16 < max) {
        uint32_t kind = random_below(10);
        if (kind < 4) {
            const char *s = special[random_below(sizeof special / sizeof *special)];
            memcpy(to + n, s, strlen(s));
            n += strlen(s);
            continue;
        }
        uint32_t c = kind < 7 ? 1 + random_below(127) : kind < 9 ? random_below(0x3000) : random_below(0x323B0);
        if (c == 0x180E || !c || !both_know(c))
            c = ' ';
        n += (size_t)unicode_encode(to + n, c);
    }
    return n;
}

static void every_expression_of_a_family(void **state)
{
    static char text[4000];
    size_t tables = 0, slow = 0;
    struct buf real = BUF_INIT, unreal = BUF_INIT;
    assert_int_equal(file_read(&real, TEST_SOURCE_DIR "/engine/tokenizer/families.c", 1 << 20, &e), 0);
    assert_int_equal(file_read(&real, TEST_SOURCE_DIR "/CHANGELOG.md", 1 << 20, &e), 0);
    for (size_t i = 0; i < nfamilies; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || families[k].recipe == families[i].recipe;
        for (int s = 0; !again && families[i].recipe->step[s]; s++) {
            const char *t = families[i].recipe->step[s];
            struct expression *x = NULL;
            struct oracle o;
            if (expression_compile(&x, t, strlen(t), EXPRESSION_UTF8, &e))
                fail_msg("%s: %s", families[i].name, e.message);
            if (!expression_is_table(x)) {
                print_message("%s: PCRE2 runs %s\n", families[i].name, t);
                slow++;
                expression_free(x);
                continue;
            }
            tables++;
            oracle_open(&o, t);
            compare(x, &o, t, real.data, real.len);
            for (int round = 0; round < 60; round++) {
                size_t n = random_text(text, 100 + random_below(sizeof text - 100));
                compare(x, &o, t, text, n);
            }
            oracle_close(&o);
            expression_free(x);
        }
    }
    print_message("%zu tables, %zu by PCRE2\n", tables, slow);
    assert_true(tables > 40 && slow <= 4);
    buf_release(&real);
    buf_release(&unreal);
}

static void parts_of_the_syntax(void **state)
{
    static const char *const text[] = {
        "a{2,4}b?", "a{3}", "(ab|a)(c|bcd)?", "a*?", "(?:ab)*c", "(?:a|ab)(?:c|bcd)+", "x{0,3}y", "x{2,}", "[^a-c]+", "[a-c&&[^b]]+",
        "[]a]+", "[a\\]b]+", "(?i:k|[ac]b)", "\\S+$", ".+", "a++b", "(?=a).", "(?=a)[a-z]+", "(?!ab)a", "\\bfoo", "(a*)*b", "(|a)+c", "[\\d\\-x]+",
        "\\p{^L}+", "\\P{N}+", "a|b|", "(?:a(?:b(?:c|d)+)?)+", "[a-]+",
    };
    static char random[400];
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct expression *x = NULL;
        struct oracle o;
        if (strstr(text[i], "&&") || expression_compile(&x, text[i], strlen(text[i]), EXPRESSION_UTF8, &e))
            continue;
        oracle_open(&o, text[i]);
        for (int round = 0; round < 400; round++) {
            size_t n = 1 + random_below(40);
            for (size_t k = 0; k < n; k++)
                random[k] = "aaaabbbccdxxyfoo -]k\nK1"[random_below(22)];
            compare(x, &o, text[i], random, n);
        }
        oracle_close(&o);
        expression_free(x);
    }
    static const char *const bad[] = {"(", ")", "[a", "a{2", "\\", "[b-a]", "(?<", "\xff", "*"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct expression *x = NULL;
        int rc = expression_compile(&x, bad[i], strlen(bad[i]), EXPRESSION_UTF8, &e);
        if (!strcmp(bad[i], "a{2")) /* PCRE2 takes it for letters, as Oniguruma does */
            assert_int_equal(rc, 0);
        else if (!rc || !e.message[0])
            fail_msg("%s is taken", bad[i]);
        expression_free(x);
    }
}

/* A run that fails is not begun again at each of its characters. */
static void long_runs_that_fail(void **state)
{
    struct expression *x = NULL;
    size_t n = 1 << 20, from, to;
    char *s = malloc(n);
    memset(s, ' ', n);
    s[n - 1] = 'a';
    assert_int_equal(expression_compile(&x, "\\s+$", 4, EXPRESSION_UTF8, &e), 0);
    assert_true(expression_is_table(x));
    int64_t t = clock_cpu_ns();
    assert_false(expression_find(x, s, n, 0, &from, &to));
    assert_true(clock_cpu_ns() - t < 1000000000);
    free(s);
    expression_free(x);
}

static void bytes_that_are_no_characters(void **state)
{
    struct expression *x = NULL;
    size_t from = 0, to = 0;
    assert_int_equal(expression_compile(&x, "\\p{L}+|\\p{S}", 12, EXPRESSION_UTF8, &e), 0);
    assert_true(expression_find(x, "\xff" "ab\xe4\xb8", 5, 0, &from, &to)); /* as U+FFFD, a sign, one byte long */
    assert_true(from == 0 && to == 1);
    assert_true(expression_find(x, "\xff" "ab\xe4\xb8", 5, 1, &from, &to));
    assert_true(from == 1 && to == 3);
    assert_true(expression_find(x, "\xff" "ab\xe4\xb8", 5, 3, &from, &to));
    assert_true(from == 3 && to == 4);
    expression_free(x);
    assert_int_equal(expression_compile(&x, "\\p{N}+", 6, EXPRESSION_LETTERS, &e), 0);
    assert_true(expression_find(x, "\xc2\xb2" "1", 3, 0, &from, &to)); /* the byte B2 is written as U+00B2, a number */
    assert_true(from == 1 && to == 3);
    expression_free(x);
}

static void letters_of_bytes(void **state)
{
    bool seen[512] = {false};
    for (int b = 0; b < 256; b++) {
        uint32_t c = expression_letter((uint8_t)b);
        assert_true(c < 512 && !seen[c]);
        seen[c] = true;
    }
    assert_int_equal(expression_letter(' '), 0x120);
    assert_int_equal(expression_letter('\n'), 0x10A);
    assert_int_equal(expression_letter(0x7F), 0x121);
    assert_int_equal(expression_letter(0xA0), 0x142);
    assert_int_equal(expression_letter(0xAD), 0x143);
    assert_int_equal(expression_letter(0xFF), 0xFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_expression_of_a_family),
        cmocka_unit_test(parts_of_the_syntax),
        cmocka_unit_test(long_runs_that_fail),
        cmocka_unit_test(bytes_that_are_no_characters),
        cmocka_unit_test(letters_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
