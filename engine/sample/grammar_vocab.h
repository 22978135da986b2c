/* A vocabulary's bytes as a tree in depth-first order: a walk goes forward in memory, and what does not fit is skipped. Not
 * for other rooms. */
#ifndef CODEASK_ENGINE_SAMPLE_GRAMMAR_VOCAB_H
#define CODEASK_ENGINE_SAMPLE_GRAMMAR_VOCAB_H

#include "engine/sample/grammar.h"

#define VOCAB_DEPTH_MAX 1024 /* bytes of a token; longer ones are never allowed */

struct vocab_node {
    uint32_t skip;              /* the node behind all that begin with this one */
    uint32_t token, token_end;  /* in token[]: those that end here */
    uint16_t depth;             /* 0: a first byte */
    uint8_t byte;
};
struct grammar_vocab {
    struct vocab_node *node;
    uint32_t nodes;
    uint32_t *token;
    size_t n;
};

static inline size_t grammar_vocab_words(const struct grammar_vocab *v)
{
    return (v->n + 31) / 32;
}

#endif
