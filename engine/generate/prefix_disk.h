/* Kept prefixes in a folder (0700, files 0600), so that an engine that starts again need not read what it had read. One answers another
 * only with the same key, inside of its scope, and goes with any content that it was made of; what was not said to be made of named
 * contents is never written. All models of a home share the folder and its cap: the longest unused go first. Damaged, cut and foreign
 * files are removed when they are met.
 *
 * Threads: one that owns the decoder calls everything but _new and _free; a thread of its own writes. */
#ifndef CODEASK_ENGINE_GENERATE_PREFIX_DISK_H
#define CODEASK_ENGINE_GENERATE_PREFIX_DISK_H

#include "engine/generate.h"
#include "engine/run/decoder.h"

struct prefix_disk;

/* Makes the folder and reads what lies in it. key: of everything that decides what a state means. cap: bytes of the folder, > 0. */
int prefix_disk_new(struct prefix_disk **out, const char *folder, uint64_t cap, const uint8_t key[16], struct err *e);
void prefix_disk_free(struct prefix_disk *d); /* accepts NULL; waits for what is being written */

/* Tokens in common with the kept prefix that shares most with token[0 … n); 0: none. */
uint32_t prefix_disk_common(struct prefix_disk *d, const uint32_t *token, uint32_t n, const char *scope);
/* That one into s, which is empty, rolled back to what they share, at most n - 1. ERR_BUSY: no pages; ERR_NOT_FOUND: it was damaged,
 * and is gone. s is empty again on an error. */
int prefix_disk_load(struct prefix_disk *d, struct sequence *s, const uint32_t *token, uint32_t n, const char *scope, struct err *e);
/* Writes s in the background, in the place of what it continues. Nothing where from names no contents, where it is too short or too
 * large, where it is there already, or where two others are on their way. */
void prefix_disk_keep(struct prefix_disk *d, const struct sequence *s, const struct gen_provenance *from);
/* Removes those made with the content, of every key; NULL: all. What is on its way is waited for. */
void prefix_disk_forget(struct prefix_disk *d, const uint8_t content[20]);

#endif
