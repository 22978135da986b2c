/* Reading term segments; drawn in segment_format.h. */
#include "store/unsaved_inside.h"
#include "store/segment_format.h"

#include "base/mem.h"

#include <stdlib.h>
#include <utf8proc.h>

static const void *section(const struct segment *s, enum segment_section i)
{
    return (const char *)s->bytes + ((const struct segment_head *)s->bytes)->at[i];
}

static uint32_t section_size(const struct segment_head *h, enum segment_section i)
{
    return h->at[i + 1] - h->at[i];
}

/* Offsets of n + 1 pieces, whose last is the end: within a section of that size (which may be padded). */
static bool pieces(const struct segment *s, enum segment_section offsets, enum segment_section of, uint32_t n)
{
    const struct segment_head *h = s->bytes;
    return section_size(h, offsets) / 4 >= (uint64_t)n + 1 &&
           ((const uint32_t *)section(s, offsets))[n] <= section_size(h, of);
}

int segment_open(struct segment *out, uint32_t id, const void *bytes, size_t size, struct err *e)
{
    const struct segment_head *h = bytes;
    bool whole = size >= sizeof *h && (uintptr_t)bytes % 8 == 0 && h->magic == SEGMENT_MAGIC && h->size <= size &&
                 h->at[0] == sizeof *h && h->at[SEGMENT_SECTIONS] == h->size;
    for (int i = 0; whole && i < SEGMENT_SECTIONS; i++)
        whole = h->at[i] % 8 == 0 && h->at[i] <= h->at[i + 1];
    if (!whole)
        return err_set(e, ERR_CORRUPT, "term segment %u is damaged", id);
    *out = (struct segment){.id = id, .ncuts = h->ncuts, .nchunks = h->nchunks, .nterms = h->nterms,
                            .nnames = h->nnames, .bytes = bytes, .size = size};
    out->cut = section(out, S_CUT);
    out->first_chunk = section(out, S_FIRST_CHUNK);
    out->chunk_cut = section(out, S_CHUNK_CUT);
    out->chunk_words = section(out, S_CHUNK_WORDS);
    whole = section_size(h, S_CUT) / 4 >= h->ncuts && section_size(h, S_FIRST_CHUNK) / 4 >= (uint64_t)h->ncuts + 1 &&
            section_size(h, S_CHUNK_CUT) / 4 >= h->nchunks && section_size(h, S_CHUNK_WORDS) / 2 >= h->nchunks &&
            section_size(h, S_TERM) / 8 >= h->nterms && pieces(out, S_POST_AT, S_POST, h->nterms) &&
            section_size(h, S_GRAM_AT) / 4 >= (uint64_t)h->ncuts + 1 &&
            ((const uint32_t *)section(out, S_GRAM_AT))[h->ncuts] <= section_size(h, S_GRAMS) / 8 &&
            pieces(out, S_NAME_AT, S_NAMES, h->nnames) && pieces(out, S_HIT_AT, S_HITS, h->nnames) && h->ncuts &&
            out->first_chunk[h->ncuts] == h->nchunks && section_size(h, S_POST) >= POST_SLACK;
    return whole ? 0 : err_set(e, ERR_CORRUPT, "term segment %u is damaged", id);
}

static int by_first_cut(const void *a, const void *b)
{
    uint32_t x = ((const struct segment *)a)->cut[0], y = ((const struct segment *)b)->cut[0];
    return x < y ? -1 : x > y;
}

int segments_open(struct txn *t, struct segment **out, size_t *n, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    int rc = 0, code = tab_cursor(t, T_SEGMENT, &c);
    if (code)
        return txn_err(t, code, e, "opening segments");
    while (!rc && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        VEC_ROOM(*out, *n, cap);
        rc = segment_open(&(*out)[*n], get_be32(k.mv_data), v.mv_data, v.mv_size, e);
        *n += !rc;
    }
    mdb_cursor_close(c);
    if (!rc && code != MDB_NOTFOUND)
        rc = txn_err(t, code, e, "opening segments");
    for (size_t i = 0; t->unsaved && !rc && i < t->unsaved->n; i++) {
        struct segment own = {0};
        const struct unsaved_text *text = t->unsaved->row[i].text;
        rc = text ? unsaved_segment(&own, text, e) : 0;
        if (!own.bytes)
            continue;
        VEC_ROOM(*out, *n, cap);
        (*out)[(*n)++] = own;
    }
    if (rc) {
        free(*out);
        *out = NULL;
        *n = 0;
    } else if (*n) {
        qsort(*out, *n, sizeof **out, by_first_cut);
    }
    return rc;
}

