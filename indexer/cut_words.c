/* Words of the chunks. A run of identifier bytes is split, stemmed and hashed once and then remembered, from one content to
 * the next: most identifiers of a repository are old friends, and looking one up costs two nanoseconds a byte less. */
#include "indexer/cutter.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#define MEMO_MAX (1u << 17) /* identifiers remembered before the tables are emptied: about 10 MB */
#define RUN_KEPT 128        /* longer runs are data and not remembered */
#define AHEAD 16          /* identifiers looked up together: the tables are larger than the near caches */
#define WORDS_OF_MINIFIED 20000 /* bytes of a minified chunk that are read */

struct term {
    uint64_t hash;
    uint32_t stamp;  /* content that `last` belongs to */
    uint32_t last;   /* entry in entries */
    uint32_t count;  /* entries of this content */
};

struct entry {
    uint32_t term, chunk, before; /* the same term's entry in an earlier chunk */
    uint16_t body, doc, symbol, weight;
};

struct run {
    uint64_t hash; /* of the raw bytes; 0: free */
    uint32_t first, count; /* in ids; of a single one, which most are, first is its term */
};

struct word_memo {
    VEC(struct term) terms;
    uint32_t *term_table; /* index + 1 */
    uint32_t term_size;
    struct run *runs;
    uint32_t run_size, nruns;
    VEC(uint32_t) ids;
    uint32_t stamp;
    VEC(struct entry) entries;
    VEC(uint32_t) touched; /* terms of this content */
    VEC(uint32_t) scratch;
};

enum field { BODY, DOC, SYMBOL };

struct word_memo *word_memo_new(void)
{
    struct word_memo *m = mem_zero(1, sizeof *m);
    m->term_size = m->run_size = 1 << 12;
    m->term_table = mem_zero(m->term_size, sizeof *m->term_table);
    m->runs = mem_zero(m->run_size, sizeof *m->runs);
    return m;
}

void word_memo_free(struct word_memo *m)
{
    if (!m)
        return;
    free(m->terms.v);
    free(m->term_table);
    free(m->runs);
    free(m->ids.v);
    free(m->entries.v);
    free(m->touched.v);
    free(m->scratch.v);
    free(m);
}

static void forget(struct word_memo *m)
{
    m->terms.n = m->ids.n = m->nruns = 0;
    memset(m->term_table, 0, m->term_size * sizeof *m->term_table);
    memset(m->runs, 0, m->run_size * sizeof *m->runs);
}

static void grow_terms(struct word_memo *m)
{
    free(m->term_table);
    m->term_size *= 2;
    m->term_table = mem_zero(m->term_size, sizeof *m->term_table);
    for (uint32_t i = 0; i < m->terms.n; i++) {
        uint32_t at = (uint32_t)m->terms.v[i].hash & (m->term_size - 1);
        while (m->term_table[at])
            at = (at + 1) & (m->term_size - 1);
        m->term_table[at] = i + 1;
    }
}

static uint32_t term_index(struct word_memo *m, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (m->term_size - 1);
    for (; m->term_table[at]; at = (at + 1) & (m->term_size - 1))
        if (m->terms.v[m->term_table[at] - 1].hash == hash)
            return m->term_table[at] - 1;
    VEC_ADD(m->terms, (struct term){.hash = hash});
    m->term_table[at] = m->terms.n;
    if (m->terms.n * 2 > m->term_size)
        grow_terms(m);
    return m->terms.n - 1;
}

/* Where the search for a run begins. */
static uint32_t run_slot(const struct word_memo *m, uint64_t hash)
{
    return (uint32_t)(hash >> 20) & (m->run_size - 1);
}

static void grow_runs(struct word_memo *m)
{
    struct run *old = m->runs;
    uint32_t size = m->run_size;
    m->run_size *= 2;
    m->runs = mem_zero(m->run_size, sizeof *m->runs);
    for (uint32_t i = 0; i < size; i++) {
        if (!old[i].hash)
            continue;
        uint32_t at = run_slot(m, old[i].hash);
        while (m->runs[at].hash)
            at = (at + 1) & (m->run_size - 1);
        m->runs[at] = old[i];
    }
    free(old);
}

/* One identifier of a text on its way through the tables. */
struct seen {
    const char *p;
    uint32_t n;
    uint64_t hash;
    struct run run;
};

static struct run split_run(struct word_memo *m, const struct seen *s)
{
    struct run r = {s->hash, m->ids.n, 0};
    struct words w;
    struct word word;
    char stem[WORD_MAX + 1];
    words_init(&w, s->p, s->n);
    while (words_next(&w, &word)) {
        if (word.len > WORD_MAX)
            continue;
        memcpy(stem, word.text, word.len);
        size_t len = word_stem(stem, word.len);
        VEC_ADD(m->ids, term_index(m, term_of(TERM_WORD, stem, len)));
    }
    r.count = m->ids.n - r.first;
    if (r.count == 1)
        r.first = m->ids.v[--m->ids.n];
    return r;
}

