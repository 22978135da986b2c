#include "store/grams.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

size_t grams_fold(char *out, const char *text, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 'A' && c <= 'Z') {
            c |= 32;
        } else if (c == 0xc5 && i + 1 < n && (unsigned char)text[i + 1] == 0xbf) {
            c = 's';
            i++;
        } else if (c == 0xe2 && i + 2 < n && (unsigned char)text[i + 1] == 0x84 && (unsigned char)text[i + 2] == 0xaa) {
            c = 'k';
            i += 2;
        }
        out[m++] = (char)c;
    }
    return m;
}

static uint32_t hash_of(uint32_t gram)
{
    uint32_t h = gram * 0x9E3779B1u; /* 2^32 / golden ratio; the high bits are the mixed ones */
    return h ^ h >> 15;
}

uint32_t gram_hash(const char *folded)
{
    const unsigned char *p = (const unsigned char *)folded;
    return hash_of((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]);
}

static size_t count_bits(const uint64_t *a, const uint64_t *b, size_t n)
{
    size_t set = 0;
    for (size_t i = 0; i < n; i++)
        set += (size_t)__builtin_popcountll(a[i] | b[i]);
    return set;
}

void grams_add(struct buf *out, const char *text, size_t n)
{
    if (!n)
        return;
    size_t words = 1;
    while (words < GRAMS_MAX_BITS / 64 && words * 64 < 4 * n)
        words *= 2;
    uint64_t *bits = mem_zero(words, sizeof *bits);
    char fold[4096];
    uint32_t gram = 0, have = 0;
    for (size_t i = 0; i < n;) {
        size_t piece = n - i < sizeof fold ? n - i : sizeof fold;
        for (int back = 0; back < 3 && i + piece < n && ((unsigned char)text[i + piece] & 0xc0) == 0x80; back++)
            piece--; /* not inside of a character */
        size_t m = grams_fold(fold, text + i, piece);
        i += piece;
        for (size_t k = 0; k < m; k++) {
            unsigned char c = (unsigned char)fold[k];
            gram = (gram << 8 | c) & 0xffffff;
            have = c == '\n' ? 0 : have + 1;
            if (have < GRAM_BYTES)
                continue;
            uint32_t h = hash_of(gram);
            bits[h >> 6 & (words - 1)] |= 1ull << (h & 63);
        }
    }
    while (words > 1 && count_bits(bits, bits + words / 2, words / 2) <= GRAMS_FULL * 32 * (double)words) {
        words /= 2;
        for (size_t i = 0; i < words; i++)
            bits[i] |= bits[i + words];
    }
    buf_add(out, bits, words * sizeof *bits);
    free(bits);
}
