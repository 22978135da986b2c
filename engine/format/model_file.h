/* A model as it lies on disk, whatever the container: one .gguf file (all of its shards: …-00001-of-00003.gguf), or a folder
 * with model.safetensors, model.safetensors.index.json or (what model quantize makes of those) model.gguf beside config.json. Foreign bytes: every offset, size, count, name
 * and shape is checked before it is believed; ERR_FORMAT names the file, the key or tensor, and what is wrong;
 * ERR_UNSUPPORTED names a tensor type or version that nothing here reads.
 *
 * Read-only once open: any thread may read it. What it hands out is borrowed until the close. */
#ifndef CODEASK_ENGINE_FORMAT_MODEL_FILE_H
#define CODEASK_ENGINE_FORMAT_MODEL_FILE_H

#include "base/err.h"
#include "kernels/block.h"

#include <stdbool.h>

#define TENSOR_RANK_MAX 4

/* A weight. Rows are its innermost dimension: block_row_bytes(type, shape[rank-1]) bytes each, one after the other. */
struct tensor {
    const char *name;
    enum block_type type;
    int rank;
    uint64_t shape[TENSOR_RANK_MAX]; /* outermost first, as PyTorch prints it: [out, in] of a linear map */
    const uint8_t *data;             /* any alignment; little-endian; NULL for what is assembled row by row (tensor_row) */
    const struct tensor_parts *parts; /* safetensors' fp8, MXFP4 and NVFP4, whose scales are tensors of their own; or NULL */
    float scale;                     /* of the whole tensor (NVFP4); 1 elsewhere */
    const float *scales;             /* [shape[0]], in place of scale: one for each expert of GGUF's NVFP4; NULL elsewhere */
};

struct model_file;
int model_file_open(struct model_file **out, const char *path, struct err *e);
void model_file_close(struct model_file *f); /* accepts NULL */

/* Else a folder, whatever its weights lie in: names of tensors and metadata (config.json) are the other world's. */
bool model_file_is_gguf(const struct model_file *f);
const struct tensor *model_file_find(const struct model_file *f, const char *name); /* NULL: none */
size_t model_file_count(const struct model_file *f);
const struct tensor *model_file_at(const struct model_file *f, size_t i);
/* The bytes of one row (rows counted through all outer dimensions) as t->type has them, before t->scale. What has parts is
 * assembled in to, of block_row_bytes; else to is left alone and the row in the file is returned. */
const void *tensor_row(const struct tensor *t, uint64_t row, void *to);
/* What the values of that row are multiplied by: t->scale, or its expert's. */
float tensor_scale(const struct tensor *t, uint64_t row);

/* Its bytes leave the process's memory until they are read again: what has been made of them stays. */
void model_file_drop(const struct model_file *f, const struct tensor *t);

/* Metadata of GGUF; of a folder, config.json and what lies beside it is found through model_file_folder(). */
enum meta_kind { META_NONE, META_INT, META_FLOAT, META_BOOL, META_TEXT, META_INTS, META_FLOATS, META_TEXTS };
struct meta {
    enum meta_kind kind;
    int64_t integer;       /* META_INT, META_BOOL */
    double number;         /* META_FLOAT, and META_INT as such */
    const char *text;      /* META_TEXT: NUL-terminated, may hold NULs inside: len */
    size_t len;            /* bytes of text; elements of an array */
    const void *array;     /* opaque: meta_int(), meta_float(), meta_text() */
};
bool model_file_meta(const struct model_file *f, const char *key, struct meta *out); /* false: no such key */
int64_t meta_int(const struct meta *m, size_t i);
double meta_float(const struct meta *m, size_t i);
const char *meta_text(const struct meta *m, size_t i, size_t *len);
const char *model_file_folder(const struct model_file *f); /* of the safetensors folder; NULL for GGUF */

/* ERR_FORMAT names the first tensor with a NaN or an infinity in its values or scales, and where. Reads the whole file. */
int model_file_finite(const struct model_file *f, struct err *e);
/* SHA-256 over all of the weights' files in order of name: what a model is known by. Reads the whole file. */
int model_file_hash(const struct model_file *f, uint8_t hash[32], struct err *e);

#endif
