/* A small model that guesses what a larger one of the same vocabulary will write: the larger one verifies the guesses in the step in
 * which it would have written one token, so that they cost it hardly more (schedule.h). Guesses change nothing but the speed.
 *
 * Threads: _open and _close by anyone, nothing in flight; the rest by the schedule's thread, as the writer's drafts. */
#ifndef CODEASK_ENGINE_GENERATE_DRAFTER_H
#define CODEASK_ENGINE_GENERATE_DRAFTER_H

#include "engine/run/decoder.h"
#include "engine/tokenizer/tokenizer.h"

struct drafter;
/* ERR_UNSUPPORTED: its tokens are not those of `same`, one by one. context: of the larger model. */
int drafter_open(struct drafter **out, const struct backend *b, void *device, const char *path, const struct tokenizer *same, int threads,
                 uint32_t context, struct err *e);
void drafter_close(struct drafter *d); /* accepts NULL; all drafts are freed */

struct draft; /* what it has read of one request */
struct draft *draft_new(struct drafter *d);
void draft_free(struct draft *g); /* accepts NULL */
/* Up to most guesses of what follows token[0 … n). None while it still reads (a piece a call, so that nobody waits long), where it is not
 * sure, and for a while after it was often wrong. */
uint32_t draft_next(struct draft *g, const uint32_t *token, uint32_t n, uint32_t *out, uint32_t most);

#endif
