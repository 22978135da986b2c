/* The language between the daemon and its engine process: a pure byte machine, both ends of one build, little-endian.
 *
 *   frame     u32 bytes of the payload (≤ FRAME_MAX), u16 kind, u16 zero, u64 id, payload
 *   id        chosen by the asker; the one answer to a request carries it
 *   HELLO     text build, u32 threads, u64 max_memory, text backend, text isa, text prefix_folder, u64 prefix_bytes, text draft, text adapter, u64 device_memory → READY | FAIL
 *   OPEN      u32 model (chosen by the asker), text path                       → OPENED | FAIL
 *   EMBED     u32 model, u8 embed_kind, u8 priority, u16 zero, u32 n, u32 bytes[n], the texts → VECTORS | FAIL
 *   RERANK    as EMBED, kind and priority 0; the first text is the question   → VECTORS of one column a document | FAIL
 *   CANCEL    -                  (no answer of its own: the request `id` ends soon)
 *   CLOSE     u32 model          (no answer)
 *   GENERATE, COUNT, FORGET, PIECE, GENERATED, COUNTS: frames_generate.h
 *   READY     text provider
 *   OPENED    text name, text family, hash[32], u32 dim, u8 scores, u32 max_tokens, u32 context, f32 prompt_rate,
 *             f32 prompt_slope, u64 bytes, text provider, text draft, text adapter
 *   VECTORS   u32 n, u32 dim, u32 used[n], f32 [n, dim]
 *   RESIDENT  (of its own accord, id 0, when a model was loaded or released) u8 planned, u8 unified, u16 zero, u64 total, free, held, budget, u32 n, n × (u8 tenant, u8 placed, u8 busy, u8 zero,
 *             u64 floor, u64 ceiling, u64 grant, text name)
 *   FAIL      i32 code, text message, text hint
 * text: u32 bytes, bytes without NUL */
#ifndef CODEASK_ENGINE_PROCESS_FRAMES_H
#define CODEASK_ENGINE_PROCESS_FRAMES_H

#include "base/buf.h"
#include "engine/engine.h"
#include "engine/residency.h"

#define FRAME_HEAD 16
#define FRAME_MAX (32u << 20)
#define FRAME_TEXTS 256 /* of one EMBED */

enum frame_kind {
    FRAME_HELLO = 1, FRAME_OPEN, FRAME_EMBED, FRAME_CANCEL, FRAME_CLOSE, FRAME_GENERATE, FRAME_COUNT, FRAME_FORGET,
    FRAME_RERANK, FRAME_ASK_END,
    FRAME_READY = 64, FRAME_OPENED, FRAME_VECTORS, FRAME_FAIL, FRAME_PIECE, FRAME_GENERATED, FRAME_COUNTS, FRAME_RESIDENT,
    FRAME_ANSWER_END,
};

struct frame {
    enum frame_kind kind;
    uint64_t id;
    const uint8_t *payload; /* borrowed */
    size_t len;
};

/* Bytes of the frame that begins at p; 0: more are needed; ERR_FORMAT: no frame ever begins so. */
long frame_read(struct frame *out, const uint8_t *p, size_t n, struct err *e);

struct frame_hello {
    char build[64], backend[16], isa[16], instead[32];
    uint32_t threads;
    uint64_t max_memory, prefix_bytes, device_memory;
    char prefix_folder[4096], draft[4096], adapter[4096];
};
struct frame_open {
    uint32_t model;
    char path[4096];
};
struct frame_embed { /* borrows from the payload; text and len belong to the frame: frame_embed_release */
    uint32_t model, n;
    enum embed_kind kind;
    enum priority priority;
    const char **text;
    size_t *len;
};
struct frame_vectors { /* borrowed, any alignment */
    uint32_t n, dim;
    const uint8_t *used, *rows;
};

/* ERR_FORMAT for a payload that is not exactly what the list above says. */
int frame_get_hello(struct frame_hello *out, const struct frame *f, struct err *e);
int frame_get_open(struct frame_open *out, const struct frame *f, struct err *e);
int frame_get_embed(struct frame_embed *out, const struct frame *f, struct err *e);
void frame_embed_release(struct frame_embed *m);
int frame_get_close(uint32_t *model, const struct frame *f, struct err *e);
int frame_get_ready(char provider[64], const struct frame *f, struct err *e);
int frame_get_opened(struct model_info *out, const struct frame *f, struct err *e);
int frame_get_resident(struct residency_report *out, const struct frame *f, struct err *e);
int frame_get_vectors(struct frame_vectors *out, const struct frame *f, struct err *e);
/* Returns the failure's own code, with its message and hint in e. */
int frame_get_fail(const struct frame *f, struct err *e);

/* Append a whole frame. */
void frame_put_hello(struct buf *b, uint64_t id, const struct frame_hello *h);
void frame_put_open(struct buf *b, uint64_t id, uint32_t model, const char *path);
void frame_put_embed(struct buf *b, uint64_t id, uint32_t model, enum embed_kind kind, enum priority p,
                     const char *const *text, const size_t *len, uint32_t n);
void frame_put_rerank(struct buf *b, uint64_t id, uint32_t model, const char *const *text, const size_t *len, uint32_t n);
void frame_put_cancel(struct buf *b, uint64_t id);
void frame_put_close(struct buf *b, uint32_t model);
void frame_put_resident(struct buf *b, const struct residency_report *r);
void frame_put_ready(struct buf *b, uint64_t id, const char *provider);
void frame_put_opened(struct buf *b, uint64_t id, const struct model_info *info);
void frame_put_vectors(struct buf *b, uint64_t id, uint32_t n, uint32_t dim, const uint32_t *used, const float *rows);
void frame_put_fail(struct buf *b, uint64_t id, const struct err *e);

#endif
