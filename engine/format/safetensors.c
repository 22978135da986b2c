#include "engine/format/safetensors.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/format/finite.h"
#include "engine/format/json.h"

#include <stdlib.h>
#include <string.h>

struct safetensors {
    struct file_map map; /* of safetensors_open; else empty */
    const uint8_t *bytes, *data;
    size_t nbytes, ndata;
    char *name; /* of the file */
    struct st_tensor *tensor;
    size_t n;
};

static const struct {
    const char *name;
    size_t size;
} types[] = {
#define X(name, size) {#name, size},
    SAFETENSORS_TYPES(X)
#undef X
};

const char *st_type_name(enum st_type type)
{
    return types[type].name;
}

static int wrong(const struct safetensors *st, const char *tensor, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: tensor %.80s: %s", st->name, tensor, what);
}

static int read_shape(const struct safetensors *st, struct st_tensor *t, const json_t *shape, uint64_t *bytes, struct err *e)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > SAFETENSORS_RANK_MAX)
        return wrong(st, t->name, "no shape, or one of more than 8 dimensions", e);
    *bytes = types[t->type].size;
    t->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *v = json_array_get(shape, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return wrong(st, t->name, "a dimension that is no size", e);
        t->shape[i] = json_integer_value(v);
        if (__builtin_mul_overflow(*bytes, (uint64_t)t->shape[i], bytes))
            return wrong(st, t->name, "a shape whose size overflows", e);
    }
    return 0;
}