int segment_put(struct txn *t, const void *bytes, size_t n, uint32_t first_id, struct err *e)
{
    MDB_stat st;
    uint8_t key[4];
    void *to;
    uint64_t id = meta_get(t, "next.segment") + 1;
    put_be32(key, (uint32_t)id);
    int code = mdb_stat(t->m, t->s->table[T_SEGMENT], &st);
    size_t least = st.ms_psize / 2, room = n < least ? least : n;
    if (!code)
        code = tab_reserve(t, T_SEGMENT, val(key, 4), room, MDB_APPEND, &to);
    if (!code) {
        memcpy(to, bytes, n);
        memset((char *)to + n, 0, room - n);
        segment_rebase(to, first_id);
        code = meta_put(t, "next.segment", id);
    }
    return txn_err(t, code, e, "storing a segment");
}

void segment_rebase(void *bytes, uint32_t first_id)
{
    const struct segment_head *h = bytes;
    uint32_t *cut = (uint32_t *)((char *)bytes + h->at[S_CUT]);
    for (uint32_t i = 0; i < h->ncuts; i++)
        cut[i] += first_id;
}

/* -- terms -------------------------------------------------------------------------------------------------------- */
uint64_t segment_term(const struct segment *s, uint32_t i)
{
    return ((const uint64_t *)section(s, S_TERM))[i];
}

/* The position where a uniform hash would be, then steps of doubling size, then halving: the error of the guess is about
 * √nterms / 2, so that most of it happens in a few cache lines. */
static bool find_term(const struct segment *s, uint64_t term, uint32_t *at)
{
    const uint64_t *v = section(s, S_TERM);
    size_t n = s->nterms;
    if (!n)
        return false;
    size_t guess = (size_t)(((term >> 32) * n) >> 32), lo, hi, step = 8; /* answer in [lo, hi) */
    if (v[guess] <= term) {
        lo = guess;
        while (lo + step < n && v[lo + step] <= term)
            lo += step, step *= 2;
        hi = lo + step < n ? lo + step : n;
    } else {
        hi = guess;
        while (hi > step && v[hi - step] > term)
            hi -= step, step *= 2;
        lo = hi > step ? hi - step : 0;
    }
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (v[mid] <= term)
            lo = mid;
        else
            hi = mid;
    }
    *at = (uint32_t)lo;
    return lo < hi && v[lo] == term;
}

/* Distance codes 0-31: the part in the control byte, and how much of the next four bytes counts. */
#define NEAR4(n) n, n + 1, n + 2, n + 3
static const uint32_t near_part[32] = {NEAR4(0), NEAR4(4), NEAR4(8), NEAR4(12), NEAR4(16), NEAR4(20), NEAR4(24), 28, 0, 0, 0};
static const uint32_t far_mask[32] = {[29] = 0xff, [30] = 0xffff, [31] = 0xffffffff};
static const uint8_t far_len[32] = {[29] = 1, [30] = 2, [31] = 4};

