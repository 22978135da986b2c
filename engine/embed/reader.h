/* Texts to the tokens that a model embeds or scores: its tokenizer, and the special tokens that its files put around a text or a
 * pair. BERT's own WordPiece goes its fast way (wordpiece.h), all others through tokenizer.h; the ids are the same.
 *
 * Read-only once open; one memory belongs to one thread at a time. Special tokens are never found in the text itself. */
#ifndef CODEASK_ENGINE_EMBED_READER_H
#define CODEASK_ENGINE_EMBED_READER_H

#include "engine/format/model_file.h"
#include "engine/tokenizer/tokenizer.h"

struct reader;
struct reader_memory;

int reader_open(struct reader **out, const struct model_file *f, struct err *e);
void reader_close(struct reader *r); /* accepts NULL */
uint32_t reader_vocab(const struct reader *r); /* every id is below it */
size_t reader_bytes(const struct reader *r);
const struct tokenizer *reader_tokenizer(const struct reader *r); /* NULL: BERT's own WordPiece reads */

struct reader_memory *reader_memory_new(void);
void reader_memory_free(struct reader_memory *m); /* accepts NULL */
struct tokenizer_memory *reader_memory_tokens(struct reader_memory *m); /* for reader_tokenizer; borrowed */

/* first text last, into ids[0 … max), max ≥ 3; what does not fit is cut from the text's end. Returns how many, at least 1: an empty
 * text of a model without marks is one unknown or first token. */
size_t reader_text(const struct reader *r, struct reader_memory *m, const char *text, size_t len, uint32_t *ids, size_t max);
/* first a last b last, max ≥ 8; a is cut to half of the room, b to what is left. type: 0 up to the last behind a, then 1. */
size_t reader_pair(const struct reader *r, struct reader_memory *m, const char *a, size_t a_len, const char *b, size_t b_len,
                   uint32_t *ids, uint32_t *type, size_t max);

#endif
