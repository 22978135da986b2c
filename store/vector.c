/* Tables vector, vecof, vechash, and the models' numbers in meta.
 *
 *   meta     "model." hash[32]                  number u16 · dim u32
 *   vector   model u16, first number u32        struct vector_head (48) | int8 [n, dim] | zeros up to 4 | f32 scale [n]
 *                                               | u32 number [n], ascending: only where numbers between are missing
 *   vecof    model u16, cut u32, variant u64    u32 numbers
 *   vechash  model u16, hash128                 number u32
 *
 * A value with pages of its own begins 16 bytes into a page, so behind 48 bytes of head the rows are 64-byte aligned; a short
 * one is padded to half a page, so that it gets pages of its own too.
 * Each put makes a small segment at the end and folds the last ones together as in a binary counter: a vector is copied about
 * log2(SEGMENT_BYTES / bytes put) times until its segment is full, and there are as many small ones at most. A sweep takes
 * vectors out of the middle (vector_sweep.c): such a segment lists its numbers, and a put leaves it alone. */
#include "store/vector_inside.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define DENSE_MAGIC 0x31636576u  /* "vec1": numbers first … first + n - 1 */
#define SPARSE_MAGIC 0x32636576u /* "vec2": the numbers are listed */
#define SEGMENT_BYTES (1u << 20) /* larger values fragment the file: LMDB needs as many free pages in a row */
#define DIM_MAX 16384

struct vector_head {
    uint32_t magic, n, dim, first;
    uint8_t zero[32];
};
_Static_assert(sizeof(struct vector_head) == 48, "16 + 48 is 64");

struct model_stored {
    uint16_t number, pad;
    uint32_t dim;
};

static size_t scale_at(uint32_t n, uint32_t dim)
{
    return (sizeof(struct vector_head) + (size_t)n * dim + 3) & ~(size_t)3;
}

static size_t segment_size(uint32_t n, uint32_t dim)
{
    return scale_at(n, dim) + (size_t)n * sizeof(float);
}

uint32_t vector_segment_most(uint32_t dim)
{
    return SEGMENT_BYTES / (dim + (uint32_t)sizeof(float)) + 1;
}

/* -- models ------------------------------------------------------------------------------------------------------- */
int vector_model(struct txn *t, const uint8_t hash[32], uint32_t dim, uint16_t *out, struct err *e)
{
    char key[6 + 32] = "model.";
    memcpy(key + 6, hash, 32);
    MDB_val v;
    struct model_stored m = {0};
    int code = tab_get(t, T_META, val(key, sizeof key), &v);
    if (!code && v.mv_size == sizeof m) {
        memcpy(&m, v.mv_data, sizeof m);
        if (m.dim != dim)
            return err_set(e, ERR_FORMAT, "a model that had %u dimensions has %u now", m.dim, dim);
        *out = m.number;
        return 0;
    }
    if (code && code != MDB_NOTFOUND)
        return txn_err(t, code, e, "reading a model's number");
    if (!t->write)
        return err_set(e, ERR_NOT_FOUND, "the model has no vectors yet");
    uint64_t next = meta_get(t, "next.model");
    if (!dim || dim > DIM_MAX || next >= UINT16_MAX)
        return err_set(e, ERR_LIMIT, "model %u of %u dimensions", (unsigned)next, dim);
    m = (struct model_stored){.number = (uint16_t)next, .dim = dim};
    if (!(code = meta_put(t, "next.model", next + 1)))
        code = tab_put(t, T_META, val(key, sizeof key), val(&m, sizeof m), 0);
    *out = m.number;
    return txn_err(t, code, e, "numbering a model");
}

/* -- numbers ------------------------------------------------------------------------------------------------------ */
uint32_t vector_find(struct txn *t, uint16_t model, struct hash128 text)
{
    struct vechash_key k = vechash_key(model, text);
    MDB_val v;
    uint32_t n = VECTOR_NONE;
    if (!tab_get(t, T_VECHASH, val(&k, sizeof k), &v) && v.mv_size == sizeof n)
        memcpy(&n, v.mv_data, sizeof n);
    return n;
}

static struct vecof_key vecof_key(uint16_t model, uint32_t cut, uint64_t variant)
{
    struct vecof_key k;
    put_be16(k.byte, model);
    put_be32(k.byte + 2, cut);
    put_be64(k.byte + 6, variant);
    return k;
}

int vecof_put(struct txn *t, uint16_t model, uint32_t cut, uint64_t variant, const uint32_t *number, size_t n,
              struct err *e)
{
    struct vecof_key k = vecof_key(model, cut, variant);
    int rc = txn_writes(t, e);
    if (rc)
        return rc;
    int code = meta_put(t, "vecof.stamp", vecof_stamp(t) + 1);
    if (!code)
        code = tab_put(t, T_VECOF, val(&k, sizeof k), val(number, n * sizeof *number), 0);
    return txn_err(t, code, e, "vecof");
}

