/* What a thread remembers of words, and its scratch. */
#ifndef CODEASK_ENGINE_TOKENIZER_MEMORY_H
#define CODEASK_ENGINE_TOKENIZER_MEMORY_H

#include "engine/tokenizer/tokenizer_data.h"

#include <string.h>

/* Words of up to 16 bytes and 11 ids, 64 bytes each: 97% of the words of code. Longer ones, mostly indentation, in a second,
 * smaller table. Words that meet in a slot replace each other. */
#define SHORT_BITS 14
#define SHORT_IDS 11
#define LONG_BITS 11
#define LONG_BYTES 64
#define LONG_IDS 14

struct known_short {
    uint64_t a, b; /* the word, zero-padded */
    uint8_t len, n;
    uint32_t id[SHORT_IDS];
};
struct known_long {
    uint8_t len, n;
    char word[LONG_BYTES];
    uint32_t id[LONG_IDS];
};

struct tokenizer_memory {
    uint64_t stamp; /* of the tokenizer whose words these are; 0: none yet */
    struct known_short brief[1 << SHORT_BITS];
    struct known_long lengthy[1 << LONG_BITS];
    struct bpe_scratch bpe;
    struct unigram_scratch unigram;
    struct buf normal[2], blanks, prefixed;
    struct wordpiece_memory *pieces;
};

/* The word's bytes as two numbers, len ≤ 16. */
static inline void word_load(uint64_t *a, uint64_t *b, const char *p, size_t len)
{
    *a = *b = 0;
    if (len >= 8) {
        memcpy(a, p, 8);
        if (len > 8) {
            memcpy(b, p + len - 8, 8);
            *b >>= (16 - len) * 8;
        }
    } else if (len >= 4) {
        uint32_t x, y;
        memcpy(&x, p, 4);
        memcpy(&y, p + len - 4, 4);
        *a = x | (uint64_t)y << ((len - 4) * 8);
    } else {
        for (size_t i = 0; i < len; i++)
            *a |= (uint64_t)(uint8_t)p[i] << 8 * i;
    }
}

static inline size_t word_slot(uint64_t a, uint64_t b, size_t len)
{
    uint64_t h = (a * 0x9E3779B97F4A7C15u ^ (b << 29 | b >> 35) ^ len) * 0xBF58476D1CE4E5B9u;
    return h >> (64 - SHORT_BITS);
}

#endif
