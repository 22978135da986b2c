/* What is kept over a reset, and that it is used again. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct arena *a, size_t most)
{
    for (size_t size = 1; size < most; size = size * 3 + 1) {
        char *p = arena_alloc(a, size);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0xaa, size);
        assert_memory_equal(arena_strn(a, "kept", 4), "kept", 5);
    }
}

static void test_reset(void **state)
{
    struct arena a;
    arena_init(&a);
    arena_reset(&a);
    assert_int_equal(arena_held(&a), 0);
    fill(&a, 1 << 20);
    size_t held = arena_held(&a);
    assert_true(held > 1 << 19);
    arena_reset(&a);
#ifndef ARENA_DEBUG
    assert_true(arena_held(&a) >= held);
    held = arena_held(&a);
    fill(&a, 1 << 20); /* in what is there, as it is one piece now */
    assert_int_equal(arena_held(&a), held);
    arena_reset(&a);
    assert_int_equal(arena_held(&a), held);
#endif
    const unsigned char *zero = arena_zero(&a, 1000, 1);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(zero[i], 0);
    arena_release(&a);
    assert_int_equal(arena_held(&a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reset)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
