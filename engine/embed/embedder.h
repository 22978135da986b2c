/* A model of this process that gives vectors, or scores of a question and documents: an encoder, or a decoder whose last token is
 * pooled. What engine.h says of both, for engine/local.c. */
#ifndef CODEASK_ENGINE_EMBED_EMBEDDER_H
#define CODEASK_ENGINE_EMBED_EMBEDDER_H

#include "engine/format/model_config.h"
#include "engine/model.h"

struct embed_model;
struct embed_model_options {
    int threads;
    bool exact;
};

/* The file is read during the call only; backend and device are borrowed. Fills info, name and provider aside. ERR_UNSUPPORTED
 * where the backend lacks an op that the model needs. */
int embed_model_open(struct embed_model **out, const struct backend *b, void *device, const struct model_file *f,
                     const struct model_config *c, const struct embed_model_options *o, struct model_info *info, struct err *e);
void embed_model_close(struct embed_model *m); /* accepts NULL; nothing may be in flight */

/* Any thread; as model_embed and model_rerank. */
int embed_model_vectors(struct embed_model *m, enum embed_kind kind, const char *const *text, const size_t *len, size_t n,
                        enum priority p, float *out, uint32_t *used, const volatile bool *stop, struct err *e);
int embed_model_scores(struct embed_model *m, const char *const *text, const size_t *len, size_t n, float *score,
                       const volatile bool *stop, struct err *e);

#endif
