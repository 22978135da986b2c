/* The pool of cutting workers: results, back-pressure, and every way in which a worker can fail. The test program is its
 * own worker. Contents that begin with "codeask-test-cut: " make a worker misbehave (CODEASK_TEST_CUT is set). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "indexer/pool.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
/* KILL_US: pause before the first kill; a worker needs most of it to start. */
#if defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1, KILL_US = 2000000 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1, KILL_US = 200000 };
#else
enum { SANITIZED = 0, KILL_US = 20000 };
#endif

static const char *self;
static const char good[] = "def f(x):\n    return g(x)\n";

static struct pool *open_pool(int workers, int cpu, int wall)
{
    struct pool *p = NULL;
    struct err e = {0};
    struct pool_options o = {.program = self, .workers = workers, .cpu_seconds = cpu, .wall_seconds = wall};
    if (pool_open(&p, &o, &e))
        fail_msg("%s", e.message);
    return p;
}

static void submit(struct pool *p, uint64_t tag, const char *text)
{
    struct buf b = BUF_INIT;
    struct err e = {0};
    buf_adds(&b, text);
    assert_int_equal(pool_submit(p, tag, language_named("python"), &b, &e), 0);
    assert_null(b.data);
}

static void release(struct pool_result *r)
{
    buf_release(&r->record);
    buf_release(&r->text);
}

/* Takes all results; code[tag] gets each one's. */
static unsigned drain(struct pool *p, int *code, unsigned n)
{
    struct pool_result r;
    unsigned got = 0;
    while (pool_next(p, &r)) {
        assert_true(r.tag < n);
        code[r.tag] = r.code;
        if (!r.code) {
            struct record rec;
            assert_int_equal(record_check(&rec, r.record.data, r.record.len, NULL), 0);
        } else {
            assert_true(r.why.message[0]);
        }
        release(&r);
        got++;
    }
    return got;
}

