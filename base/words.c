#include "base/words.h"

#include "base/hash.h"

#include <libstemmer.h>
#include <pthread.h>
#include <string.h>
#include <utf8proc.h>

enum class { OTHER, LOWER, UPPER, DIGIT, UNDER, CJK, MARK };

#define DIGITS_MAX 8      /* longer numbers are ids and constants, not language */
#define RUN_MAX 400       /* bytes of one identifier read; longer runs are data */

static const uint8_t ascii_class[128] = {
    ['0'... '9'] = DIGIT, ['A'... 'Z'] = UPPER, ['_'] = UNDER, ['a'... 'z'] = LOWER,
};

static enum class class_of(utf8proc_int32_t c)
{
    if (c < 128)
        return (enum class)ascii_class[c];
    /* Han, Kana, Hangul, and the compatibility blocks: no spaces between words, so bigrams */
    if ((c >= 0x2E80 && c <= 0x9FFF && !(c >= 0x3000 && c <= 0x3004)) || (c >= 0xAC00 && c <= 0xD7AF) ||
        (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x323AF) || (c >= 0xFF66 && c <= 0xFF9D))
        return CJK;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return UPPER;
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LOWER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
        return MARK;
    case UTF8PROC_CATEGORY_ND:
        return DIGIT;
    default:
        return OTHER;
    }
}

/* The code point at p and its length; an invalid byte is one OTHER of length 1. */
static size_t next_char(const char *p, const char *end, utf8proc_int32_t *c)
{
    if ((unsigned char)*p < 128) {
        *c = *p;
        return 1;
    }
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, end - p, c);
    if (n <= 0 || *c < 0) {
        *c = 0;
        return 1;
    }
    return (size_t)n;
}

void words_init(struct words *w, const char *text, size_t len)
{
    w->p = w->start = text;
    w->end = text + len;
    w->nout = w->next = 0;
}

