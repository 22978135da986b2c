#include "engine/tokenizer/unicode.h"

#include "base/mem.h"
#include "engine/tokenizer/unicode_data.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define POINTS 0x110000
#define LOWER_MAX 0x20000 /* no capital letter lies behind it */

enum { DROPPED = 1, BLANK = 2, CHINESE = 4, STRIPPED = 8, STARTER = 16, DECOMPOSED = 32, PUNCT = 64, SPLIT = 128 };

static void paint(uint8_t *flags, const struct unicode_range *r, size_t n, uint8_t bit)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = r[i].lo; c <= r[i].hi; c++)
            flags[c] |= bit;
}

int unicode_ccc(uint32_t c)
{
    for (size_t i = 0; i < nunicode_class; i++)
        if (c >= unicode_class[i].lo && c <= unicode_class[i].hi)
            return unicode_class[i].ccc;
    return 0;
}

int unicode_hangul(uint32_t c, uint32_t out[3])
{
    uint32_t s = c - 0xAC00, t = s % 28;
    out[0] = 0x1100 + s / 588;
    out[1] = 0x1161 + s % 588 / 28;
    out[2] = 0x11A7 + t;
    return t ? 3 : 2;
}

uint32_t unicode_decode(const uint8_t *p, const uint8_t *end, int *n)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t k = utf8proc_iterate(p, end - p, &c);
    *n = k > 0 ? (int)k : 1;
    return k > 0 ? (uint32_t)c : 0xFFFD;
}

bool unicode_is_blank(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

int unicode_encode(char *to, uint32_t c)
{
    return (int)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)to);
}

/* The scratch of one table being built. */
struct build {
    struct unicode_chars *u;
    struct unicode_options o;
    uint8_t *flags;  /* [POINTS] */
    uint32_t *lower; /* [LOWER_MAX], 0: none */
    size_t pool_cap;
};

static void pool_add(struct build *b, uint32_t v)
{
    VEC_ROOM(b->u->pool, b->u->npool, b->pool_cap);
    b->u->pool[b->u->npool++] = v;
}

static uint32_t cell(enum char_kind kind, uint32_t code)
{
    return (uint32_t)kind << 21 | code;
}

/* decomposition, accents, lower case: [c] becomes out[0..n); 0 stands for a dropped mark that ends a run */
static int change(const struct build *b, uint32_t c, uint32_t out[8])
{
    utf8proc_int32_t d[8] = {(utf8proc_int32_t)c};
    int n = 1, m = 0;
    if (b->o.strip && b->flags[c] & DECOMPOSED) {
        int boundary = 0;
        utf8proc_ssize_t k = utf8proc_decompose_char((utf8proc_int32_t)c, d, 8, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
        n = k > 0 && k <= 8 ? (int)k : 1;
    }
    for (int i = 0; i < n; i++) {
        uint32_t x = (uint32_t)d[i];
        if (b->o.strip && b->flags[x] & STRIPPED) {
            if (b->flags[x] & STARTER)
                out[m++] = 0;
        } else if (b->o.lower && x == 0x130) { /* the one capital with two small letters */
            out[m++] = 'i';
            if (!b->o.strip)
                out[m++] = 0x307;
        } else {
            out[m++] = b->o.lower && x < LOWER_MAX && b->lower[x] ? b->lower[x] : x;
        }
    }
    return m;
}

static uint32_t cell_of(struct build *b, uint32_t c)
{
    uint8_t f = b->flags[c];
    if (b->o.clean && f & DROPPED)
        return cell(CHAR_DROP, 0);
    if ((b->o.clean && f & BLANK) || f & SPLIT)
        return cell(CHAR_BLANK, 0);
    uint32_t apart = b->o.chinese && f & CHINESE ? 1u << 24 : 0, out[8];
    if (b->o.strip && c >= 0xAC00 && c <= 0xD7A3)
        return cell(CHAR_HANGUL, 0);
    int n = change(b, c, out);
    if (!n)
        return apart | cell(CHAR_DROP, 0);
    if (n > 1) {
        size_t at = b->u->npool;
        pool_add(b, (uint32_t)n);
        for (int i = 0; i < n; i++)
            pool_add(b, out[i]);
        return apart | cell(CHAR_MANY, (uint32_t)at);
    }
    if (!out[0] && c)
        return apart | cell(CHAR_END, 0);
    if (b->flags[out[0]] & SPLIT) /* U+2000 decomposes into a blank */
        return cell(CHAR_BLANK, 0);
    if (b->flags[out[0]] & PUNCT)
        return apart | cell(CHAR_PUNCT, out[0]);
    if (b->o.strip && unicode_ccc(out[0]))
        return apart | cell(CHAR_MARK, out[0]);
    return apart | cell(CHAR_KEEP, out[0] == c ? 0 : out[0]);
}

void unicode_chars_init(struct unicode_chars *u, const struct unicode_options *o)
{
    struct build b = {u, *o, mem_zero(POINTS, 1), mem_zero(LOWER_MAX, sizeof(uint32_t)), 0};
    *u = (struct unicode_chars){0};
    size_t cap = 0;
    paint(b.flags, unicode_dropped, nunicode_dropped, DROPPED);
    paint(b.flags, unicode_blank, nunicode_blank, BLANK);
    paint(b.flags, unicode_chinese, nunicode_chinese, CHINESE);
    paint(b.flags, unicode_mark, nunicode_mark, STRIPPED);
    paint(b.flags, unicode_starter, nunicode_starter, STARTER);
    paint(b.flags, unicode_decomposed, nunicode_decomposed, DECOMPOSED);
    paint(b.flags, unicode_punct, nunicode_punct, PUNCT);
    paint(b.flags, unicode_split, nunicode_split, SPLIT);
    for (size_t i = 0; i < nunicode_lower; i++)
        for (uint32_t c = unicode_lower[i].lo; c <= unicode_lower[i].hi; c += (uint32_t)unicode_lower[i].step)
            b.lower[c] = c + (uint32_t)unicode_lower[i].to;
    for (uint32_t page = 0; page < 0x1100; page++) {
        VEC_ROOM(u->cell, u->npages, cap);
        uint32_t *row = u->cell[u->npages];
        const uint8_t *f = b.flags + (page << 8);
        bool even = page << 8 >= LOWER_MAX && !(f[0] & ~DROPPED) && !memcmp(f, f + 1, 255); /* whole planes of nothing */
        for (uint32_t i = 0; i < 256; i++)
            row[i] = even && i ? row[0] : cell_of(&b, page << 8 | i);
        size_t same = 0; /* most pages are one of two: all kept, all dropped */
        while (same < u->npages && memcmp(u->cell[same], row, sizeof u->cell[0]))
            same++;
        u->page[page] = (uint16_t)same;
        u->npages += same == u->npages;
    }
    free(b.flags);
    free(b.lower);
}

void unicode_chars_release(struct unicode_chars *u)
{
    free(u->cell);
    free(u->pool);
    *u = (struct unicode_chars){0};
}
