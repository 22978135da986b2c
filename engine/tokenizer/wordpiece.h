/* WordPiece as BERT models use it: the ids of the `tokenizers` package, token for token (encode_special_tokens on: a text
 * that holds "[SEP]" cannot inject one), one pass over the bytes.
 *
 *   text → code points cleaned, Chinese characters parted, accents stripped (NFD), lower case → words and punctuation
 *   → of each word the longest pieces of the vocabulary from the left, "##" before all but the first; no way: [UNK]
 */
#ifndef CODEASK_ENGINE_TOKENIZER_WORDPIECE_H
#define CODEASK_ENGINE_TOKENIZER_WORDPIECE_H

#include "base/err.h"
#include "engine/tokenizer/unicode.h"

#define WORDPIECE_CHARS_MAX 1000 /* max_input_chars_per_word of a file may not be larger */

/* Read-only once open: any thread may use it. */
struct wordpiece;
/* What one thread remembers between calls: words and their ids. Not thread-safe. Belongs to one tokenizer. */
struct wordpiece_memory;

/* From <dir>/tokenizer.json, else <dir>/vocab.txt with tokenizer_config.json. ERR_FORMAT for what is wrong,
 * ERR_UNSUPPORTED for a tokenizer of another kind; both name the file. */
int wordpiece_open(struct wordpiece **out, const char *dir, struct err *e);
/* The same from memory; name stands for the file in messages. */
int wordpiece_from_json(struct wordpiece **out, const char *name, const void *bytes, size_t n, struct err *e);
int wordpiece_from_vocab(struct wordpiece **out, const char *name, const void *bytes, size_t n,
                         const struct unicode_options *o, struct err *e);
void wordpiece_close(struct wordpiece *w); /* accepts NULL */

uint32_t wordpiece_vocab(const struct wordpiece *w); /* every id is below it */
size_t wordpiece_bytes(const struct wordpiece *w);

struct wordpiece_memory *wordpiece_memory_new(void);
void wordpiece_memory_free(struct wordpiece_memory *m); /* accepts NULL */

/* [CLS] pieces [SEP] into ids[0 … max), max ≥ 2; what does not fit is cut. Returns how many. */
size_t wordpiece_encode(const struct wordpiece *w, struct wordpiece_memory *m, const char *text, size_t len,
                        uint32_t *ids, size_t max);
/* [CLS] and [SEP]. */
void wordpiece_marks(const struct wordpiece *w, uint32_t *cls, uint32_t *sep);
/* The pieces alone, without [CLS] and [SEP]. */
size_t wordpiece_pieces(const struct wordpiece *w, struct wordpiece_memory *m, const char *text, size_t len,
                        uint32_t *ids, size_t max);

#endif
