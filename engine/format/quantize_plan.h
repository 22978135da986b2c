/* What becomes of each tensor of a model that is quantised. */
#ifndef CODEASK_ENGINE_FORMAT_QUANTIZE_PLAN_H
#define CODEASK_ENGINE_FORMAT_QUANTIZE_PLAN_H

#include "base/buf.h"
#include "engine/format/model_file.h"

/* general.file_type of a file whose matrices are mostly of that type */
uint32_t plan_file_type(enum block_type wanted);
/* What t is written as; its own type where it stays as it is. */
enum block_type plan_type(enum block_type wanted, const struct tensor *t);
/* The weight whose NVFP4 scale t is; NULL for any other tensor. */
const struct tensor *plan_weight_of(const struct model_file *f, const struct tensor *t);
/* What the scale of NVFP4 is called beside t; false where t is not called so that it could have one. */
bool plan_scale_name(struct buf *out, const struct tensor *t);

#endif
