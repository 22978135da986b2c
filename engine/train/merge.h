/* A model with an adapter's changes in its own weights, for programs that know no adapters: W + α/r·B·A. */
#ifndef CODEASK_ENGINE_TRAIN_MERGE_H
#define CODEASK_ENGINE_TRAIN_MERGE_H

#include "base/err.h"

/* model: a folder of safetensors (one file, or shards). to: a new folder; whatever else lies in the model's is copied. Sums are made in double and
 * rounded to the tensor's type, F32 or BF16 (to nearest, ties to even). ERR_UNSUPPORTED: a GGUF file, or a tensor of another type, which is named;
 * ERR_USAGE: to is there already; and what peft_read says. */
int merge_write(const char *to, const char *model, const char *adapter, struct err *e);

#endif
