#include "engine/format/gguf.h"

#include "base/arena.h"
#include "base/mem.h"
#include "kernels/block/numbers.h"

#include <stdlib.h>
#include <string.h>

enum kind { U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64, KINDS };
static const uint8_t kind_bytes[KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}; /* 0: of no fixed size */

struct value {
    const char *key;
    enum kind kind;       /* of an element, where it is an array */
    bool array;
    uint64_t count;       /* elements */
    const uint8_t *bytes; /* of the first */
    const uint64_t *at;   /* texts of an array: where each one's length begins, from bytes */
    const uint8_t *entry; /* the whole of it: key, kind, value */
    size_t size;
    const char *text;     /* TEXT alone: a copy with a NUL, of count bytes */
};

struct gguf {
    struct arena arena;
    char *name; /* of the file */
    const uint8_t *bytes;
    size_t n, at; /* what is read up to */
    struct value *value; /* in order of key once parsed */
    size_t values;
    struct tensor *tensor;
    size_t tensors, data_at;
};

/* Types of the format that nothing here reads, for the message. */
static const char *const foreign_types[] = {
    [9] = "Q8_1",    [10] = "Q2_K",  [11] = "Q3_K",  [15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS",
    [19] = "IQ1_S",  [21] = "IQ3_S", [22] = "IQ2_S", [24] = "I8",   [25] = "I16",     [26] = "I32",    [27] = "I64",
    [28] = "F64",    [29] = "IQ1_M", [34] = "TQ1_0", [35] = "TQ2_0",
};

static int wrong(const struct gguf *g, const char *kind, const char *name, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: %s %.80s: %s", g->name, kind, name, what);
}

static int cut_off(const struct gguf *g, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: ends inside its header (truncated)", g->name);
}

/* size bytes at the cursor, which moves past them; NULL: the file ends before. */
static const uint8_t *take(struct gguf *g, uint64_t size)
{
    if (size > g->n - g->at)
        return NULL;
    const uint8_t *p = g->bytes + g->at;
    g->at += (size_t)size;
    return p;
}

static bool take_u32(struct gguf *g, uint32_t *out)
{
    const uint8_t *p = take(g, 4);
    if (p)
        *out = load_u32(p);
    return p;
}

static uint64_t load_u64(const uint8_t *p)
{
    return load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

static bool take_u64(struct gguf *g, uint64_t *out)
{
    const uint8_t *p = take(g, 8);
    if (p)
        *out = load_u64(p);
    return p;
}

/* A name or a key, copied: 1 to most bytes without control bytes, so that it can be compared and shown. */
static int take_name(struct gguf *g, const char **out, uint64_t most, const char *what, struct err *e)
{
    uint64_t len;
    const uint8_t *p;
    if (!take_u64(g, &len))
        return cut_off(g, e);
    if (!len || len > most)
        return err_set(e, ERR_FORMAT, "%s: a %s of %llu bytes", g->name, what, (unsigned long long)len);
    if (!(p = take(g, len)))
        return cut_off(g, e);
    for (uint64_t i = 0; i < len; i++)
        if (p[i] < 0x20 || p[i] == 0x7F)
            return err_set(e, ERR_FORMAT, "%s: a %s with the byte %d", g->name, what, p[i]);
    *out = arena_strn(&g->arena, (const char *)p, (size_t)len);
    return 0;
}

/* One element: what its first length says lies inside the file. */
static int skip_text(struct gguf *g, const struct value *v, uint64_t *len, const uint8_t **bytes, struct err *e)
{
    if (!take_u64(g, len))
        return cut_off(g, e);
    if (*len > GGUF_TEXT_MAX)
        return wrong(g, "key", v->key, "a text of over 16 MiB", e);
    return (*bytes = take(g, *len)) ? 0 : cut_off(g, e);
}

static int read_texts(struct gguf *g, struct value *v, struct err *e)
{
    const uint8_t *bytes;
    uint64_t len;
    if (v->count > (g->n - g->at) / 8) /* the lengths alone: bounds the memory by the file */
        return cut_off(g, e);
    uint64_t *at = arena_alloc(&g->arena, (size_t)v->count * sizeof *at);
    for (uint64_t i = 0; i < v->count; i++) {
        at[i] = (uint64_t)(g->bytes + g->at - v->bytes);
        int rc = skip_text(g, v, &len, &bytes, e);
        if (rc)
            return rc;
    }
    v->at = at;
    return 0;
}

static int read_array(struct gguf *g, struct value *v, struct err *e)
{
    uint32_t kind;
    if (!take_u32(g, &kind) || !take_u64(g, &v->count))
        return cut_off(g, e);
    if (kind >= KINDS)
        return wrong(g, "key", v->key, "an array of an unknown kind", e);
    if (kind == ARRAY)
        return err_set(e, ERR_UNSUPPORTED, "%s: key %.80s: an array of arrays", g->name, v->key);
    if (v->count > GGUF_ARRAY_MAX)
        return wrong(g, "key", v->key, "an array of over 64 million elements", e);
    v->kind = (enum kind)kind;
    v->array = true;
    v->bytes = g->bytes + g->at;
    if (kind == TEXT)
        return read_texts(g, v, e);
    return take(g, v->count * kind_bytes[kind]) ? 0 : cut_off(g, e);
}

static int read_value(struct gguf *g, struct value *v, struct err *e)
{
    uint32_t kind;
    int rc = take_name(g, &v->key, GGUF_KEY_MAX, "key", e);
    if (rc)
        return rc;
    if (!take_u32(g, &kind))
        return cut_off(g, e);
    if (kind >= KINDS)
        return err_set(e, ERR_FORMAT, "%s: key %.80s: unknown kind %u", g->name, v->key, kind);
    if (kind == ARRAY)
        return read_array(g, v, e);
    v->kind = (enum kind)kind;
    v->count = 1;
    if (kind == TEXT) {
        if ((rc = skip_text(g, v, &v->count, &v->bytes, e)))
            return rc;
        v->text = arena_strn(&g->arena, (const char *)v->bytes, (size_t)v->count);
        return 0;
    }
    if (!(v->bytes = take(g, kind_bytes[kind])))
        return cut_off(g, e);
    if (kind == BOOL && v->bytes[0] > 1)
        return wrong(g, "key", v->key, "a truth value that is neither 0 nor 1", e);
    if (kind == U64 && v->bytes[7] & 0x80)
        return wrong(g, "key", v->key, "a number past 2^63", e);
    return 0;
}

static int read_type(struct gguf *g, struct tensor *t, uint32_t id, struct err *e)
{
    for (int i = 0; i < BLOCK_COUNT; i++)
        if (block_formats[i].gguf == id && id < BLOCK_NOT_GGUF) {
            t->type = (enum block_type)i;
            return 0;
        }
    const char *known = id < sizeof foreign_types / sizeof *foreign_types ? foreign_types[id] : NULL;
    return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.80s: type %s (%u) is not read", g->name, t->name, known ? known : "unknown", id);
}

/* The sizes, and from them the bytes: whole blocks in a row, nothing that overflows. */
static int read_shape(struct gguf *g, struct tensor *t, uint64_t size[TENSOR_RANK_MAX], struct err *e)
{
    uint32_t rank;
    if (!take_u32(g, &rank))
        return cut_off(g, e);
    if (rank > TENSOR_RANK_MAX)
        return wrong(g, "tensor", t->name, "more than 4 dimensions", e);
    for (uint32_t i = 0; i < rank; i++) {
        if (!take_u64(g, &size[i]))
            return cut_off(g, e);
        if (!size[i])
            return wrong(g, "tensor", t->name, "a dimension of 0", e);
    }
    if (!rank) /* a single number */
        size[rank++] = 1;
    t->rank = (int)rank;
    for (uint32_t i = 0; i < rank; i++)
        t->shape[i] = size[rank - 1 - i];
    return 0;
}

static int tensor_size(const struct gguf *g, const struct tensor *t, uint64_t *bytes, struct err *e)
{
    uint64_t k = t->shape[t->rank - 1];
    const struct block_format *f = &block_formats[t->type];
    if (k % f->values)
        return err_set(e, ERR_FORMAT, "%s: tensor %.80s: rows of %llu values, which are no whole blocks of %s", g->name, t->name,
                       (unsigned long long)k, f->name);
    bool over = __builtin_mul_overflow(k / f->values, (uint64_t)f->bytes, bytes);
    for (int i = 0; i < t->rank - 1; i++)
        over |= __builtin_mul_overflow(*bytes, t->shape[i], bytes);
    return over ? wrong(g, "tensor", t->name, "a shape whose size overflows", e) : 0;
}

static int read_tensor(struct gguf *g, struct tensor *t, uint64_t *offset, struct err *e)
{
    uint64_t size[TENSOR_RANK_MAX];
    uint32_t type;
    int rc = take_name(g, &t->name, GGUF_NAME_MAX, "tensor's name", e);
    if (!rc)
        rc = read_shape(g, t, size, e);
    if (rc)
        return rc;
    if (!take_u32(g, &type) || !take_u64(g, offset))
        return cut_off(g, e);
    t->scale = 1;
    return read_type(g, t, type, e);
}

static int by_place(const void *a, const void *b)
{
    const uint8_t *x = (*(const struct tensor *const *)a)->data, *y = (*(const struct tensor *const *)b)->data;
    return (x > y) - (x < y);
}

static int check_overlap(const struct gguf *g, struct err *e)
{
    int rc = 0;
    const struct tensor **order = mem_zero(g->tensors + 1, sizeof *order);
    for (size_t i = 0; i < g->tensors; i++)
        order[i] = &g->tensor[i];
    if (g->tensors)
        qsort(order, g->tensors, sizeof *order, by_place);
    for (size_t i = 1; i < g->tensors && !rc; i++) {
        uint64_t bytes = 0;
        rc = tensor_size(g, order[i - 1], &bytes, e);
        if (!rc && (uint64_t)(order[i]->data - order[i - 1]->data) < bytes)
            rc = err_set(e, ERR_FORMAT, "%s: tensor %.80s: overlaps %.80s", g->name, order[i]->name, order[i - 1]->name);
    }
    free(order);
    return rc;
}

static int place_tensors(struct gguf *g, const uint64_t *offset, struct err *e)
{
    struct meta m;
    uint64_t align = 32, bytes;
    if (gguf_meta(g, "general.alignment", &m)) {
        if (m.kind != META_INT || m.integer < 1 || m.integer > GGUF_ALIGNMENT_MAX || m.integer & (m.integer - 1))
            return wrong(g, "key", "general.alignment", "no power of two up to 1 MiB", e);
        align = (uint64_t)m.integer;
    }
    uint64_t start = (g->at + align - 1) & ~(align - 1);
    if (start > g->n) {
        if (g->tensors)
            return cut_off(g, e);
        start = g->n;
    }
    g->data_at = (size_t)start;
    for (size_t i = 0; i < g->tensors; i++) {
        struct tensor *t = &g->tensor[i];
        int rc = tensor_size(g, t, &bytes, e);
        if (rc)
            return rc;
        if (offset[i] % align)
            return wrong(g, "tensor", t->name, "an offset that is not aligned", e);
        if (offset[i] > g->n - start || bytes > g->n - start - offset[i])
            return wrong(g, "tensor", t->name, "lies past the end of the file (truncated?)", e);
        t->data = g->bytes + start + offset[i];
    }
    return check_overlap(g, e);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct value *)a)->key, ((const struct value *)b)->key);
}

