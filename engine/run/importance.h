/* How much each input of a model's matrices weighs, as a text shows it: the mean square of what the product reads there. An error of a
 * weight costs the product in proportion, so quantisers that know it spend their bits where they matter. */
#ifndef CODEASK_ENGINE_RUN_IMPORTANCE_H
#define CODEASK_ENGINE_RUN_IMPORTANCE_H

#include "engine/format/model_file.h"

#define IMPORTANCE_TOKENS 16384 /* read at most: 64 pieces of 256; the means of columns hardly move after it */

struct importance;
/* Reads text with the model, a decoder. progress (may be NULL) between pieces, true: stop with ERR_CANCELED. ERR_UNSUPPORTED, ERR_MEMORY and
 * the like as of decoder_new. */
int importance_measure(struct importance **out, const struct model_file *f, const char *text, size_t len, int threads,
                       bool (*progress)(void *arg, uint64_t tokens, uint64_t all), void *arg, struct err *e);
void importance_free(struct importance *i); /* accepts NULL */
uint64_t importance_tokens(const struct importance *i);

/* [k] weights of the columns of that matrix (of that expert), 1 in the mean, all positive. NULL: no product read it (an embedding, an
 * expert that was never chosen, a matrix that is used turned around). */
const float *importance_of(const struct importance *i, const char *tensor, uint64_t expert, uint64_t k);

#endif