uint64_t vecof_stamp(struct txn *t)
{
    return meta_get(t, "vecof.stamp");
}

const void *vecof_get(struct txn *t, uint16_t model, uint32_t cut, uint64_t variant, size_t *n)
{
    struct vecof_key k = vecof_key(model, cut, variant);
    MDB_val v;
    *n = 0;
    if (tab_get(t, T_VECOF, val(&k, sizeof k), &v))
        return NULL;
    *n = v.mv_size / sizeof(uint32_t);
    return v.mv_data;
}

int vecof_drop(struct txn *t, uint32_t cut, struct err *e)
{
    MDB_cursor *c;
    int rc = txn_writes(t, e), code;
    if (rc)
        return rc;
    uint64_t models = meta_get(t, "next.model");
    if ((code = tab_cursor(t, T_VECOF, &c)))
        return txn_err(t, code, e, "vecof");
    for (uint64_t m = 0; m < models && !code; m++) {
        struct vecof_key from = vecof_key((uint16_t)m, cut, 0);
        MDB_val k = val(&from, sizeof from), v;
        while (!(code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE)) && !memcmp(k.mv_data, from.byte, 6) &&
               !(code = mdb_cursor_del(c, 0)))
            k = val(&from, sizeof from);
        if (code == MDB_NOTFOUND)
            code = 0;
    }
    mdb_cursor_close(c);
    return txn_err(t, code, e, "vecof");
}

/* -- segments ----------------------------------------------------------------------------------------------------- */
bool vector_segment_of(struct vector_run *out, const MDB_val *v)
{
    const struct vector_head *h = v->mv_data;
    if (v->mv_size < sizeof *h || (uintptr_t)h % 16 || (h->magic != DENSE_MAGIC && h->magic != SPARSE_MAGIC) || !h->n || !h->dim ||
        h->dim > DIM_MAX || h->n > (16u << 20))
        return false;
    bool sparse = h->magic == SPARSE_MAGIC;
    if (segment_size(h->n, h->dim) + (sparse ? h->n * sizeof(uint32_t) : 0) > v->mv_size)
        return false;
    *out = (struct vector_run){.q = (const int8_t *)(h + 1), .first = h->first, .n = h->n, .dim = h->dim};
    out->scale = (const void *)((const char *)h + scale_at(h->n, h->dim));
    out->number = sparse ? (const uint32_t *)(out->scale + h->n) : NULL;
    return true;
}

int vectors_open(struct txn *t, uint16_t model, struct vector_run **out, size_t *n, struct err *e)
{
    MDB_cursor *c;
    uint8_t from[6] = {0};
    put_be16(from, model);
    MDB_val k = val(from, sizeof from), v;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    int code = tab_cursor(t, T_VECTOR, &c);
    if (code)
        return txn_err(t, code, e, "opening vectors");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (memcmp(k.mv_data, from, 2))
            break;
        VEC_ROOM(*out, *n, cap);
        if (!vector_segment_of(&(*out)[*n], &v)) {
            code = MDB_CORRUPTED;
            break;
        }
        ++*n;
    }
    mdb_cursor_close(c);
    if (!code || code == MDB_NOTFOUND)
        return 0;
    free(*out);
    *out = NULL;
    *n = 0;
    return txn_err(t, code, e, "opening vectors");
}

static void insert_front(struct vector_rows *a, const struct vector_run *r)
{
    memmove(a->q + (size_t)r->n * a->dim, a->q, (size_t)a->n * a->dim);
    memmove(a->scale + r->n, a->scale, a->n * sizeof *a->scale);
    memcpy(a->q, r->q, (size_t)r->n * a->dim);
    memcpy(a->scale, r->scale, r->n * sizeof *r->scale);
    a->n += r->n;
    a->first -= r->n;
}

int vector_segment_put(struct txn *t, uint16_t model, const struct vector_rows *a, uint32_t from, uint32_t n)
{
    uint8_t key[6];
    MDB_stat st;
    const uint32_t *number = a->number && a->number[from + n - 1] - a->number[from] != n - 1 ? a->number + from : NULL;
    uint32_t first = a->number ? a->number[from] : a->first + from;
    put_be16(key, model);
    put_be32(key + 2, first);
    int code = mdb_stat(t->m, t->s->table[T_VECTOR], &st);
    size_t least = st.ms_psize / 2, size = segment_size(n, a->dim) + (number ? n * sizeof *number : 0);
    size_t room = size < least ? least : size;
    void *to;
    if (code || (code = tab_reserve(t, T_VECTOR, val(key, sizeof key), room, 0, &to)))
        return code;
    struct vector_head h = {.magic = number ? SPARSE_MAGIC : DENSE_MAGIC, .n = n, .dim = a->dim, .first = first};
    memset(to, 0, room);
    memcpy(to, &h, sizeof h);
    memcpy((char *)to + sizeof h, a->q + (size_t)from * a->dim, (size_t)n * a->dim);
    memcpy((char *)to + scale_at(n, a->dim), a->scale + from, n * sizeof *a->scale);
    if (number)
        memcpy((char *)to + segment_size(n, a->dim), number, n * sizeof *number);
    return 0;
}

