#include "engine/tokenizer/wordpiece.h"

#include "base/mem.h"
#include "engine/tokenizer/wordpiece_data.h"

#include <stdlib.h>
#include <string.h>

/* A word of up to 16 bytes and up to 6 pieces is remembered: 98% of the words of code. 8192 × 48 bytes lie in the second
 * level cache; words that meet in a slot replace each other. */
#define MEMORY_BITS 13
#define MEMORY_PIECES 6

struct known {
    uint64_t a, b; /* the word, zero-padded; all zero: empty */
    uint32_t n;
    uint32_t id[MEMORY_PIECES];
};
struct wordpiece_memory {
    struct known known[1 << MEMORY_BITS];
};

struct wordpiece_memory *wordpiece_memory_new(void)
{
    return mem_zero(1, sizeof(struct wordpiece_memory));
}

void wordpiece_memory_free(struct wordpiece_memory *m)
{
    free(m);
}

/* One text on its way. */
struct pass {
    const struct wordpiece *w;
    struct wordpiece_memory *m;
    uint32_t *ids;
    size_t n, max;
    size_t len;       /* bytes of the word so far */
    uint32_t chars;   /* its code points; beyond max_chars nothing more is stored */
    size_t run;       /* where the run of kept combining marks at its end begins; == len: no run */
    char word[WORDPIECE_CHARS_MAX * 4 + 32];
};

/* Pieces of a word; 0: it has none. */
static size_t split(const struct wordpiece *w, const char *s, size_t len, uint32_t *id, size_t max)
{
    size_t n = 0, at = 0;
    while (at < len) {
        uint32_t value = 0;
        size_t k = trie_longest(at ? &w->rest : &w->first, s + at, len - at, &value);
        if (!k) {
            id[0] = w->unk;
            return 1;
        }
        if (n < max)
            id[n] = value;
        n++;
        at += k;
    }
    return n;
}

static void put(struct pass *p, const uint32_t *id, size_t n)
{
    if (n > p->max - p->n)
        n = p->max - p->n;
    memcpy(p->ids + p->n, id, n * sizeof *id);
    p->n += n;
}

static void put_word(struct pass *p)
{
    size_t len = p->len;
    uint32_t id[WORDPIECE_CHARS_MAX * 4];
    if (p->chars > p->w->max_chars) {
        put(p, &p->w->unk, 1);
    } else if (len <= 16) {
        uint64_t a, b;
        memset(p->word + len, 0, 16);
        memcpy(&a, p->word, 8);
        memcpy(&b, p->word + 8, 8);
        uint64_t h = (a * 0x9E3779B97F4A7C15u ^ (b << 29 | b >> 35)) * 0xBF58476D1CE4E5B9u;
        struct known *k = &p->m->known[h >> (64 - MEMORY_BITS)];
        if (k->a == a && k->b == b) {
            put(p, k->id, k->n);
        } else {
            size_t n = split(p->w, p->word, len, id, sizeof id / sizeof *id);
            if (n <= MEMORY_PIECES) {
                *k = (struct known){a, b, (uint32_t)n, {0}};
                memcpy(k->id, id, n * sizeof *id);
            }
            put(p, id, n);
        }
    } else {
        put(p, id, split(p->w, p->word, len, id, sizeof id / sizeof *id));
    }
    p->len = p->run = 0;
    p->chars = 0;
}

static void put_punct(struct pass *p, uint32_t c)
{
    uint32_t id;
    if (c < 128) {
        put(p, &p->w->punct[c], 1);
        return;
    }
    char s[4];
    split(p->w, s, (size_t)unicode_encode(s, c), &id, 1);
    put(p, &id, 1);
}

static void add_char(struct pass *p, uint32_t c)
{
    if (p->chars++ < p->w->max_chars)
        p->len += (size_t)unicode_encode(p->word + p->len, c);
    p->run = p->len;
}

/* A kept combining mark: before those of a higher class in the run that it ends (canonical ordering). */
static void add_mark(struct pass *p, uint32_t c)
{
    char s[4];
    size_t at = p->len, n = (size_t)unicode_encode(s, c);
    if (p->chars++ >= p->w->max_chars)
        return;
    while (at > p->run) {
        size_t before = at - 1;
        int k;
        while (before > p->run && ((uint8_t)p->word[before] & 0xC0) == 0x80)
            before--;
        uint32_t last = unicode_decode((uint8_t *)p->word + before, (uint8_t *)p->word + at, &k);
        if (unicode_ccc(last) <= unicode_ccc(c))
            break;
        at = before;
    }
    memmove(p->word + at + n, p->word + at, p->len - at);
    memcpy(p->word + at, s, n);
    p->len += n;
}

static void add_any(struct pass *p, uint32_t c)
{
    if (unicode_ccc(c))
        add_mark(p, c);
    else
        add_char(p, c);
}