static int read_tensor(struct safetensors *st, const char *name, const json_t *o, struct err *e)
{
    struct st_tensor *t = &st->tensor[st->n];
    *t = (struct st_tensor){mem_str(name)};
    st->n++; /* owned from here on, whatever comes */
    const char *dtype = json_get_text(o, "dtype", NULL);
    const json_t *offsets = json_object_get(o, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    size_t type = 0;
    uint64_t bytes = 0;
    if (!dtype)
        return wrong(st, name, "no dtype", e);
    while (type < sizeof types / sizeof *types && strcmp(types[type].name, dtype))
        type++;
    if (type == sizeof types / sizeof *types)
        return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.80s: dtype %.20s", st->name, name, dtype);
    t->type = (enum st_type)type;
    int rc = read_shape(st, t, json_object_get(o, "shape"), &bytes, e);
    if (rc)
        return rc;
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return wrong(st, name, "no data_offsets", e);
    int64_t b = json_integer_value(begin), z = json_integer_value(end);
    if (b < 0 || z < b || (uint64_t)z > st->ndata)
        return wrong(st, name, "data_offsets outside the file", e);
    if ((uint64_t)(z - b) != bytes)
        return wrong(st, name, "data_offsets that do not fit its shape", e);
    t->data = st->data + b;
    t->bytes = (size_t)bytes;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

static int check_cover(struct safetensors *st, struct err *e)
{
    const uint8_t *at = st->data;
    if (st->n)
        qsort(st->tensor, st->n, sizeof *st->tensor, by_place);
    for (size_t i = 0; i < st->n; i++) {
        if (st->tensor[i].data < at)
            return wrong(st, st->tensor[i].name, "overlaps another", e);
        if (st->tensor[i].data > at)
            return wrong(st, st->tensor[i].name, "bytes before it belong to no tensor", e);
        at += st->tensor[i].bytes;
    }
    if (at != st->data + st->ndata)
        return err_set(e, ERR_FORMAT, "%s: %zu bytes at its end belong to no tensor", st->name,
                       (size_t)(st->data + st->ndata - at));
    if (st->n)
        qsort(st->tensor, st->n, sizeof *st->tensor, by_name);
    return 0;
}

static int parse(struct safetensors *st, struct err *e)
{
    json_t *root = NULL, *v;
    const char *key;
    uint64_t size = 0;
    if (st->nbytes < 8)
        return err_set(e, ERR_FORMAT, "%s: shorter than a safetensors header", st->name);
    for (int i = 7; i >= 0; i--)
        size = size << 8 | st->bytes[i];
    if (size > SAFETENSORS_HEADER_MAX || size > st->nbytes - 8)
        return err_set(e, ERR_FORMAT, "%s: a header of %llu bytes does not fit (truncated, or not safetensors)", st->name,
                       (unsigned long long)size);
    if (!size || st->bytes[8] != '{')
        return err_set(e, ERR_FORMAT, "%s: the header is no JSON object", st->name);
    st->data = st->bytes + 8 + size;
    st->ndata = st->nbytes - 8 - (size_t)size;
    /* a tensor has about 8 values */
    int rc = json_bounded(&root, st->name, st->bytes + 8, (size_t)size, 4, SAFETENSORS_MAX * 16, e);
    if (rc)
        return rc;
    if (json_object_size(root) > SAFETENSORS_MAX) {
        rc = err_set(e, ERR_LIMIT, "%s: more than %d tensors", st->name, SAFETENSORS_MAX);
        goto out;
    }
    st->tensor = mem_zero(json_object_size(root) + 1, sizeof *st->tensor);
    json_object_foreach(root, key, v) {
        if (strcmp(key, "__metadata__"))
            rc = read_tensor(st, key, v, e);
        if (rc)
            goto out;
    }
    rc = check_cover(st, e);
out:
    json_decref(root);
    return rc;
}

int safetensors_parse(struct safetensors **out, const char *name, const void *bytes, size_t n, struct err *e)
{
    struct safetensors *st = mem_zero(1, sizeof *st);
    st->name = mem_str(name);
    st->bytes = bytes;
    st->nbytes = n;
    int rc = parse(st, e);
    if (rc)
        safetensors_close(st);
    else
        *out = st;
    return rc;
}

int safetensors_open(struct safetensors **out, const char *path, struct err *e)
{
    struct file_map map;
    int rc = file_map(&map, path, e);
    if (rc)
        return rc;
    rc = safetensors_parse(out, path, map.p, map.n, e);
    if (rc)
        file_unmap(&map);
    else
        (*out)->map = map;
    return rc;
}

void safetensors_close(struct safetensors *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->n; i++)
        free(st->tensor[i].name);
    free(st->tensor);
    free(st->name);
    if (st->map.n)
        file_unmap(&st->map);
    free(st);
}

const struct st_tensor *safetensors_find(const struct safetensors *st, const char *name)
{
    struct st_tensor key = {(char *)name};
    return st->n ? bsearch(&key, st->tensor, st->n, sizeof key, by_name) : NULL;
}

size_t safetensors_count(const struct safetensors *st)
{
    return st->n;
}

const struct st_tensor *safetensors_at(const struct safetensors *st, size_t i)
{
    return &st->tensor[i];
}

void safetensors_drop(const struct safetensors *st, const void *from, size_t n)
{
    if (st->map.n)
        file_map_drop(&st->map, from, n);
}

const void *safetensors_file(const struct safetensors *st, size_t *n)
{
    *n = st->nbytes;
    return st->bytes;
}

int safetensors_finite(const struct safetensors *st, struct err *e)
{
    for (size_t i = 0; i < st->n; i++) {
        const struct st_tensor *t = &st->tensor[i];
        size_t n = t->bytes / types[t->type].size, at = n;
        if (t->type == ST_F64)
            at = finite_f64(t->data, n);
        else if (t->type == ST_F32)
            at = finite_blocks(BLOCK_F32, t->data, n);
        else if (t->type == ST_F16)
            at = finite_blocks(BLOCK_F16, t->data, n);
        else if (t->type == ST_BF16)
            at = finite_blocks(BLOCK_BF16, t->data, n);
        else if (t->type == ST_F8_E4M3)
            at = finite_e4m3(t->data, n);
        if (at < n)
            return err_set(e, ERR_FORMAT, "%s: tensor %.80s: element %zu is not a finite number", st->name, t->name, at);
    }
    return 0;
}
