/* Text to tokens and back, whatever the family: byte-level BPE, SentencePiece BPE with byte fallback, Unigram, WordPiece.
 * From GGUF metadata (tokenizer.ggml.*) or tokenizer.json. Ids equal the reference's (llama.cpp for GGUF, the `tokenizers`
 * package for JSON), token for token.
 *
 * Special tokens are matched only in text that a template wrote: encode takes for each byte where it came from, and a
 * special token matches only where all of its bytes are literal. Ordinary merges run across the border, so that the ids of
 * harmless text do not depend on who wrote which part.
 *
 * Read-only once open: any thread may use it. One tokenizer_memory belongs to one thread at a time. */
#ifndef CODEASK_ENGINE_TOKENIZER_TOKENIZER_H
#define CODEASK_ENGINE_TOKENIZER_TOKENIZER_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/format/model_file.h"

#define TOKEN_NONE UINT32_MAX

struct tokenizer;
struct tokenizer_memory; /* what a thread remembers between calls: words and their ids; also scratch */

/* From the model's own metadata (GGUF) or the tokenizer.json of its folder. ERR_FORMAT, ERR_UNSUPPORTED name file and key. */
int tokenizer_open(struct tokenizer **out, const struct model_file *f, struct err *e);
/* tokenizer.json alone, from memory; name stands for the file. */
int tokenizer_from_json(struct tokenizer **out, const char *name, const void *bytes, size_t n, struct err *e);
void tokenizer_close(struct tokenizer *t); /* accepts NULL */

struct tokenizer_info {
    uint32_t vocab;                      /* every id is below it */
    uint32_t bos, eos, eot, pad, unk;    /* TOKEN_NONE: there is none */
    bool add_bos, add_eos;               /* what the model file asks for around a plain text */
    uint32_t first, last;                /* those tokens, of a text that is embedded: not always bos and eos (Qwen3-Embedding); TOKEN_NONE */
    bool space_prefix;                   /* a text's first token begins with a blank that the text does not have */
    const char *kind;                    /* "bpe", "spm", "unigram", "wordpiece" */
};
const struct tokenizer_info *tokenizer_info(const struct tokenizer *t);
/* May generation stop at it? eos, eot and what else the family ends a turn with. */
bool tokenizer_ends(const struct tokenizer *t, uint32_t id);

struct tokenizer_memory *tokenizer_memory_new(void);
void tokenizer_memory_free(struct tokenizer_memory *m); /* accepts NULL */

/* Appends ids to *out (grown with base/mem.h; *n of *cap in use). literal: [len], nonzero where a template wrote the byte;
 * NULL: nowhere. bos/eos are not added: a template writes them, and a plain text's caller looks at info. */
void tokenizer_encode(const struct tokenizer *t, struct tokenizer_memory *m, const char *text, size_t len,
                      const uint8_t *literal, uint32_t **out, size_t *n, size_t *cap);

/* The bytes that a token stands for, borrowed; special tokens give their text only where special is asked for, else none.
 * A token may end inside of a character: callers hold bytes back until it is whole. */
const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, bool special, size_t *len);
/* The id of exactly this special token ("<|im_end|>"); TOKEN_NONE: there is none. */
uint32_t tokenizer_special(const struct tokenizer *t, const char *text, size_t len);

#endif