/* One code point that is not ASCII. */
static void add_wide(struct pass *p, uint32_t c)
{
    uint32_t cell = unicode_cell(&p->w->chars, c), part[3];
    if (CELL_APART(cell) && p->chars)
        put_word(p);
    switch (CELL_KIND(cell)) {
    case CHAR_KEEP:
        add_char(p, CELL_CODE(cell) ? CELL_CODE(cell) : c);
        break;
    case CHAR_MARK:
        add_mark(p, CELL_CODE(cell));
        break;
    case CHAR_DROP:
        break;
    case CHAR_END:
        p->run = p->len;
        break;
    case CHAR_BLANK:
        if (p->chars)
            put_word(p);
        break;
    case CHAR_PUNCT:
        if (p->chars)
            put_word(p);
        put_punct(p, CELL_CODE(cell));
        break;
    case CHAR_MANY: {
        const uint32_t *code = p->w->chars.pool + CELL_CODE(cell);
        for (uint32_t i = 1; i <= code[0]; i++) {
            if (code[i])
                add_any(p, code[i]);
            else
                p->run = p->len;
        }
        break;
    }
    case CHAR_HANGUL:
        for (int i = 0, n = unicode_hangul(c, part); i < n; i++)
            add_char(p, part[i]);
        break;
    }
    if (CELL_APART(cell) && p->chars)
        put_word(p);
}

size_t wordpiece_pieces(const struct wordpiece *w, struct wordpiece_memory *m, const char *text, size_t len,
                        uint32_t *ids, size_t max)
{
    struct pass p;
    const uint8_t *s = (const uint8_t *)text, *end = s + len;
    p.w = w, p.m = m, p.ids = ids, p.max = max;
    p.n = p.len = p.run = 0;
    p.chars = 0;
    while (s < end && p.n < max) {
        if (w->kind[*s] == ASCII_KEEP) {
            /* the common case: letters and digits, up to the end of the word */
            size_t room = w->max_chars > p.chars ? w->max_chars - p.chars : 0, k = 0;
            while (s < end && w->kind[*s] == ASCII_KEEP) {
                if (k < room)
                    p.word[p.len + k] = (char)w->lower[*s];
                k++;
                s++;
            }
            p.len += k < room ? k : room;
            p.chars += k <= w->max_chars ? (uint32_t)k : w->max_chars + 1;
            p.run = p.len;
            continue;
        }
        if (w->kind[*s] == ASCII_NOT) {
            int k;
            uint32_t c = unicode_decode(s, end, &k);
            s += k;
            add_wide(&p, c);
            continue;
        }
        if (w->kind[*s] != ASCII_DROP && p.chars)
            put_word(&p);
        if (w->kind[*s] == ASCII_PUNCT)
            put(&p, &w->punct[w->lower[*s]], 1);
        s++;
    }
    if (p.chars)
        put_word(&p);
    return p.n;
}

size_t wordpiece_encode(const struct wordpiece *w, struct wordpiece_memory *m, const char *text, size_t len,
                        uint32_t *ids, size_t max)
{
    ids[0] = w->cls;
    size_t n = 1 + wordpiece_pieces(w, m, text, len, ids + 1, max - 2);
    ids[n] = w->sep;
    return n + 1;
}

void wordpiece_marks(const struct wordpiece *w, uint32_t *cls, uint32_t *sep)
{
    *cls = w->cls;
    *sep = w->sep;
}

uint32_t wordpiece_vocab(const struct wordpiece *w)
{
    return w->vocab;
}

size_t wordpiece_bytes(const struct wordpiece *w)
{
    return sizeof *w + (w->first.n + w->rest.n) * sizeof(struct trie_slot) + w->chars.npages * sizeof *w->chars.cell;
}

void wordpiece_build(struct wordpiece *w, struct trie_key *keys, size_t n, const char *prefix,
                     const struct unicode_options *o)
{
    struct trie_key *rest = mem_zero(n ? n : 1, sizeof *rest);
    size_t m = 0, k = strlen(prefix);
    w->vocab = 0;
    for (size_t i = 0; i < n; i++) {
        if (keys[i].value >= w->vocab)
            w->vocab = keys[i].value + 1;
        if (keys[i].n > k && !memcmp(keys[i].s, prefix, k))
            rest[m++] = (struct trie_key){keys[i].s + k, keys[i].n - (uint32_t)k, keys[i].value};
    }
    trie_init(&w->rest, rest, m);
    trie_init(&w->first, keys, n);
    free(rest);
    unicode_chars_init(&w->chars, o);
    for (int c = 0; c < 256; c++) {
        uint32_t cell = c < 128 ? unicode_cell(&w->chars, (uint32_t)c) : 0;
        enum char_kind kind = CELL_KIND(cell);
        w->lower[c] = (uint8_t)(c < 128 && CELL_CODE(cell) ? CELL_CODE(cell) : (uint32_t)c);
        w->kind[c] = c >= 128                ? ASCII_NOT
                     : kind == CHAR_BLANK    ? ASCII_BLANK
                     : kind == CHAR_PUNCT    ? ASCII_PUNCT
                     : kind == CHAR_DROP     ? ASCII_DROP
                                             : ASCII_KEEP;
        if (c < 128) {
            char s = (char)c;
            split(w, &s, 1, &w->punct[c], 1);
        }
    }
    w->kind[0] = ASCII_DROP; /* zeros pad the words that are remembered */
}

void wordpiece_close(struct wordpiece *w)
{
    if (!w)
        return;
    unicode_chars_release(&w->chars);
    trie_release(&w->first);
    trie_release(&w->rest);
    free(w);
}
