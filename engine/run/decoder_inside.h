/* Private to engine/run: what decoder.c (open, plan), sequence.c (life of a sequence) and step.c share. */
#ifndef CODEASK_ENGINE_RUN_DECODER_INSIDE_H
#define CODEASK_ENGINE_RUN_DECODER_INSIDE_H

#include "engine/run/decoder.h"
#include "engine/run/pass.h"

struct decoder {
    struct decoder_weights w;
    struct decoder_options o; /* filled in */
    void *queue;
    struct pass pass;
    struct store store[STORES_MAX];
    int stores;
    int store_of[LAYERS_MAX];
    uint32_t place_of[LAYERS_MAX];
    uint32_t alive;           /* sequences */
    struct adapt_span {       /* of the step: rows of sequences with one adapter, or none */
        const struct pass_adapt *adapt;
        uint32_t first, n;
    } *span;                  /* [max_sequences] */
    uint32_t spans;
    struct pass_adapt adapt;  /* the pass's, where a span has one */
};

struct sequence {
    struct decoder *d;
    uint32_t *token;
    uint32_t length, cap;
    uint32_t state; /* tokens that the stores remember, ≤ length: what a roll back could not keep is read again */
    struct held held[STORES_MAX];
    const struct pass_adapt *adapt; /* borrowed; NULL: none */
};

/* decoder_new with knobs that a test has altered; tweak may be NULL. */
int decoder_new_tweaked(struct decoder **out, const struct model_file *file, const struct backend *b, void *device,
                        const struct decoder_options *o, void (*tweak)(struct knobs *k, void *arg), void *arg, struct err *e);

#endif
