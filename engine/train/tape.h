/* What the forward pass did, and the way back. A tape watches the ops of a pass (run/pass.h) and keeps of each what its gradient needs:
 * backward[] (tape.c) says so op by op. tape_back() goes through them from the last to the first.
 *
 * Gradients of activations lie in a mirror of the pass's memory: that of a buffer is at the same place there. A buffer that an op
 * overwrites is another value before it; so once an op's gradient was taken from its result's, that is zero again.
 *
 * Memory: the mirror is as large as the pass; what is kept grows with the ops between two calls of tape_back, and is used again after. */
#ifndef CODEASK_ENGINE_TRAIN_TAPE_H
#define CODEASK_ENGINE_TRAIN_TAPE_H

#include "engine/run/pass.h"
#include "engine/train/full.h"
#include "engine/train/lora.h"

struct taped;
struct tape_block;
struct tape {
    struct pass *p;            /* borrowed, as l and f */
    struct lora *l;            /* what is trained: an adapter, or all weights; the other is NULL */
    struct full *f;
    struct pass_watch watch;   /* to be set as the pass's */
    void *mirror;
    struct taped *op;
    size_t n, cap;
    struct tape_block *block;  /* kept rows */
    size_t blocks, blocks_cap, now, used; /* the block that is filled, and how far */
    size_t bytes;              /* of all blocks */
    int rc;                    /* the first failure: nothing is kept from then on */
    struct err err;
};

/* ERR_UNSUPPORTED names what a decoder has that no gradient is known of: mixtures, latent attention, recurrent layers, gated attention, the
 * backend. */
int tape_supports(const struct decoder *d, struct err *e);
int tape_open(struct tape *t, struct pass *p, struct lora *l, struct full *f, struct err *e);
void tape_close(struct tape *t); /* accepts a zeroed one */
/* The gradient of a buffer of the pass. */
struct mat tape_gradient(const struct tape *t, const struct mat *m);
/* Back over the ops from the last one on, until `to` are left. */
void tape_back(struct tape *t, size_t to);
/* After a failure: nothing is on the tape and every gradient of an activation is zero; its error, if it had one. */
int tape_reset(struct tape *t, struct err *e);

#endif
