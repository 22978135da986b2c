/* How much memory there is, and what of it the engine gets. */
#include "config/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void limits(void **state)
{
    const char *const info = "MemTotal:       24000000 kB\nMemFree: 1 kB\n";
    const uint64_t all = (uint64_t)24000000 << 10;
    assert_int_equal(machine_memory_of(info, NULL, 0), all);
    const char *const open[] = {NULL, "max\n", "9223372036854771712\n"};
    assert_int_equal(machine_memory_of(info, open, 3), all);
    const char *const tight[] = {"max\n", "2147483648\n", "8589934592\n"}; /* the tightest of the group and those above it */
    assert_int_equal(machine_memory_of(info, tight, 3), (uint64_t)2 << 30);
    const char *const odd[] = {"-1\n", "", "x"};
    assert_int_equal(machine_memory_of(info, odd, 3), all);
    assert_int_equal(machine_memory_of(NULL, tight, 3), (uint64_t)2 << 30);
    assert_int_equal(machine_memory_of("nothing", NULL, 0), 0);
}

static void half(void **state)
{
    struct config c;
    struct err e;
    assert_int_equal(config_open(&c, NULL, &e), 0);
    assert_int_equal(engine_memory_of(&c, (uint64_t)24 << 30), (uint64_t)12 << 30);
    assert_int_equal(engine_memory_of(&c, (uint64_t)1 << 30), ENGINE_MEMORY_LEAST);
    assert_int_equal(engine_memory_of(&c, 0), ENGINE_MEMORY_UNKNOWN);
    assert_int_equal(config_set(&c, "engine_memory", "3G", &e), 0);
    assert_int_equal(engine_memory_of(&c, (uint64_t)24 << 30), (uint64_t)3 << 30);
    config_close(&c);
}

static void here(void **state)
{
    assert_true(machine_memory() > 64 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits), cmocka_unit_test(half), cmocka_unit_test(here)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
