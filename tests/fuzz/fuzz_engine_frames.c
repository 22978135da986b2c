/* The engine process's frames: every payload read as every kind stays inside its bytes, and what is written is read. */
#include "base/buf.h"
#include "engine/process/frames_generate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static volatile uint8_t sum;

static void touch(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum += ((const uint8_t *)p)[i];
}

static void read_generation(const struct frame *f)
{
    struct frame_generate g;
    struct frame_count c;
    struct gen_piece piece;
    struct gen_result result;
    struct err e = {0};
    struct buf again = BUF_INIT;
    struct frame h;
    const uint8_t *content;
    uint32_t model, counts[4];
    for (uint32_t n = 0; n < 4; n++)
        frame_get_counts(counts, n, f, &e);
    frame_get_forget(&model, &content, f, &e);
    frame_get_generated(&result, f, &e);
    if (!frame_get_piece(&piece, f, &e))
        touch(piece.text, piece.len);
    if (!frame_get_count(&c, f, &e)) {
        for (uint32_t i = 0; i < c.n; i++)
            touch(c.text[i], c.len[i] + 1);
        frame_count_release(&c);
    }
    if (frame_get_generate(&g, f, &e))
        return;
    for (size_t i = 0; i < g.prompt.n; i++)
        touch(g.prompt.message[i].text, g.prompt.message[i].len);
    touch(g.prompt.provenance.content, g.prompt.provenance.ncontent * 20);
    if (frame_put_generate(&again, f->id, g.model, &g.prompt, &e))
        abort();
    if (frame_read(&h, (uint8_t *)again.data, again.len, NULL) != (long)again.len || h.len != f->len ||
        memcmp(h.payload, f->payload, h.len))
        abort();
    buf_release(&again);
    frame_generate_release(&g);
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
    struct residency_report resident;
    if (!frame_get_resident(&resident, f, &e)) {
        struct buf again = BUF_INIT;
        struct frame h;
        frame_put_resident(&again, &resident);
        if (frame_read(&h, (uint8_t *)again.data, again.len, NULL) != (long)again.len || h.len != f->len || memcmp(h.payload, f->payload, h.len))
            abort();
        buf_release(&again);
    }
    frame_get_close(&model, f, &e);
    frame_get_ready(provider, f, &e);
    if (frame_get_fail(f, &e) >= 0 || !e.code)
        abort();
    read_generation(f);
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
