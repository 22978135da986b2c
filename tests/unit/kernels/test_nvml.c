/* What is read out of NVML, of a library that stands in for it; and that its absence is no error. */
#include "kernels/nvml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void reads_what_there_is(void **state)
{
    struct nvml_gpu g[NVML_GPUS_MAX];
    setenv("CODEASK_LIBNVML", TEST_BUILD_DIR "/libfake_nvml.so", 1);
    assert_int_equal(nvml_read(g, 1), 1);
    assert_int_equal(nvml_read(g, NVML_GPUS_MAX), 2);
    assert_string_equal(g[0].name, "NVIDIA Fake 1");
    assert_int_equal(g[0].sm_mhz, 1980);
    assert_int_equal(g[0].memory_mhz, 2619);
    assert_int_equal(g[0].celsius, 71);
    assert_int_equal(g[0].milliwatts, 654321);
    assert_int_equal(g[0].memory_used, 20ull << 30);
    assert_int_equal(g[0].memory_total, 80ull << 30);
    assert_true(g[0].busy_percent == NVML_UNKNOWN); /* the library has no such function */
    assert_int_equal(g[0].throttle, 5);
    assert_string_equal(g[1].name, "NVIDIA Fake 2");
    assert_true(g[1].sm_mhz == NVML_UNKNOWN && g[1].celsius == NVML_UNKNOWN && g[1].memory_total == NVML_UNKNOWN && g[1].throttle == 0);
}

static void absent_is_fine(void **state)
{
    struct nvml_gpu g[1];
    setenv("CODEASK_LIBNVML", "/nowhere/libnvidia-ml.so.1", 1);
    assert_int_equal(nvml_read(g, 1), 0);
}

static void reasons_have_names(void **state)
{
    uint64_t bit, all = 0;
    size_t n = 0;
    for (; nvml_throttle(n, &bit); n++) {
        assert_int_equal(all & bit, 0);
        all |= bit;
    }
    assert_true(n >= 5 && (all & 0x4) && !(all & 1)); /* an idle GPU is not throttled */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_what_there_is), cmocka_unit_test(absent_is_fine),
                                       cmocka_unit_test(reasons_have_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
