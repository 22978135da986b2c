/* BertNormalizer and BertPreTokenizer for one code point: a two-level table, built once for a set of options.
 * Read-only once built: any thread may read it. */
#ifndef CODEASK_ENGINE_TOKENIZER_UNICODE_H
#define CODEASK_ENGINE_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unicode_options {
    bool clean, chinese, strip, lower; /* as in tokenizer.json */
};

/* What becomes of a code point. */
enum char_kind {
    CHAR_KEEP,   /* part of a word: itself, or `code` where that is not 0 */
    CHAR_DROP,   /* as if it were not there */
    CHAR_BLANK,  /* parts words */
    CHAR_PUNCT,  /* `code`, a word of its own */
    CHAR_MANY,   /* the code points pool[code + 1 …], pool[code] of them; 0 among them ends a run of marks */
    CHAR_MARK,   /* part of a word, a combining mark that is kept: canonical ordering applies */
    CHAR_END,    /* dropped, but it ends a run of combining marks */
    CHAR_HANGUL, /* a syllable: decomposes into two or three letters */
};

/* A cell: bits 0-20 code, 21-23 kind, bit 24: parted from both neighbours (a Chinese character). */
#define CELL_CODE(cell) ((cell) & 0x1FFFFF)
#define CELL_KIND(cell) ((enum char_kind)((cell) >> 21 & 7))
#define CELL_APART(cell) ((cell) >> 24 & 1)

struct unicode_chars {
    uint16_t page[0x1100];
    uint32_t (*cell)[256];
    uint32_t *pool;
    size_t npages, npool;
};

void unicode_chars_init(struct unicode_chars *u, const struct unicode_options *o);
void unicode_chars_release(struct unicode_chars *u);

static inline uint32_t unicode_cell(const struct unicode_chars *u, uint32_t c)
{
    return u->cell[u->page[c >> 8]][c & 255];
}

/* The canonical combining class of a mark that is kept, else 0. */
int unicode_ccc(uint32_t c);
/* The letters of a Hangul syllable; returns 2 or 3. */
int unicode_hangul(uint32_t c, uint32_t out[3]);
/* Decodes one code point of [p, end), p < end; *n: bytes taken. A byte that begins none is U+FFFD, one byte long. */
uint32_t unicode_decode(const uint8_t *p, const uint8_t *end, int *n);
/* Is it White_Space? */
bool unicode_is_blank(uint32_t c);
/* Bytes written (1 to 4). */
int unicode_encode(char *to, uint32_t c);

#endif
