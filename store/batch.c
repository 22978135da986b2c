/* A batch of cuts: built in a worker's own time, put into the store in one short write. */
#include "store/unsaved_inside.h"

#include "base/mem.h"

#include <stdlib.h>

#define ZSTD_LEVEL 1 /* level 3 gains 4 % of size at half of the speed */

struct piece {
    size_t at, n;
};

struct cut_batch {
    size_t n;
    uint8_t (*key)[CUT_KEY_BYTES];
    struct piece *record, *text; /* in bytes: values of the tables cut and text */
    struct buf bytes, segment;
};

static void add_record(struct cut_batch *b, size_t i, const struct cut_new *c, const struct record *r)
{
    struct cut_stored head = {.oid = c->key.oid, .version = c->key.version};
    head.language = get_be32(b->key[i] + OID_MAX);
    struct record_head h = *r->head;
    h.nwords = 0;
    h.size = (uint32_t)record_size(&h);
    buf_zero_to(&b->bytes, 4);
    b->record[i].at = b->bytes.len;
    buf_add(&b->bytes, &head, sizeof head);
    buf_add(&b->bytes, &h, sizeof h);
    buf_add(&b->bytes, r->chunk, (size_t)((const char *)r->word - (const char *)r->chunk));
    buf_add(&b->bytes, r->strings, h.nstrings);
    buf_zero_to(&b->bytes, 4);
    b->record[i].n = b->bytes.len - b->record[i].at;
}

static int add_text(struct cut_batch *b, size_t i, const struct cut_new *c, ZSTD_CCtx *zstd, struct err *e)
{
    uint32_t raw = (uint32_t)c->text_len;
    size_t most = ZSTD_compressBound(c->text_len);
    b->text[i].at = b->bytes.len;
    buf_add(&b->bytes, &raw, sizeof raw);
    size_t n = ZSTD_compressCCtx(zstd, buf_room(&b->bytes, most), most, c->text, c->text_len, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return err_set(e, ERR_INTERNAL, "compressing a text: %s", ZSTD_getErrorName(n));
    b->bytes.len += n;
    b->text[i].n = b->bytes.len - b->text[i].at;
    return 0;
}

int cut_batch_build(struct cut_batch **out, const struct cut_new *c, size_t n, struct err *e)
{
    int rc = 0;
    uint64_t total = 0;
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        total += (uint64_t)c[i].record_len + c[i].text_len;
    if (total > CUT_BATCH_MAX || n > 1000000)
        return err_set(e, ERR_LIMIT, "a batch of %zu cuts and %llu bytes is too large", n, (unsigned long long)total);

    struct cut_batch *b = mem_zero(1, sizeof *b);
    struct record *r = mem_zero(n + 1, sizeof *r);
    struct str *text = mem_zero(n + 1, sizeof *text);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    b->n = n;
    b->key = mem_zero(n + 1, sizeof *b->key);
    b->record = mem_zero(n + 1, sizeof *b->record);
    b->text = mem_zero(n + 1, sizeof *b->text);
    for (size_t i = 0; i < n && !rc; i++) {
        r[i] = record_of(c[i].record);
        text[i] = (struct str){c[i].text, c[i].text_len};
        cut_key_bytes(b->key[i], &c[i].key);
        add_record(b, i, &c[i], &r[i]);
        rc = add_text(b, i, &c[i], zstd, e);
    }
    if (!rc)
        rc = segment_build(&b->segment, r, text, n, e);
    ZSTD_freeCCtx(zstd);
    free(r);
    free(text);
    if (rc)
        cut_batch_free(b);
    else
        *out = b;
    return rc;
}

struct str batch_record(const struct cut_batch *b)
{
    return (struct str){b->bytes.data + b->record[0].at, b->record[0].n};
}

struct str batch_text(const struct cut_batch *b)
{
    return (struct str){b->bytes.data + b->text[0].at, b->text[0].n};
}

struct buf *batch_segment(struct cut_batch *b)
{
    return &b->segment;
}

void cut_batch_free(struct cut_batch *b)
{
    if (!b)
        return;
    free(b->key);
    free(b->record);
    free(b->text);
    buf_release(&b->bytes);
    buf_release(&b->segment);
    free(b);
}

/* One new cut; MDB_KEYEXIST when its key was there, *id is then the one under it. */
static int put_one(struct txn *t, const struct cut_batch *b, size_t i, uint32_t *id)
{
    uint8_t key[4];
    put_be32(key, *id);
    MDB_val k = val(b->key[i], CUT_KEY_BYTES), v = val(id, sizeof *id);
    int code = mdb_put(t->m, t->s->table[T_CUTKEY], &k, &v, MDB_NOOVERWRITE);
    if (code == MDB_KEYEXIST)
        memcpy(id, v.mv_data, sizeof *id);
    if (code)
        return code;
    code = tab_put(t, T_CUT, val(key, 4), val(b->bytes.data + b->record[i].at, b->record[i].n), MDB_APPEND);
    if (!code)
        code = tab_put(t, T_TEXT, val(key, 4), val(b->bytes.data + b->text[i].at, b->text[i].n), MDB_APPEND);
    return code == MDB_KEYEXIST ? MDB_CORRUPTED : code; /* a key at or after this id, which is new */
}

int cut_batch_put(struct txn *t, struct cut_batch *b, uint32_t *ids, struct err *e)
{
    int rc = txn_writes(t, e);
    if (rc)
        return rc;
    uint64_t next = meta_get(t, "next.cut");
    if (!next)
        next = 1;
    if (next + b->n > UNSAVED_FIRST)
        return err_set(e, ERR_LIMIT, "%s: cut ids are used up; delete the file, it will be rebuilt", t->s->index.path);
    size_t added = 0;
    for (size_t i = 0; i < b->n; i++) {
        ids[i] = (uint32_t)(next + i);
        int code = put_one(t, b, i, &ids[i]);
        if (code && code != MDB_KEYEXIST)
            return txn_err(t, code, e, "storing a cut");
        added += !code;
    }
    if (!added)
        return 0;
    int code = meta_put(t, "next.cut", next + b->n);
    if (!code && added < b->n)
        code = meta_put(t, "cuts.dead", meta_get(t, "cuts.dead") + b->n - added);
    if (code)
        return txn_err(t, code, e, "storing cuts");
    return b->segment.len ? segment_put(t, b->segment.data, b->segment.len, (uint32_t)next, e) : 0;
}
