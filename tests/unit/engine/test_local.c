/* A device that lacks ops of some models: they are computed on the CPU, and the model says so; the others stay on the device. */
#include "engine/model.h"
#include "kernels/backend.h"
#include "tests/unit/engine/tiny_writer.h"
#include "tests/unit/engine/tiny_folder.h"

static struct backend lame; /* the CPU's, without what decoders and rotating encoders need */
static void *engine;
static struct err e;

static int open_lame(void **state)
{
    lame = backend_cpu;
    lame.name = "lame";
    lame.attend = NULL;
    lame.prepare = NULL;
    return local_open_with(&engine, &lame, NULL, &e);
}

static int close_lame(void **state)
{
    engine_local.close(engine);
    return 0;
}

static void *open_on_lame(const char *folder, struct model_info *info)
{
    void *model;
    *info = (struct model_info){0};
    if (engine_local.model_open(&model, engine, folder, info, &e))
        fail_msg("%s", e.message);
    return model;
}

static bool enough(void *arg, const struct gen_piece *p)
{
    return true;
}

static void writes(void **state)
{
    char folder[64];
    struct model_info info;
    struct gen_result r;
    tiny_writer(folder);
    void *model = open_on_lame(folder, &info);
    assert_non_null(strstr(info.provider, "lame"));
    assert_memory_equal(info.provider, "cpu", 3);
    struct gen_message m = {"user", "hello", 5};
    struct gen_prompt p = {.message = &m, .n = 1, .options.max_tokens = 4};
    if (engine_local.generate(model, &p, enough, NULL, &r, NULL, &e))
        fail_msg("%s", e.message);
    assert_true(r.prompt_tokens > 0);
    engine_local.model_close(model);
    tiny_writer_remove(folder);
}

static void embeds(const char *name, bool moved)
{
    struct tiny_folder f;
    struct model_info info;
    float v[64];
    tiny_folder_open(&f, name);
    void *model = open_on_lame(f.folder, &info);
    assert_int_equal(strstr(info.provider, "lame") != NULL, moved);
    const char *text = "int main";
    if (engine_local.embed(model, EMBED_QUERY, &text, &(size_t){8}, 1, PRIORITY_QUERY, v, NULL, NULL, &e))
        fail_msg("%s", e.message);
    engine_local.model_close(model);
    tiny_folder_close(&f);
}

static void decoder(void **state)
{
    embeds("qwen3_embedding", true);
}

static void rotating(void **state)
{
    embeds("modernbert_embed", true);
}

static void plain(void **state)
{
    embeds("bert_embed", false);
}

/* What no device can do is refused with the reason of the CPU, not with what the first one lacked. */
static void neither(void **state)
{
    struct tiny_folder f;
    struct model_info info;
    void *model;
    tiny_folder_open(&f, "qwen3_embedding");
    static const char config[] = "{\"model_type\":\"mamba\",\"max_position_embeddings\":64}";
    tiny_write(f.folder, "config.json", config, sizeof config - 1);
    assert_int_equal(engine_local.model_open(&model, engine, f.folder, &info, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "mamba"));
    tiny_folder_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes), cmocka_unit_test(decoder), cmocka_unit_test(rotating),
                                       cmocka_unit_test(plain), cmocka_unit_test(neither)};
    return cmocka_run_group_tests(tests, open_lame, close_lame);
}
