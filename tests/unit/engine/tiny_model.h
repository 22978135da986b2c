/* A BERT model of a few kilobytes in a temporary folder: for what must hold whatever the weights are. */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include "base/buf.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY_HIDDEN 32
#define TINY_VOCAB 40
#define TINY_POSITIONS 64

struct tiny {
    struct buf header, data;
    uint32_t seed;
};

static inline void tiny_tensor(struct tiny *t, const char *name, int rows, int cols, float around)
{
    size_t begin = t->data.len, n = (size_t)rows * (size_t)(cols ? cols : 1);
    for (size_t i = 0; i < n; i++) {
        t->seed = t->seed * 1664525u + 1013904223u;
        float v = around + ((float)(t->seed >> 8) / (1 << 24) - .5f) * .5f;
        buf_add(&t->data, &v, 4);
    }
    buf_addf(&t->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%d", t->header.len ? "," : "{", name, rows);
    if (cols)
        buf_addf(&t->header, ",%d", cols);
    buf_addf(&t->header, "],\"data_offsets\":[%zu,%zu]}", begin, t->data.len);
}

static inline void tiny_linear(struct tiny *t, const char *name, int rows, int cols, float around)
{
    char full[200];
    snprintf(full, sizeof full, "%s.weight", name);
    tiny_tensor(t, full, rows, cols, around);
    snprintf(full, sizeof full, "%s.bias", name);
    tiny_tensor(t, full, rows, 0, 0);
}

/* Writes dir/model.safetensors, config.json and vocab.txt; seed makes another model. */
static inline void tiny_model_write(const char *dir, uint32_t seed)
{
    static const char *const piece[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##a", "##b", "##c", "the",
                                        "int", "return", "(", ")", ";", "{", "}", "=", "word"};
    struct tiny t = {.seed = seed};
    struct buf path = BUF_INIT, text = BUF_INIT, file = BUF_INIT;
    const int h = TINY_HIDDEN;
    tiny_tensor(&t, "embeddings.word_embeddings.weight", TINY_VOCAB, h, 0);
    tiny_tensor(&t, "embeddings.position_embeddings.weight", TINY_POSITIONS, h, 0);
    tiny_tensor(&t, "embeddings.token_type_embeddings.weight", 2, h, 0);
    tiny_tensor(&t, "embeddings.LayerNorm.weight", h, 0, 1);
    tiny_tensor(&t, "embeddings.LayerNorm.bias", h, 0, 0);
    tiny_linear(&t, "encoder.layer.0.attention.self.query", h, h, 0);
    tiny_linear(&t, "encoder.layer.0.attention.self.key", h, h, 0);
    tiny_linear(&t, "encoder.layer.0.attention.self.value", h, h, 0);
    tiny_linear(&t, "encoder.layer.0.attention.output.dense", h, h, 0);
    tiny_tensor(&t, "encoder.layer.0.attention.output.LayerNorm.weight", h, 0, 1);
    tiny_tensor(&t, "encoder.layer.0.attention.output.LayerNorm.bias", h, 0, 0);
    tiny_linear(&t, "encoder.layer.0.intermediate.dense", 2 * h, h, 0);
    tiny_linear(&t, "encoder.layer.0.output.dense", h, 2 * h, 0);
    tiny_tensor(&t, "encoder.layer.0.output.LayerNorm.weight", h, 0, 1);
    tiny_tensor(&t, "encoder.layer.0.output.LayerNorm.bias", h, 0, 0);
    buf_addc(&t.header, '}');
    uint64_t n = t.header.len;
    buf_add(&file, &n, 8);
    buf_add(&file, t.header.data, t.header.len);
    buf_add(&file, t.data.data, t.data.len);
    assert_int_equal(dir_make(dir, 0700, NULL), 0);
    buf_addf(&path, "%s/model.safetensors", dir);
    assert_int_equal(file_write(path.data, file.data, file.len, 0600, NULL), 0);
    buf_clear(&path);
    buf_addf(&path, "%s/config.json", dir);
    buf_addf(&text, "{\"model_type\":\"bert\",\"hidden_size\":%d,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                    "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,\"type_vocab_size\":2,"
                    "\"layer_norm_eps\":1e-12,\"hidden_act\":\"gelu\"}", h, 2 * h, TINY_VOCAB, TINY_POSITIONS);
    assert_int_equal(file_write(path.data, text.data, text.len, 0600, NULL), 0);
    buf_clear(&path);
    buf_clear(&text);
    buf_addf(&path, "%s/vocab.txt", dir);
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++)
        buf_addf(&text, "%s\n", piece[i]);
    assert_int_equal(file_write(path.data, text.data, text.len, 0600, NULL), 0);
    buf_release(&path);
    buf_release(&text);
    buf_release(&file);
    buf_release(&t.header);
    buf_release(&t.data);
}

/* The real model's folder, NULL where it was not fetched. */
static inline const char *real_model(void)
{
    static char path[512];
    const char *const dirs[] = {TEST_BUILD_DIR "/share/codeask/models", TEST_SOURCE_DIR "/build/deps/models",
                                getenv("CODEASK_TEST_MODELS")};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        snprintf(path, sizeof path, "%s/all-MiniLM-L6-v2/model.safetensors", dirs[i] ? dirs[i] : "");
        if (dirs[i] && file_exists(path)) {
            *strrchr(path, '/') = 0;
            return path;
        }
    }
    return NULL;
}

#endif
