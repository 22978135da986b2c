/* Searches that share a pass get the scores that each would have got alone, whoever came when. */
#include "retriever/joint.h"

#include "kernels/scan.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 12 /* more than one pass takes */
#define ROUNDS 60
#define RUNS 9
#define ROWS 40
#define DIM 96
#define NONE 1e30f /* no score */

static int8_t rows[RUNS][ROWS * DIM];
static float scale[RUNS][ROWS];
static uint32_t gaps[ROWS];
static struct vector_run run[RUNS];
static struct dense_rows some[RUNS + 1]; /* the first so many runs */
static struct joint joint;

static void make(struct arena *a)
{
    uint32_t first = 0;
    for (uint32_t r = 0; r < RUNS; r++) {
        for (uint32_t i = 0; i < ROWS * DIM; i++)
            rows[r][i] = (int8_t)((i * 37 + r * 11 + i / 7) % 255 - 127);
        for (uint32_t i = 0; i < ROWS; i++)
            scale[r][i] = (float)(i + r + 1) / 1000;
        run[r] = (struct vector_run){.q = rows[r], .scale = scale[r], .first = first, .n = ROWS - r, .dim = DIM};
        first += run[r].n + 3;
        if (r != 4)
            continue;
        for (uint32_t i = 0; i < run[r].n; i++) /* a sweep was here */
            gaps[i] = run[r].first + 2 * i;
        run[r].number = gaps;
        first += run[r].n;
    }
    for (size_t n = 0; n <= RUNS; n++)
        some[n] = dense_rows_of(run, n, DIM, a);
}

/* One search over the first n runs, compared with the plain sums. */
static void ask(uint32_t seed, size_t n)
{
    int8_t q[DIM];
    struct dense_rows all_rows = some[n];
    float *all = malloc((all_rows.n + 1) * sizeof *all), qscale = (float)(seed % 13 + 1) / 100;
    for (uint32_t i = 0; i < DIM; i++)
        q[i] = (int8_t)((i * (seed | 1) + seed) % 255 - 127);
    all[all_rows.n] = NONE;
    joint_scan(&joint, &all_rows, q, qscale, all);
    for (size_t r = 0, row = 0; r < n; r++)
        for (uint32_t i = 0; i < run[r].n; i++) {
            int32_t dot = 0;
            for (uint32_t k = 0; k < DIM; k++)
                dot += q[k] * run[r].q[i * DIM + k];
            assert_true(all[row++] == (float)dot * run[r].scale[i] * qscale);
        }
    assert_true(all[all_rows.n] == NONE);
    free(all);
}

static void *asker(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < ROUNDS; i++)
        ask(me * ROUNDS + i, (me + i) % 5 ? RUNS : 1 + (me + i) % RUNS); /* most over the same runs, some before others were added */
    return NULL;
}

static void test_alone(void **state)
{
    for (uint32_t n = 0; n <= RUNS; n++)
        ask(n, n);
    assert_null(joint.pass);
}

static void test_together(void **state)
{
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, asker, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_null(joint.pass);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_together)};
    struct arena arena;
    arena_init(&arena);
    make(&arena);
    joint_init(&joint);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    joint_release(&joint);
    arena_release(&arena);
    return failed;
}