static void test_results(void **state)
{
    enum { N = 3000 };
    static int code[N];
    (void)state;
    struct pool *p = open_pool(2, 0, 0);
    struct pool_result r;
    unsigned got = 0;
    memset(code, 1, sizeof code);
    for (unsigned i = 0; i < N; i++) { /* one thread does both: submit never waits for pool_next */
        submit(p, i, good);
        while (pool_try_next(p, &r)) {
            code[r.tag] = r.code;
            assert_string_equal(r.text.data, good);
            release(&r);
            got++;
        }
    }
    while (pool_next(p, &r)) {
        code[r.tag] = r.code;
        release(&r);
        got++;
    }
    assert_int_equal(got, N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(code[i], 0);
    assert_false(pool_next(p, &r));
    pool_close(p);
}

static void test_secrets_are_masked(void **state)
{
    static const char text[] = "token = 'ghp_a8Kd93LsQpZx71VbNm20RtYu45WeHjXc9Tqa'\n";
    struct pool_result r;
    (void)state;
    struct pool *p = open_pool(1, 0, 0);
    submit(p, 7, text);
    assert_true(pool_next(p, &r));
    assert_int_equal(r.code, 0);
    assert_int_equal(r.tag, 7);
    assert_null(strstr(r.text.data, "ghp_a8"));
    assert_non_null(strstr(r.text.data, "token = '****"));
    assert_int_equal(r.text.len, strlen(text));
    release(&r);
    pool_close(p);
}

/* Bad ones in the middle of many good ones: each is blamed, nothing else is. */
static void among_good_ones(const char *bad, int expected, int cpu, int wall)
{
    enum { N = 60 };
    int code[N];
    struct pool *p = open_pool(2, cpu, wall);
    memset(code, 1, sizeof code);
    for (unsigned i = 0; i < N; i++)
        submit(p, i, i == 20 || i == 21 ? bad : good);
    assert_int_equal(drain(p, code, N), N);
    for (unsigned i = 0; i < N; i++) {
        if (i == 20 || i == 21)
            assert_int_equal(code[i], expected);
        else
            assert_int_equal(code[i], 0);
    }
    pool_close(p);
}

static void test_crash(void **state)
{
    (void)state;
    among_good_ones("codeask-test-cut: crash", ERR_CRASHED, 0, 0);
    among_good_ones("codeask-test-cut: abrt", ERR_CRASHED, 0, 0);
    among_good_ones("codeask-test-cut: exit", ERR_CRASHED, 0, 0);
}

static void test_hang(void **state)
{
    (void)state;
    among_good_ones("codeask-test-cut: hang", ERR_TIMEOUT, 1, 60);
    /* a worker under a sanitizer needs more than a second for the good ones where the machine is busy */
    among_good_ones("codeask-test-cut: sleep", ERR_TIMEOUT, 60, SANITIZED ? 10 : 1);
}

static void skip_if_sanitized(void)
{
    if (SANITIZED) {
        print_message("a sanitizer's shadow passes every limit of a worker: skipped\n");
        skip();
    }
}

static void test_memory(void **state)
{
    (void)state;
    skip_if_sanitized();
    among_good_ones("codeask-test-cut: memory", ERR_MEMORY, 0, 0);
}

static void test_filter(void **state)
{
    (void)state;
    skip_if_sanitized();
    struct pool *p = open_pool(1, 0, 0);
    struct pool_result r;
    submit(p, 0, "codeask-test-cut: file");
    assert_true(pool_next(p, &r));
    assert_int_equal(r.code, ERR_CRASHED);
    assert_non_null(strstr(r.why.message, "ystem call")); /* SIGSYS */
    release(&r);
    pool_close(p);
}

/* A content whose worker always gets SIGTERM is nobody's fault, and ends after many tries. */
static void test_term_is_no_blame(void **state)
{
    enum { N = 30 };
    int code[N];
    (void)state;
    struct pool *p = open_pool(2, 0, 0);
    memset(code, 1, sizeof code);
    for (unsigned i = 0; i < N; i++)
        submit(p, i, i == 5 ? "codeask-test-cut: term" : good);
    assert_int_equal(drain(p, code, N), N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(code[i], i == 5 ? ERR_UNAVAILABLE : 0);
    pool_close(p);
}

static int children(pid_t *pid, int max)
{
    char path[64], text[4096];
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *t; (t = readdir(d));) {
        snprintf(path, sizeof path, "/proc/self/task/%.20s/children", t->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        size_t got = fread(text, 1, sizeof text - 1, f);
        text[got] = 0;
        for (char *s = strtok(text, " "); s && n < max; s = strtok(NULL, " "))
            pid[n++] = (pid_t)atoi(s);
        fclose(f);
    }
    closedir(d);
    return n;
}

struct killer {
    int signal;
    int stop; /* atomic */
};

static void *kill_now_and_then(void *arg)
{
    struct killer *k = arg;
    for (useconds_t pause = KILL_US; !__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE); pause += pause / 10) { /* slow machines get through too */
        pid_t pid[16];
        int n = children(pid, 16);
        if (n)
            kill(pid[rand() % n], k->signal);
        nanosleep(&(struct timespec){pause / 1000000, pause % 1000000 * 1000}, NULL);
    }
    return NULL;
}

/* Workers killed from outside all the time: everything arrives all the same, and nothing is blamed. */
static void test_killed_from_outside(void **state)
{
    enum { N = 400 };
    static int code[N];
    static const int signals[] = {SIGTERM, SIGKILL};
    (void)state;
    struct buf large = BUF_INIT;
    for (int i = 0; i < 3000; i++)
        buf_addf(&large, "def function_%d(a, b):\n    return a + b * %d\n\n", i, i);
    for (int s = 0; s < 2; s++) {
        struct killer k = {signals[s], 0};
        pthread_t thread;
        struct pool *p = open_pool(2, 0, 0);
        memset(code, 1, sizeof code);
        assert_int_equal(pthread_create(&thread, NULL, kill_now_and_then, &k), 0);
        for (unsigned i = 0; i < N; i++)
            submit(p, i, i % 20 ? good : large.data);
        unsigned got = drain(p, code, N);
        __atomic_store_n(&k.stop, 1, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
        assert_int_equal(got, N);
        for (unsigned i = 0; i < N; i++)
            assert_int_equal(code[i], 0);
        pool_close(p);
    }
    buf_release(&large);
}

static void test_no_such_program(void **state)
{
    int code[3] = {1, 1, 1};
    struct pool *p = NULL;
    (void)state;
    struct pool_options o = {.program = "/nonexistent/codeaskd", .workers = 2};
    assert_int_equal(pool_open(&p, &o, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        submit(p, i, good);
    assert_int_equal(drain(p, code, 3), 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(code[i], ERR_UNAVAILABLE);
    pool_close(p);
    o.program = "/bin/true"; /* starts and ends */
    assert_int_equal(pool_open(&p, &o, NULL), 0);
    submit(p, 0, good);
    assert_int_equal(drain(p, code, 3), 1);
    assert_int_equal(code[0], ERR_UNAVAILABLE);
    pool_close(p);
}

static void test_close_with_work(void **state)
{
    (void)state;
    struct pool *p = open_pool(2, 0, 0);
    for (unsigned i = 0; i < 10; i++)
        submit(p, i, i % 3 ? good : "codeask-test-cut: sleep");
    int64_t t = clock_ns();
    pool_close(p);
    assert_true(clock_ns() - t < 5000000000);
    pid_t pid[16];
    assert_int_equal(children(pid, 16), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], POOL_WORKER_ARG))
        return cut_worker_main(POOL_WORKER_FD);
    setenv("CODEASK_TEST_CUT", "1", 1);
    self = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_secrets_are_masked),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_hang),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_term_is_no_blame),
        cmocka_unit_test(test_killed_from_outside),
        cmocka_unit_test(test_no_such_program),
        cmocka_unit_test(test_close_with_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
