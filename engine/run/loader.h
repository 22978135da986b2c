/* Private to engine/run: how weights get from a file to a device, one by one (loader.c), and which a decoder has
 * (model_weights.c). The first error stays; what follows is skipped. */
#ifndef CODEASK_ENGINE_RUN_LOADER_H
#define CODEASK_ENGINE_RUN_LOADER_H

#include "engine/run/model_weights.h"
#include "engine/run/rowset.h"

struct loader {
    struct decoder_weights *w;
    const struct model_file *file;
    bool gguf;
    uint32_t layer;
    struct err *e;
    int rc;
};

/* Present where there is such a tensor ("<name>.weight" or "<name>"). */
const struct tensor *loader_find(struct loader *l, enum weight_slot slot);
/* It must be there, as [rows, k]; rank-1 tensors where rows is 1. */
const struct tensor *loader_get(struct loader *l, enum weight_slot slot, uint64_t rows, uint64_t k);
/* A vector of n on the device, plus `add`; NULL where it is missing and may be, or on an error. */
float *loader_vector(struct loader *l, enum weight_slot slot, uint32_t n, float add, bool must);
float *loader_put(struct loader *l, const float *host, size_t n); /* to device memory that lives with the weights */
struct norm loader_norm(struct loader *l, enum weight_slot slot, uint32_t n, bool must);

/* A weight of pieces below one another, and the bias beside each piece's tensor where there is one. experts 0: 1. */
void loader_linear(struct loader *l, struct linear *out, const struct piece *piece, int n, uint32_t k, uint32_t experts);
/* One tensor [rows, k]. */
void loader_plain(struct loader *l, struct linear *out, enum weight_slot slot, uint32_t rows, uint32_t k);
void linear_release(struct linear *x, const struct decoder_weights *w);

#endif