static int read_values(struct gguf *g, uint64_t n, struct err *e)
{
    /* an entry has at least 13 bytes: bounds the memory by the file */
    if (n > GGUF_KEYS_MAX || n > (g->n - g->at) / 13)
        return err_set(e, ERR_FORMAT, "%s: %llu keys do not fit", g->name, (unsigned long long)n);
    g->value = mem_zero((size_t)n + 1, sizeof *g->value);
    for (; g->values < n; g->values++) {
        struct value *v = &g->value[g->values];
        v->entry = g->bytes + g->at;
        int rc = read_value(g, v, e);
        if (rc)
            return rc;
        v->size = (size_t)(g->bytes + g->at - v->entry);
    }
    if (n)
        qsort(g->value, (size_t)n, sizeof *g->value, by_key);
    for (size_t i = 1; i < n; i++)
        if (!by_key(&g->value[i - 1], &g->value[i]))
            return wrong(g, "key", g->value[i].key, "is there twice", e);
    return 0;
}

static int read_tensors(struct gguf *g, uint64_t n, struct err *e)
{
    int rc = 0;
    if (n > GGUF_TENSORS_MAX || n > (g->n - g->at) / 25) /* bytes of the shortest entry */
        return err_set(e, ERR_FORMAT, "%s: %llu tensors do not fit", g->name, (unsigned long long)n);
    g->tensor = mem_zero((size_t)n + 1, sizeof *g->tensor);
    uint64_t *offset = mem_zero((size_t)n + 1, sizeof *offset);
    for (; g->tensors < n && !rc; g->tensors++)
        rc = read_tensor(g, &g->tensor[g->tensors], &offset[g->tensors], e);
    if (!rc)
        rc = place_tensors(g, offset, e);
    free(offset);
    return rc;
}

