/* What a model will want of a device's memory, out of its files: the claims that residency.h plans with. */
#ifndef CODEASK_ENGINE_CLAIMS_H
#define CODEASK_ENGINE_CLAIMS_H

#include "engine/format/model_config.h"
#include "engine/residency.h"

#define CLAIMS_MAX 2
/* Tokens that a model which writes must be able to keep: a question with its sources, and the answer. */
#define CLAIM_TOKENS 8192

/* Fills tenant, floor and ceiling of *n claims for the file; c: its config, NULL: it is a decoder that writes. draft: bytes of the file
 * of the model that drafts for it. */
int claims_of(struct claim out[CLAIMS_MAX], size_t *n, const struct model_file *file, const struct model_config *c, const struct backend *b,
              void *device, int threads, bool exact, uint64_t draft, struct err *e);

#endif
