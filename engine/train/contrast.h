/* Learns a map of questions (query_map.h) from questions and the documents that answer them, by InfoNCE (van den Oord et al. 2018,
 * https://arxiv.org/abs/1807.03748):
 *
 *   loss = −log( exp(q'·d⁺/τ) / Σ exp(q'·d/τ) )      d: d⁺, those of the other questions of the batch, and mined hard ones
 *
 * where a document that answers the question too is left out of the sum. A document is a file of several pieces with a vector each; the piece that
 * is nearest to the question as the map now has it stands for it, and the nearest pieces of other files are the hard negatives (mined anew each
 * round: Xiong et al. 2020, https://arxiv.org/abs/2007.00808). It begins as no change at all, and decay pulls it back there.
 *
 * In the calling thread, in one order: the same input and seed give the same bytes on the same build and kind of processor. */
#ifndef CODEASK_ENGINE_TRAIN_CONTRAST_H
#define CODEASK_ENGINE_TRAIN_CONTRAST_H

#include "engine/train/query_map.h"

#include <stdbool.h>

struct contrast_set { /* everything borrowed */
    uint32_t dim;
    uint32_t pieces;         /* vectors, int8 with one scale each (kernels/quant.h) */
    const int8_t *q;         /* [pieces, dim] */
    const float *scale;      /* [pieces] */
    const uint32_t *file;    /* [pieces] whose it is, < files; pieces of a file need not be neighbours */
    uint32_t files;
    uint32_t questions;
    const float *question;   /* [questions, dim], unit length */
    const uint32_t *first;   /* [questions + 1] of its answers */
    const uint32_t *answer;  /* files; a question without an answer, or whose files have no piece, teaches nothing */
};
struct contrast_options {
    uint32_t rounds, epochs;  /* epochs of a round; hard negatives are mined once a round */
    uint32_t batch, hard;     /* questions of a step; negatives of each question */
    double rate, decay, temperature;
    uint64_t seed;
    bool (*go_on)(void *arg, uint64_t step, uint64_t steps, double loss); /* false: ERR_CANCELED. NULL: nobody asks */
    void *arg;
};
/* What was tried on held-out commits of several repositories (docs/measurements.md). */
#define CONTRAST_DEFAULTS {.rounds = 4, .epochs = 4, .batch = 128, .hard = 16, .rate = 1e-3, .decay = .01, .temperature = .05}

/* *loss (may be NULL): the mean of the last epoch. ERR_NOT_FOUND: no question has an answer; ERR_INTERNAL: a loss that is no number, *out stays as it was. */
int contrast_learn(struct query_map **out, double *loss, const struct contrast_set *s, const struct contrast_options *o, struct err *e);

#endif
