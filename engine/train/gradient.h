/* Loss and gradients of texts: the forward pass of run/pass.h, watched by a tape, and back. Unpadded packs of whole texts; logits exist for
 * PASS_LOGIT_ROWS rows at a time, never all of them.
 *
 *   loss = Σ -ln softmax(logits of token i-1)[token i], over the tokens i that are learned
 *
 * Products read fp32 rows and the values that the file's blocks decode to, whatever type weights are held in: the gradient is that of the
 * function with those values. The result depends on the order of the texts, not on the number of threads. */
#ifndef CODEASK_ENGINE_TRAIN_GRADIENT_H
#define CODEASK_ENGINE_TRAIN_GRADIENT_H

#include "engine/train/full.h"
#include "engine/train/lora.h"

/* What becomes of activations: kept for the way back, or only each layer's input, and the layer is run again then: a third more
 * work for a small part of the memory. Both give the same bytes. (Inference reuses one set of buffers for all layers.) */
enum activations { ACTIVATIONS_SAVE, ACTIVATIONS_RECOMPUTE };

struct example { /* a text */
    const uint32_t *token;
    uint32_t n;      /* ≥ 2; n - 1 rows of a pack */
    uint32_t learn;  /* tokens learn .. n-1 are learned, those before are read alone; 1 ≤ learn < n */
};

struct gradient;
/* The decoder: opened with KV_F32, its max_rows and max_sequences bound a pack; no sequence of it may be alive during a call. */
int gradient_new(struct gradient **out, struct decoder *d, struct lora *l, enum activations policy, struct err *e);
/* Of all weights: f in place of l, here and below. */
int gradient_new_full(struct gradient **out, struct decoder *d, struct full *f, enum activations policy, struct err *e);
void gradient_free(struct gradient *g); /* accepts NULL */

/* l->gradient += scale · ∂loss of one pack, *loss += loss (nats; in double, text by text). ERR_USAGE: texts that are no examples or do
 * not fit; ERR_BUSY: their keys and values do not. On an error l->gradient is worth nothing. */
int gradient_add(struct gradient *g, const struct example *x, size_t n, double scale, double *loss, struct err *e);
/* The loss alone. */
int gradient_loss(struct gradient *g, const struct example *x, size_t n, double *loss, struct err *e);
/* Bytes of activations and their gradients so far, beside weights, cache and adapter. */
size_t gradient_bytes(const struct gradient *g);

#endif
