/* A GPU that fails: it costs the engine process and what is in flight; after ENGINE_RESTARTS times the CPU serves, and says so. This
 * program is its own engine process when started with --engine, on the interpreter of PTX. */
#include "../unit/engine/tiny_model.h"
#include "base/clock.h"
#include "engine/engine.h"

#include <dlfcn.h>
#include <math.h>
#include <signal.h>

#define FOLDER "/tmp/codeask-tiny-faults"
#define FAULT "TEST_FAULT" /* in the environment of the engine process: a kernel does what the device refuses */

static struct err e;

static struct model *open_tiny(struct engine **en, bool spawned)
{
    struct engine_options o = {.threads = 1, .backend = spawned ? NULL : "cpu"};
    struct model *m;
    if (spawned ? engine_spawn(en, "/proc/self/exe", &o, &e) : engine_open(en, &o, &e))
        fail_msg("%s", e.message);
    if (model_open(&m, *en, FOLDER, &e))
        fail_msg("%s", e.message);
    return m;
}

static int embed(struct model *m, float *out)
{
    const char *const text = "return the word";
    return model_embed(m, EMBED_QUERY, &text, 1, PRIORITY_QUERY, out, NULL, NULL, &e);
}

/* The process that has died is buried in another thread. */
static void await_end(struct engine *en)
{
    for (double end = clock_ms() + 60000; engine_pid(en) && clock_ms() < end;)
        usleep(10000);
    assert_int_equal(engine_pid(en), 0);
    usleep(100000);
}

static void then_the_cpu_serves(struct engine *en, struct model *m)
{
    struct engine *local;
    float got[TINY_HIDDEN], want[TINY_HIDDEN];
    char provider[64];
    double dot = 0;
    assert_true(embed(m, got) == 0 || (print_error("%s\n", e.message), false));
    engine_provider(en, provider);
    assert_memory_equal(provider, "cpu ", 4);
    assert_non_null(strstr(provider, "(the GPU failed 3 times)"));
    struct model *here = open_tiny(&local, false);
    assert_int_equal(embed(here, want), 0);
    for (int i = 0; i < TINY_HIDDEN; i++)
        dot += (double)got[i] * want[i];
    assert_true(dot > .9999);
    model_close(here);
    engine_close(local);
}

static void deaths_with_a_gpu(void **state)
{
    struct engine *en;
    float out[TINY_HIDDEN];
    char provider[64];
    struct model *m = open_tiny(&en, true);
    for (int i = 0; i < ENGINE_RESTARTS; i++) {
        assert_true(embed(m, out) == 0 || (print_error("%s\n", e.message), false));
        engine_provider(en, provider);
        assert_string_equal(provider, "cuda PTX interpreter sm_80");
        kill(engine_pid(en), SIGKILL);
        await_end(en);
    }
    then_the_cpu_serves(en, m);
    model_close(m);
    engine_close(en);
}

/* A device that has failed stays so: the process goes, and its next one has a device again. */
static void faults_of_a_kernel(void **state)
{
    struct engine *en;
    float out[TINY_HIDDEN];
    setenv(FAULT, "1", 1);
    struct model *m = open_tiny(&en, true);
    for (int i = 0; i < ENGINE_RESTARTS; i++) {
        assert_int_equal(embed(m, out), ERR_CRASHED);
        assert_non_null(strstr(e.message, "GPU: running kernels"));
        await_end(en);
    }
    then_the_cpu_serves(en, m);
    unsetenv(FAULT);
    model_close(m);
    engine_close(en);
}

static int engine_process(void)
{
    setenv("CODEASK_LIBCUDA", PTX_LIBRARY, 1); /* it is given no setting of ours */
    if (getenv(FAULT)) {
        void (*patch)(const char *, const char *, const char *, int);
        *(void **)&patch = dlsym(dlopen(PTX_LIBRARY, RTLD_NOW | RTLD_GLOBAL), "ptx_patch");
        patch("pool", "bar.sync 0;", "bar.sync 1;", 0); /* which the interpreter refuses */
    }
    return engine_main(ENGINE_FD);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--engine"))
        return engine_process();
    const struct CMUnitTest tests[] = {cmocka_unit_test(deaths_with_a_gpu), cmocka_unit_test(faults_of_a_kernel)};
    tiny_model_write(FOLDER, 3);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
