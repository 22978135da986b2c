/* What was read before: sequences kept after their request has ended, so that a prompt which begins alike is read from where it
 * differs. One answers another only inside of its scope (a set of permissions), and dies with any content it was made of.
 *
 * Belongs to the thread that owns the decoder. */
#ifndef CODEASK_ENGINE_GENERATE_PREFIX_H
#define CODEASK_ENGINE_GENERATE_PREFIX_H

#include "engine/generate.h"
#include "engine/run/decoder.h"

/* Tokens in common below which sharing is not worth a sequence: the chat templates' own beginning is about as long. */
#define PREFIX_LEAST DECODER_PAGE

struct prefix_cache;
/* most: sequences kept at once; 0 keeps nothing. */
struct prefix_cache *prefix_cache_new(uint32_t most);
void prefix_cache_free(struct prefix_cache *c); /* accepts NULL; frees the kept sequences */

/* A fork of the kept sequence that shares most with token[0 … n), rolled back to what they share, at most n - 1 (the last token must
 * be read for its logits). NULL: none shares PREFIX_LEAST tokens, or no sequence is free. */
struct sequence *prefix_take(struct prefix_cache *c, const uint32_t *token, uint32_t n, const char *scope);
/* Keeps s, which is the cache's from now on, in the place of what it continues. */
void prefix_keep(struct prefix_cache *c, struct sequence *s, const struct gen_provenance *from);
/* Frees the one that was used longest ago; false: nothing is kept. */
bool prefix_evict(struct prefix_cache *c);
/* Frees those made with the content; NULL: all. */
void prefix_forget(struct prefix_cache *c, const uint8_t content[20]);

#endif
