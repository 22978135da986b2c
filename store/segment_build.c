/* Writing term segments; drawn in segment_format.h. */
#include "store/batch.h"
#include "store/segment_format.h"

#include "base/mem.h"
#include "base/words.h"

#include <stdlib.h>

/* -- sections ----------------------------------------------------------------------------------------------------- */
void segment_out_release(struct segment_out *o)
{
    struct buf *const all[] = {&o->term, &o->post_at, &o->post, &o->name_at, &o->names, &o->hit_at, &o->hits,
                         &o->gram_at, &o->grams};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_release(all[i]);
}

static void add_u32(struct buf *b, size_t v)
{
    uint32_t u = (uint32_t)v;
    buf_add(b, &u, sizeof u);
}

static uint8_t *put_fields(uint8_t *p, const struct posting *x)
{
    if (x->doc > 14 || x->symbol > 14 || (x->weight && !x->symbol)) {
        *p++ = 255;
        *p++ = x->doc;
        *p++ = x->symbol;
        *p++ = x->weight;
        return p;
    }
    *p++ = (uint8_t)(x->doc | x->symbol << 4);
    if (x->symbol)
        *p++ = x->weight;
    return p;
}

static uint8_t *put_posting(uint8_t *p, const struct posting *x, uint32_t distance)
{
    bool other = x->doc || x->symbol || x->weight, big = !x->body || x->body > 3;
    unsigned code = distance < POST_NEAR ? distance : distance <= 0xff ? 29 : distance <= 0xffff ? 30 : 31;
    *p++ = (uint8_t)((big ? 3 : x->body - 1) | (other ? POST_OTHER : 0) | code << 3);
    if (code >= POST_NEAR) { /* little end first */
        unsigned n = code == 31 ? 4 : code - 28;
        for (unsigned i = 0; i < n; i++)
            *p++ = (uint8_t)(distance >> 8 * i);
    }
    if (big)
        *p++ = x->body;
    return other ? put_fields(p, x) : p;
}

void segment_add_term(struct segment_out *o, uint64_t term, const struct posting *x, size_t n)
{
    buf_add(&o->term, &term, sizeof term);
    add_u32(&o->post_at, o->post.len);
    uint8_t *p = (uint8_t *)buf_room(&o->post, n * 10), *start = p;
    uint32_t before = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        p = put_posting(p, &x[i], x[i].chunk - before - 1);
        before = x[i].chunk;
    }
    o->post.len += (size_t)(p - start);
    o->nterms++;
}

static void add_varint(struct buf *b, uint32_t v)
{
    while (v >= 128) {
        buf_addc(b, (char)(v | 128));
        v >>= 7;
    }
    buf_addc(b, (char)v);
}

void segment_add_name(struct segment_out *o, struct str folded, const struct name_hit *h, size_t n)
{
    add_u32(&o->name_at, o->names.len);
    add_u32(&o->hit_at, o->hits.len);
    buf_add(&o->names, folded.p, folded.n);
    struct name_hit before = {0, 0};
    for (size_t i = 0; i < n; i++) {
        add_varint(&o->hits, h[i].cut - before.cut);
        add_varint(&o->hits, h[i].cut == before.cut ? h[i].symbol - before.symbol : h[i].symbol);
        before = h[i];
    }
    o->nnames++;
}

void segment_add_grams(struct segment_out *o, struct grams g)
{
    add_u32(&o->gram_at, o->grams.len / sizeof *g.word);
    if (g.n)
        buf_add(&o->grams, g.word, g.n * sizeof *g.word);
}

