/* Merging neighbours: of all pairs in a word the one of the lowest rank, the leftmost of equals, becomes one token, until no
 * pair has a rank. Serves byte-level BPE (symbols are bytes), BPE over characters, and SentencePiece, whose scores give the
 * ranks. O(n log n) for a word of n symbols. */
#ifndef CODEASK_ENGINE_TOKENIZER_BPE_H
#define CODEASK_ENGINE_TOKENIZER_BPE_H

#include "engine/tokenizer/vocab.h"

#define MERGES_MAX 2000000

struct bpe_slot {
    uint32_t left, right, rank, id; /* rank TOKEN_NONE: empty */
};
struct bpe {
    struct bpe_slot *slot;
    size_t mask, n;
};

struct symbol {
    uint32_t id;   /* TOKEN_NONE: part of no token; nothing merges with it */
    uint32_t at;   /* where it begins in the word */
};
struct bpe_scratch { /* one thread's */
    struct symbol *symbol;
    struct bpe_link { uint32_t prev, next; } *link;
    struct bpe_wish { uint32_t rank, left, left_id, right_id, id; } *heap;
    size_t cap, heap_cap;
};

void bpe_init(struct bpe *b, size_t pairs);
/* A pair that is there: again says whether the new rank counts. */
void bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id, bool again);
void bpe_release(struct bpe *b);
/* Ranks by score: every token that is two others side by side. */
void bpe_by_score(struct bpe *b, const struct vocab *v);
/* Merges s->symbol[0 … n); returns how many are left, in place. */
size_t bpe_merge(const struct bpe *b, struct bpe_scratch *s, size_t n);
void bpe_room(struct bpe_scratch *s, size_t n);
void bpe_scratch_release(struct bpe_scratch *s);

#endif