/* Takes segments from the end of the table into the front of a, while they are no larger than what is there already. */
static int take_small(struct txn *t, uint16_t model, struct vector_rows *a, uint32_t most)
{
    MDB_cursor *c;
    uint8_t after[6] = {0};
    put_be16(after, (uint16_t)(model + 1));
    MDB_val k = val(after, sizeof after), v;
    int code = tab_cursor(t, T_VECTOR, &c);
    if (code)
        return code;
    code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    code = mdb_cursor_get(c, &k, &v, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    while (!code && get_be16(k.mv_data) == model) {
        struct vector_run r;
        if (!vector_segment_of(&r, &v) || r.dim != a->dim || vector_run_end(&r) > a->first) {
            code = MDB_CORRUPTED;
            break;
        }
        if (r.number || vector_run_end(&r) != a->first || r.n >= most || r.n > a->n) /* numbers in a row, and not too many */
            break;
        a->q = mem_grow(a->q, (size_t)a->n + r.n, a->dim);
        a->scale = mem_grow(a->scale, (size_t)a->n + r.n, sizeof *a->scale);
        insert_front(a, &r);
        if ((code = mdb_cursor_del(c, 0)))
            break;
        /* the cursor stands on what followed, if anything */
        k = val(after, sizeof after);
        code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
        code = mdb_cursor_get(c, &k, &v, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

int vector_dim(struct txn *t, uint16_t model, uint32_t *dim, struct err *e)
{
    MDB_cursor *c;
    MDB_val k = val("model.", 6), v;
    struct model_stored m;
    int code = tab_cursor(t, T_META, &c);
    *dim = 0;
    if (code)
        return txn_err(t, code, e, "reading a model's number");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code && k.mv_size == 38; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        memcpy(&m, v.mv_data, sizeof m);
        if (m.number == model)
            *dim = m.dim;
    }
    mdb_cursor_close(c);
    return *dim ? 0 : err_set(e, ERR_INTERNAL, "model %u has no number in this index", model);
}

/* Gives new texts the next numbers and gathers their vectors in a. */
static int number_texts(struct txn *t, uint16_t model, const struct hash128 *text, const int8_t *q, const float *scale,
                        size_t n, uint32_t *number, struct vector_rows *a)
{
    for (size_t i = 0; i < n; i++) {
        struct vechash_key k = vechash_key(model, text[i]);
        number[i] = a->first + a->n;
        MDB_val key = val(&k, sizeof k), v = val(&number[i], sizeof number[i]);
        int code = mdb_put(t->m, t->s->table[T_VECHASH], &key, &v, MDB_NOOVERWRITE);
        if (code == MDB_KEYEXIST) {
            memcpy(&number[i], v.mv_data, sizeof number[i]);
            continue;
        }
        if (code)
            return code;
        memcpy(a->q + (size_t)a->n * a->dim, q + i * a->dim, a->dim);
        a->scale[a->n++] = scale[i];
    }
    return 0;
}

int vector_put(struct txn *t, uint16_t model, const struct hash128 *text, const int8_t *q, const float *scale, size_t n,
               uint32_t *number, struct err *e)
{
    char next[32];
    snprintf(next, sizeof next, "next.vector.%u", model);
    struct vector_rows a = {0};
    uint64_t first = meta_get(t, next);
    int rc = txn_writes(t, e);
    if (rc || !n || (rc = vector_dim(t, model, &a.dim, e)))
        return rc;
    if (first + n >= VECTOR_NONE)
        return err_set(e, ERR_LIMIT, "%s: vector numbers are used up", t->s->index.path);
    a.first = (uint32_t)first;
    a.q = mem_alloc(n * a.dim);
    a.scale = mem_alloc(n * sizeof *a.scale);
    int code = number_texts(t, model, text, q, scale, n, number, &a);
    if (code || !a.n)
        goto out;
    uint32_t most = vector_segment_most(a.dim), from = 0;
    if ((code = meta_put(t, next, first + a.n)) || (code = take_small(t, model, &a, most)))
        goto out;
    for (; !code && a.n - from > most; from += most)
        code = vector_segment_put(t, model, &a, from, most);
    if (!code)
        code = vector_segment_put(t, model, &a, from, a.n - from);
out:
    free(a.q);
    free(a.scale);
    return txn_err(t, code, e, "storing vectors");
}
