/* Unigram: of all ways to cut a word into tokens the one of the highest sum of scores (Viterbi). Read-only once built. */
#ifndef CODEASK_ENGINE_TOKENIZER_UNIGRAM_H
#define CODEASK_ENGINE_TOKENIZER_UNIGRAM_H

#include "engine/tokenizer/trie.h"
#include "engine/tokenizer/vocab.h"

#define UNIGRAM_PENALTY 10.0 /* an unknown character scores so much less than the worst token, as in SentencePiece */

struct unigram {
    struct trie trie; /* of what can be found in the vocabulary */
    double unknown;   /* score of a character that no token covers */
};
struct unigram_scratch { /* one thread's: the best way to each byte */
    struct unigram_best { double score; uint32_t from, id; } *best;
    size_t cap;
};

void unigram_init(struct unigram *u, const struct vocab *v);
void unigram_release(struct unigram *u);
void unigram_scratch_release(struct unigram_scratch *s);
/* Cuts p[0 … n), n > 0. Fills s->best so that going from best[n] by `from` meets the tokens, last first; id TOKEN_NONE: one
 * character without a token. */
void unigram_cut(const struct unigram *u, const struct vocab *v, struct unigram_scratch *s, const char *p, size_t n);

#endif
