/* Drafts out of the context: what followed when the last 4 (3, 2) tokens stood there, where most of what stands before them is the same
 * too, else the last time; after one token, where it was always followed by the same. Answers quote what they
 * were given, so such drafts are often right, and a wrong one costs only its verification.
 *
 * Adding and taking back a token costs O(1) amortised, a look-up at most LOOKUP_STEPS comparisons for each length. Not thread-safe. */
#ifndef CODEASK_ENGINE_SAMPLE_LOOKUP_H
#define CODEASK_ENGINE_SAMPLE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#define LOOKUP_LONGEST 4 /* longer suffixes find hardly more, and what they find the shorter ones find too */
#define LOOKUP_BEFORE 8  /* tokens before such a suffix that choose among the places where it stands */
#define LOOKUP_SHORTEST 1
#define LOOKUP_AFTER_ONE 2   /* guesses after a match of one token, of two, of three: most go wrong at once, and what goes on is */
#define LOOKUP_AFTER_TWO 3   /* found again by four tokens in the next step (computed from the texts of tests/bench/replay*.txt with */
#define LOOKUP_AFTER_THREE 5 /* measured costs of rows) */
#define LOOKUP_STEPS 8   /* candidates of one hash that are looked at */

struct lookup;
struct lookup *lookup_new(void);
void lookup_free(struct lookup *l); /* accepts NULL */

void lookup_add(struct lookup *l, const uint32_t *token, size_t n);
void lookup_rollback(struct lookup *l, size_t n); /* takes the last n back */
size_t lookup_length(const struct lookup *l);
/* Up to max tokens that may come next, few after a short match; returns how many. */
size_t lookup_draft(const struct lookup *l, uint32_t *out, size_t max);

#endif
