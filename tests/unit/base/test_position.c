/* Positions against a slow reading of them, in all encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

static void columns_as_counted_slowly(void **state)
{
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct buf text = BUF_INIT;
        put_random(&text, &seed, draw(&seed, 30));
        buf_adds(&text, "");
        const char *next;
        struct str line = first_line((struct str){text.data ? text.data : "", text.len}, &next);
        for (int how = 0; how < 3; how++)
            for (uint32_t column = 0; column < 70; column++) {
                size_t bytes = column_to_bytes(line, column, how);
                assert_int_equal(bytes, slow_offset(line.p, line.n, 0, column, how));
                uint32_t back = column_of_bytes(line, bytes, how);
                assert_true(back <= column);
                assert_int_equal(column_to_bytes(line, back, how), bytes);
            }
        buf_release(&text);
    }
}

static void past_the_end_and_inside(void **state)
{
    struct str line = STR("a\xF0\x9F\x98\x80" "b");
    assert_int_equal(column_to_bytes(line, 2, ENCODING_UTF16), 1); /* between surrogates: before the character */
    assert_int_equal(column_to_bytes(line, 3, ENCODING_UTF16), 5);
    assert_int_equal(column_to_bytes(line, 3, ENCODING_UTF8), 1);
    assert_int_equal(column_to_bytes(line, 2, ENCODING_UTF32), 5);
    assert_int_equal(column_to_bytes(line, UINT32_MAX, ENCODING_UTF16), 6);
    assert_int_equal(column_of_bytes(line, 100, ENCODING_UTF16), 4);
    assert_int_equal(column_of_bytes(line, 100, ENCODING_UTF8), 6);
    struct str broken = {"\xFF\xC3" "a\xE2\x82", 5}; /* a client sees each of these bytes as one U+FFFD */
    assert_int_equal(column_of_bytes(broken, 3, ENCODING_UTF16), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_as_counted_slowly),
        cmocka_unit_test(past_the_end_and_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
