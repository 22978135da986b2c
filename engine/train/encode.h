/* Records as tokens: the prompt as the model's template renders it, then what is to be said, then the end of a turn. */
#ifndef CODEASK_ENGINE_TRAIN_ENCODE_H
#define CODEASK_ENGINE_TRAIN_ENCODE_H

#include "engine/generate/conversation.h"
#include "engine/train/corpus.h"
#include "engine/train/gradient.h"

struct encoder_of_records {
    const struct tokenizer *tokenizer;
    const struct conversation *conversation;
    struct tokenizer_memory *memory;
    uint32_t context; /* tokens that a text may have */
};
/* Text i of the record: x->token on the heap, of at most `context` tokens; what is too long loses the middle of its prompt (of plain
 * text the beginning), then the end of what is said. x->n 0: nothing is left to learn. */
int record_encode(struct example *x, const struct encoder_of_records *c, const struct corpus_record *r, int i, struct err *e);

#endif
