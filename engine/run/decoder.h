/* Decoders: one batched forward pass over sequences that remember what they have read. Below generation (scheduling, sampling,
 * the prefix cache), above kernels/backend.h. Every architecture of archs[] (run/arch.h) runs through it.
 *
 * A sequence is its tokens' state in every layer: pages of keys and values, pages within a window, latent pages, or a state of
 * fixed size. Pages are shared between forks and copied when one of them writes; who frees the last one gives it back.
 *
 * Row invariance: a step of up to decoder_info.exact_rows rows gives each row the same bytes whatever stands beside it, however its
 * sequence was cut into steps of that size, and wherever its pages lie. Larger steps (prefill) may sum in another order.
 *
 * Threads: a decoder and its sequences belong to one thread at a time; it has a team of its own for the ops. */
#ifndef CODEASK_ENGINE_RUN_DECODER_H
#define CODEASK_ENGINE_RUN_DECODER_H

#include "base/buf.h"
#include "engine/format/model_file.h"
#include "kernels/backend.h"

#define DECODER_PAGE CACHE_PAGE /* tokens of a page */
#define DECODER_FAMILY_MAX 32

enum kv_type { KV_F32, KV_F16, KV_Q8 /* int8, one scale for QUANT_BLOCK columns */ };

struct decoder_options { /* zero: the defaults */
    int threads;            /* that compute a step, the caller's included; 0: 1 */
    bool op_by_op;          /* steps are not recorded where the device could: tests, and models whose steps never write */
    bool exact;             /* fp32 weights and operands, whatever the file holds */
    enum kv_type kv;
    uint32_t context;       /* tokens of the longest sequence; 0: the model's own, ≤ 131072; ERR_USAGE: more than it */
    uint32_t max_rows;      /* of one step; 0: 512 */
    uint32_t max_sequences; /* alive at once, forks included; 0: 64 */
    size_t kv_bytes;        /* memory for the states of all sequences; 0: what two sequences of `context` need, 1 GiB at most */
};

struct decoder_info {
    char family[DECODER_FAMILY_MAX]; /* row of archs[]: "qwen3" */
    uint32_t vocab;         /* rows of logits */
    uint32_t hidden;        /* of an embedding */
    uint32_t context;       /* most tokens of a sequence */
    uint32_t max_rows, max_sequences;
    uint32_t exact_rows;    /* of a step whose rows do not depend on each other: see above */
    uint32_t write_rows;    /* of a step that writes, at most: the backend's */
    bool draws;             /* decoder_step_draw is there */
    uint32_t pages, pages_free; /* of the page pool; a sequence of n tokens needs at most ⌈n / DECODER_PAGE⌉ */
    size_t weight_bytes, kv_bytes; /* resident; of all pages and fixed states */
    size_t page_bytes;      /* of one page over all layers; page_bytes / DECODER_PAGE is what a token costs */
    size_t state_bytes;     /* of one sequence beside its pages (recurrent layers); 0 for most models */
};

/* Bytes that decoder_new will ask the device for, as far as the file says them: weights at most, buffers of steps, and states from
 * what one sequence of `tokens` (or the context, where that is less) needs to what max_sequences of the whole context can use. */
struct decoder_needs {
    uint64_t weights, work, kv_least, kv_most;
};
int decoder_needs(struct decoder_needs *out, const struct model_file *file, const struct backend *b, void *device,
                  const struct decoder_options *o, uint32_t tokens, struct err *e);

struct decoder;
struct sequence;

/* The file is read during the call only; backend and device are borrowed and must outlive the decoder. ERR_UNSUPPORTED names an
 * unknown architecture or tensor type, or the op that the backend lacks; ERR_FORMAT the key or tensor that is missing or of a
 * wrong shape; ERR_MEMORY where weights or states do not fit. */
int decoder_new(struct decoder **out, const struct model_file *file, const struct backend *b, void *device,
                const struct decoder_options *o, struct err *e);
void decoder_free(struct decoder *d); /* accepts NULL; its sequences must be gone */
void decoder_info(const struct decoder *d, struct decoder_info *out); /* pages_free is of this moment */

