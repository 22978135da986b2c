/* One request's text: from logits to pieces. Chooses tokens (grammar, sampler, what the reasoning's budget forces), splits what they
 * say into channels, ends at stop strings, and guesses what comes next out of the prompt.
 *
 * writer_choose and writer_draft are called from one thread (the schedule's), the rest by whoever made it, not at the same time. */
#ifndef CODEASK_ENGINE_GENERATE_WRITER_H
#define CODEASK_ENGINE_GENERATE_WRITER_H

#include "engine/generate.h"
#include "engine/sample/grammar.h"
#include "engine/sample/sample.h"
#include "engine/tokenizer/tokenizer.h"

/* What the requests of a model share. */
struct writer_shared {
    const struct tokenizer *tokenizer;
    struct sampler *sampler;            /* scratch, of the thread that chooses */
    uint32_t logits;                    /* of a row: the model's vocabulary, which may be padded beyond the tokenizer's */
    const struct grammar_vocab *vocab;  /* of so many tokens; needed where options have a grammar */
    const char *template_text;
    size_t template_len;
};

struct writer;
/* text: what was rendered; token: its ids, [n], borrowed until the writer is freed. emit: pieces, from the thread that chooses.
 * ERR_USAGE, ERR_FORMAT or ERR_UNSUPPORTED for options that cannot be. */
int writer_new(struct writer **out, const struct writer_shared *shared, const struct gen_options *o, const char *text, size_t len,
               const uint32_t *token, uint32_t n, void (*emit)(void *arg, enum gen_channel channel, const char *bytes, size_t n),
               void *arg, struct err *e);
void writer_free(struct writer *w); /* accepts NULL */

bool writer_choose(void *writer, float *logits, uint32_t *token);
/* How the token behind what was chosen so far and n more is drawn on a device (schedule.h: draw); not where a grammar has a say. */
struct draw_batch;
void writer_draw(void *writer, struct draw_batch *out, const uint32_t *ahead, uint32_t n);
uint32_t writer_draft(void *writer, uint32_t *token, uint32_t most);

/* At the end: what was held back is emitted, counts and how it ended are set. An error that ended it (NaN logits, a grammar with
 * no way on) is returned. */
int writer_end(struct writer *w, struct gen_result *r, struct err *e);

#endif
