/* Generation's part of the language between daemon and engine process (frames.h).
 *
 *   GENERATE  u32 model, u32 max_tokens, u32 max_reasoning, f32 temperature, top_p, min_p, u32 top_k, f32 repetition,
 *             u64 seed, u8 lookup, u8 stops, u16 messages, textz stop[stops], textz grammar (empty: none),
 *             (u8 role, textz)[messages], u32 contents, hash[20][contents], textz scope, textz adapter → PIECE …, GENERATED | FAIL
 *   COUNT     u32 model, u32 n, textz[n]                     → COUNTS | FAIL
 *   FORGET    u32 model, u8 all, hash[20]                    → COUNTS (n = 0) | FAIL
 *   PIECE     u8 channel, u8 zero[3], u32 prompt_done, u32 prompt_total, u32 bytes, bytes
 *   GENERATED u32 end, prompt, reused, reasoning, answer, drafted, accepted (tokens), f64 ms_prompt, ms_first, ms_total, ms_read
 *   COUNTS    u32 n, u32[n]
 * textz: u32 bytes, bytes, a NUL that is not counted (so that what is read can be borrowed) */
#ifndef CODEASK_ENGINE_PROCESS_FRAMES_GENERATE_H
#define CODEASK_ENGINE_PROCESS_FRAMES_GENERATE_H

#include "engine/generate.h"
#include "engine/process/frames.h"

#define FRAME_MESSAGES 1024 /* of one GENERATE: a conversation is capped far below it */

struct frame_generate { /* borrows from the payload; message belongs to the frame: frame_generate_release */
    uint32_t model;
    struct gen_prompt prompt;
    struct gen_message *message;
};
struct frame_count { /* as above; text and len: frame_count_release */
    uint32_t model, n;
    const char **text;
    size_t *len;
};

int frame_get_generate(struct frame_generate *out, const struct frame *f, struct err *e);
void frame_generate_release(struct frame_generate *g);
int frame_get_count(struct frame_count *out, const struct frame *f, struct err *e);
void frame_count_release(struct frame_count *c);
int frame_get_forget(uint32_t *model, const uint8_t **content /* NULL: all */, const struct frame *f, struct err *e);
int frame_get_piece(struct gen_piece *out, const struct frame *f, struct err *e);
int frame_get_generated(struct gen_result *out, const struct frame *f, struct err *e);
/* count: [n], filled; ERR_FORMAT where the answer holds another number. */
int frame_get_counts(uint32_t *count, uint32_t n, const struct frame *f, struct err *e);

/* ERR_USAGE: a role that there is none of, too many messages or stop strings. */
int frame_put_generate(struct buf *b, uint64_t id, uint32_t model, const struct gen_prompt *p, struct err *e);
void frame_put_count(struct buf *b, uint64_t id, uint32_t model, const char *const *text, const size_t *len, uint32_t n);
void frame_put_forget(struct buf *b, uint64_t id, uint32_t model, const uint8_t *content);
void frame_put_piece(struct buf *b, uint64_t id, const struct gen_piece *p);
void frame_put_generated(struct buf *b, uint64_t id, const struct gen_result *r);
void frame_put_counts(struct buf *b, uint64_t id, const uint32_t *count, uint32_t n);

#endif
