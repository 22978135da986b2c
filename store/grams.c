#include "store/grams.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Lower case of eight bytes, as far as they are ASCII. */
static uint64_t lower(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, low = x & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones, past_z = low + (0x80 - 'Z' - 1) * ones; /* the upper bit of each byte tells */
    return x | (from_a & ~past_z & ~x & 0x80 * ones) >> 2;
}

/* One character, of n bytes at text. Returns its bytes. */
static size_t fold_one(char *out, const char *text, size_t n)
{
    unsigned char c = (unsigned char)text[0];
    if (c == 0xc5 && n > 1 && (unsigned char)text[1] == 0xbf) {
        *out = 's';
        return 2;
    }
    if (c == 0xe2 && n > 2 && (unsigned char)text[1] == 0x84 && (unsigned char)text[2] == 0xaa) {
        *out = 'k';
        return 3;
    }
    *out = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
    return 1;
}

size_t grams_fold(char *out, const char *text, size_t n)
{
    size_t m = 0, i = 0;
    while (i < n) {
        uint64_t x;
        if (n - i >= sizeof x) {
            memcpy(&x, text + i, sizeof x);
            if (!(x & 0x8080808080808080u)) {
                x = lower(x);
                memcpy(out + m, &x, sizeof x);
                i += sizeof x;
                m += sizeof x;
                continue;
            }
        }
        i += fold_one(out + m++, text + i, n - i);
    }
    return m;
}

/* The first bytes in the lower ones of a number. */
static uint32_t hash_3(uint32_t gram)
{
    uint32_t h = (gram & 0xffffff) * 0x9E3779B1u; /* 2^32 / golden ratio; the high bits are the mixed ones */
    return h ^ h >> 15;
}

static uint32_t hash_4(uint32_t gram)
{
    uint32_t h = gram * 0x85EBCA6Bu; /* of MurmurHash3: another one, so that the two kinds do not meet in order */
    return h ^ h >> 15;
}

static uint32_t get_le32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint32_t gram_hash(const char *folded, unsigned n)
{
    char four[4] = {0};
    memcpy(four, folded, n);
    return n == 3 ? hash_3(get_le32(four)) : hash_4(get_le32(four));
}

static size_t count_bits(const uint64_t *a, const uint64_t *b, size_t n)
{
    size_t set = 0;
    for (size_t i = 0; i < n; i++)
        set += (size_t)__builtin_popcountll(a[i] | b[i]);
    return set;
}

static void set(uint64_t *bits, size_t mask, uint32_t hash)
{
    bits[hash >> 6 & mask] |= 1ull << (hash & 63);
}

/* All grams of one line, of its folded bytes; the byte at p[n] is read. */
static void add_line(uint64_t *bits, size_t mask, const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i++) {
        uint32_t gram = get_le32(p + i);
        set(bits, mask, hash_3(gram));
        set(bits, mask, hash_4(gram));
    }
    if (i + 3 <= n)
        set(bits, mask, hash_3(get_le32(p + i)));
}

#define PIECE ((size_t)4096)

void grams_add(struct buf *out, const char *text, size_t n)
{
    if (!n)
        return;
    size_t words = 1;
    while (words < GRAMS_MAX_BITS / 64 && words * 64 < 4 * n)
        words *= 2;
    uint64_t *bits = mem_zero(words, sizeof *bits);
    char fold[GRAM_MOST - 1 + PIECE + 1]; /* the end of the line that the piece before left open, the piece, a zero */
    size_t open = 0;
    for (size_t i = 0; i < n;) {
        size_t piece = n - i < PIECE ? n - i : PIECE;
        for (int back = 0; back < 3 && i + piece < n && ((unsigned char)text[i + piece] & 0xc0) == 0x80; back++)
            piece--; /* not inside of a character */
        char *p = fold, *end = fold + open + grams_fold(fold + open, text + i, piece);
        i += piece;
        *end = 0;
        for (char *nl; (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1)
            add_line(bits, words - 1, p, (size_t)(nl - p));
        add_line(bits, words - 1, p, (size_t)(end - p));
        open = (size_t)(end - p) < GRAM_MOST - 1 ? (size_t)(end - p) : GRAM_MOST - 1;
        memmove(fold, end - open, open);
    }
    while (words > 1 && count_bits(bits, bits + words / 2, words / 2) <= GRAMS_FULL * 32 * (double)words) {
        words /= 2;
        for (size_t i = 0; i < words; i++)
            bits[i] |= bits[i + words];
    }
    buf_add(out, bits, words * sizeof *bits);
    free(bits);
}
