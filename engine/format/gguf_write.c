#include "engine/format/gguf_write.h"

#include "base/file.h"

#include <string.h>

enum { ALIGNMENT = 32, KIND_U32 = 4, KIND_F32 = 6, KIND_TEXT = 8 };

void gguf_writer_init(struct gguf_writer *w)
{
    *w = (struct gguf_writer){.fd = -1};
}

void gguf_writer_release(struct gguf_writer *w)
{
    buf_release(&w->keys);
    buf_release(&w->tensors);
}

static void put(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_addc(b, (char)(v >> 8 * i));
}

static void put_text(struct buf *b, const char *s)
{
    put(b, strlen(s), 8);
    buf_adds(b, s);
}

void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t value)
{
    put_text(&w->keys, key);
    put(&w->keys, KIND_U32, 4);
    put(&w->keys, value, 4);
    w->nkeys++;
}

void gguf_write_f32(struct gguf_writer *w, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_text(&w->keys, key);
    put(&w->keys, KIND_F32, 4);
    put(&w->keys, bits, 4);
    w->nkeys++;
}

void gguf_write_text(struct gguf_writer *w, const char *key, const char *value)
{
    put_text(&w->keys, key);
    put(&w->keys, KIND_TEXT, 4);
    put_text(&w->keys, value);
    w->nkeys++;
}

void gguf_write_copy(struct gguf_writer *w, const struct gguf *from, const char *key)
{
    size_t n;
    const void *bytes = gguf_key_bytes(from, key, &n);
    if (!bytes)
        return;
    buf_add(&w->keys, bytes, n);
    w->nkeys++;
}

static uint64_t padded(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void gguf_write_tensor(struct gguf_writer *w, const char *name, enum block_type type, int rank, const uint64_t *shape)
{
    uint64_t bytes = block_row_bytes(type, shape[rank - 1]);
    put_text(&w->tensors, name);
    put(&w->tensors, (uint64_t)rank, 4);
    for (int i = rank - 1; i >= 0; i--)
        put(&w->tensors, shape[i], 8);
    put(&w->tensors, block_formats[type].gguf, 4);
    put(&w->tensors, w->data, 8);
    for (int i = 0; i < rank - 1; i++)
        bytes *= shape[i];
    w->data += padded(bytes);
    w->ntensors++;
}

int gguf_write_begin(struct gguf_writer *w, int fd, struct err *e)
{
    struct buf b = BUF_INIT;
    w->fd = fd;
    buf_adds(&b, "GGUF");
    put(&b, 3, 4);
    put(&b, w->ntensors, 8);
    put(&b, w->nkeys, 8);
    if (w->keys.len)
        buf_add(&b, w->keys.data, w->keys.len);
    if (w->tensors.len)
        buf_add(&b, w->tensors.data, w->tensors.len);
    buf_zero_to(&b, ALIGNMENT);
    int rc = fd_write(fd, b.data, b.len, e);
    buf_release(&b);
    return rc;
}

int gguf_write_bytes(struct gguf_writer *w, const void *bytes, size_t n, bool last, struct err *e)
{
    static const char zeros[ALIGNMENT];
    int rc = fd_write(w->fd, bytes, n, e);
    w->due += n;
    if (rc || !last)
        return rc;
    size_t pad = (size_t)(padded(w->due) - w->due);
    w->due = 0;
    return pad ? fd_write(w->fd, zeros, pad, e) : 0;
}
