/* GGUF files of tiny models, written key by key and tensor by tensor. */
#ifndef CODEASK_TESTS_TINY_GGUF_H
#define CODEASK_TESTS_TINY_GGUF_H

#include "tests/unit/engine/tiny_decoder.h"

#define ALIGNMENT 32
enum { GGUF_UINT32 = 4, GGUF_INT32 = 5, GGUF_FLOAT32 = 6, GGUF_BOOL = 7, GGUF_STRING = 8, GGUF_ARRAY = 9 };

struct gguf {
    struct buf keys, infos, data;
    uint64_t nkeys, ntensors;
    const char *arch;
};

static inline void add_string(struct buf *b, const char *s)
{
    uint64_t n = strlen(s);
    buf_add(b, (const char *)&n, sizeof n);
    buf_add(b, s, n);
}

/* A key of this model's, or of the file's or the tokenizer's. */
static inline void add_name(struct gguf *g, const char *key, uint32_t type)
{
    char full[100];
    bool whole = strncmp(key, "general.", 8) == 0 || strncmp(key, "tokenizer.", 10) == 0;
    snprintf(full, sizeof full, "%s%s%s", whole ? "" : g->arch, whole ? "" : ".", key);
    add_string(&g->keys, full);
    buf_add(&g->keys, (const char *)&type, sizeof type);
    g->nkeys++;
}

static inline void add_key(struct gguf *g, const char *key, uint32_t type, const void *value)
{
    add_name(g, key, type);
    if (type == GGUF_STRING)
        add_string(&g->keys, value);
    else
        buf_add(&g->keys, value, type == GGUF_BOOL ? 1 : 4);
}

static inline void add_number(struct gguf *g, const char *key, uint32_t value)
{
    add_key(g, key, GGUF_UINT32, &value);
}

/* The head of a list; its n elements follow in keys. */
static inline void add_list(struct gguf *g, const char *key, uint32_t type, uint64_t n)
{
    add_name(g, key, GGUF_ARRAY);
    buf_add(&g->keys, (const char *)&type, sizeof type);
    buf_add(&g->keys, (const char *)&n, sizeof n);
}

static inline void add_tensor(struct gguf *g, const char *name, const float *x, const uint64_t *shape, uint32_t rank)
{
    uint64_t n = 1, at = g->data.len;
    uint32_t f32 = 0;
    add_string(&g->infos, name);
    buf_add(&g->infos, (const char *)&rank, sizeof rank);
    for (uint32_t d = rank; d-- > 0;) { /* innermost first */
        buf_add(&g->infos, (const char *)&shape[d], sizeof *shape);
        n *= shape[d];
    }
    buf_add(&g->infos, (const char *)&f32, sizeof f32);
    buf_add(&g->infos, (const char *)&at, sizeof at);
    buf_add(&g->data, (const char *)x, n * sizeof *x);
    while (g->data.len % ALIGNMENT)
        buf_add(&g->data, "", 1);
    g->ntensors++;
}

/* Writes the file and releases g. */
static inline void gguf_end(struct gguf *g, const char *path)
{
    struct buf all = BUF_INIT;
    struct err e;
    uint32_t version = 3;
    buf_add(&all, "GGUF", 4);
    buf_add(&all, (const char *)&version, 4);
    buf_add(&all, (const char *)&g->ntensors, 8);
    buf_add(&all, (const char *)&g->nkeys, 8);
    buf_add(&all, g->keys.data, g->keys.len);
    buf_add(&all, g->infos.data, g->infos.len);
    while (all.len % ALIGNMENT)
        buf_add(&all, "", 1);
    buf_add(&all, g->data.data, g->data.len);
    assert_int_equal(file_write(path, all.data, all.len, 0600, &e), 0);
    buf_release(&g->keys);
    buf_release(&g->infos);
    buf_release(&g->data);
    buf_release(&all);
}

#endif
