/* Batches across callers, with a pass that only counts. */
#include "base/clock.h"
#include "engine/batch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DIM 2
#define BUDGET 1000

/* Guarded by its lock: what the pass saw. */
static struct {
    pthread_mutex_t lock;
    int batches, shared, sleep_us, fail_at;
    size_t most;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A row is its first token and its length; tokens of one caller have its mark in the high bits. */
static int count(void *arg, enum priority p, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    bool shared = false;
    for (size_t i = 0; i < n; i++) {
        out[i * DIM] = (float)token[offset[i]];
        out[i * DIM + 1] = (float)(offset[i + 1] - offset[i]);
        shared |= token[offset[i]] >> 16 != token[offset[0]] >> 16;
        if (i && offset[i + 1] - offset[i] > offset[i] - offset[i - 1])
            return err_set(e, ERR_INTERNAL, "not sorted by length");
    }
    pthread_mutex_lock(&seen.lock);
    int now = ++seen.batches, us = seen.sleep_us;
    seen.shared += shared;
    if (offset[n] > seen.most)
        seen.most = offset[n];
    bool fails = seen.fail_at && now == seen.fail_at;
    pthread_mutex_unlock(&seen.lock);
    if (us)
        usleep((useconds_t)us);
    return fails ? err_set(e, ERR_MEMORY, "no memory left") : 0;
}

struct caller {
    struct batcher *b;
    enum priority p;
    uint32_t mark;
    size_t n;
    volatile bool stop;
    int rc;
    double ms;
    pthread_t thread;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    uint32_t *offset = calloc(c->n + 1, sizeof *offset), *token;
    for (size_t i = 0; i < c->n; i++)
        offset[i + 1] = offset[i] + 1 + (uint32_t)((i * 7919 + c->mark) % 97);
    token = calloc(offset[c->n], sizeof *token);
    for (size_t i = 0; i < c->n; i++)
        token[offset[i]] = c->mark << 16 | (uint32_t)(i & 0xFFFF);
    float *out = calloc(c->n, DIM * sizeof *out);
    double t = clock_ms();
    struct err e = {0};
    c->rc = batcher_embed(c->b, c->p, token, offset, c->n, out, &c->stop, &e);
    c->ms = clock_ms() - t;
    for (size_t i = 0; i < c->n && !c->rc; i++)
        if (out[i * DIM] != (float)token[offset[i]] || out[i * DIM + 1] != (float)(offset[i + 1] - offset[i]))
            c->rc = 1;
    free(offset);
    free(token);
    free(out);
    return NULL;
}

static int fresh(void **state)
{
    seen.batches = seen.shared = seen.sleep_us = seen.fail_at = 0;
    seen.most = 0;
    return batcher_new((struct batcher **)state, count, NULL, DIM, BUDGET, NULL);
}

static int done(void **state)
{
    batcher_free(*state);
    return 0;
}

static void run(struct caller *c, int n)
{
    for (int i = 0; i < n; i++)
        pthread_create(&c[i].thread, NULL, call, &c[i]);
}

static void join(struct caller *c, int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(c[i].thread, NULL);
}

static void every_row_is_its_own(void **state)
{
    struct caller c[6];
    memset(c, 0, sizeof c);
    seen.sleep_us = 1000;
    for (uint32_t i = 0; i < 6; i++)
        c[i] = (struct caller){.b = *state, .p = i == 5 ? PRIORITY_QUERY : PRIORITY_DOCUMENT, .mark = i + 1, .n = 200 + i};
    run(c, 6);
    join(c, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(c[i].rc, 0);
    assert_true(seen.shared > 0);
    assert_true(seen.most <= BUDGET);
}

static void a_short_call_does_not_wait_for_a_long_one(void **state)
{
    struct caller c[2];
    memset(c, 0, sizeof c);
    seen.sleep_us = 2000;
    c[0] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 1, .n = 5000}; /* 245 batches: half a second */
    c[1] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 2, .n = 5};
    run(c, 1);
    usleep(20000);
    run(c + 1, 1);
    join(c, 2);
    assert_int_equal(c[0].rc, 0);
    assert_int_equal(c[1].rc, 0);
    assert_true(c[1].ms < c[0].ms / 4);
}

static void a_query_does_not_wait_for_documents(void **state)
{
    struct caller c[2];
    memset(c, 0, sizeof c);
    seen.sleep_us = 20000;
    c[0] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 1, .n = 400};
    c[1] = (struct caller){.b = *state, .p = PRIORITY_QUERY, .mark = 2, .n = 1};
    run(c, 1);
    usleep(5000);
    run(c + 1, 1);
    join(c, 2);
    assert_int_equal(c[1].rc, 0);
    assert_true(c[1].ms < 200 && c[1].ms < c[0].ms);
}

static void a_failure_ends_only_its_calls(void **state)
{
    struct caller c[2];
    memset(c, 0, sizeof c);
    seen.fail_at = 2;
    c[0] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 1, .n = 400};
    c[1] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 2, .n = 400};
    run(c, 1);
    join(c, 1);
    assert_int_equal(c[0].rc, ERR_MEMORY);
    run(c + 1, 1);
    join(c + 1, 1);
    assert_int_equal(c[1].rc, 0);
}

static void a_canceled_call_ends_soon(void **state)
{
    struct caller c[2];
    memset(c, 0, sizeof c);
    seen.sleep_us = 5000;
    c[0] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 1, .n = 5000};
    c[1] = (struct caller){.b = *state, .p = PRIORITY_DOCUMENT, .mark = 2, .n = 50};
    run(c, 2);
    usleep(30000);
    __atomic_store_n(&c[0].stop, true, __ATOMIC_RELAXED);
    join(c, 2);
    assert_int_equal(c[0].rc, ERR_CANCELED);
    assert_true(c[0].ms < 800);
    assert_int_equal(c[1].rc, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, done)
    const struct CMUnitTest tests[] = {
        T(every_row_is_its_own),
        T(a_short_call_does_not_wait_for_a_long_one),
        T(a_query_does_not_wait_for_documents),
        T(a_failure_ends_only_its_calls),
        T(a_canceled_call_ends_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
