#include "tiny_model.h"

#include "engine/format/model_config.h"
#include "engine/format/sha256.h"

#include "base/hash.h"

#define REST "\"num_attention_heads\":2,\"num_hidden_layers\":1,\"intermediate_size\":8,\"vocab_size\":9,\"max_position_embeddings\":7,\"type_vocab_size\":2"

static struct err e;

static void numbers_are_bounded(void **state)
{
    static const struct {
        const char *json;
        int rc;
        const char *says;
    } bad[] = {
        {"{}", ERR_UNSUPPORTED, "of no type"},
        {"{\"model_type\":\"roberta\"}", ERR_UNSUPPORTED, "roberta"},
        {"{\"model_type\":\"bert\"," REST "}", ERR_FORMAT, "hidden_size"},
        {"{\"model_type\":\"bert\",\"hidden_size\":0," REST "}", ERR_FORMAT, "hidden_size"},
        {"{\"model_type\":\"bert\",\"hidden_size\":-4," REST "}", ERR_FORMAT, "hidden_size"},
        {"{\"model_type\":\"bert\",\"hidden_size\":1e9," REST "}", ERR_FORMAT, "hidden_size"},
        {"{\"model_type\":\"bert\",\"hidden_size\":4294967300," REST "}", ERR_FORMAT, "hidden_size"},
        {"{\"model_type\":\"bert\",\"hidden_size\":5," REST "}", ERR_FORMAT, "heads"},
        {"{\"model_type\":\"bert\",\"hidden_size\":4,\"layer_norm_eps\":-1," REST "}", ERR_FORMAT, "eps"},
        {"{\"model_type\":\"bert\",\"hidden_size\":4,\"hidden_act\":\"mish\"," REST "}", ERR_UNSUPPORTED, "mish"},
        {"{\"model_type\":\"bert\",\"hidden_size\":4,\"position_embedding_type\":\"relative_key\"," REST "}", ERR_UNSUPPORTED, "relative"},
    };
    struct model_config c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int rc = model_config_bert(&c, "t", bad[i].json, strlen(bad[i].json), &e);
        if (rc != bad[i].rc || !strstr(e.message, bad[i].says))
            fail_msg("%s: %d %s", bad[i].json, rc, e.message);
    }
    static const char ok[] = "{\"model_type\":\"bert\",\"hidden_size\":4,\"hidden_act\":\"gelu_new\"," REST "}";
    assert_int_equal(model_config_bert(&c, "t", ok, sizeof ok - 1, &e), 0);
    assert_int_equal(c.bert.activation, ACT_GELU_TANH);
    assert_int_equal(c.max_tokens, 7);
}

static void what_sentence_transformers_adds(void **state)
{
    char dir[] = "/tmp/codeask-config-XXXXXX", path[128], cmd[128];
    struct model_config c;
    assert_non_null(mkdtemp(dir));
    tiny_model_write(dir, 1);
    assert_int_equal(model_config_read(&c, dir, &e), 0);
    assert_int_equal(c.max_tokens, TINY_POSITIONS);
    assert_int_equal(c.bert.pooling, POOL_MEAN);
    assert_string_equal(c.query_prefix, "");
#define PUT(name, text)                                                                                                \
    (snprintf(path, sizeof path, "%s/" name, dir), assert_int_equal(file_write(path, text, strlen(text), 0600, &e), 0))
    PUT("sentence_bert_config.json", "{\"max_seq_length\":16}");
    PUT("config_sentence_transformers.json", "{\"prompts\":{\"query\":\"find: \",\"passage\":\"text: \"}}");
    snprintf(path, sizeof path, "%s/1_Pooling", dir);
    assert_int_equal(dir_make(path, 0700, &e), 0);
    PUT("1_Pooling/config.json", "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":false}");
    assert_int_equal(model_config_read(&c, dir, &e), 0);
    assert_int_equal(c.max_tokens, 16);
    assert_int_equal(c.bert.pooling, POOL_FIRST);
    assert_string_equal(c.query_prefix, "find: ");
    assert_string_equal(c.document_prefix, "text: ");
    PUT("sentence_bert_config.json", "{\"max_seq_length\":100000}"); /* no more than there are positions */
    assert_int_equal(model_config_read(&c, dir, &e), 0);
    assert_int_equal(c.max_tokens, TINY_POSITIONS);
    PUT("1_Pooling/config.json", "{\"pooling_mode_max_tokens\":true,\"pooling_mode_mean_tokens\":true}");
    assert_int_equal(model_config_read(&c, dir, &e), ERR_UNSUPPORTED);
    PUT("1_Pooling/config.json", "not json");
    assert_int_equal(model_config_read(&c, dir, &e), ERR_FORMAT);
    snprintf(cmd, sizeof cmd, "rm -rf -- %s", dir);
    assert_int_equal(system(cmd), 0);
}

static void a_hash_is_the_known_one(void **state)
{
    uint8_t h[32];
    char hex[65];
    assert_int_equal(sha256(h, "abc", 3, &e), 0);
    hex_of(hex, h, 32);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* As the published embedders have it: GPT-2's names. */
static void nomic_of_the_hub(void **state)
{
    static const char text[] =
        "{\"model_type\":\"nomic_bert\",\"n_embd\":768,\"n_layer\":12,\"n_head\":12,\"n_inner\":3072,\"vocab_size\":30528,"
        "\"n_positions\":8192,\"type_vocab_size\":2,\"activation_function\":\"swiglu\",\"rotary_emb_base\":1000,"
        "\"layer_norm_epsilon\":1e-12,\"prenorm\":false,\"qkv_proj_bias\":false,\"rotary_emb_interleaved\":false}";
    struct model_config c;
    assert_int_equal(model_config_bert(&c, "config.json", text, sizeof text - 1, &e), 0);
    assert_int_equal(c.bert.hidden, 768);
    assert_int_equal(c.bert.intermediate, 3072);
    assert_int_equal(c.bert.activation, ACT_SILU);
    assert_true(c.bert.gated && !c.bert.pre_norm && c.bert.rope_base[0] == 1000 && c.bert.names == NAMES_NOMIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nomic_of_the_hub), 
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(what_sentence_transformers_adds),
        cmocka_unit_test(a_hash_is_the_known_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
