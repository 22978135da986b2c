/* Small GGUF files, byte by byte, so that they can lie. */
#ifndef CODEASK_TESTS_GGUF_BYTES_H
#define CODEASK_TESTS_GGUF_BYTES_H

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

enum { KIND_U32 = 4, KIND_F32 = 6, KIND_BOOL = 7, KIND_TEXT = 8, KIND_ARRAY = 9, KIND_U64 = 10 };

static inline void put32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static inline void put64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static inline void put_text(struct buf *b, const char *s)
{
    put64(b, strlen(s));
    buf_adds(b, s);
}

static inline void put_head(struct buf *b, uint64_t tensors, uint64_t keys)
{
    buf_adds(b, "GGUF");
    put32(b, 3);
    put64(b, tensors);
    put64(b, keys);
}

static inline void put_u32(struct buf *b, const char *key, uint32_t v)
{
    put_text(b, key);
    put32(b, KIND_U32);
    put32(b, v);
}

static inline void put_tensor(struct buf *b, const char *name, uint64_t in, uint64_t out, uint32_t type, uint64_t offset)
{
    put_text(b, name);
    put32(b, 2);
    put64(b, in);
    put64(b, out);
    put32(b, type);
    put64(b, offset);
}

static inline void put_data(struct buf *b, size_t n)
{
    buf_zero_to(b, 32);
    memset(buf_room(b, n), 0, n);
    b->len += n;
}

#endif
