/* All weights of a decoder as what is trained, in place of an adapter: the embedding, linear maps and their biases, gains of norms.
 *
 * Values lie in one array, those of their gradients in another of the same layout, tensor after tensor as the model's file has them; what
 * lies below one another in a linear map of the pass (queries, keys and values) does so here. A gain is the file's, without what the
 * architecture adds to it. Embedding and head that are one tensor are one here, and its gradient the sum of both. */
#ifndef CODEASK_ENGINE_TRAIN_FULL_H
#define CODEASK_ENGINE_TRAIN_FULL_H

#include "engine/run/decoder.h"
#include "engine/run/pass.h"

#define FULL_NAME 120

struct full_tensor {
    char name[FULL_NAME]; /* in the file */
    uint32_t n, k;        /* rows, columns; n 1: a vector */
    size_t at;            /* where it begins in value and gradient */
};
struct full_map;
struct full_gain;
struct full {
    struct full_tensor *tensor;
    size_t tensors, count; /* count: floats of value and of gradient */
    float *value, *gradient;
    struct decoder *d;     /* borrowed */
    void *memory;
    struct full_map *map;  /* [maps]: which linear map of the pass has its values where */
    struct full_gain *gain;
    size_t maps, gains;
};

/* The values of the decoder, which must hold fp32 (decoder_options.exact); gradients are 0. The model's file must still be open; afterwards it need
 * not. ERR_UNSUPPORTED names what has no gradient (tape_supports, tape.h), and GGUF files; ERR_USAGE: weights in another type. The decoder must
 * outlive it. */
int full_new(struct full **out, struct decoder *d, const struct model_file *file, struct err *e);
void full_free(struct full *f); /* accepts NULL */
/* The decoder computes with the values as they are now. */
void full_put(struct full *f);

/* Gradients, which the tape asks for (tape.h). dx += what comes through the map; x, dy: fp32 views of the pass's rows. */
void full_back(struct full *f, struct mat *dx, const struct mat *dy, const struct mat *x, const struct linear *w, const struct rows *r);
void full_norm_back(struct full *f, const struct mat *dy, const struct mat *x, const struct norm *n, const struct rows *r);
void full_prepare_back(struct full *f, const struct mat *dqkv, const struct mat *qkv, const struct prepare *how, const struct rows *r);
void full_embed_back(struct full *f, const struct mat *dh, const struct rows *r);

/* The model with these values: a new folder with all that lies beside its weights, F32 or BF16 as they are there (rewrite.h). */
int full_write(const char *to, const char *model, const struct full *f, struct err *e);

#endif