static int parse(struct gguf *g, struct err *e)
{
    uint32_t version;
    uint64_t tensors, values;
    if (g->n < 4 || memcmp(g->bytes, "GGUF", 4))
        return err_set(e, ERR_FORMAT, "%s: no GGUF file", g->name);
    g->at = 4;
    if (!take_u32(g, &version))
        return cut_off(g, e);
    if (version != 2 && version != 3)
        return err_set(e, ERR_UNSUPPORTED, "%s: GGUF version %u%s; 2 and 3 are read", g->name, version,
                       version && !(version & 0xFFFF) ? " (big-endian)" : "");
    if (!take_u64(g, &tensors) || !take_u64(g, &values))
        return cut_off(g, e);
    int rc = read_values(g, values, e);
    return rc ? rc : read_tensors(g, tensors, e);
}

int gguf_parse(struct gguf **out, const char *name, const void *bytes, size_t n, struct err *e)
{
    struct gguf *g = mem_zero(1, sizeof *g);
    arena_init(&g->arena);
    g->name = mem_str(name);
    g->bytes = bytes;
    g->n = n;
    int rc = parse(g, e);
    if (rc)
        gguf_close(g);
    else
        *out = g;
    return rc;
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    arena_release(&g->arena);
    free(g->value);
    free(g->tensor);
    free(g->name);
    free(g);
}