int segment_finish(struct segment_out *o, struct buf *out, uint32_t ncuts, const uint32_t *cut,
                   const uint32_t *first_chunk, const uint16_t *chunk_words, struct err *e)
{
    struct segment_head h = {.magic = SEGMENT_MAGIC, .ncuts = ncuts, .nchunks = first_chunk[ncuts],
                             .nterms = o->nterms, .nnames = o->nnames};
    static const char zero[POST_SLACK];
    struct buf chunk_cut = BUF_INIT;
    for (uint32_t i = 0; i < ncuts; i++)
        for (uint32_t c = first_chunk[i]; c < first_chunk[i + 1]; c++)
            add_u32(&chunk_cut, i);
    add_u32(&o->post_at, o->post.len);
    buf_add(&o->post, zero, sizeof zero);
    add_u32(&o->name_at, o->names.len);
    add_u32(&o->hit_at, o->hits.len);
    add_u32(&o->gram_at, o->grams.len / sizeof(uint64_t));
    const struct piece {
        const void *p;
        size_t n;
    } section[SEGMENT_SECTIONS] = {
        [S_CUT] = {cut, ncuts * sizeof *cut},
        [S_FIRST_CHUNK] = {first_chunk, ((size_t)ncuts + 1) * sizeof *first_chunk},
        [S_CHUNK_CUT] = {chunk_cut.data, chunk_cut.len},
        [S_CHUNK_WORDS] = {chunk_words, h.nchunks * sizeof *chunk_words},
        [S_TERM] = {o->term.data, o->term.len},
        [S_POST_AT] = {o->post_at.data, o->post_at.len},
        [S_POST] = {o->post.data, o->post.len},
        [S_NAME_AT] = {o->name_at.data, o->name_at.len},
        [S_NAMES] = {o->names.data, o->names.len},
        [S_HIT_AT] = {o->hit_at.data, o->hit_at.len},
        [S_HITS] = {o->hits.data, o->hits.len},
        [S_GRAM_AT] = {o->gram_at.data, o->gram_at.len},
        [S_GRAMS] = {o->grams.data, o->grams.len},
    };
    uint64_t at = sizeof h;
    for (int i = 0; i < SEGMENT_SECTIONS; i++) {
        h.at[i] = (uint32_t)at;
        at = (at + section[i].n + 7) & ~(uint64_t)7;
    }
    h.at[SEGMENT_SECTIONS] = h.size = (uint32_t)at;
    if (at <= UINT32_MAX) {
        buf_clear(out);
        buf_room(out, at);
        buf_add(out, &h, sizeof h);
        for (int i = 0; i < SEGMENT_SECTIONS; i++) {
            if (section[i].n)
                buf_add(out, section[i].p, section[i].n);
            buf_zero_to(out, 8);
        }
    }
    buf_release(&chunk_cut);
    return at <= UINT32_MAX ? 0 : err_set(e, ERR_LIMIT, "a term segment of %llu bytes", (unsigned long long)at);
}

/* -- a batch ------------------------------------------------------------------------------------------------------ */
static void add_ref_words(struct record_word **to, const struct record *r, uint32_t first)
{
    struct record_word *w = *to;
    for (uint32_t i = 0; i < r->head->nsymbols; i++) {
        const struct record_symbol *s = &r->symbol[i];
        *w++ = (struct record_word){.term = term_of(TERM_DEF, r->strings + s->name, s->name_len),
                                    .chunk = first + s->chunk, .body = 1};
    }
    for (uint32_t i = 0; i < r->head->nrefs; i++) {
        const struct record_ref *x = &r->ref[i];
        enum term_kind kind = x->kind == REF_IMPORT || x->kind == REF_EXPORT ? TERM_IMPORT : TERM_REF;
        *w++ = (struct record_word){.term = term_of(kind, r->strings + x->name, x->name_len), .chunk = first + x->chunk,
                                    .body = 1};
    }
    *to = w;
}

#define RADIX 11
/* By term: three stable passes over its upper 33 bits, then insertion for the few terms that share those. Terms are
 * uniform, so a quarter of a million of words take 4 ms where qsort takes 40. */
static void sort_words(struct record_word *w, struct record_word *scratch, size_t n)
{
    for (unsigned shift = 31; shift < 64; shift += RADIX) {
        size_t count[(1 << RADIX) + 1] = {0};
        for (size_t i = 0; i < n; i++)
            count[((w[i].term >> shift) & ((1 << RADIX) - 1)) + 1]++;
        for (size_t i = 0; i < 1 << RADIX; i++)
            count[i + 1] += count[i];
        for (size_t i = 0; i < n; i++)
            scratch[count[(w[i].term >> shift) & ((1 << RADIX) - 1)]++] = w[i];
        struct record_word *swap = w;
        w = scratch;
        scratch = swap;
    }
    /* an odd number of passes: the result is in what was scratch */
    for (size_t i = 1; i < n; i++) {
        struct record_word x = w[i];
        size_t j = i;
        for (; j && w[j - 1].term > x.term; j--)
            w[j] = w[j - 1];
        w[j] = x;
    }
}

static int by_chunk(const void *a, const void *b)
{
    uint32_t x = ((const struct posting *)a)->chunk, y = ((const struct posting *)b)->chunk;
    return x < y ? -1 : x > y;
}

static uint8_t sum(unsigned a, unsigned b)
{
    return (uint8_t)(a + b > 255 ? 255 : a + b);
}

/* Postings of one term from its words, those of one chunk added up. p: [n]. Returns their number. */
static size_t collect(struct posting *p, const struct record_word *w, size_t n)
{
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        p[i] = (struct posting){w[i].chunk, w[i].body, w[i].doc, w[i].symbol, w[i].weight};
        sorted &= !i || p[i - 1].chunk <= p[i].chunk;
    }
    if (!sorted)
        qsort(p, n, sizeof *p, by_chunk);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (!m || p[m - 1].chunk != p[i].chunk) {
            p[m++] = p[i];
            continue;
        }
        struct posting *x = &p[m - 1];
        x->body = sum(x->body, p[i].body);
        x->doc = sum(x->doc, p[i].doc);
        x->symbol = sum(x->symbol, p[i].symbol);
        x->weight = sum(x->weight, p[i].weight);
    }
    return m;
}

