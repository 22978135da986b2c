#include "engine/format/model_file.h"

#include "base/mem.h"
#include "engine/format/finite.h"
#include "engine/format/folder_parts.h"
#include "engine/format/model_inside.h"
#include "engine/format/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_add_shard(struct model_file *f, struct model_shard shard)
{
    f->shard = mem_grow(f->shard, f->shards + 1, sizeof *f->shard);
    f->shard[f->shards++] = shard;
}

void model_add_tensor(struct model_file *f, const struct tensor *t)
{
    VEC_ROOM(f->tensor, f->tensors, f->cap);
    f->tensor[f->tensors++] = *t;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* GGUF's NVFP4: NAME.weight has its scale in NAME.scale, F32: one number, or one for each expert. */
static int take_scale(struct model_file *f, struct tensor *t, struct err *e)
{
    char name[GGUF_NAME_MAX + 8];
    size_t n = strlen(t->name);
    if (t->type != BLOCK_NVFP4 || n < 7 || strcmp(t->name + n - 7, ".weight"))
        return 0;
    snprintf(name, sizeof name, "%.*s.scale", (int)n - 7, t->name);
    const struct tensor *s = model_file_find(f, name);
    if (!s)
        return 0;
    uint64_t experts = t->rank > 2 ? t->shape[0] : 1;
    if (s->type != BLOCK_F32 || s->rank != 1 || (s->shape[0] != 1 && s->shape[0] != experts))
        return err_set(e, ERR_FORMAT, "%s: tensor %.80s: a scale that does not fit its weight", f->name, s->name);
    float *scale = arena_zero(&f->arena, s->shape[0], sizeof *scale); /* the file may have them at any alignment */
    block_formats[BLOCK_F32].decode(scale, s->data, s->shape[0]);
    if (s->shape[0] == 1)
        t->scale = scale[0];
    else
        t->scales = scale;
    return 0;
}

int model_file_open(struct model_file **out, const char *path, struct err *e)
{
    struct model_file *f = mem_zero(1, sizeof *f);
    arena_init(&f->arena);
    f->name = mem_str(path);
    size_t len = strlen(path), end = strlen(".safetensors");
    bool folder = dir_exists(path) || (len > end && !strcmp(path + len - end, ".safetensors"));
    int rc = folder ? model_open_folder(f, path, e) : model_open_gguf(f, path, e);
    if (!rc && f->tensors)
        qsort(f->tensor, f->tensors, sizeof *f->tensor, by_name);
    for (size_t i = 1; i < f->tensors && !rc; i++)
        if (!by_name(&f->tensor[i - 1], &f->tensor[i]))
            rc = err_set(e, ERR_FORMAT, "%s: tensor %.80s: is there twice", path, f->tensor[i].name);
    for (size_t i = 0; i < f->tensors && !rc && f->shard[0].gguf; i++)
        rc = take_scale(f, &f->tensor[i], e);
    if (rc)
        model_file_close(f);
    else
        *out = f;
    return rc;
}

void model_file_close(struct model_file *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->shards; i++) {
        struct model_shard *s = &f->shard[i];
        gguf_close(s->gguf);
        safetensors_close(s->st);
        if (s->map.p)
            file_unmap(&s->map);
        free(s->name);
    }
    arena_release(&f->arena);
    free(f->shard);
    free(f->tensor);
    free(f->name);
    free(f->folder);
    free(f);
}

bool model_file_is_gguf(const struct model_file *f)
{
    return !f->folder;
}

const struct tensor *model_file_find(const struct model_file *f, const char *name)
{
    struct tensor key = {.name = name};
    return f->tensors ? bsearch(&key, f->tensor, f->tensors, sizeof key, by_name) : NULL;
}

size_t model_file_count(const struct model_file *f)
{
    return f->tensors;
}

const struct tensor *model_file_at(const struct model_file *f, size_t i)
{
    return &f->tensor[i];
}

const void *tensor_row(const struct tensor *t, uint64_t row, void *to)
{
    if (!t->parts)
        return t->data + row * block_row_bytes(t->type, t->shape[t->rank - 1]);
    t->parts->row(t, row, to);
    return to;
}

float tensor_scale(const struct tensor *t, uint64_t row)
{
    uint64_t each = 1;
    if (!t->scales)
        return t->scale;
    for (int i = 1; i < t->rank - 1; i++)
        each *= t->shape[i];
    return t->scales[row / each];
}

bool model_file_meta(const struct model_file *f, const char *key, struct meta *out)
{
    *out = (struct meta){META_NONE};
    return model_file_is_gguf(f) && gguf_meta(f->shard[0].gguf, key, out);
}

const char *model_file_folder(const struct model_file *f)
{
    return f->folder;
}

static int finite_tensor(const struct model_file *f, const struct tensor *t, struct err *e)
{
    const struct block_format *format = &block_formats[t->type];
    size_t n = (size_t)(t->shape[t->rank - 1] / format->values);
    for (int i = 0; i < t->rank - 1; i++)
        n *= (size_t)t->shape[i];
    size_t at = finite_blocks(t->type, t->data, n);
    if (at == n)
        return 0;
    return err_set(e, ERR_FORMAT, "%s: tensor %.80s: %s %zu is not a finite number", f->name, t->name,
                   format->values == 1 ? "value" : "the scale of block", at);
}

int model_file_finite(const struct model_file *f, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < f->shards && !rc; i++)
        if (f->shard[i].st)
            rc = safetensors_finite(f->shard[i].st, e);
    for (size_t i = 0; i < f->tensors && !rc; i++) {
        const struct tensor *t = &f->tensor[i];
        if (t->parts)
            rc = folder_scales(f, t, e);
        else if (f->shard[0].gguf)
            rc = finite_tensor(f, t, e);
    }
    return rc;
}

static struct str shard_bytes(const struct model_shard *s)
{
    struct str all = {(const char *)s->map.p, s->map.n};
    if (s->st)
        all.p = safetensors_file(s->st, &all.n);
    return all;
}

static void drop(const struct model_file *f, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < f->shards; i++) {
        const struct model_shard *s = &f->shard[i];
        struct str all = shard_bytes(s);
        if (from < (const uint8_t *)all.p || from >= (const uint8_t *)all.p + all.n)
            continue;
        if (s->st)
            safetensors_drop(s->st, from, n);
        else
            file_map_drop(&s->map, from, n);
    }
}

void model_file_drop(const struct model_file *f, const struct tensor *t)
{
    size_t rows = 1;
    for (int i = 0; i + 1 < t->rank; i++)
        rows *= (size_t)t->shape[i];
    if (t->data)
        drop(f, t->data, rows * block_row_bytes(t->type, t->shape[t->rank - 1]));
    else if (t->parts)
        drop(f, t->parts->values->data, t->parts->values->bytes);
}

uint64_t model_file_bytes(const struct model_file *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->shards; i++)
        n += shard_bytes(&f->shard[i]).n;
    return n;
}

int model_file_hash(const struct model_file *f, uint8_t hash[32], struct err *e)
{
    struct str *part = mem_zero(f->shards + 1, sizeof *part);
    for (size_t i = 0; i < f->shards; i++)
        part[i] = shard_bytes(&f->shard[i]);
    int rc = sha256_parts(hash, part, f->shards, e);
    free(part);
    return rc;
}
