/* An embedder's adapter on the side of the questions: q' = (q + W·q + b) / ‖·‖. What was embedded of the code stays as it is, so nothing is
 * embedded again, and without it every search is what it was.
 *
 * As a file: safetensors with "weight" [dim, dim] and "bias" [dim], F32, beside codeask.json (train/peft.h) that holds the hash of the
 * embedder's weights. Foreign bytes: types, shapes and values are checked. */
#ifndef CODEASK_ENGINE_TRAIN_QUERY_MAP_H
#define CODEASK_ENGINE_TRAIN_QUERY_MAP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define QUERY_MAP_FILE "query_map.safetensors"
#define QUERY_MAP_DIM 8192 /* of a vector at most: larger than any embedder's; 256 MiB of weights */

struct query_map { /* counted by reference; immutable once others have it */
    uint32_t refs, dim;
    float *weight;    /* [dim, dim], row-major */
    float *bias;      /* [dim] */
};
struct query_map *query_map_new(uint32_t dim); /* changes nothing: all zeros */
void query_map_hold(struct query_map *m);      /* one reference more; any thread */
void query_map_drop(struct query_map *m);      /* one less, and the last one frees it; accepts NULL */
/* v: [dim], unit length before and after. v and out may be the same. Any thread. */
void query_map_apply(float *out, const struct query_map *m, const float *v);

struct peft_base;
/* Makes the folder where it is not there; the weights last, each file whole or not at all. ERR_IO, ERR_FULL. */
int query_map_write(const char *folder, const struct query_map *m, const struct peft_base *base, struct err *e);
/* ERR_NOT_FOUND; ERR_FORMAT names the file and what is wrong; ERR_USAGE: it is of another embedder, both are named. */
int query_map_read(struct query_map **out, const char *folder, const struct peft_base *base, struct err *e);
/* The weights from bytes; name is for messages. */
int query_map_parse(struct query_map **out, const char *name, const void *bytes, size_t n, struct err *e);

#endif
