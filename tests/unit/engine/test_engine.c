/* The engine in process and through its process: this program is its own engine process when started with --engine. */
#define _GNU_SOURCE
#include "tiny_model.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>

static char root[64], model_dir[96];
static struct err e;
static const struct engine_options two = {.threads = 2};

static int begin(void **state)
{
    strcpy(root, "/tmp/codeask-engine-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(model_dir, sizeof model_dir, "%s/tiny", root);
    tiny_model_write(model_dir, 1);
    return 0;
}

static int end(void **state)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf -- %s", root);
    return system(cmd);
}

static struct engine *start(bool spawned, const struct engine_options *o)
{
    struct engine *en = NULL;
    assert_int_equal(spawned ? engine_spawn(&en, "/proc/self/exe", o, &e) : engine_open(&en, o, &e), 0);
    return en;
}

static struct model *open_tiny(struct engine *en)
{
    struct model *m = NULL;
    if (model_open(&m, en, model_dir, &e))
        fail_msg("%s", e.message);
    return m;
}

/* n texts of mixed lengths; the same for the same seed. */
static char **texts(size_t n, unsigned seed)
{
    static const char *const word[] = {"a", "bc", "the", "int", "return", "(", ";", "word", "zzz", "cab"};
    char **v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        struct buf b = BUF_INIT;
        for (unsigned k = (seed = seed * 1103515245u + 12345u) >> 16 & 63; k + 1 > 0; k--) {
            seed = seed * 1103515245u + 12345u;
            buf_addf(&b, "%s ", word[(seed >> 16) % 10]);
            if (!k)
                break;
        }
        v[i] = buf_take(&b);
    }
    return v;
}

static void free_texts(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i]);
    free(v);
}

static void rows_are_unit_vectors(bool spawned)
{
    enum { N = 700 };
    struct engine *en = start(spawned, &two);
    struct model *m = open_tiny(en);
    const struct model_info *info = model_info(m);
    assert_string_equal(info->name, "tiny");
    assert_string_equal(info->family, "bert");
    assert_int_equal(info->dim, TINY_HIDDEN);
    assert_int_equal(info->max_tokens, TINY_POSITIONS);
    assert_true(strncmp(info->provider, "cpu", 3) == 0);
    char **t = texts(N, 3);
    float *all = malloc(sizeof(float) * N * TINY_HIDDEN), one[TINY_HIDDEN];
    uint32_t used[N], used_one;
    assert_int_equal(model_embed(m, EMBED_DOCUMENT, (const char *const *)t, N, PRIORITY_DOCUMENT, all, used, NULL, &e), 0);
    for (size_t i = 0; i < N; i += 37) { /* a row does not depend on its batch */
        assert_int_equal(model_embed(m, EMBED_DOCUMENT, (const char *const *)&t[i], 1, PRIORITY_QUERY, one, &used_one, NULL, &e), 0);
        double dot = 0, norm = 0;
        for (int k = 0; k < TINY_HIDDEN; k++) {
            dot += (double)one[k] * all[i * TINY_HIDDEN + (size_t)k];
            norm += (double)one[k] * one[k];
        }
        assert_true(fabs(norm - 1) < 1e-4);
        assert_true(dot > 0.9999);
        assert_int_equal(used_one, used[i]);
        assert_in_range(used[i], 3, TINY_POSITIONS);
    }
    const char *const odd[] = {"", "\xff\xfe bad bytes", "\xe4\xb8\xad"};
    assert_int_equal(model_embed(m, EMBED_QUERY, odd, 3, PRIORITY_QUERY, all, used, NULL, &e), 0);
    assert_int_equal(used[0], 2);
    assert_int_equal(model_embed(m, EMBED_QUERY, odd, 0, PRIORITY_QUERY, all, used, NULL, &e), 0);
    free_texts(t, N);
    free(all);
    model_close(m);
    engine_close(en);
}

static void in_process(void **state)
{
    rows_are_unit_vectors(false);
}

static void through_a_process(void **state)
{
    rows_are_unit_vectors(true);
}

struct background {
    struct model *m;
    enum priority priority;
    volatile bool stop;
    int rc, rounds;
    struct err err;
    pthread_t thread;
};

