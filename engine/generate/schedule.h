/* Many requests through one decoder, token by token: continuous batching with prompts read in chunks between the steps that write.
 *
 * Steps that write hold at most exact_rows rows (drafts included), so that with the decoder's own what is written depends neither
 * on who else writes nor on drafts. Where the device gains by more rows (write_rows) and more than that write, each has one row and no
 * drafts, and what is written may then depend on how many they are, as far as sums of another order do. Between two of them at most one chunk of prompts is read, small while others write, and prompts
 * take turns by chunks: a long one does not keep a short one waiting. When pages run out, kept prefixes go first; then the youngest
 * request gives its pages back and is read again later, so that the oldest always ends.
 *
 * Threads: schedule_submit, _cancel, _forget and _close may be called from any thread; a thread of the schedule's own makes the
 * steps and calls everything in a task. */
#ifndef CODEASK_ENGINE_GENERATE_SCHEDULE_H
#define CODEASK_ENGINE_GENERATE_SCHEDULE_H

#include "engine/generate.h"
#include "engine/run/decoder.h"

#define SCHEDULE_DRAFTS 15 /* of one task and step: with the token before them the rows of the CPU's exact steps */

struct pass_adapt;
struct prefix_disk;
struct schedule_options { /* zero: the defaults */
    uint32_t exact_rows; /* of a writing step; 0: the decoder's exact_rows */
    uint32_t write_rows; /* of a step in which more than those write; 0: the decoder's write_rows */
    uint32_t chunk;      /* rows of a prompt read while nobody writes; 0: the decoder's max_rows */
    uint32_t chunk_busy; /* while somebody does; 0: 64, which delays a token about as much as four others */
    uint32_t waiting;    /* requests that may wait; 0: 64 */
    uint32_t kept;       /* prefixes kept; 0: half of the decoder's sequences */
    bool keep_nothing;
    struct prefix_disk *disk; /* prefix_disk.h: the schedule's thread calls it until the close; NULL: none */
};

struct schedule_result {
    uint32_t reused, drafted, accepted; /* tokens: of the prompt found in the prefix cache; drafts */
    double ms_prompt;                   /* from the submit until the prompt was read */
    double ms_read;                     /* of that: its share, by rows, of the steps that read it; no waiting */
};

/* One request. Calls come from the schedule's thread and must not wait. */
struct schedule_task {
    const uint32_t *prompt;                /* [n], n ≥ 1, borrowed until ended */
    uint32_t n, most;                      /* most: tokens written at most */
    const struct gen_provenance *from;     /* borrowed until ended; its scope is none of another adapter's */
    /* The next token from its logits (may be written to); false: the text ends here, without it. logits NULL: *token was drawn on the
     * device as `draw` asked. */
    bool (*choose)(void *arg, float *logits, uint32_t *token);
    /* Guesses of what follows what was chosen so far, at most `most`; may be NULL. Guesses change nothing but the speed. */
    uint32_t (*draft)(void *arg, uint32_t *token, uint32_t most);
    void (*read)(void *arg, uint32_t done); /* so many tokens of the prompt are read; may be NULL */
    /* Once, last. rc: 0, ERR_CANCELED, or what the decoder said. cut: `most` or the window's end ended it, not choose. */
    void (*ended)(void *arg, int rc, bool cut, const struct err *why, const struct schedule_result *r);
    void *arg;
    const struct pass_adapt *adapt;        /* what its sequence has on (decoder.h: sequence_adapt), borrowed until the close; NULL: nothing */
    /* How the device draws the token behind what was chosen so far and `ahead` (drafts that are verified): appends one row to out; a row
     * of vocab 0: from its logits. NULL: always so. Called where decoder_info.draws. */
    void (*draw)(void *arg, struct draw_batch *out, const uint32_t *ahead, uint32_t n);
};

struct schedule;
/* The decoder belongs to the schedule until it is closed. */
int schedule_open(struct schedule **out, struct decoder *d, const struct schedule_options *o, struct err *e);
void schedule_close(struct schedule *s); /* accepts NULL; what still runs ends with ERR_CANCELED */

/* ERR_LIMIT: the prompt leaves no room in the window; ERR_BUSY: too many wait. *id for schedule_cancel. */
int schedule_submit(struct schedule *s, const struct schedule_task *t, uint64_t *id, struct err *e);
void schedule_cancel(struct schedule *s, uint64_t id); /* `ended` follows soon, unless it was called already */
void schedule_forget(struct schedule *s, const uint8_t content[20]); /* NULL: all kept prefixes; returns when it is done */

#endif
