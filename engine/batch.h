/* Batches for one model, formed across all waiting callers: one worker thread for each priority, so that a query never
 * queues behind documents (the encoder runs both at once; the documents' thread is nice to the query's). */
#ifndef CODEASK_ENGINE_BATCH_H
#define CODEASK_ENGINE_BATCH_H

#include "engine/engine.h"

/* token: [offset[n]], offset: [n + 1], out: fp32 [n, dim]. As encoder_run; called for both priorities at once. */
typedef int (*batch_run)(void *arg, enum priority p, const uint32_t *token, const uint32_t *offset, size_t n, float *out,
                         struct err *e);

struct batcher;

/* budget: tokens of a batch of documents, at least one text; queries all go at once. run and arg outlive the batcher. */
int batcher_new(struct batcher **out, batch_run run, void *arg, uint32_t dim, size_t budget, struct err *e);
void batcher_free(struct batcher *b); /* accepts NULL; no batcher_embed may be in flight */

/* Blocks until all n rows of out are written, an error, or *stop (ERR_CANCELED; nothing is written afterwards). Several
 * callers of a priority share each batch in equal parts, so a long one does not keep a short one waiting. */
int batcher_embed(struct batcher *b, enum priority p, const uint32_t *token, const uint32_t *offset, size_t n, float *out,
                  const volatile bool *stop, struct err *e);

#endif
