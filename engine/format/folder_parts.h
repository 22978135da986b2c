/* From the tensors of safetensors files to those of a model: what belongs together is put together. */
#ifndef CODEASK_ENGINE_FORMAT_FOLDER_PARTS_H
#define CODEASK_ENGINE_FORMAT_FOLDER_PARTS_H

#include "engine/format/model_inside.h"

/* Adds what t is a weight of to f, or nothing where t is a part of another or a buffer. */
int folder_tensor(struct model_file *f, const struct model_shard *shard, const struct st_tensor *t, struct err *e);
/* ERR_FORMAT: a scale of t, which has parts, that is no number or below 0. What is a number by its type in the file is seen by
 * safetensors_finite. */
int folder_scales(const struct model_file *f, const struct tensor *t, struct err *e);

#endif