static void add_terms(struct segment_out *o, const struct record *r, size_t n, const uint32_t *first_chunk)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += (size_t)r[i].head->nwords + r[i].head->nsymbols + r[i].head->nrefs;
    struct record_word *a = mem_alloc((total + 1) * sizeof *a), *b = mem_alloc((total + 1) * sizeof *b), *to = a;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < r[i].head->nwords; k++) {
            *to = r[i].word[k];
            to++->chunk += first_chunk[i];
        }
        add_ref_words(&to, &r[i], first_chunk[i]);
    }
    sort_words(a, b, total);
    struct posting *p = (struct posting *)(void *)a; /* no longer needed, and large enough */
    for (size_t i = 0, end; i < total; i = end) {
        for (end = i + 1; end < total && b[end].term == b[i].term;)
            end++;
        segment_add_term(o, b[i].term, p, collect(p, b + i, end - i));
    }
    free(a);
    free(b);
}

struct name_entry {
    uint64_t start; /* the first eight bytes, as a number that sorts as they do */
    uint32_t at, n; /* the folded name */
    struct name_hit hit;
    const char *text;
};

static int by_name(const void *a, const void *b)
{
    const struct name_entry *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    int order = memcmp(x->text + x->at, y->text + y->at, x->n < y->n ? x->n : y->n);
    if (order)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    if (x->hit.cut != y->hit.cut)
        return x->hit.cut < y->hit.cut ? -1 : 1;
    return x->hit.symbol < y->hit.symbol ? -1 : x->hit.symbol > y->hit.symbol;
}

static void add_names(struct segment_out *o, const struct record *r, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += r[i].head->nsymbols;
    struct buf text = BUF_INIT;
    struct name_entry *v = mem_alloc((total + 1) * sizeof *v);
    total = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < r[i].head->nsymbols; k++) {
            const struct record_symbol *s = &r[i].symbol[k];
            char *to = buf_room(&text, NAME_FOLD_MAX);
            size_t len = name_fold(to, r[i].strings + s->name, s->name_len);
            if (!len)
                continue;
            struct name_entry *x = &v[total++];
            *x = (struct name_entry){.at = (uint32_t)text.len, .n = (uint32_t)len, .hit = {(uint32_t)i, k}};
            for (size_t b = 0; b < 8; b++)
                x->start = x->start << 8 | (b < len ? (unsigned char)to[b] : 0);
            text.len += len;
        }
    }
    for (size_t i = 0; i < total; i++)
        v[i].text = text.data;
    if (total)
        qsort(v, total, sizeof *v, by_name);
    struct name_hit *hits = mem_alloc((total + 1) * sizeof *hits);
    for (size_t i = 0, m = 0; i < total; i++) {
        hits[m++] = v[i].hit;
        struct str name = {text.data + v[i].at, v[i].n};
        if (i + 1 < total && v[i + 1].n == v[i].n && !memcmp(name.p, text.data + v[i + 1].at, name.n))
            continue;
        segment_add_name(o, name, hits, m);
        m = 0;
    }
    free(hits);
    free(v);
    buf_release(&text);
}

int segment_build(struct buf *out, const struct record *r, const struct str *text, size_t n, struct err *e)
{
    struct segment_out o = {0};
    uint32_t *cut = mem_alloc((n + 1) * sizeof *cut), *first = mem_alloc((n + 1) * sizeof *first);
    first[0] = 0;
    for (size_t i = 0; i < n; i++) {
        cut[i] = (uint32_t)i;
        first[i + 1] = first[i] + r[i].head->nchunks;
    }
    uint16_t *words = mem_alloc((first[n] + 1) * sizeof *words), *w = words;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < r[i].head->nchunks; k++)
            *w++ = (uint16_t)(r[i].chunk[k].words > UINT16_MAX ? UINT16_MAX : r[i].chunk[k].words);
    add_terms(&o, r, n, first);
    add_names(&o, r, n);
    for (size_t i = 0; i < n; i++) {
        add_u32(&o.gram_at, o.grams.len / sizeof(uint64_t));
        grams_add(&o.grams, text[i].p, text[i].n);
    }
    int rc = 0;
    buf_clear(out);
    if (o.nterms)
        rc = segment_finish(&o, out, (uint32_t)n, cut, first, words, e);
    segment_out_release(&o);
    free(cut);
    free(first);
    free(words);
    return rc;
}
