/* Inside of the WordPiece tokenizer: shared by its loader and its encoder. */
#ifndef CODEASK_ENGINE_TOKENIZER_WORDPIECE_DATA_H
#define CODEASK_ENGINE_TOKENIZER_WORDPIECE_DATA_H

#include "engine/tokenizer/trie.h"
#include "engine/tokenizer/wordpiece.h"

enum ascii_kind { ASCII_KEEP, ASCII_BLANK, ASCII_PUNCT, ASCII_DROP, ASCII_NOT };

struct wordpiece {
    struct unicode_chars chars;
    uint8_t kind[256], lower[256]; /* of a byte: ASCII's cells, flattened */
    uint32_t punct[128];           /* the id of an ASCII punctuation mark */
    struct trie first, rest;       /* pieces that begin a word; pieces after "##", without it */
    uint32_t unk, cls, sep, vocab, max_chars;
};

/* Takes the vocabulary: key i is a piece with its prefix. Fills everything but chars' options and the special ids. */
void wordpiece_build(struct wordpiece *w, struct trie_key *keys, size_t n, const char *prefix,
                     const struct unicode_options *o);

#endif
