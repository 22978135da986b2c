/* The engine process's frames: every payload read as every kind stays inside its bytes, and what is written is read. */
#include "base/buf.h"
#include "engine/process/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static volatile uint8_t sum;

static void touch(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum += ((const uint8_t *)p)[i];
}

static void read_as_all(const struct frame *f)
{
    struct frame_hello hello;
    struct frame_open open;
    struct frame_embed embed;
    struct frame_vectors vectors;
    struct model_info info;
    struct err e = {0};
    uint32_t model;
    char provider[64];
    if (!frame_get_hello(&hello, f, &e))
        touch(hello.build, strlen(hello.build) + strlen(hello.isa));
    if (!frame_get_open(&open, f, &e))
        touch(open.path, strlen(open.path));
    if (!frame_get_vectors(&vectors, f, &e)) {
        touch(vectors.used, (size_t)vectors.n * 4);
        touch(vectors.rows, (size_t)vectors.n * vectors.dim * 4);
    }
    if (!frame_get_opened(&info, f, &e))
        touch(info.name, strlen(info.name) + strlen(info.provider));
    frame_get_close(&model, f, &e);
    frame_get_ready(provider, f, &e);
    if (frame_get_fail(f, &e) >= 0 || !e.code)
        abort();
    if (frame_get_embed(&embed, f, &e))
        return;
    struct buf again = BUF_INIT;
    struct frame g;
    for (uint32_t i = 0; i < embed.n; i++)
        touch(embed.text[i], embed.len[i]);
    frame_put_embed(&again, f->id, embed.model, embed.kind, embed.priority, embed.text, embed.len, embed.n);
    if (frame_read(&g, (uint8_t *)again.data, again.len, NULL) != (long)again.len || g.len != f->len ||
        memcmp(g.payload, f->payload, g.len))
        abort();
    buf_release(&again);
    frame_embed_release(&embed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame f = {FRAME_EMBED, 1, data, size};
    struct err e = {0};
    read_as_all(&f);
    for (size_t at = 0; at < size;) {
        long n = frame_read(&f, data + at, size - at, &e);
        if (n <= 0 || (size_t)n > size - at)
            break;
        read_as_all(&f);
        at += (size_t)n;
    }
    return 0;
}
