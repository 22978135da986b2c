/* The filter of exact search: for any expression and any text, what PCRE2 finds is never refused. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "retriever/exact_plan.h"

#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t seed = 20240131;
static uint32_t roll(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static bool finds(pcre2_code *code, struct str text)
{
    pcre2_match_data *d = pcre2_match_data_create(1, NULL);
    int rc = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, 0, 0, d, NULL);
    pcre2_match_data_free(d);
    return rc >= 0;
}

static bool passes(struct str pattern, struct str text)
{
    struct arena a;
    struct buf b = BUF_INIT;
    arena_init(&a);
    grams_add(&b, text.p, text.n);
    bool yes = plan_passes(plan_regex(pattern, &a), (struct grams){(const void *)b.data, (uint32_t)(b.len / 8)});
    buf_release(&b);
    arena_release(&a);
    return yes;
}

static pcre2_code *compile(struct str p)
{
    int number;
    PCRE2_SIZE at;
    return pcre2_compile((PCRE2_SPTR)p.p, p.n, PCRE2_UTF | PCRE2_MULTILINE | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &number, &at, NULL);
}

/* What patterns are made of; those that mean nothing to PCRE2 are thrown away. */
static const char *const piece[] = {"a", "b", "c", "K", "s", "S", "abc", "bca", "kss", ".", "[ab]", "[^a]", "[a-c]", "[[:alpha:]]", "\\w",
    "\\b", "\\n", "\n", "\\x61", "\\x{62}", "\\x{212a}", "\xe2\x84\xaa", "\xc5\xbf", "\xc3\xa9", "\\d", "(", ")", "(?:", "(?i)", "(?-i)", "(?i:", "(?=", "(?!",
    "(?<=", "(?<!", "(?>", "(?|", "(?<n>", "(?P=n)", "\\1", "(?1)", "|", "|", "*", "+", "?", "{2}", "{0,1}", "{1,2}", "{2,}", "{,2}", "*?", "++", "^", "$",
    "\\K", "\\Qab\\E", "(?#x)", "(?x)", " ", "#", "]", "{", "}", "\\.", "\\]", "[]a]", "[\\]b-]", "(*ACCEPT)", "(?s)", "(?^)", "\\R", "\\pL", "\\p{Lu}", "\\E"};

static const char *const word[] = {"a", "b", "c", "k", "K", "s", "S", "abc", "bca", "ABC", "kss", "\n", "\r\n", " ", "1", "]", "{", "#x", "\xe2\x84\xaa",
    "\xc5\xbf", "\xc3\xa9", "\xc3\x89", "\xff", "\xe2\x84", "aa", "bb", "ab"};

static void never_loses_a_match(void **state)
{
    const char *want = getenv("CODEASK_TEST_LONG");
    unsigned matched = 0, refused = 0, rounds = want && *want ? 3000000 : 150000;
    for (unsigned n = 0; n < rounds; n++) {
        struct buf p = BUF_INIT, t = BUF_INIT;
        for (uint32_t i = 1 + roll(9); i--;)
            buf_adds(&p, piece[roll(sizeof piece / sizeof *piece)]);
        pcre2_code *code = compile((struct str){p.data, p.len});
        for (int k = 0; code && k < 8; k++) {
            buf_clear(&t);
            for (uint32_t i = 1 + roll(12); i--;)
                buf_adds(&t, word[roll(sizeof word / sizeof *word)]);
            struct str text = {t.data, t.len};
            bool pass = passes((struct str){p.data, p.len}, text);
            refused += !pass;
            if (!finds(code, text))
                continue;
            matched++;
            if (!pass)
                fail_msg("refused: /%s/ in \"%s\"", p.data, t.data);
        }
        pcre2_code_free(code);
        buf_release(&p);
        buf_release(&t);
    }
    assert_true(matched > rounds / 4);
    assert_true(refused > rounds / 20); /* it does filter */
}

static void filters(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool pass;
    } row[] = {
        {"foobar", "there is a FooBar", true}, /* folded: the bytes decide */
        {"foobar", "one fooba r", false}, /* a signature of two words: other texts pass by chance */
        {"foo(bar|baz)", "foo baz", false},
        {"foo(bar|baz)", "xfoobazx", true},
        {"foo.*bar", "barfoo", true},
        {"foo.*bar", "foo", false},
        {"foo\\s+bar", "bar", false},
        {"fo+bar", "fobar fooobar", true},
        {"(?=.*alpha)(?=.*beta)", "alpha", false},
        {"(?!alpha)beta", "beta", true},
        {"[xy]abc[xy]", "abcx", false},
        {"colou?r", "colour color", true},
        {"colou?r", "colo", false},
        {"(abc)?def", "def", true},
        {"(abc)*", "", true},
        {"x{3}", "xx", false},
        {"(?i)KERNEL", "\xe2\x84\xaa" "ernel", true},
        {"\\bwait_for\\(", "wait_fo", false},
        {"^#include <unistd", "#include \"unistd", false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (passes(str_of(row[i].pattern), str_of(row[i].text)) != row[i].pass)
            fail_msg("/%s/ in \"%s\"", row[i].pattern, row[i].text);
}

static void bounded(void **state)
{
    struct arena a;
    struct buf p = BUF_INIT;
    arena_init(&a);
    for (int i = 0; i < 20000; i++)
        buf_adds(&p, "(");
    assert_null(plan_regex((struct str){p.data, p.len}, &a));
    buf_clear(&p);
    for (int i = 0; i < 16000; i++)
        buf_adds(&p, "[ab]");
    plan_regex((struct str){p.data, p.len}, &a);
    arena_release(&a);
    buf_release(&p);
}

static void long_contents(void **state)
{
    struct buf t = BUF_INIT, g = BUF_INIT;
    struct arena a;
    arena_init(&a);
    for (int i = 0; i < 300000; i++) /* the three bytes of U+212A over every seam of the folding's pieces */
        buf_adds(&t, i % 7 ? "\xe2\x84\xaa" : "x");
    buf_adds(&t, "the needle");
    grams_add(&g, t.data, t.len);
    struct grams s = {(const void *)g.data, (uint32_t)(g.len / 8)};
    assert_true(plan_passes(plan_literal(STR("the needle"), &a), s));
    assert_true(plan_passes(plan_literal(STR("kkkkkkxkk"), &a), s));
    assert_false(plan_passes(plan_literal(STR("no such thing"), &a), s));
    assert_true(g.len <= 64);
    buf_release(&t);
    buf_release(&g);
    arena_release(&a);
}

static void line_ends(void **state)
{
    static const char *const yes[] = {"a\\nb", "a\nb", "(?s)a.b", "(?is:x)", "\\R", "\\x0A"}, *const no[] = {"a\\\\nb", "\\s+", "[^x]*", "(?i)s", "(s)"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(plan_spans_lines(str_of(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(plan_spans_lines(str_of(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(never_loses_a_match), cmocka_unit_test(filters), cmocka_unit_test(bounded),
                                       cmocka_unit_test(long_contents), cmocka_unit_test(line_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
