/* SentencePiece's precompiled map of characters (precompiled_charsmap): foreign bytes.
 *
 *   u32 size   bytes of the array that follows, little-endian
 *   u32 × n    a double array (Darts): bits 0-7 and 31 label, 8 has a value, 9 offset is << 8, 10-30 offset; leaf: value
 *   bytes      what is put in place, each ended by a NUL; a value is an offset into them */
#ifndef CODEASK_ENGINE_TOKENIZER_CHARSMAP_H
#define CODEASK_ENGINE_TOKENIZER_CHARSMAP_H

#include "base/buf.h"
#include "base/err.h"

struct charsmap {
    uint8_t *bytes; /* owned; NULL: changes nothing */
    uint32_t units;
    const char *text;
    size_t ntext;
};

/* Takes a copy. ERR_FORMAT says what is wrong. */
int charsmap_init(struct charsmap *m, const void *bytes, size_t n, struct err *e);
void charsmap_release(struct charsmap *m);

/* What the longest (or, where shortest is asked for, the shortest) key that begins [p, p + n) becomes: its length, 0 for none. */
size_t charsmap_find(const struct charsmap *m, const char *p, size_t n, bool shortest, const char **to, size_t *nto);
/* Appends the text with the longest keys replaced from the left (as SentencePiece and llama.cpp do). */
void charsmap_longest(const struct charsmap *m, struct buf *to, const char *p, size_t n);
/* The same as `tokenizers` does it: by graphemes of less than six bytes where the whole is a key's continuation, else by
 * characters, the shortest key deciding for all of it. */
void charsmap_graphemes(const struct charsmap *m, struct buf *to, const char *p, size_t n);

#endif
