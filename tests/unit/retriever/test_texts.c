/* Contents that are kept between searches: those used last, no more than so many bytes, none for long. */
#include "base/clock.h"
#include "retriever/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 8000 /* bytes; one text may take an eighth */

static struct texts texts;

static void keep(uint32_t cut, size_t n)
{
    char bytes[MOST];
    memset(bytes, (int)('a' + cut % 26), n);
    text_drop(texts_keep(&texts, cut, (struct str){bytes, n}));
}

static bool is_kept(uint32_t cut)
{
    struct text *t = texts_find(&texts, cut);
    bool there = t != NULL;
    text_drop(t);
    return there;
}

static void test_the_oldest_goes(void **state)
{
    texts_init(&texts, MOST);
    keep(1, MOST / 8 + 1);
    assert_false(is_kept(1)); /* too large a share */
    for (uint32_t cut = 1; cut <= 8; cut++)
        keep(cut, MOST / 8);
    assert_true(is_kept(1)); /* which makes 2 the oldest */
    keep(9, MOST / 8);
    assert_true(is_kept(1) && !is_kept(2) && is_kept(9));
    assert_int_equal(texts.bytes, MOST);
    keep(9, MOST / 8);
    assert_int_equal(texts.n, 8);
    texts_release(&texts);
}

static void test_what_rests_goes(void **state)
{
    texts_init(&texts, MOST);
    for (uint32_t cut = 1; cut <= 5; cut++)
        keep(cut, 100 * cut);
    struct text *held = texts_find(&texts, 2);
    int64_t then = clock_ns() + 1;
    while (clock_ns() < then)
        ;
    assert_true(is_kept(3) && is_kept(5));
    texts_rest(&texts, then);
    assert_int_equal(texts.n, 2);
    assert_int_equal(texts.bytes, 800);
    assert_true(is_kept(3) && is_kept(5) && !is_kept(2));
    assert_int_equal(held->len, 200); /* who holds one goes on with it */
    assert_int_equal(held->bytes[199], 'c');
    text_drop(held);
    texts_rest(&texts, clock_ns() + 1);
    assert_int_equal(texts.n + texts.bytes, 0);
    texts_release(&texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_goes),
        cmocka_unit_test(test_what_rests_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
