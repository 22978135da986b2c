/* Signs that are taken over from an earlier sketch are those that a new one would make. */
#include "retriever/sketch.h"

#include "kernels/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIM 100
#define WORDS SCAN_SIGN_WORDS(DIM)
#define ROWS 50
#define RUNS 6

static int8_t q[RUNS][ROWS * DIM];
static float scale[RUNS][ROWS];
static uint32_t number[RUNS][ROWS];
static struct arena arena;

/* Run r: n vectors of numbers from 100 r on, every step-th; what it holds follows from the numbers alone. */
static struct vector_run run_of(uint32_t r, uint32_t n, uint32_t step)
{
    for (uint32_t i = 0; i < n; i++) {
        number[r][i] = 100 * r + i * step;
        scale[r][i] = (float)(number[r][i] + 1) / 1000;
        for (uint32_t k = 0; k < DIM; k++)
            q[r][i * DIM + k] = (int8_t)((number[r][i] * 31 + k * 17 + k / 3 * number[r][i]) % 255 - 127);
    }
    return (struct vector_run){.q = q[r], .scale = scale[r], .number = step > 1 ? number[r] : NULL, .first = 100 * r, .n = n, .dim = DIM};
}

/* The sketch of these runs, made after another one, compared with one made of nothing. */
static struct sketch *check(struct sketch *before, const struct vector_run *run, size_t n)
{
    struct dense_rows rows = dense_rows_of(run, n, DIM, &arena);
    struct sketch *s = sketch_new(before, 1, &rows, DIM), *fresh = sketch_new(NULL, 1, &rows, DIM);
    assert_int_equal(s->nruns, n);
    assert_true(s->mark == rows.mark);
    assert_memory_equal(s->bits, fresh->bits, rows.n * WORDS * sizeof *s->bits);
    assert_memory_equal(s->factor, fresh->factor, rows.n * sizeof *s->factor);
    sketch_drop(fresh);
    sketch_drop(before);
    return s;
}

static void test_growth(void **state)
{
    struct vector_run run[RUNS];
    struct sketch *s = NULL;
    for (uint32_t r = 0; r < RUNS; r++) {
        run[r] = run_of(r, 10 + r, 1);
        s = check(s, run, r + 1);
    }
    run[3] = run_of(3, 50, 1); /* the last ones were folded together */
    s = check(s, run, 4);
    run[1] = run_of(1, 4, 3);  /* a sweep was here */
    s = check(s, run, 4);
    s = check(s, run, 0);
    s = check(s, run, 2);
    sketch_drop(s);
}

static void test_other_model(void **state)
{
    struct vector_run run = run_of(0, 20, 1);
    struct dense_rows rows = dense_rows_of(&run, 1, DIM, &arena);
    struct sketch *other = sketch_new(NULL, 2, &rows, DIM);
    memset(other->bits, 0x55, rows.n * WORDS * sizeof *other->bits);
    sketch_drop(check(other, &run, 1)); /* nothing is taken from it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_growth), cmocka_unit_test(test_other_model)};
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
