/* GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3, little-endian: foreign bytes, believed
 * in nothing.
 *
 *   "GGUF"   u32 version   u64 tensors   u64 keys
 *   keys     × { string key, u32 kind, value }      string: u64 length, bytes; array: u32 kind, u64 count, elements
 *   tensors  × { string name, u32 rank, u64 size[rank] innermost first, u32 type, u64 offset }
 *   padding  to a multiple of general.alignment (32 where it is not given)
 *   data     offsets count from here and are multiples of the alignment too
 *
 * Accepted: names without control bytes, each once; every count, length and offset inside the file; no tensors that share
 * bytes. One file; the shards of a model are put together by gguf_shards.c. */
#ifndef CODEASK_ENGINE_FORMAT_GGUF_H
#define CODEASK_ENGINE_FORMAT_GGUF_H

#include "engine/format/model_file.h"

#define GGUF_KEYS_MAX 65536           /* models have some fifty */
#define GGUF_TENSORS_MAX 100000       /* the largest published have a few thousand */
#define GGUF_NAME_MAX 255             /* bytes of a tensor's name; the reference writes at most 63 */
#define GGUF_KEY_MAX 65535            /* the format's own */
#define GGUF_TEXT_MAX (16u << 20)     /* bytes of a string; templates take some ten thousand */
#define GGUF_ARRAY_MAX (64u << 20)    /* elements; vocabularies have up to some 300,000 */
#define GGUF_ALIGNMENT_MAX (1u << 20) /* a page of any kind */

/* Read-only once parsed: any thread may read it. */
struct gguf;
/* From memory, which is borrowed until the close; name stands for the file in messages. */
int gguf_parse(struct gguf **out, const char *name, const void *bytes, size_t n, struct err *e);
void gguf_close(struct gguf *g); /* accepts NULL */

size_t gguf_count(const struct gguf *g);
const struct tensor *gguf_at(const struct gguf *g, size_t i); /* in the file's order */
/* Where the keys and the list of tensors end and the data begins. */
size_t gguf_data_at(const struct gguf *g);
bool gguf_meta(const struct gguf *g, const char *key, struct meta *out);
/* A key with its kind and value as they lie in the file, for a copy of it; NULL: no such key. */
const void *gguf_key_bytes(const struct gguf *g, const char *key, size_t *n);
/* The i-th key in order of name; NULL past the last. */
const char *gguf_key_at(const struct gguf *g, size_t i);

#endif
