/* Every part is done once, by whichever thread; what parts wrote is seen after the run; more threads than cores change nothing. */
#include "base/clock.h"
#include "base/mem.h"
#include "kernels/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PARTS = 40, RUNS = 3000 };

struct job {
    _Atomic uint32_t times[PARTS];
    _Atomic bool busy[16]; /* a thread does one part at a time */
    uint64_t out[PARTS];
    uint64_t run;
};

static void part(void *arg, uint32_t p, uint32_t thread)
{
    struct job *j = arg;
    if (atomic_exchange(&j->busy[thread], true))
        abort();
    for (uint32_t i = 0; i < p * 3; i++)
        __asm__ volatile("");
    j->out[p] = j->run * PARTS + p; /* not atomic: the sanitizer sees what is not ordered */
    atomic_fetch_add(&j->times[p], 1);
    atomic_store(&j->busy[thread], false);
}

static void runs_with(uint32_t threads, uint32_t runs)
{
    struct team *t;
    struct err e;
    struct job *j = mem_zero(1, sizeof *j);
    assert_int_equal(team_open(&t, threads, &e), 0);
    assert_int_equal(team_threads(t), threads ? threads : 1);
    for (uint64_t r = 0; r < runs; r++) {
        uint32_t parts = (uint32_t)(r * 7 % (PARTS + 1));
        j->run = r;
        for (uint32_t p = 0; p < PARTS; p++)
            j->times[p] = 0;
        team_run(t, parts, part, j);
        for (uint32_t p = 0; p < PARTS; p++) {
            assert_int_equal(j->times[p], p < parts);
            if (p < parts)
                assert_int_equal(j->out[p], r * PARTS + p);
        }
        if (r % 500 == 499) { /* long enough that the others fall asleep */
            int64_t end = clock_ns() + 300000;
            while (clock_ns() < end)
                ;
        }
    }
    team_close(t);
    free(j);
}

static void every_part_once(void **state)
{
    runs_with(0, 50);
    runs_with(1, 50);
    runs_with(2, RUNS);
    runs_with(3, RUNS);
    runs_with(8, RUNS / 10); /* more than there are cores */
    team_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_part_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
