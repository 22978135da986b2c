/* Signatures of contents: which three and which four bytes in a row a content holds, so that a text search opens few of them.
 *
 * A signature is 2^k words of 64 bits, in which the bit hash(gram) mod its size is set for every gram of the content; k is the
 * smallest at which at most GRAMS_FULL of the bits are set. Bytes are folded first (grams_fold); grams with a line end are
 * left out. Over 61 MB of 17 repositories and 246 quoted texts: .066 bytes a byte of source; contents that pass and do not hold the text
 * are 821 MB, where three bytes alone (.027) let 2,051 pass, four alone (.039) 1,301, and five as well (.119) 588. A signature for each
 * 8 KB, against large contents that hold nearly every gram, lets as many pass: what is gained is lost to the number of signatures. */
#ifndef CODEASK_STORE_GRAMS_H
#define CODEASK_STORE_GRAMS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define GRAM_LEAST 3 /* bytes */
#define GRAM_MOST 4
#define GRAMS_MAX_BITS (1u << 19) /* 64 KiB: contents of some MB; what is larger gets a fuller signature */
#define GRAMS_FULL .45

/* Lower case for ASCII, and k and s for the two characters that are equal to them without regard to case (U+212A, U+017F):
 * what a text holds, its folded form holds folded. out: n bytes of room; returns the length. */
size_t grams_fold(char *out, const char *text, size_t n);
/* folded: n of them, GRAM_LEAST to GRAM_MOST. */
uint32_t gram_hash(const char *folded, unsigned n);
/* Appends a content's signature; nothing for an empty one. */
void grams_add(struct buf *out, const char *text, size_t n);

struct grams {
    const uint64_t *word;
    uint32_t n; /* a power of two; 0: the content holds nothing */
};
static inline bool grams_hold(struct grams g, uint32_t hash)
{
    return g.n && g.word[hash >> 6 & (g.n - 1)] >> (hash & 63) & 1;
}

#endif
