/* A folder of safetensors (one file, or shards) written again with other values, and all else in it as it is. */
#ifndef CODEASK_ENGINE_TRAIN_REWRITE_H
#define CODEASK_ENGINE_TRAIN_REWRITE_H

#include "engine/format/safetensors.h"

#define REWRITE_FILE_MAX ((size_t)8 << 30) /* bytes of one file of weights, which is held in memory while it is changed */

/* Sees every tensor once and may change its bytes at data in place; counts in *changed those that it did. */
typedef int (*rewrite_fn)(void *arg, const struct st_tensor *t, uint8_t *data, size_t *changed, struct err *e);
/* to: a new folder. ERR_USAGE: it is there already; ERR_IO, ERR_FULL, and what fn says. */
int rewrite_folder(size_t *changed, const char *to, const char *model, rewrite_fn fn, void *arg, struct err *e);

/* For fn: ERR_UNSUPPORTED names a tensor of another type than F32 and BF16, ERR_FORMAT one of another rank or size. */
int rewrite_check(const struct st_tensor *t, int rank, size_t values, struct err *e);
double rewrite_get(const uint8_t *data, enum st_type type, size_t i);
void rewrite_put(uint8_t *data, enum st_type type, size_t i, double value); /* to nearest, ties to even */

#endif