/* Embeds until stop, or an error. */
static void *keep_embedding(void *arg)
{
    enum { N = 300 };
    struct background *b = arg;
    char **t = texts(N, 9);
    float *out = malloc(sizeof(float) * N * 384);
    while (!b->rc && !__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
        b->rc = model_embed(b->m, EMBED_DOCUMENT, (const char *const *)t, N, b->priority, out, NULL, &b->stop, &b->err);
        b->rounds++;
    }
    free(out);
    free_texts(t, N);
    return NULL;
}

static void killed_in_the_middle(void **state)
{
    struct engine *en = start(true, &two);
    assert_int_equal(engine_pid(en), 0); /* nothing is started before it is needed */
    struct model *m = open_tiny(en);
    float out[TINY_HIDDEN], before[TINY_HIDDEN];
    const char *const q = "return the word";
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, before, NULL, NULL, &e), 0);
    struct background b = {.m = m, .priority = PRIORITY_DOCUMENT};
    pthread_create(&b.thread, NULL, keep_embedding, &b);
    usleep(100000);
    int pid = engine_pid(en);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    pthread_join(b.thread, NULL);
    assert_int_equal(b.rc, ERR_CRASHED);
    assert_non_null(strstr(b.err.message, "signal 9"));
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), 0);
    assert_memory_equal(before, out, sizeof out);
    assert_int_not_equal(engine_pid(en), pid);
    model_close(m);
    engine_close(en);
}

static void a_question_in_two_steps(bool spawned)
{
    struct engine *en = start(spawned, &two);
    struct model *m = open_tiny(en);
    struct embed_flight *w, *other;
    float out[TINY_HIDDEN], want[TINY_HIDDEN];
    const char *const q = "return the word";
    const volatile bool now = true;
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, want, NULL, NULL, &e), 0);
    assert_int_equal(model_embed_start(&w, m, q, &e), 0);
    assert_int_equal(model_embed_start(&other, m, "another word", &e), 0); /* two at once */
    assert_int_equal(model_embed_finish(other, out, NULL, &e), 0);
    assert_int_equal(model_embed_finish(w, out, NULL, &e), 0);
    assert_memory_equal(out, want, sizeof out);
    if (spawned) {
        kill(engine_pid(en), SIGSTOP);
        assert_int_equal(model_embed_start(&w, m, q, &e), 0);
        kill(engine_pid(en), SIGCONT);
        assert_int_equal(model_embed_finish(w, out, NULL, &e), 0);
        assert_memory_equal(out, want, sizeof out);
        kill(engine_pid(en), SIGSTOP);
        assert_int_equal(model_embed_start(&w, m, q, &e), 0);
        kill(engine_pid(en), SIGKILL);
        assert_int_equal(model_embed_finish(w, out, NULL, &e), ERR_CRASHED);
    }
    assert_int_equal(model_embed_start(&w, m, q, &e), 0);
    int rc = model_embed_finish(w, out, &now, &e);
    assert_true(rc == ERR_CANCELED || (spawned && !rc)); /* it may have been there already */
    model_close(m);
    engine_close(en);
}

static void two_steps_in_process(void **state)
{
    a_question_in_two_steps(false);
}

static void two_steps_through_a_process(void **state)
{
    a_question_in_two_steps(true);
}

static void too_many_deaths(void **state)
{
    struct engine *en = start(true, &two);
    struct model *m = open_tiny(en);
    float out[TINY_HIDDEN];
    const char *const q = "a";
    for (int i = 0; i < ENGINE_RESTARTS; i++) {
        assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), 0);
        kill(engine_pid(en), SIGKILL);
        for (int k = 0; k < 500 && engine_pid(en); k++)
            usleep(10000);
        assert_int_equal(engine_pid(en), 0);
        usleep(50000);
    }
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.message, "ten minutes"));
    assert_true(e.hint[0]);
    model_close(m);
    engine_close(en);
}

static void a_hang_ends(void **state)
{
    struct engine_options o = two;
    o.hang_seconds = 3; /* a sanitizer's start alone takes one */
    struct engine *en = start(true, &o);
    struct model *m = open_tiny(en);
    float out[TINY_HIDDEN];
    const char *const q = "a";
    kill(engine_pid(en), SIGSTOP);
    double t = clock_ms();
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), ERR_CRASHED);
    assert_true(clock_ms() - t < 30000);
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), 0);
    model_close(m);
    engine_close(en);
}

