#include "engine/tokenizer/charset.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void charset_release(struct charset *s)
{
    free(s->range);
    *s = (struct charset){0};
}

void charset_add(struct charset *s, uint32_t lo, uint32_t hi)
{
    VEC_ROOM(s->range, s->n, s->cap);
    s->range[s->n++] = (struct unicode_range){lo, hi};
}

static int order(const void *a, const void *b)
{
    const struct unicode_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void charset_settle(struct charset *s)
{
    size_t kept = 0;
    if (s->n)
        qsort(s->range, s->n, sizeof *s->range, order);
    for (size_t i = 0; i < s->n; i++) {
        if (kept && s->range[i].lo <= s->range[kept - 1].hi + 1) {
            if (s->range[i].hi > s->range[kept - 1].hi)
                s->range[kept - 1].hi = s->range[i].hi;
        } else {
            s->range[kept++] = s->range[i];
        }
    }
    s->n = kept;
}

void charset_unite(struct charset *to, const struct charset *from)
{
    for (size_t i = 0; i < from->n; i++)
        charset_add(to, from->range[i].lo, from->range[i].hi);
    charset_settle(to);
}

void charset_negate(struct charset *s)
{
    struct charset out = {0};
    uint32_t next = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->range[i].lo > next)
            charset_add(&out, next, s->range[i].lo - 1);
        next = s->range[i].hi + 1;
    }
    if (next < CODE_POINTS)
        charset_add(&out, next, CODE_POINTS - 1);
    charset_release(s);
    *s = out;
}

void charset_intersect(struct charset *to, const struct charset *with)
{
    struct charset out = {0};
    for (size_t i = 0, k = 0; i < to->n && k < with->n;) {
        uint32_t lo = to->range[i].lo > with->range[k].lo ? to->range[i].lo : with->range[k].lo;
        uint32_t hi = to->range[i].hi < with->range[k].hi ? to->range[i].hi : with->range[k].hi;
        if (lo <= hi)
            charset_add(&out, lo, hi);
        if (to->range[i].hi < with->range[k].hi)
            i++;
        else
            k++;
    }
    charset_release(to);
    *to = out;
}

bool charset_has(const struct charset *s, uint32_t c)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (s->range[mid].hi < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->range[lo].lo <= c;
}

bool charset_same(const struct charset *a, const struct charset *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->range, b->range, a->n * sizeof *a->range));
}

/* Adds every code point whose category is in the mask (bit i: utf8proc's category i). */
static void add_categories(struct charset *s, uint32_t mask)
{
    for (uint32_t c = 0; c < CODE_POINTS;) {
        uint32_t from = c;
        bool in = mask >> utf8proc_category((utf8proc_int32_t)c) & 1;
        while (++c < CODE_POINTS && (mask >> utf8proc_category((utf8proc_int32_t)c) & 1) == in) {
            if (c == 0x40000) /* planes 4 to 13 hold nothing */
                c = 0xDFFFF;
        }
        if (in)
            charset_add(s, from, c - 1);
    }
}

/* Scripts.txt, Han; the test compares it with PCRE2's. */
static const struct unicode_range han[] = {
    {0x2E80, 0x2E99}, {0x2E9B, 0x2EF3}, {0x2F00, 0x2FD5}, {0x3005, 0x3005}, {0x3007, 0x3007}, {0x3021, 0x3029},
    {0x3038, 0x303B}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFA6D}, {0xFA70, 0xFAD9}, {0x16FE2, 0x16FE3},
    {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D}, {0x2B820, 0x2CEA1},
    {0x2CEB0, 0x2EBE0}, {0x2F800, 0x2FA1D}, {0x30000, 0x3134A}, {0x31350, 0x323AF},
};

#define ALL_OF(first, last) ((2u << UTF8PROC_CATEGORY_##last) - (1u << UTF8PROC_CATEGORY_##first))

bool charset_property(struct charset *s, const char *name, size_t n)
{
#define CATEGORY(x) {#x, 1u << UTF8PROC_CATEGORY_##x}
    static const struct {
        const char *name;
        uint32_t mask;
    } known[] = {
        {"L", ALL_OF(LU, LO)}, {"M", ALL_OF(MN, ME)}, {"N", ALL_OF(ND, NO)}, {"P", ALL_OF(PC, PO)}, {"S", ALL_OF(SM, SO)},
        {"Z", ALL_OF(ZS, ZP)}, {"C", ALL_OF(CC, CO) | 1u}, CATEGORY(LU), CATEGORY(LL), CATEGORY(LT), CATEGORY(LM),
        CATEGORY(LO), CATEGORY(MN), CATEGORY(MC), CATEGORY(ME), CATEGORY(ND), CATEGORY(NL), CATEGORY(NO), CATEGORY(PC),
        CATEGORY(PD), CATEGORY(PS), CATEGORY(PE), CATEGORY(PI), CATEGORY(PF), CATEGORY(PO), CATEGORY(SM), CATEGORY(SC),
        CATEGORY(SK), CATEGORY(SO), CATEGORY(ZS), CATEGORY(ZL), CATEGORY(ZP), CATEGORY(CC), CATEGORY(CF), CATEGORY(CO),
    };
    if (n == 3 && !memcmp(name, "Han", 3)) {
        for (size_t i = 0; i < sizeof han / sizeof *han; i++)
            charset_add(s, han[i].lo, han[i].hi);
        charset_settle(s);
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n && n <= 2 && n == strlen(known[i].name) && name[0] == known[i].name[0] &&
            (n == 1 || name[1] == known[i].name[1] + ('a' - 'A'))) {
            add_categories(s, known[i].mask);
            charset_settle(s);
            return true;
        }
    return false;
}

void charset_space(struct charset *s)
{
    static const struct unicode_range space[] = {
        {0x09, 0x0D}, {0x20, 0x20}, {0x85, 0x85}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
    };
    for (size_t i = 0; i < sizeof space / sizeof *space; i++)
        charset_add(s, space[i].lo, space[i].hi);
    charset_settle(s);
}

void charset_word(struct charset *s)
{
    add_categories(s, ALL_OF(LU, LO) | ALL_OF(MN, ME) | ALL_OF(ND, NO) | 1u << UTF8PROC_CATEGORY_PC);
    charset_settle(s);
}

static uint32_t folded(uint32_t c)
{
    uint32_t upper = (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)upper);
}

void charset_fold(struct charset *s)
{
    struct charset more = {0};
    for (uint32_t c = 0; c < 0x1F000; c++) { /* no letter with case lies behind it */
        if (charset_has(s, c))
            continue;
        uint32_t f = folded(c);
        if ((f != c && charset_has(s, f)) || charset_has(s, (uint32_t)utf8proc_toupper((utf8proc_int32_t)c)) ||
            charset_has(s, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c)))
            charset_add(&more, c, c);
    }
    charset_settle(&more);
    charset_unite(s, &more);
    charset_release(&more);
}