static struct run run_of(struct word_memo *m, const struct seen *s)
{
    if (s->n > RUN_KEPT)
        return split_run(m, s); /* its ids stay until the tables are emptied: long runs are few */
    uint32_t at = run_slot(m, s->hash);
    for (; m->runs[at].hash; at = (at + 1) & (m->run_size - 1))
        if (m->runs[at].hash == s->hash)
            return m->runs[at];
    if (m->nruns * 2 > m->run_size) {
        grow_runs(m);
        at = run_slot(m, s->hash);
        while (m->runs[at].hash)
            at = (at + 1) & (m->run_size - 1);
    }
    m->nruns++;
    return m->runs[at] = split_run(m, s);
}

static struct entry *entry_of(struct word_memo *m, uint32_t term, uint32_t chunk)
{
    struct term *t = &m->terms.v[term];
    if (t->stamp == m->stamp && m->entries.v[t->last].chunk == chunk)
        return &m->entries.v[t->last];
    uint32_t before = RECORD_NONE;
    if (t->stamp != m->stamp) {
        t->stamp = m->stamp;
        t->count = 0;
        VEC_ADD(m->touched, term);
    } else {
        before = t->last;
    }
    t->last = m->entries.n;
    t->count++;
    VEC_ADD(m->entries, (struct entry){term, chunk, before, 0, 0, 0, 0});
    return &m->entries.v[t->last];
}

static void count_term(struct word_memo *m, uint32_t term, uint32_t chunk, enum field field, uint32_t weight)
{
    struct entry *e = entry_of(m, term, chunk);
    if (field == BODY) {
        e->body += e->body < 255;
    } else if (field == DOC) {
        e->doc += e->doc < 255;
    } else {
        e->symbol += e->symbol < 255;
        e->weight = (uint16_t)(e->weight + weight < 255 ? e->weight + weight : 255);
    }
}

/* A text on its way through look_ahead(), 64 bytes at a time. */
struct scan {
    const char *at, *end;
    uint64_t bits; /* of the 64 bytes at `at`: run_bits() without what was taken */
};

/* Which of up to 64 bytes belong to identifiers: letters, digits, `_`, and all that is not ASCII (words.h ends a word at every other byte).
 * Without a branch for a byte: no processor guesses where an identifier ends, and each wrong guess costs as much as ten bytes. This halves
 * what is left of counting beside the look-ups. */
static uint64_t run_bits(const char *p, size_t n)
{
    uint8_t byte[64] = {0}, in[64];
    memcpy(byte, p, n < 64 ? n : 64);
    for (int i = 0; i < 64; i++) {
        uint8_t c = byte[i];
        in[i] = ((uint8_t)((c | 32) - 'a') < 26) | ((uint8_t)(c - '0') < 10) | (c == '_') | (c > 127);
    }
    return cut_pack(in);
}

/* To the next 64 bytes; false at the end. */
static bool scan_on(struct scan *s)
{
    if (s->end - s->at <= 64) {
        s->bits = 0;
        return false;
    }
    s->at += 64;
    s->bits = run_bits(s->at, (size_t)(s->end - s->at));
    return true;
}

/* The next identifier; false at the end. */
static bool next_run(struct scan *s, const char **from, uint32_t *n)
{
    while (!s->bits)
        if (!scan_on(s))
            return false;
    unsigned bit = (unsigned)__builtin_ctzll(s->bits);
    *from = s->at + bit;
    uint64_t open = ~s->bits >> bit << bit; /* where it may end */
    while (!open && scan_on(s))
        open = ~s->bits;
    if (!open) { /* with the text */
        *n = (uint32_t)(s->end - *from);
        return true;
    }
    bit = (unsigned)__builtin_ctzll(open);
    *n = (uint32_t)(s->at + bit - *from);
    s->bits = s->bits >> bit << bit;
    return true;
}

/* The next identifiers of a text, their places in the tables asked for in advance. Returns how many. */
static uint32_t look_ahead(const struct word_memo *m, struct seen *s, struct scan *text)
{
    const char *from;
    uint32_t n = 0, len;
    while (n < AHEAD && next_run(text, &from, &len)) {
        s[n] = (struct seen){.p = from, .n = len};
        s[n].hash = len > RUN_KEPT ? 1 : hash64(from, len) | 1;
        __builtin_prefetch(&m->runs[run_slot(m, s[n].hash)]);
        n++;
    }
    return n;
}

/* Counts the words of a text in a chunk's field; returns how many. Chunks come in ascending order. */
static uint32_t count(struct word_memo *m, const char *p, uint32_t n, uint32_t chunk, enum field field, uint32_t weight)
{
    struct scan text = {p, p + n, run_bits(p, n)};
    struct seen s[AHEAD];
    uint32_t total = 0, k;
    while ((k = look_ahead(m, s, &text)) > 0) {
        for (uint32_t i = 0; i < k; i++) {
            s[i].run = run_of(m, &s[i]);
            __builtin_prefetch(s[i].run.count == 1 ? (const void *)&m->terms.v[s[i].run.first] : &m->ids.v[s[i].run.first]);
        }
        for (uint32_t i = 0; i < k; i++) {
            const struct run *r = &s[i].run;
            total += r->count;
            if (r->count == 1)
                count_term(m, r->first, chunk, field, weight);
            else
                for (uint32_t w = 0; w < r->count; w++)
                    count_term(m, m->ids.v[r->first + w], chunk, field, weight);
        }
    }
    return total;
}

