/* The engine process and its GPU's memory, on the interpreter of PTX: two models and room for one, a process that gives everything back
 * when nobody asks, a budget that holds. This program is its own engine process when started with --engine. */
#include "../unit/engine/tiny_model.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/residency.h"

#include <math.h>

#define A "/tmp/codeask-tiny-residency-a"
#define B "/tmp/codeask-tiny-residency-b"
#define MB ((uint64_t)1 << 20)

static struct err e;

static struct engine *spawn(uint64_t memory, int idle)
{
    struct engine *en;
    struct engine_options o = {.threads = 1, .device_memory = memory, .idle_seconds = idle};
    if (engine_spawn(&en, "/proc/self/exe", &o, &e))
        fail_msg("%s", e.message);
    return en;
}

static struct model *open_model(struct engine *en, const char *folder)
{
    struct model *m;
    if (model_open(&m, en, folder, &e))
        fail_msg("%s", e.message);
    return m;
}

static void embed(struct model *m, float out[TINY_HIDDEN])
{
    const char *const text = "return the word";
    if (model_embed(m, EMBED_QUERY, &text, 1, PRIORITY_QUERY, out, NULL, NULL, &e))
        fail_msg("%s", e.message);
}

/* What the process told last, once it says what is asked for. */
static void await_report(struct engine *en, struct residency_report *r, bool a, bool b)
{
    for (double end = clock_ms() + 20000; clock_ms() < end; usleep(10000)) {
        assert_int_equal(engine_residency(en, r, &e), 0);
        if (r->planned && r->n == 2 && r->claim[0].placed == a && r->claim[1].placed == b)
            return;
    }
    fail_msg("planned %d, %u claims", r->planned, r->n);
}

static void room_for_one(void **state)
{
    struct engine *en = spawn(0, 0);
    float a[TINY_HIDDEN], b[TINY_HIDDEN], again[TINY_HIDDEN];
    struct residency_report r;
    assert_int_equal(engine_residency(en, &r, &e), 0);
    assert_false(r.planned); /* no process yet: nothing is started to tell */
    assert_int_equal(engine_pid(en), 0);
    struct model *m = open_model(en, A), *n = open_model(en, B);
    await_report(en, &r, true, true);
    assert_true(r.room.total == 1024 * MB && r.budget == 512 * MB && r.room.held > 0 && !r.room.unified);
    uint64_t one = r.claim[0].floor + r.claim[0].grant / 2; /* not enough for both */
    assert_true(r.claim[0].grant <= r.claim[0].floor && r.claim[0].tenant == TENANT_EMBEDDER && !strcmp(r.claim[0].name, "codeask-tiny-residency-a"));
    embed(m, a);
    embed(n, b);
    model_close(m);
    model_close(n);
    engine_close(en);

    en = spawn(one, 0);
    m = open_model(en, A);
    n = open_model(en, B);
    for (int i = 0; i < 2; i++) {
        embed(m, again);
        assert_memory_equal(again, a, sizeof a);
        await_report(en, &r, true, false);
        assert_true(r.budget == one && r.room.held <= r.budget);
        embed(n, again);
        assert_memory_equal(again, b, sizeof b);
        await_report(en, &r, false, true);
    }
    model_close(m);
    model_close(n);
    engine_close(en);
}

static void does_not_fit(void **state)
{
    struct engine *en = spawn(100000, 0);
    struct model *m;
    assert_int_equal(model_open(&m, en, A, &e), ERR_MEMORY);
    assert_non_null(strstr(e.message, "codeask-tiny-residency-a does not fit the GPU"));
    assert_non_null(strstr(e.hint, "gpu_memory"));
    engine_close(en);
}

/* All memory of the device goes back with the process; who asks then gets another, and no restart is counted. */
static void rests(void **state)
{
    struct engine *en = spawn(0, 1);
    float first[TINY_HIDDEN], again[TINY_HIDDEN];
    struct residency_report r;
    struct model *m = open_model(en, A);
    embed(m, first);
    for (int i = 0; i < ENGINE_RESTARTS + 1; i++) {
        int pid = engine_pid(en);
        assert_true(pid > 0);
        for (double end = clock_ms() + 30000; engine_pid(en) && clock_ms() < end;)
            usleep(10000);
        assert_int_equal(engine_pid(en), 0);
        assert_int_equal(engine_residency(en, &r, &e), 0);
        assert_false(r.planned);
        embed(m, again);
        assert_memory_equal(again, first, sizeof first);
        assert_true(engine_pid(en) != pid);
    }
    model_close(m);
    engine_close(en);
}

/* One that hangs on its way out keeps nobody waiting. */
static void rests_by_force(void **state)
{
    setenv("TEST_STUCK", "1", 1);
    struct engine *en = spawn(0, 1);
    float first[TINY_HIDDEN], again[TINY_HIDDEN];
    struct model *m = open_model(en, A);
    embed(m, first);
    int pid = engine_pid(en);
    for (double end = clock_ms() + 30000; engine_pid(en) && clock_ms() < end;)
        usleep(10000);
    assert_int_equal(engine_pid(en), 0);
    embed(m, again);
    assert_memory_equal(again, first, sizeof first);
    assert_true(engine_pid(en) != pid);
    model_close(m);
    engine_close(en);
    unsetenv("TEST_STUCK");
}

/* Kept at work it does not rest. */
static void no_rest_while_asked(void **state)
{
    struct engine *en = spawn(0, 2);
    float v[TINY_HIDDEN];
    struct model *m = open_model(en, A);
    int pid = engine_pid(en);
    for (double end = clock_ms() + 5000; clock_ms() < end; usleep(200000))
        embed(m, v);
    assert_int_equal(engine_pid(en), pid);
    model_close(m);
    engine_close(en);
}

/* The host's memory, shared: what /proc/meminfo says counts, and much of it stays free. */
static void unified(void **state)
{
    setenv("TEST_UNIFIED", "1", 1);
    struct engine *en = spawn(1024 * MB, 0);
    struct residency_report r;
    struct model *m = NULL;
    int rc = model_open(&m, en, A, &e);
    if (rc) { /* a small machine: its reserve is all there is */
        assert_int_equal(rc, ERR_MEMORY);
    } else {
        for (double end = clock_ms() + 20000; clock_ms() < end && !(engine_residency(en, &r, &e) == 0 && r.planned); usleep(10000))
            ;
        assert_true(r.room.unified && r.room.total != 1024 * MB && r.room.total > r.room.free && r.budget <= 1024 * MB);
    }
    model_close(m);
    engine_close(en);
    unsetenv("TEST_UNIFIED");
}

static int engine_process(void)
{
    setenv("CODEASK_LIBCUDA", PTX_LIBRARY, 1); /* it is given no setting of ours */
    if (getenv("TEST_UNIFIED"))
        setenv("CODEASK_PTX_UNIFIED", "1", 1);
    int keep = getenv("TEST_STUCK") ? dup(ENGINE_FD) : -1; /* its other end sees no end */
    int status = engine_main(ENGINE_FD);
    while (keep >= 0)
        pause();
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--engine"))
        return engine_process();
    const struct CMUnitTest tests[] = {cmocka_unit_test(room_for_one), cmocka_unit_test(does_not_fit), cmocka_unit_test(rests), cmocka_unit_test(rests_by_force),
                                       cmocka_unit_test(no_rest_while_asked), cmocka_unit_test(unified)};
    tiny_model_write(A, 3);
    tiny_model_write(B, 4);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
