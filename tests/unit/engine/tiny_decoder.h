/* The tiny decoders of tests/parity/decoders: drawn again and written as a folder that the real loader opens. */
#ifndef CODEASK_TESTS_TINY_DECODER_H
#define CODEASK_TESTS_TINY_DECODER_H

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/run/decoder_inside.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY_SEQUENCES 8

struct tiny {
    char folder[64];
    struct model_file *file;
    uint32_t length[TINY_SEQUENCES], sequences, rows, vocab, hidden, context;
    uint32_t *token; /* [rows]: all sequences, one after the other */
    float *want;     /* [rows, vocab]; of encoders [sequences, hidden] */
};

static uint64_t tiny_fnv(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static double tiny_number(uint64_t stream, uint64_t i)
{
    uint64_t z = stream + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 40) / (1 << 23) - 1;
}

static void tiny_write(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[200];
    struct err e;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file_write(path, bytes, n, 0600, &e))
        fail_msg("%s", e.message);
}

/* One of the list's: [name, shape, scale, shift]. The caller frees. */
static float *tiny_draw(const json_t *t, size_t *n)
{
    const json_t *shape = json_array_get(t, 1);
    double scale = json_number_value(json_array_get(t, 2)), shift = json_number_value(json_array_get(t, 3));
    uint64_t stream = tiny_fnv(json_string_value(json_array_get(t, 0)));
    *n = 1;
    for (size_t d = 0; d < json_array_size(shape); d++)
        *n *= (size_t)json_integer_value(json_array_get(shape, d));
    float *x = mem_alloc(*n * sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = (float)(shift + scale * tiny_number(stream, i));
    return x;
}

/* A safetensors file that is being written. */
struct tiny_file {
    struct buf head, data;
};

static inline void tiny_add(struct tiny_file *f, const char *name, const char *type, const size_t *shape, size_t rank, const void *bytes,
                            size_t n)
{
    size_t from = f->data.len;
    buf_addf(&f->head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", f->head.len ? "," : "{", name, type);
    for (size_t d = 0; d < rank; d++)
        buf_addf(&f->head, "%s%zu", d ? "," : "", shape[d]);
    buf_add(&f->data, bytes, n);
    buf_addf(&f->head, "],\"data_offsets\":[%zu,%zu]}", from, f->data.len);
}

static inline void tiny_add_drawn(struct tiny_file *f, const json_t *t)
{
    const json_t *list = json_array_get(t, 1);
    size_t shape[4], rank = json_array_size(list), n;
    assert_in_range(rank, 0, 4);
    for (size_t d = 0; d < rank; d++)
        shape[d] = (size_t)json_integer_value(json_array_get(list, d));
    float *x = tiny_draw(t, &n);
    tiny_add(f, json_string_value(json_array_get(t, 0)), "F32", shape, rank, x, n * sizeof *x);
    free(x);
}

static inline void tiny_end(struct tiny_file *f, const char *folder)
{
    struct buf all = BUF_INIT;
    buf_addf(&f->head, "}");
    uint64_t size = f->head.len;
    buf_add(&all, (const char *)&size, sizeof size);
    buf_add(&all, f->head.data, f->head.len);
    buf_add(&all, f->data.data, f->data.len);
    tiny_write(folder, "model.safetensors", all.data, all.len);
    buf_release(&f->head);
    buf_release(&f->data);
    buf_release(&all);
}

/* model.safetensors with every tensor of the list. */
static void tiny_weights(const char *folder, const json_t *tensors)
{
    struct tiny_file f = {BUF_INIT, BUF_INIT};
    for (size_t i = 0; i < json_array_size(tensors); i++)
        tiny_add_drawn(&f, json_array_get(tensors, i));
    tiny_end(&f, folder);
}

static inline void tiny_open(struct tiny *t, const char *name)
{
    char path[500];
    struct err e;
    json_error_t error;
    *t = (struct tiny){.folder = "/tmp/codeask-decoder-XXXXXX"};
    assert_non_null(mkdtemp(t->folder));
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/decoders/%s.json", name);
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    char *config = json_dumps(json_object_get(root, "config"), 0);
    tiny_write(t->folder, "config.json", config, strlen(config));
    free(config);
    tiny_weights(t->folder, json_object_get(root, "tensors"));
    t->vocab = (uint32_t)json_integer_value(json_object_get(json_object_get(root, "config"), "vocab_size"));
    t->context = (uint32_t)json_integer_value(json_object_get(root, "context"));
    const json_t *lengths = json_object_get(root, "lengths");
    t->sequences = (uint32_t)json_array_size(lengths);
    for (uint32_t s = 0; s < t->sequences; s++) {
        char stream[40];
        t->length[s] = (uint32_t)json_integer_value(json_array_get(lengths, s));
        t->token = mem_grow(t->token, t->rows + t->length[s], sizeof *t->token);
        snprintf(stream, sizeof stream, "tokens.%u", s);
        for (uint32_t i = 0; i < t->length[s]; i++)
            t->token[t->rows++] = (uint32_t)((tiny_number(tiny_fnv(stream), i) + 1) / 2 * t->vocab);
    }
    t->hidden = (uint32_t)json_integer_value(json_object_get(json_object_get(root, "config"), "hidden_size"));
    size_t n = json_is_true(json_object_get(root, "encoder")) ? (size_t)t->sequences * t->hidden : (size_t)t->rows * t->vocab;
    if (json_is_true(json_object_get(root, "scores")))
        n = t->sequences;
    json_decref(root);
    t->want = mem_alloc(n * sizeof *t->want);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/decoders/%s.f32", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(t->want, sizeof *t->want, n, f), n);
    fclose(f);
    if (model_file_open(&t->file, t->folder, &e))
        fail_msg("%s: %s", name, e.message);
}

static inline void tiny_close(struct tiny *t)
{
    char path[200];
    model_file_close(t->file);
    snprintf(path, sizeof path, "%s/config.json", t->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", t->folder);
    unlink(path);
    rmdir(t->folder);
    free(t->token);
    free(t->want);
}

#endif
