/* A model's weights in fewer bits: a GGUF file becomes a GGUF file, a folder of safetensors a folder with model.gguf. */
#ifndef CODEASK_ENGINE_FORMAT_QUANTIZE_H
#define CODEASK_ENGINE_FORMAT_QUANTIZE_H

#include "base/err.h"
#include "kernels/block.h"

#include <stdbool.h>

struct quantize {
    enum block_type type; /* one of quantize_type() */
    int threads;          /* 0: one a core that this process may run on */
    /* called between pieces of work from the thread that called; may be NULL; true: stop */
    bool (*progress)(void *arg, uint64_t done, uint64_t all /* bytes of what is read */);
    void *arg;
    /* [k] positive weights of the columns of a matrix (of an expert), of which the squared error is made small; NULL: all alike. May be
     * NULL; any thread calls it. */
    const float *(*importance)(void *of, const char *tensor, uint64_t expert, uint64_t k);
    void *importance_of;
};

struct quantize_report {
    uint64_t bytes_in, bytes_out;
    size_t tensors, changed; /* changed: those that were quantised */
    size_t weighed;          /* of those with importance */
    double error;            /* of what was: √(Σ(written - read)² / Σ read²), all columns alike */
};

/* "Q4_K" in any case: Q8_0, Q4_K, Q6_K, MXFP4, NVFP4. ERR_USAGE names them. */
int quantize_type(enum block_type *type, const char *name, struct err *e);

/* Matrices become how->type, where a row is no whole number of its blocks the next larger type; the token embedding and the
 * output Q6_K or Q8_0 where the type is smaller; what takes no more bits already, vectors, routers and convolutions stay as they
 * are (fp8 ones as BF16). Metadata, or what else lies in the folder, is taken over. out is a model when it is complete, and not
 * before. ERR_USAGE where it exists; ERR_CANCELED after progress said so. */
int model_quantize(struct quantize_report *report, const char *in, const char *out, const struct quantize *how, struct err *e);

#endif
