#define _GNU_SOURCE
#include "engine/tokenizer/normalize.h"

#include "engine/tokenizer/charset.h"
#include "engine/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void norm_release(struct norm *n)
{
    expression_free(n->x);
    buf_release(&n->from);
    buf_release(&n->to);
    charsmap_release(&n->map);
}

bool norm_keeps_ascii(const struct norm *n)
{
    return n->kind <= NORM_NFKD || n->kind == NORM_STRIP_ACCENTS;
}

/* Where the run of characters that begins at p ends: the next byte that is part of none. */
static size_t valid_run(const char *p, size_t len)
{
    size_t i = 0;
    while (i < len) {
        int k;
        if ((uint8_t)p[i] < 0x80) {
            i++;
            continue;
        }
        unicode_decode((const uint8_t *)p + i, (const uint8_t *)p + len, &k);
        if (k == 1)
            break;
        i += (size_t)k;
    }
    return i;
}

static void form(struct buf *to, enum norm_kind kind, const char *p, size_t len)
{
    int options = UTF8PROC_STABLE | (kind == NORM_NFC || kind == NORM_NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                  (kind == NORM_NFKC || kind == NORM_NFKD ? UTF8PROC_COMPAT : 0);
    for (size_t i = 0; i < len;) {
        size_t n = valid_run(p + i, len - i);
        utf8proc_uint8_t *made = NULL;
        utf8proc_ssize_t k = n ? utf8proc_map((const utf8proc_uint8_t *)p + i, (utf8proc_ssize_t)n, &made, (utf8proc_option_t)options) : 0;
        if (k > 0)
            buf_add(to, made, (size_t)k);
        else
            buf_add(to, p + i, n);
        free(made);
        i += n;
        if (i < len)
            buf_addc(to, p[i++]);
    }
}

static void add_code(struct buf *to, uint32_t c)
{
    char s[4];
    buf_add(to, s, (size_t)unicode_encode(s, c));
}

static void by_character(const struct norm *n, struct buf *to, const char *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        int k;
        uint32_t c = unicode_decode((const uint8_t *)p + i, (const uint8_t *)p + len, &k);
        utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)c);
        bool bad = k == 1 && (uint8_t)p[i] >= 0x80;
        if (bad)
            buf_addc(to, p[i]);
        else if (n->kind == NORM_LOWER && c == 0x130)
            add_code(to, 'i'), add_code(to, 0x307);
        else if (n->kind == NORM_LOWER)
            add_code(to, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
        else if (n->kind == NORM_STRIP_ACCENTS) {
            if (cat != UTF8PROC_CATEGORY_MN && cat != UTF8PROC_CATEGORY_MC && cat != UTF8PROC_CATEGORY_ME)
                add_code(to, c);
        } else { /* NORM_NMT, as SentencePiece's rules for translation have it */
            bool gone = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
            bool odd = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
                       c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
            if (!gone)
                add_code(to, odd ? ' ' : c);
        }
        i += (size_t)k;
    }
}

static void replace(const struct norm *n, struct buf *to, const char *p, size_t len)
{
    size_t at = 0, from, end;
    for (;;) {
        if (n->x) {
            if (!expression_find(n->x, p, len, at, &from, &end))
                break;
        } else {
            const char *s = at < len ? memmem(p + at, len - at, n->from.data, n->from.len) : NULL;
            if (!s)
                break;
            from = (size_t)(s - p);
            end = from + n->from.len;
        }
        buf_add(to, p + at, from - at);
        buf_add(to, n->to.data, n->to.len);
        at = end;
    }
    buf_add(to, p + at, len - at);
}

static void sentence(const struct norm *n, struct buf *to, const char *p, size_t len)
{
    struct buf mapped = BUF_INIT;
    bool prepended = false, inside = false;
    charsmap_longest(&n->map, &mapped, p, len);
    for (size_t i = 0; i < mapped.len; i++) {
        char c = mapped.data[i];
        if (c == ' ') {
            inside = false;
            if (!n->b)
                buf_add(to, n->to.data, n->to.len);
            continue;
        }
        if (!inside && ((n->a && !prepended) || n->b)) {
            buf_add(to, n->to.data, n->to.len);
            prepended = true;
        }
        inside = true;
        buf_addc(to, c);
    }
    buf_release(&mapped);
}

static void strip(const struct norm *n, struct buf *to, const char *p, size_t len)
{
    size_t from = 0, end = len;
    int k;
    while (n->a && from < end && unicode_is_blank(unicode_decode((const uint8_t *)p + from, (const uint8_t *)p + end, &k)))
        from += (size_t)k;
    while (n->b && end > from) {
        size_t at = end - 1;
        while (at > from && ((uint8_t)p[at] & 0xC0) == 0x80)
            at--;
        uint32_t c = unicode_decode((const uint8_t *)p + at, (const uint8_t *)p + end, &k);
        if (!unicode_is_blank(c) || at + (size_t)k != end)
            break;
        end = at;
    }
    buf_add(to, p + from, end - from);
}

void norm_run(const struct norm *n, struct buf *to, const char *p, size_t len)
{
    switch (n->kind) {
    case NORM_NFC:
    case NORM_NFD:
    case NORM_NFKC:
    case NORM_NFKD:
        form(to, n->kind, p, len);
        break;
    case NORM_LOWER:
    case NORM_STRIP_ACCENTS:
    case NORM_NMT:
        by_character(n, to, p, len);
        break;
    case NORM_STRIP:
        strip(n, to, p, len);
        break;
    case NORM_REPLACE:
        replace(n, to, p, len);
        break;
    case NORM_PREPEND:
        if (len)
            buf_add(to, n->to.data, n->to.len);
        buf_add(to, p, len);
        break;
    case NORM_CHARSMAP:
        charsmap_graphemes(&n->map, to, p, len);
        break;
    case NORM_SENTENCE:
        sentence(n, to, p, len);
        break;
    }
}