/* An empty one. ERR_BUSY: max_sequences are alive. */
int sequence_new(struct sequence **out, struct decoder *d, struct err *e);
void sequence_free(struct sequence *s); /* accepts NULL */
/* A copy that shares every whole page; ERR_BUSY as above, or where no page is free for a half-filled one. */
int sequence_fork(struct sequence **out, const struct sequence *from, struct err *e);
/* What is added to the model's products for this sequence's rows (train/lora.h: lora.adapt; NULL: nothing), from its first token on; forks
 * have it too. Sequences with several adapters, and with none, share steps over the same weights. Borrowed. ERR_USAGE: it has read
 * already. Who stores a sequence's bytes keys them by the adapter. */
struct pass_adapt;
int sequence_adapt(struct sequence *s, const struct pass_adapt *adapt, struct err *e);
uint32_t sequence_length(const struct sequence *s);
const uint32_t *sequence_tokens(const struct sequence *s); /* [length], borrowed until the next step or roll back */
/* Forgets the last n tokens; the next step goes on from there. Where a layer cannot go back so far (a recurrent state, a window
 * that has moved on) the decoder reads again what it must at the beginning of the next step, with the same results. */
int sequence_roll_back(struct sequence *s, uint32_t n, struct err *e); /* ERR_USAGE: n > length */

/* Appends the state of the first n tokens, as bytes that only a decoder of the same file, options and build loads: who stores
 * them keys them by those. ERR_USAGE: n > length; ERR_UNSUPPORTED: a recurrent layer has no state at n any more. */
int sequence_save(const struct sequence *s, uint32_t n, struct buf *out, struct err *e);
/* Into an empty sequence. ERR_FORMAT: not such bytes (every length is checked); ERR_BUSY: not enough free pages. */
int sequence_load(struct sequence *s, const void *bytes, size_t n, struct err *e);

/* What one sequence contributes to a step: n ≥ 1 tokens behind what it has read, and how many of the last of them are answered
 * with logits (0: none, while a prompt is read; 1: the last; n: all, for verification). */
struct step_part {
    struct sequence *s;
    const uint32_t *token;
    uint32_t n, want;
};

/* One step of n parts, each of another sequence, together at most max_rows tokens. logits: fp32 [sum of want, vocab], part by
 * part. All or nothing: on an error no sequence has changed. ERR_LIMIT: a sequence would exceed the context; ERR_BUSY: not enough
 * free pages (decoder_short_of() says so ahead); ERR_USAGE: a token ≥ vocab, too many rows, a sequence twice. */
int decoder_step(struct decoder *d, const struct step_part *part, size_t n, float *logits, struct err *e);
/* The same where the device draws tokens: draw->row[i] says how the step's i-th wanted row is drawn (sample.h: sample_on_device), and
 * draw->out[i] is what came out; only rows of vocab 0 have logits. ERR_USAGE: the backend draws nothing, more than 64 rows are wanted,
 * or draw->rows are not as many. */
struct draw_batch;
int decoder_step_draw(struct decoder *d, const struct step_part *part, size_t n, struct draw_batch *draw, float *logits, struct err *e);
/* Pages that the step would take, beyond the free ones; 0: it fits. */
uint32_t decoder_short_of(const struct decoder *d, const struct step_part *part, size_t n);

/* How fast prompts are read: a token takes token_s, and key_s more for each token before it. Measured: some steps of at most
 * 256 tokens, and attention alone over as many keys as a long prompt has. No sequence may be alive. */
struct decoder_speed {
    double token_s, key_s;
};
int decoder_measure(struct decoder *d, struct decoder_speed *out, struct err *e);

/* Embeddings (Qwen3-Embedding and its like): each text of offset[i+1] - offset[i] tokens is read into a sequence of its own, and
 * the last token's hidden state after the last norm is brought to unit length. out: fp32 [n, hidden]. Any n. */
int decoder_embed(struct decoder *d, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e);
/* The same states as they are, for a head of the caller's (rerankers). */
int decoder_last(struct decoder *d, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e);

#endif