size_t gguf_count(const struct gguf *g)
{
    return g->tensors;
}

const struct tensor *gguf_at(const struct gguf *g, size_t i)
{
    return &g->tensor[i];
}

size_t gguf_data_at(const struct gguf *g)
{
    return g->data_at;
}

const char *gguf_key_at(const struct gguf *g, size_t i)
{
    return i < g->values ? g->value[i].key : NULL;
}

static bool is_float(enum kind kind)
{
    return kind == F32 || kind == F64;
}

static int64_t integer_at(const struct value *v, size_t i)
{
    const uint8_t *p = v->bytes + i * kind_bytes[v->kind];
    switch (v->kind) {
    case I8: return (int8_t)p[0];
    case U16: return load_u16(p);
    case I16: return (int16_t)load_u16(p);
    case U32: return load_u32(p);
    case I32: return (int32_t)load_u32(p);
    case U64:
    case I64: return (int64_t)load_u64(p);
    default: return p[0];
    }
}

static double number_at(const struct value *v, size_t i)
{
    const uint8_t *p = v->bytes + i * kind_bytes[v->kind];
    uint64_t bits = v->kind == F64 ? load_u64(p) : 0;
    double d;
    memcpy(&d, &bits, sizeof d);
    return v->kind == F64 ? d : v->kind == F32 ? (double)f32_from_bits(load_u32(p)) : (double)integer_at(v, i);
}

static const struct value *find(const struct gguf *g, const char *key)
{
    struct value what = {key};
    return g->values ? bsearch(&what, g->value, g->values, sizeof what, by_key) : NULL;
}

const void *gguf_key_bytes(const struct gguf *g, const char *key, size_t *n)
{
    const struct value *v = find(g, key);
    *n = v ? v->size : 0;
    return v ? v->entry : NULL;
}

bool gguf_meta(const struct gguf *g, const char *key, struct meta *out)
{
    const struct value *v = find(g, key);
    *out = (struct meta){META_NONE};
    if (!v)
        return false;
    if (v->array) {
        out->kind = v->kind == TEXT ? META_TEXTS : is_float(v->kind) ? META_FLOATS : META_INTS;
        out->len = (size_t)v->count;
        out->array = v;
    } else if (v->kind == TEXT) {
        out->kind = META_TEXT;
        out->text = v->text;
        out->len = (size_t)v->count;
    } else {
        out->kind = v->kind == BOOL ? META_BOOL : is_float(v->kind) ? META_FLOAT : META_INT;
        out->number = number_at(v, 0);
        out->integer = is_float(v->kind) ? 0 : integer_at(v, 0);
    }
    return true;
}

int64_t meta_int(const struct meta *m, size_t i)
{
    return m->kind == META_INTS && i < m->len ? integer_at(m->array, i) : 0;
}

double meta_float(const struct meta *m, size_t i)
{
    return (m->kind == META_FLOATS || m->kind == META_INTS) && i < m->len ? number_at(m->array, i) : 0;
}

const char *meta_text(const struct meta *m, size_t i, size_t *len)
{
    const struct value *v = m->array;
    *len = 0;
    if (m->kind != META_TEXTS || i >= m->len)
        return "";
    const uint8_t *p = v->bytes + v->at[i];
    *len = (size_t)load_u64(p);
    return (const char *)p + 8;
}