static uint32_t weight_of(enum symbol_kind k)
{
    switch (k) { /* tenths; what a definition of a name says about a question that holds it */
    case SYMBOL_CLASS:
    case SYMBOL_INTERFACE:
    case SYMBOL_STRUCT:
        return 13;
    case SYMBOL_TYPE:
    case SYMBOL_ENUM:
        return 12;
    case SYMBOL_FUNCTION:
    case SYMBOL_METHOD:
    case SYMBOL_MACRO:
        return 10;
    case SYMBOL_MODULE:
        return 8;
    case SYMBOL_CONSTANT:
        return 6;
    case SYMBOL_IMPLEMENTATION:
    case SYMBOL_SECTION:
        return 5;
    case SYMBOL_PROTOTYPE:
        return 4;
    case SYMBOL_FIELD:
    case SYMBOL_VARIABLE:
        return 3;
    case SYMBOL_TEST:
        return 2;
    case SYMBOL_KIND_COUNT:
        break;
    }
    return 1;
}

static int term_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Terms of this content in order of their hash: buckets by the top bits, then each bucket. */
static void sort_terms(struct word_memo *m)
{
    uint32_t n = m->touched.n, bits = 4;
    while ((1u << bits) < n && bits < 18)
        bits++;
    struct pair {
        uint64_t hash;
        uint32_t term;
    } *pair = mem_alloc((size_t)n * sizeof *pair);
    uint32_t *at = mem_zero(((size_t)1 << bits) + 1, sizeof *at);
    for (uint32_t i = 0; i < n; i++)
        at[(m->terms.v[m->touched.v[i]].hash >> (64 - bits)) + 1]++;
    for (uint32_t b = 0; b < 1u << bits; b++)
        at[b + 1] += at[b];
    for (uint32_t i = 0; i < n; i++) {
        uint64_t h = m->terms.v[m->touched.v[i]].hash;
        pair[at[h >> (64 - bits)]++] = (struct pair){h, m->touched.v[i]};
    }
    for (uint32_t b = 0, from = 0; b < 1u << bits; b++) { /* at[b] is now the end of bucket b */
        if (at[b] - from > 1)
            qsort(pair + from, at[b] - from, sizeof *pair, term_order);
        from = at[b];
    }
    for (uint32_t i = 0; i < n; i++)
        m->touched.v[i] = pair[i].term;
    free(pair);
    free(at);
}

static void collect(struct cutter *c)
{
    struct word_memo *m = c->memo;
    sort_terms(m);
    uint32_t n = m->entries.n, at = 0;
    if (c->words.cap < n)
        c->words.v = mem_grow(c->words.v, c->words.cap = n, sizeof *c->words.v);
    c->words.n = n;
    for (uint32_t i = 0; i < m->touched.n; i++) {
        const struct term *t = &m->terms.v[m->touched.v[i]];
        uint32_t to = at + t->count, e = t->last;
        for (uint32_t k = to; k > at; k--) { /* entries are chained from the last chunk to the first */
            const struct entry *x = &m->entries.v[e];
            c->words.v[k - 1] = (struct record_word){t->hash, x->chunk, (uint8_t)x->body, (uint8_t)x->doc, (uint8_t)x->symbol,
                                                     (uint8_t)x->weight};
            e = x->before;
        }
        at = to;
    }
}

void cut_words(struct cutter *c)
{
    struct word_memo *m = c->memo;
    m->entries.n = m->touched.n = 0;
    if (++m->stamp == 0 || m->nruns > MEMO_MAX || m->ids.n > MEMO_MAX * 16) {
        forget(m);
        m->stamp = 1;
    }
    uint32_t d = 0;
    c->stack.n = 0; /* definitions in order of their chunk: receivers aside, that is the order of their place */
    for (uint32_t i = 0; i < c->chunks.n; i++) {
        struct chunk *k = &c->chunks.v[i];
        uint32_t n = k->end - k->start;
        if (c->flags & RECORD_MINIFIED && n > WORDS_OF_MINIFIED)
            n = WORDS_OF_MINIFIED;
        k->words = count(m, c->text + k->start, n, i, BODY, 0);
        for (; d < c->defs.n && c->defs.v[d].chunk <= i; d++) {
            const struct def *f = &c->defs.v[d];
            if (f->doc_end > f->doc)
                count(m, c->text + f->doc, f->doc_end - f->doc, i, DOC, 0);
            count(m, c->strings.data + f->name_at, f->name_len, i, SYMBOL, weight_of(f->kind));
        }
    }
    collect(c);
}