static void it_holds_nothing_of_ours(void **state)
{
    int secret = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library might */
    setenv("CODEASK_TOKEN", "do-not-hand-on", 1);
    struct engine *en = start(true, &two);
    struct model *m = open_tiny(en);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", engine_pid(en));
    DIR *d = opendir(path);
    struct dirent *de;
    assert_non_null(d);
    while ((de = readdir(d)))
        if (de->d_name[0] != '.')
            assert_in_range(atoi(de->d_name), 0, ENGINE_FD);
    closedir(d);
    snprintf(path, sizeof path, "/proc/%d/environ", engine_pid(en));
    int fd = open(path, O_RDONLY);
    static char env[1 << 16];
    ssize_t n = read(fd, env, sizeof env);
    assert_true(n >= 0);
    assert_null(memmem(env, (size_t)n, "do-not-hand-on", 14));
    close(fd);
    close(secret);
    unsetenv("CODEASK_TOKEN");
    model_close(m);
    engine_close(en);
}

static void cancel(bool spawned)
{
    struct engine *en = start(spawned, &two);
    struct model *m = open_tiny(en);
    struct background b[3];
    memset(b, 0, sizeof b);
    for (int i = 0; i < 3; i++) {
        b[i].m = m;
        b[i].priority = i == 2 ? PRIORITY_QUERY : PRIORITY_DOCUMENT;
        pthread_create(&b[i].thread, NULL, keep_embedding, &b[i]);
    }
    usleep(200000);
    for (int i = 0; i < 3; i++)
        __atomic_store_n(&b[i].stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) {
        pthread_join(b[i].thread, NULL);
        assert_true(b[i].rc == 0 || b[i].rc == ERR_CANCELED);
        assert_true(b[i].rounds > 0);
    }
    float out[TINY_HIDDEN];
    const char *const q = "a";
    volatile bool already = true;
    struct background late = {.m = m, .priority = PRIORITY_DOCUMENT, .stop = true};
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, &already, &e), ERR_CANCELED);
    keep_embedding(&late);
    model_close(m);
    engine_close(en);
}

static void cancel_in_process(void **state)
{
    cancel(false);
}

static void cancel_through_a_process(void **state)
{
    cancel(true);
}

static void wrong_models_are_named(void **state)
{
    struct engine *en = start(true, &two);
    struct model *m = NULL;
    char path[128];
    assert_int_equal(model_open(&m, en, "/nonexistent", &e), ERR_NOT_FOUND);
    snprintf(path, sizeof path, "%s/config.json", model_dir);
    assert_int_equal(file_write(path, "{\"model_type\":\"mamba\"}", 22, 0600, &e), 0);
    assert_int_equal(model_open(&m, en, model_dir, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "mamba"));
    tiny_model_write(model_dir, 1);
    snprintf(path, sizeof path, "%s/model.safetensors", model_dir);
    struct buf b = BUF_INIT;
    assert_int_equal(file_read(&b, path, 1 << 20, &e), 0);
    uint32_t nan = 0x7FC00000;
    memcpy(b.data + b.len - 4, &nan, 4);
    assert_int_equal(file_write(path, b.data, b.len, 0600, &e), 0);
    assert_int_equal(model_open(&m, en, model_dir, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "encoder.layer.0.output.LayerNorm.bias"));
    assert_int_equal(file_write(path, b.data, b.len - 5, 0600, &e), 0);
    assert_int_equal(model_open(&m, en, model_dir, &e), ERR_FORMAT);
    assert_true(engine_pid(en) > 0); /* all of that cost no process */
    buf_release(&b);
    engine_close(en);
}

static void a_changed_file_is_another_model(void **state)
{
    struct engine *en = start(true, &two);
    struct model *m = open_tiny(en);
    float out[TINY_HIDDEN];
    const char *const q = "a";
    tiny_model_write(model_dir, 2);
    kill(engine_pid(en), SIGKILL);
    for (int k = 0; k < 500 && engine_pid(en); k++)
        usleep(10000);
    usleep(50000);
    assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), ERR_UNAVAILABLE);
    model_close(m);
    engine_close(en);
}

