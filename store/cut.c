/* Tables cutkey, cut, text and quarantine.
 *
 *   cut   cut id u32   oid[32] · hash of the language's name u32 · version u16 · 0 u16 | record, padded to 4 bytes
 *   text  cut id u32   raw size u32 | zstd
 *
 * LMDB aligns a value to 2 bytes only; here every node of the table (8 bytes of header, 4 of key, the value) is a multiple
 * of 4 bytes, and so each value lies on 4, which is what a record without words needs. */
#include "store/unsaved_inside.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void cut_key_bytes(uint8_t out[CUT_KEY_BYTES], const struct cut_key *k)
{
    memcpy(out, k->oid.byte, OID_MAX);
    put_be32(out + OID_MAX, (uint32_t)hash64(k->language, strnlen(k->language, LANGUAGE_NAME_MAX)));
    put_be16(out + OID_MAX + 4, k->version);
}

uint32_t cut_find(struct txn *t, const struct cut_key *k)
{
    uint8_t key[CUT_KEY_BYTES];
    MDB_val v;
    uint32_t id = CUT_NONE;
    cut_key_bytes(key, k);
    if (!tab_get(t, T_CUTKEY, val(key, sizeof key), &v) && v.mv_size == sizeof id)
        memcpy(&id, v.mv_data, sizeof id);
    return id;
}

static int get(struct txn *t, enum table tab, uint32_t cut, MDB_val *v, struct err *e)
{
    uint8_t key[4];
    const struct unsaved_text *own = cut_is_unsaved(cut) ? unsaved_find(t->unsaved, cut) : NULL;
    if (own) {
        struct str bytes = tab == T_CUT ? unsaved_record(own) : unsaved_packed(own);
        *v = val(bytes.p, bytes.n);
        return 0;
    }
    put_be32(key, cut);
    int code = tab_get(t, tab, val(key, 4), v);
    if (code == MDB_NOTFOUND)
        return err_set(e, ERR_NOT_FOUND, "cut %u is not there", cut);
    return txn_err(t, code, e, "reading a cut");
}

int cut_get(struct txn *t, uint32_t cut, struct record *out, struct err *e)
{
    MDB_val v;
    int rc = get(t, T_CUT, cut, &v, e);
    if (rc)
        return rc;
    const struct record_head *h = (const void *)((const char *)v.mv_data + sizeof(struct cut_stored));
    if (v.mv_size < sizeof(struct cut_stored) + sizeof *h || h->magic != RECORD_MAGIC || h->nwords ||
        h->size > v.mv_size - sizeof(struct cut_stored) || record_size(h) != h->size)
        return err_set(e, ERR_CORRUPT, "%s is damaged (cut %u)", t->s->index.path, cut);
    *out = record_of(h);
    return 0;
}

int cut_oid(struct txn *t, uint32_t cut, struct oid *out, struct err *e)
{
    MDB_val v;
    int rc = get(t, T_CUT, cut, &v, e);
    if (!rc)
        memcpy(out, v.mv_data, sizeof *out);
    return rc;
}

int cut_packed(struct txn *t, uint32_t cut, struct str *out, struct err *e)
{
    MDB_val v;
    int rc = get(t, T_TEXT, cut, &v, e);
    if (!rc)
        *out = (struct str){v.mv_data, v.mv_size};
    return rc;
}

static bool unpack(ZSTD_DCtx *zstd, struct str packed, struct buf *out)
{
    uint32_t raw;
    if (packed.n < sizeof raw)
        return false;
    memcpy(&raw, packed.p, sizeof raw);
    size_t n = ZSTD_decompressDCtx(zstd, buf_room(out, raw), raw, packed.p + sizeof raw, packed.n - sizeof raw);
    if (ZSTD_isError(n) || n != raw)
        return false;
    out->len += n;
    out->data[out->len] = 0;
    return true;
}

int cut_text(struct txn *t, uint32_t cut, struct buf *out, struct err *e)
{
    struct str packed;
    int rc = cut_packed(t, cut, &packed, e);
    if (rc)
        return rc;
    if (!t->zstd)
        t->zstd = ZSTD_createDCtx();
    return unpack(t->zstd, packed, out) ? 0 : err_set(e, ERR_CORRUPT, "%s is damaged (text %u)", t->s->index.path, cut);
}

int unsaved_text_read(struct buf *out, const struct unsaved_text *x, struct err *e)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    bool good = unpack(zstd, unsaved_packed(x), out);
    ZSTD_freeDCtx(zstd);
    return good ? 0 : err_set(e, ERR_CORRUPT, "a text that is not saved is damaged");
}

struct unpacker {
    ZSTD_DCtx *zstd;
    ZSTD_inBuffer in;
    size_t left; /* bytes of the content that did not come yet */
};

struct unpacker *unpacker_new(void)
{
    struct unpacker *u = mem_zero(1, sizeof *u);
    u->zstd = ZSTD_createDCtx();
    return u;
}

