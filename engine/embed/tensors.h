/* Weights of a model's files for an encoder (run/forward.h): as they lie where it can read them so, else as fp32. */
#ifndef CODEASK_ENGINE_EMBED_TENSORS_H
#define CODEASK_ENGINE_EMBED_TENSORS_H

#include "engine/format/model_file.h"
#include "engine/run/forward.h"

struct embed_tensors {
    const struct model_file *file; /* borrowed */
    float **made;                  /* what had to be decoded */
    size_t nmade, cap;
};
/* As tensor_source.find; self: struct embed_tensors. */
bool embed_tensors_find(void *self, const char *name, struct tensor_view *out);
void embed_tensors_release(struct embed_tensors *t);

#endif