size_t segment_postings_at(const struct segment *s, uint32_t i, struct posting **out, size_t *cap)
{
    const uint32_t *at = section(s, S_POST_AT);
    const struct segment_head *h = s->bytes;
    if (at[i] > at[i + 1] || at[i + 1] > section_size(h, S_POST) - POST_SLACK)
        return 0;
    const uint8_t *p = (const uint8_t *)section(s, S_POST) + at[i], *end = p + (at[i + 1] - at[i]);
    if ((size_t)(end - p) > *cap) { /* a posting is a byte at least */
        *cap = (size_t)(end - p);
        *out = mem_grow(*out, *cap, sizeof **out);
    }
    struct posting *o = *out;
    uint32_t chunk = UINT32_MAX;
    while (p < end) {
        uint8_t c = *p++;
        uint32_t next, k = c >> 3;
        memcpy(&next, p, sizeof next);
        chunk += near_part[k] + (next & far_mask[k]) + 1;
        p += far_len[k];
        struct posting post = {.chunk = chunk, .body = (uint8_t)((c & 3) + 1)};
        if ((c & 7) >= 3) {
            if ((c & 3) == 3)
                post.body = *p++;
            if (c & POST_OTHER) {
                uint8_t f = *p++;
                if (f == 255) {
                    post.doc = p[0], post.symbol = p[1], post.weight = p[2];
                    p += 3;
                } else {
                    post.doc = f & 15;
                    post.symbol = f >> 4;
                    if (post.symbol)
                        post.weight = *p++;
                }
            }
        }
        *o++ = post;
    }
    return o > *out && chunk < s->nchunks ? (size_t)(o - *out) : 0;
}

size_t segment_postings(const struct segment *s, uint64_t term, struct posting **out, size_t *cap)
{
    uint32_t i;
    return find_term(s, term, &i) ? segment_postings_at(s, i, out, cap) : 0;
}

/* -- signatures --------------------------------------------------------------------------------------------------- */
struct grams segment_grams(const struct segment *s, uint32_t cut)
{
    const uint32_t *at = section(s, S_GRAM_AT);
    uint32_t n = at[cut] < at[cut + 1] && at[cut + 1] <= at[s->ncuts] ? at[cut + 1] - at[cut] : 0;
    return (struct grams){(const uint64_t *)section(s, S_GRAMS) + at[cut], n & (n - 1) ? 0 : n};
}

/* -- names -------------------------------------------------------------------------------------------------------- */
size_t name_fold(char out[NAME_FOLD_MAX], const char *name, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 4 <= NAME_FOLD_MAX;) {
        unsigned char c = (unsigned char)name[i];
        utf8proc_int32_t point;
        utf8proc_ssize_t used = 1;
        if (c >= 0x80 && (used = utf8proc_iterate((const utf8proc_uint8_t *)name + i, (utf8proc_ssize_t)(len - i), &point)) > 0) {
            n += (size_t)utf8proc_encode_char(utf8proc_tolower(point), (utf8proc_uint8_t *)out + n);
        } else {
            out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            used = 1;
        }
        i += (size_t)used;
    }
    return n;
}

struct str segment_name(const struct segment *s, uint32_t i)
{
    const uint32_t *at = section(s, S_NAME_AT);
    return (struct str){(const char *)section(s, S_NAMES) + at[i], at[i + 1] - at[i]};
}

uint32_t segment_name_lower_bound(const struct segment *s, const char *folded, size_t len)
{
    uint32_t lo = 0, hi = s->nnames;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        struct str m = segment_name(s, mid);
        int order = memcmp(m.p, folded, m.n < len ? m.n : len);
        if (order < 0 || (!order && m.n < len))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const uint8_t *varint(uint32_t *out, const uint8_t *p, const uint8_t *end)
{
    uint32_t v = 0;
    for (unsigned shift = 0; p < end && shift < 35; shift += 7) {
        uint8_t c = *p++;
        v |= (uint32_t)(c & 127) << (shift & 31);
        if (c < 128)
            break;
    }
    *out = v;
    return p;
}

size_t segment_name_hits(const struct segment *s, uint32_t i, struct name_hit **out, size_t *cap)
{
    const uint32_t *at = section(s, S_HIT_AT);
    const uint8_t *p = (const uint8_t *)section(s, S_HITS) + at[i], *end = (const uint8_t *)section(s, S_HITS) + at[i + 1];
    struct name_hit h = {0, 0};
    size_t n = 0;
    while (p < end) {
        uint32_t cut, symbol;
        p = varint(&cut, p, end);
        p = varint(&symbol, p, end);
        h.cut += cut;
        h.symbol = cut ? symbol : h.symbol + symbol;
        if (h.cut >= s->ncuts)
            break;
        VEC_ROOM(*out, n, *cap);
        (*out)[n++] = h;
    }
    return n;
}