void unpacker_free(struct unpacker *u)
{
    if (u)
        ZSTD_freeDCtx(u->zstd);
    free(u);
}

static int damaged(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a text of the index is damaged");
}

int unpacker_text(struct unpacker *u, struct str packed, struct buf *out, struct err *e)
{
    ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only); /* pieces that nobody asked for any more */
    return unpack(u->zstd, packed, out) ? 0 : damaged(e);
}

int unpacker_begin(struct unpacker *u, struct str packed, struct err *e)
{
    uint32_t raw;
    if (packed.n < sizeof raw)
        return damaged(e);
    memcpy(&raw, packed.p, sizeof raw);
    ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
    u->in = (ZSTD_inBuffer){packed.p + sizeof raw, packed.n - sizeof raw, 0};
    u->left = raw;
    return 0;
}

size_t unpacker_left(const struct unpacker *u)
{
    return u->left;
}

int unpacker_piece(struct unpacker *u, struct buf *out, struct err *e)
{
    size_t most = u->left < UNPACKER_PIECE ? u->left : UNPACKER_PIECE;
    ZSTD_outBuffer piece = {buf_room(out, most), most, 0};
    while (piece.pos < most) {
        size_t before = piece.pos, rc = ZSTD_decompressStream(u->zstd, &piece, &u->in);
        if (ZSTD_isError(rc) || (piece.pos == before && u->in.pos == u->in.size))
            return damaged(e);
    }
    out->len += most;
    out->data[out->len] = 0;
    u->left -= most;
    return 0;
}

int cuts_each(struct txn *t, int (*each)(void *arg, uint32_t cut), void *arg, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    int code = tab_cursor(t, T_CUT, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "listing cuts");
    while (!rc && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)))
        rc = each(arg, get_be32(k.mv_data));
    mdb_cursor_close(c);
    return rc || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "listing cuts");
}

int cut_drop(struct txn *t, uint32_t cut, struct err *e)
{
    MDB_val v;
    struct cut_stored head;
    int rc = txn_writes(t, e);
    if (rc || (rc = get(t, T_CUT, cut, &v, e)))
        return rc;
    memcpy(&head, v.mv_data, sizeof head);
    uint8_t key[CUT_KEY_BYTES], id[4];
    memcpy(key, head.oid.byte, OID_MAX);
    put_be32(key + OID_MAX, head.language);
    put_be16(key + OID_MAX + 4, head.version);
    put_be32(id, cut);
    int code = tab_del(t, T_CUTKEY, val(key, sizeof key));
    if (!code || code == MDB_NOTFOUND)
        code = tab_del(t, T_CUT, val(id, 4));
    if (!code)
        code = tab_del(t, T_TEXT, val(id, 4));
    if (!code || code == MDB_NOTFOUND)
        code = meta_put(t, "cuts.dead", meta_get(t, "cuts.dead") + 1);
    if (!code)
        code = meta_put(t, "cuts.dropped", meta_get(t, "cuts.dropped") + 1);
    return txn_err(t, code, e, "dropping a cut");
}

/* -- quarantine --------------------------------------------------------------------------------------------------- */
int quarantine_put(struct txn *t, const struct quarantine_row *q, struct err *e)
{
    uint8_t key[CUT_KEY_BYTES];
    cut_key_bytes(key, &q->key);
    int rc = txn_writes(t, e);
    return rc ? rc : txn_err(t, tab_put(t, T_QUARANTINE, val(key, sizeof key), val(q, sizeof *q), 0), e, "quarantine");
}

static bool quarantine_row(const MDB_val *v, struct quarantine_row *out)
{
    if (v->mv_size != sizeof *out)
        return false;
    memcpy(out, v->mv_data, sizeof *out);
    return true;
}

bool quarantine_get(struct txn *t, const struct cut_key *k, struct quarantine_row *out)
{
    uint8_t key[CUT_KEY_BYTES];
    MDB_val v;
    cut_key_bytes(key, k);
    return !tab_get(t, T_QUARANTINE, val(key, sizeof key), &v) && quarantine_row(&v, out);
}

int quarantine_drop(struct txn *t, const struct cut_key *k, struct err *e)
{
    uint8_t key[CUT_KEY_BYTES];
    cut_key_bytes(key, k);
    int rc = txn_writes(t, e);
    return rc ? rc : txn_err(t, tab_del(t, T_QUARANTINE, val(key, sizeof key)), e, "quarantine");
}

int quarantine_each(struct txn *t, int (*each)(void *arg, const struct quarantine_row *q), void *arg, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct quarantine_row q;
    int code = tab_cursor(t, T_QUARANTINE, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "quarantine");
    while (!rc && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)))
        if (quarantine_row(&v, &q))
            rc = each(arg, &q);
    mdb_cursor_close(c);
    return rc || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "quarantine");
}
