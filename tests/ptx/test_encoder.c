/* A whole model through the engine on the CUDA backend, its vectors beside the CPU's; and what the engine does on a machine
 * without a driver. */
#include "engine/engine.h"
#include "../unit/engine/tiny_model.h"

#include <math.h>

static void embed_with(const char *backend, float *out, size_t n, const char *const *text, char provider[64])
{
    struct engine_options o = {.threads = 2, .backend = backend};
    struct engine *en;
    struct model *m;
    struct err e;
    if (engine_open(&en, &o, &e) || model_open(&m, en, "/tmp/codeask-tiny-cuda", &e))
        fail_msg("%s", e.message);
    engine_provider(en, provider);
    if (model_embed(m, EMBED_DOCUMENT, text, n, PRIORITY_DOCUMENT, out, NULL, NULL, &e))
        fail_msg("%s", e.message);
    model_close(m);
    engine_close(en);
}

static void like_the_cpu(void **state)
{
    static const char *const text[] = {"a", "the word", "int a = b ( c ) ;", "{ return a ; }", "", "word word word word word word word word"
                                       " word word word word word word word word word word word word word word word word word"};
    enum { N = sizeof text / sizeof *text };
    float want[N][TINY_HIDDEN], got[N][TINY_HIDDEN];
    char provider[64];
    tiny_model_write("/tmp/codeask-tiny-cuda", 3);
    embed_with("cpu", want[0], N, text, provider);
    embed_with(NULL, got[0], N, text, provider);
    assert_string_equal(provider, "cuda PTX interpreter sm_80");
    for (size_t i = 0; i < N; i++) {
        double dot = 0;
        for (size_t c = 0; c < TINY_HIDDEN; c++)
            dot += (double)want[i][c] * got[i][c];
        if (!(dot >= .999)) /* int8 or bf16 on the CPU, bf16 here */
            fail_msg("text %zu: cosine %g", i, dot);
    }
}

/* Last: the driver is opened once in a process, so the program starts itself anew to look for one that is not there. */
static void without_a_driver(void **state)
{
    struct engine *en;
    struct err e;
    char provider[64];
    assert_int_equal(engine_open(&en, &(struct engine_options){.backend = "cuda"}, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "no NVIDIA driver"));
    assert_int_equal(engine_open(&en, NULL, &e), 0);
    engine_provider(en, provider);
    assert_memory_equal(provider, "cpu ", 4);
    assert_non_null(strstr(provider, "(no NVIDIA driver"));
    engine_close(en);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        const struct CMUnitTest one[] = {cmocka_unit_test(without_a_driver)};
        return cmocka_run_group_tests(one, NULL, NULL);
    }
    if (!getenv("CODEASK_LIBCUDA")) {
        puts("CODEASK_LIBCUDA does not name the PTX interpreter");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_the_cpu)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed)
        return failed;
    setenv("CODEASK_LIBCUDA", "/nowhere/libcuda.so.1", 1);
    execl(argv[0], argv[0], "without", (char *)NULL);
    return 1;
}