/* Folds [p, p+n) to out: lower case, NFKC; `_` dropped. Returns its length, 0 when it does not fit in WORD_MAX. */
static size_t fold(char *out, const char *p, size_t n, bool ascii)
{
    size_t len = 0;
    if (ascii) {
        for (size_t i = 0; i < n; i++) {
            if (p[i] == '_')
                continue;
            if (len == WORD_MAX)
                return 0;
            out[len++] = (char)(p[i] | (p[i] >= 'A' && p[i] <= 'Z' ? 32 : 0));
        }
        return len;
    }
    utf8proc_int32_t point[RUN_MAX * 2];
    utf8proc_ssize_t m =
        utf8proc_decompose((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, point, RUN_MAX * 2,
                           UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
    if (m <= 0 || m > RUN_MAX * 2)
        return 0;
    m = utf8proc_normalize_utf32(point, m, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < m; i++) {
        utf8proc_uint8_t c[4];
        utf8proc_ssize_t k = utf8proc_encode_char(point[i], c);
        if (point[i] == '_')
            continue;
        if (len + (size_t)k > WORD_MAX)
            return 0;
        memcpy(out + len, c, (size_t)k);
        len += (size_t)k;
    }
    return len;
}

struct sink {
    struct words *w;
    size_t used; /* of fold[] */
};

static bool give(struct sink *s, const char *p, size_t n, bool ascii, enum word_kind kind)
{
    struct words *w = s->w;
    if (w->nout == sizeof w->out / sizeof *w->out || s->used + WORD_MAX > sizeof w->fold)
        return false;
    char *to = w->fold + s->used;
    size_t len = fold(to, p, n, ascii);
    if (len)
        w->out[w->nout++] = (struct word){to, (uint32_t)len, (uint32_t)(p - w->start), kind};
    s->used += len;
    return len > 0;
}

/* One identifier in [p, end): finds its parts and gives them, then the whole when it has more than one. */
static void identifier(struct words *w, const char *p, const char *end, bool ascii)
{
    struct sink s = {w, 0};
    const char *part = NULL;
    enum class prev = OTHER, before = OTHER;
    const char *prev_at = p;
    unsigned parts = 0;
    bool digits_only = true;
    for (const char *at = p; at < end;) {
        utf8proc_int32_t c;
        size_t n = next_char(at, end, &c);
        enum class k = class_of(c);
        if (k == MARK)
            k = prev == OTHER ? LOWER : prev;
        if (k == UNDER) {
            if (part && give(&s, part, (size_t)(at - part), ascii, WORD_PART))
                parts++;
            part = NULL;
        } else if (!part) {
            part = at;
            before = OTHER;
        } else if (k == UPPER && (prev == LOWER || prev == DIGIT)) {
            parts += give(&s, part, (size_t)(at - part), ascii, WORD_PART);
            part = at;
        } else if (k == LOWER && prev == UPPER && before == UPPER && prev_at > part) {
            /* HTTPServer: the last capital belongs to the word that follows */
            parts += give(&s, part, (size_t)(prev_at - part), ascii, WORD_PART);
            part = prev_at;
        }
        if (k != DIGIT && k != UNDER)
            digits_only = false;
        before = prev;
        prev = k;
        prev_at = at;
        at += n;
    }
    if (digits_only && end - p > DIGITS_MAX) {
        w->nout = 0;
        return;
    }
    if (part && part != p)
        parts += give(&s, part, (size_t)(end - part), ascii, WORD_PART);
    else if (part)
        give(&s, part, (size_t)(end - part), ascii, WORD_PART);
    if (parts > 1)
        give(&s, p, (size_t)(end - p), ascii, WORD_WHOLE);
}

/* A run of CJK: overlapping bigrams, or the single character. Gives what fits and returns where to go on. */
static const char *bigrams(struct words *w, const char *p, const char *end)
{
    struct sink s = {w, 0};
    const char *first = p;
    utf8proc_int32_t c;
    const char *second = p + next_char(p, end, &c);
    size_t n = second < end ? next_char(second, end, &c) : 0;
    if (!n || class_of(c) != CJK) {
        give(&s, first, (size_t)(second - first), false, WORD_PART);
        return second;
    }
    while (n && class_of(c) == CJK && w->nout < sizeof w->out / sizeof *w->out) {
        give(&s, first, (size_t)(second + n - first), false, WORD_PART);
        first = second;
        second += n;
        n = second < end ? next_char(second, end, &c) : 0;
    }
    /* the last character was given as the second of a pair, unless the run goes on past what fits */
    return n && class_of(c) == CJK ? first : second;
}

static bool fill(struct words *w)
{
    w->nout = w->next = 0;
    while (w->p < w->end) {
        utf8proc_int32_t c;
        const char *start = w->p;
        size_t n = next_char(start, w->end, &c);
        enum class k = class_of(c);
        if (k == OTHER || k == MARK) {
            w->p += n;
            continue;
        }
        if (k == CJK) {
            w->p = bigrams(w, start, w->end);
            if (w->nout)
                return true;
            continue;
        }
        bool ascii = c < 128;
        const char *p = start + n;
        while (p < w->end) {
            n = next_char(p, w->end, &c);
            k = class_of(c);
            if (k == OTHER || k == CJK)
                break;
            ascii &= c < 128;
            p += n;
        }
        w->p = p;
        if (p - start <= RUN_MAX)
            identifier(w, start, p, ascii);
        if (w->nout)
            return true;
    }
    return false;
}

bool words_next(struct words *w, struct word *out)
{
    if (w->next == w->nout && !fill(w))
        return false;
    *out = w->out[w->next++];
    return true;
}

static pthread_key_t stemmer_key;
static pthread_once_t stemmer_once = PTHREAD_ONCE_INIT;

static void stemmer_free(void *p)
{
    sb_stemmer_delete(p);
}

static void stemmer_init(void)
{
    pthread_key_create(&stemmer_key, stemmer_free);
}

size_t word_stem(char *word, size_t len)
{
    if (len < 4)
        return len;
    for (size_t i = 0; i < len; i++)
        if (word[i] < 'a' || word[i] > 'z')
            return len;
    pthread_once(&stemmer_once, stemmer_init);
    struct sb_stemmer *s = pthread_getspecific(stemmer_key);
    if (!s) {
        s = sb_stemmer_new("english", NULL);
        pthread_setspecific(stemmer_key, s);
    }
    const sb_symbol *stem = sb_stemmer_stem(s, (const sb_symbol *)word, (int)len);
    size_t n = (size_t)sb_stemmer_length(s);
    if (!stem || n > len)
        return len; /* porter2 may add an e (hop-ing → hope is not one of ours): keep the word as it is */
    if (n == 2 && word[2] == word[1])
        return 3; /* porter2 makes "ad" of "added" but leaves "add": keep the doubled letter of so short a word */
    memcpy(word, stem, n);
    return n;
}

uint64_t term_of(enum term_kind kind, const char *text, size_t len)
{
    return hash64_seed(text, len, (uint64_t)kind);
}

bool words_hold(const char *const *sorted, size_t count, const char *p, size_t len)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strncmp(sorted[mid], p, len);
        if (!c && !sorted[mid][len])
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}
