#include "help.h"

#define DIM 384
#define MANY 9000

static void vector_of(int8_t *q, float *scale, uint32_t i)
{
    struct rng r = {i + 1};
    for (int k = 0; k < DIM; k++)
        q[k] = (int8_t)rnd(&r);
    *scale = (float)i;
}

static struct hash128 text_of(uint32_t i)
{
    return (struct hash128){hash64(&i, sizeof i), i};
}

static uint16_t model(struct txn *t, uint8_t name, uint32_t dim)
{
    uint8_t hash[32] = {name};
    uint16_t m;
    OK(vector_model(t, hash, dim, &m, e));
    return m;
}

static void put(struct store *s, uint16_t m, uint32_t from, uint32_t n)
{
    static int8_t q[4096 * DIM];
    static float scale[4096];
    static struct hash128 text[4096];
    static uint32_t number[4096];
    struct txn *t;
    for (uint32_t i = 0; i < n; i++) {
        vector_of(q + i * DIM, &scale[i], from + i);
        text[i] = text_of(from + i);
    }
    OK(store_write(&t, s, e));
    OK(vector_put(t, m, text, q, scale, n, number, e));
    OK(txn_commit(t, e));
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(number[i], from + i); /* dense, in order */
}

static size_t check(struct store *s, uint16_t m, uint32_t n)
{
    struct txn *t;
    struct vector_run *run;
    size_t runs;
    uint32_t next = 0;
    OK(store_read(&t, s, e));
    OK(vectors_open(t, m, &run, &runs, e));
    for (size_t i = 0; i < runs; i++) {
        assert_int_equal(run[i].first, next);
        assert_int_equal(run[i].dim, DIM);
        assert_int_equal((uintptr_t)run[i].q % 64, 0);
        assert_int_equal((uintptr_t)run[i].scale % 4, 0);
        for (uint32_t k = 0; k < run[i].n; k++, next++) {
            int8_t q[DIM];
            float scale;
            vector_of(q, &scale, next);
            assert_memory_equal(q, run[i].q + (size_t)k * DIM, DIM);
            assert_true(scale == run[i].scale[k]);
            assert_int_equal(vector_find(t, m, text_of(next)), next);
        }
    }
    assert_int_equal(next, n);
    assert_int_equal(vector_find(t, m, text_of(n)), VECTOR_NONE);
    free(run);
    txn_end(t);
    return runs;
}

static void numbering(void **state)
{
    struct store *s;
    struct txn *t;
    struct rng r = {3};
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    uint16_t other = model(t, 9, 7), m = model(t, 1, DIM);
    OK(txn_commit(t, e));
    uint32_t have = 0;
    for (int i = 0; have < MANY; i++) {
        uint32_t n = i % 3 ? 1 + below(&r, 40) : i % 30 ? 1 : 300 + below(&r, 3500);
        put(s, m, have, n);
        have += n;
        if (i % 60 == 0)
            check(s, m, have);
    }
    size_t runs = check(s, m, have);
    assert_in_range(runs, have / 2702, have / 2702 + 14); /* full ones of 1 MiB, small ones as in a binary counter */

    /* the same texts again: numbers stay; beside a model of another width */
    static int8_t q[10 * DIM];
    float scale[10] = {0};
    struct hash128 text[10];
    uint32_t number[10];
    for (uint32_t i = 0; i < 10; i++)
        text[i] = text_of(i == 9 ? have : i * 7);
    text[8] = text[9]; /* twice in one call */
    OK(store_write(&t, s, e));
    OK(vector_put(t, m, text, q, scale, 10, number, e));
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(number[i], i * 7);
    assert_int_equal(number[8], have);
    assert_int_equal(number[9], have);
    OK(vector_put(t, other, text, q, scale, 10, number, e));
    assert_int_equal(number[7], 7);
    assert_int_equal(number[9], 8);
    assert_int_equal(vector_put(t, 77, text, q, scale, 10, number, NULL), ERR_INTERNAL);
    txn_end(t);
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    check(s, m, have);
    store_close(s);
}

static void models(void **state)
{
    struct store *s;
    struct txn *t;
    uint8_t hash[32] = {1};
    uint16_t m;
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    uint16_t a = model(t, 1, 384), b = model(t, 2, 768);
    assert_int_not_equal(a, b);
    assert_int_equal(model(t, 1, 384), a);
    assert_int_equal(vector_model(t, hash, 385, &m, NULL), ERR_FORMAT);
    OK(txn_commit(t, e));
    OK(store_read(&t, s, e));
    assert_int_equal(model(t, 2, 768), b);
    hash[0] = 3;
    assert_int_equal(vector_model(t, hash, 384, &m, NULL), ERR_NOT_FOUND);
    txn_end(t);
    store_close(s);
}

static void of_a_cut(void **state)
{
    struct store *s;
    struct txn *t;
    uint32_t number[3] = {4, VECTOR_NONE, 6}, card = 9, got[3];
    size_t n;
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    model(t, 1, 4);
    uint16_t m = model(t, 2, 4);
    OK(vecof_put(t, m, 5, 0, number, 3, e));
    OK(vecof_put(t, m, 5, 0xfedcba9876543210, &card, 1, e));
    OK(vecof_put(t, m, 6, 0, number, 0, e));
    OK(vecof_put(t, 0, 5, 1, &card, 1, e));
    const void *p = vecof_get(t, m, 5, 0, &n);
    assert_int_equal(n, 3);
    memcpy(got, p, sizeof got);
    assert_memory_equal(got, number, sizeof got);
    assert_non_null(vecof_get(t, m, 5, 0xfedcba9876543210, &n));
    assert_int_equal(n, 1);
    assert_non_null(vecof_get(t, m, 6, 0, &n));
    assert_int_equal(n, 0);
    assert_null(vecof_get(t, m, 7, 0, &n));
    OK(vecof_drop(t, 5, e));
    assert_null(vecof_get(t, m, 5, 0, &n));
    assert_null(vecof_get(t, m, 5, 0xfedcba9876543210, &n));
    assert_null(vecof_get(t, 0, 5, 1, &n));
    assert_non_null(vecof_get(t, m, 6, 0, &n));
    OK(vecof_drop(t, 99, e));
    txn_end(t);
    store_close(s);
}

#define IN_A_HOME(f) cmocka_unit_test_setup_teardown(f, home_make, home_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_A_HOME(numbering), IN_A_HOME(models), IN_A_HOME(of_a_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