/* A cap below the weights is an error, a cap below what the work needs costs the process, and neither more. */
static void memory_is_capped(void **state)
{
    struct engine_options o = two;
    struct engine *en;
    struct model *m = NULL;
    if (!real_model() || getenv("CODEASK_TEST_EMULATED")) {
        print_message("no model, or an emulator, whose memory is not its program's: skipped\n");
        skip();
    }
    o.max_memory = 64 << 20;
    en = start(true, &o);
    assert_int_equal(model_open(&m, en, real_model(), &e), ERR_MEMORY);
    assert_true(engine_pid(en) > 0);
    engine_close(en);
    o.max_memory = 512 << 20; /* enough for this model */
    en = start(true, &o);
    if (model_open(&m, en, real_model(), &e))
        fail_msg("%s", e.message);
    struct background b = {.m = m, .priority = PRIORITY_DOCUMENT};
    pthread_create(&b.thread, NULL, keep_embedding, &b);
    usleep(300000);
    __atomic_store_n(&b.stop, true, __ATOMIC_RELAXED);
    pthread_join(b.thread, NULL);
    assert_true(b.rc == 0 || b.rc == ERR_CANCELED);
    model_close(m);
    engine_close(en);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    o.max_memory = 96 << 20;
    en = start(true, &o);
    int rc = model_open(&m, en, real_model(), &e);
    if (rc != ERR_MEMORY && rc != ERR_CRASHED && rc != ERR_IO)
        fail_msg("code %d: %s", rc, rc ? e.message : "it fits");
    engine_close(en);
#endif
}

static void no_such_program(void **state)
{
    if (getenv("CODEASK_TEST_EMULATED")) {
        print_message("an emulated posix_spawn does not tell why it failed: skipped\n");
        skip();
    }
    struct engine *en = NULL;
    struct model *m = NULL;
    assert_int_equal(engine_spawn(&en, "/nonexistent/program", &two, &e), 0);
    assert_int_equal(model_open(&m, en, model_dir, &e), ERR_IO);
    engine_close(en);
    assert_int_equal(engine_spawn(&en, "/bin/true", &two, &e), 0); /* not an engine */
    assert_int_equal(model_open(&m, en, model_dir, &e), ERR_CRASHED);
    engine_close(en);
}

/* With the real model: a query in the middle of document work does not wait for it. */
static void a_query_goes_first(void **state)
{
    if (!real_model() || getenv("CODEASK_TEST_EMULATED")) {
        print_message("no all-MiniLM-L6-v2 here, or minutes of emulation: skipped\n");
        skip();
    }
    struct engine *en = start(true, &two);
    struct model *m = NULL;
    if (model_open(&m, en, real_model(), &e))
        fail_msg("%s", e.message);
    float out[384];
    const char *const q = "where is the thread pool started";
    double alone = 1e9, worst = 0;
    for (int i = 0; i < 5; i++) {
        double t = clock_ms();
        assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), 0);
        t = clock_ms() - t;
        alone = t < alone ? t : alone;
    }
    struct background b[2];
    memset(b, 0, sizeof b);
    for (int i = 0; i < 2; i++) {
        b[i].m = m;
        b[i].priority = PRIORITY_DOCUMENT;
        pthread_create(&b[i].thread, NULL, keep_embedding, &b[i]);
    }
    usleep(300000);
    for (int i = 0; i < 20; i++) {
        double t = clock_ms();
        assert_int_equal(model_embed(m, EMBED_QUERY, &q, 1, PRIORITY_QUERY, out, NULL, NULL, &e), 0);
        t = clock_ms() - t;
        worst = t > worst ? t : worst;
        usleep(5000);
    }
    for (int i = 0; i < 2; i++)
        __atomic_store_n(&b[i].stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(b[i].thread, NULL);
    print_message("a query: %.1f ms alone, at worst %.1f ms beside documents\n", alone, worst);
    assert_true(worst < 2000); /* generous: a sanitizer on a busy machine; documents alone take seconds */
    model_close(m);
    engine_close(en);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--engine"))
        return engine_main(ENGINE_FD);
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(in_process),
        T(through_a_process),
        T(killed_in_the_middle),
        T(two_steps_in_process),
        T(two_steps_through_a_process),
        T(too_many_deaths),
        T(a_hang_ends),
        T(it_holds_nothing_of_ours),
        T(cancel_in_process),
        T(cancel_through_a_process),
        T(wrong_models_are_named),
        T(a_changed_file_is_another_model),
        T(memory_is_capped),
        T(no_such_program),
        T(a_query_goes_first),
    };
    log_open(STDERR_FILENO, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
