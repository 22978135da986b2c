/* Constrained output: a grammar, and for each state of its recognition the tokens that may come next.
 *
 * A grammar is bytes, so that tokens may end inside of characters. It comes from text (GBNF, as llama.cpp writes it) or from
 * a JSON schema. Recognition is a set of stacks; sets are numbered as they are met, so a state is a number: copying it is a
 * fork, keeping it is a way back. For each state the step of each byte and the mask over the vocabulary are remembered.
 *
 * A grammar and a vocabulary are read-only: any thread may use them. A matcher belongs to one thread at a time; its states
 * mean nothing to another. */
#ifndef CODEASK_ENGINE_SAMPLE_GRAMMAR_H
#define CODEASK_ENGINE_SAMPLE_GRAMMAR_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAMMAR_TEXT_MAX (1u << 20)
#define GRAMMAR_ELEMENTS_MAX 200000u /* repetitions are written out: "at most 1,000 items" is 1,000 times an item */
#define GRAMMAR_REPEAT_MAX 4096
#define GRAMMAR_STATES_MAX 60000u    /* a state is 1 kB of steps; a JSON schema has hundreds */
#define GRAMMAR_MASKS_BYTES ((size_t)64 << 20) /* of masks remembered; then the oldest give way */

struct grammar;
/* From "root ::= …" lines. ERR_FORMAT names the line; a rule that begins with itself is ERR_UNSUPPORTED. */
int grammar_from_text(struct grammar **out, const char *text, size_t len, struct err *e);
/* Texts that are accepted are documents the schema accepts, not all of them: members come in the schema's order, unlisted
 * members only where additionalProperties asks for them, blanks are few, escapes are the short ones. ERR_UNSUPPORTED names a
 * keyword that is not known and where it stands. oneOf is read as anyOf. */
int grammar_from_schema(struct grammar **out, const json_t *schema, struct err *e);
void grammar_free(struct grammar *g); /* accepts NULL */

/* The vocabulary's bytes as a tree. bytes: a token's bytes, borrowed until grammar_vocab_new returns; NULL or no bytes:
 * never allowed by a grammar (special tokens). */
struct grammar_vocab;
struct grammar_vocab *grammar_vocab_new(size_t n, const char *(*bytes)(void *arg, uint32_t id, size_t *len), void *arg);
void grammar_vocab_free(struct grammar_vocab *v); /* accepts NULL */

struct matcher;
/* Both are borrowed. */
struct matcher *matcher_new(const struct grammar *g, const struct grammar_vocab *v);
void matcher_free(struct matcher *m); /* accepts NULL */

#define MATCHER_START 1u
#define MATCHER_DEAD 0u
/* Steps *state over the bytes; false: they do not fit, and *state is what it was. ERR_LIMIT shows in matcher_mask. */
bool matcher_accept(struct matcher *m, uint32_t *state, const char *bytes, size_t n);
/* May the text end here? And can nothing else follow? */
bool matcher_may_end(const struct matcher *m, uint32_t state);
bool matcher_must_end(struct matcher *m, uint32_t state);
/* [(vocab + 31) / 32] words, a bit for each token whose bytes fit; borrowed until the next call. Tokens that end a text are
 * the caller's: their bits are as their bytes say (0 for special ones). NULL: ERR_LIMIT, more states than a matcher holds. */
const uint32_t *matcher_mask(struct matcher *m, uint32_t state, struct err *e);

#endif
