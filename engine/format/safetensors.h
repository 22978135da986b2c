/* safetensors (https://github.com/huggingface/safetensors): foreign bytes, believed in nothing.
 *
 *   u64 little-endian   header size, ≤ 100 MB and inside the file
 *   header              JSON: {"name": {"dtype": "F32", "shape": [rows, cols], "data_offsets": [begin, end]}, …,
 *                       "__metadata__": {text: text}}; padded with blanks
 *   data                end − begin == elements × size; all tensors together cover it, without holes or overlaps */
#ifndef CODEASK_ENGINE_FORMAT_SAFETENSORS_H
#define CODEASK_ENGINE_FORMAT_SAFETENSORS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_HEADER_MAX (100u << 20)
#define SAFETENSORS_RANK_MAX 8
#define SAFETENSORS_MAX 100000 /* tensors in a file */

/* X(name in the file and here, bytes of an element) */
#define SAFETENSORS_TYPES(X)                                                                                           \
    X(BOOL, 1) X(U8, 1) X(I8, 1) X(F8_E4M3, 1) X(F8_E5M2, 1) X(F8_E8M0, 1) X(I16, 2) X(U16, 2) X(F16, 2) X(BF16, 2)    \
    X(I32, 4) X(U32, 4) X(F32, 4) X(I64, 8) X(U64, 8) X(F64, 8)
enum st_type {
#define X(name, size) ST_##name,
    SAFETENSORS_TYPES(X)
#undef X
};

const char *st_type_name(enum st_type type);

struct st_tensor {
    char *name;
    enum st_type type;
    int rank;
    int64_t shape[SAFETENSORS_RANK_MAX];
    const uint8_t *data; /* inside the file; any alignment; little-endian */
    size_t bytes;
};

/* Read-only once open: any thread may read it. */
struct safetensors;

/* Maps the file. ERR_FORMAT names the file, the tensor and what is wrong. */
int safetensors_open(struct safetensors **out, const char *path, struct err *e);
/* From memory, which is borrowed until the close; name stands for the file in messages. */
int safetensors_parse(struct safetensors **out, const char *name, const void *bytes, size_t n, struct err *e);
void safetensors_close(struct safetensors *st); /* accepts NULL */

const struct st_tensor *safetensors_find(const struct safetensors *st, const char *name); /* NULL: none */
size_t safetensors_count(const struct safetensors *st);
const struct st_tensor *safetensors_at(const struct safetensors *st, size_t i); /* by name */
/* The whole file, for its hash. */
const void *safetensors_file(const struct safetensors *st, size_t *n);

/* As file_map_drop, where it was opened and not parsed. */
void safetensors_drop(const struct safetensors *st, const void *from, size_t n);

/* ERR_FORMAT names the first tensor that holds a NaN or an infinity, and where. F64, F32, F16, BF16 and F8_E4M3 are looked at. */
int safetensors_finite(const struct safetensors *st, struct err *e);

#endif
