/* Writes a GGUF file (version 3; gguf.h draws it) front to back: keys, then the list of tensors, then their bytes in that
 * order. Not thread-safe. */
#ifndef CODEASK_ENGINE_FORMAT_GGUF_WRITE_H
#define CODEASK_ENGINE_FORMAT_GGUF_WRITE_H

#include "base/buf.h"
#include "engine/format/gguf.h"

struct gguf_writer {
    struct buf keys, tensors;
    uint64_t nkeys, ntensors, data; /* data: bytes of all the tensors so far, padding included */
    uint64_t due;                   /* of the tensor that is being written */
    int fd;
};

void gguf_writer_init(struct gguf_writer *w);
void gguf_writer_release(struct gguf_writer *w); /* the descriptor stays open */

void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t value);
void gguf_write_f32(struct gguf_writer *w, const char *key, float value);
void gguf_write_text(struct gguf_writer *w, const char *key, const char *value);
/* A key of another file, byte for byte; nothing where it has none. */
void gguf_write_copy(struct gguf_writer *w, const struct gguf *from, const char *key);
void gguf_write_tensor(struct gguf_writer *w, const char *name, enum block_type type, int rank, const uint64_t *shape);

/* The header, to fd; from then on only gguf_write_bytes. Errors: ERR_IO, ERR_FULL. */
int gguf_write_begin(struct gguf_writer *w, int fd, struct err *e);
/* The next bytes of the tensor at hand; last: the tensor ends with them and is padded. */
int gguf_write_bytes(struct gguf_writer *w, const void *bytes, size_t n, bool last, struct err *e);

#endif
