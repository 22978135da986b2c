/* The tokens of a vocabulary: their texts as the file writes them, the bytes that they stand for, and the way back from
 * bytes to ids. Read-only once it is ready. */
#ifndef CODEASK_ENGINE_TOKENIZER_VOCAB_H
#define CODEASK_ENGINE_TOKENIZER_VOCAB_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/tokenizer/tokenizer.h"

#define VOCAB_MAX 1000000     /* tokens; the largest published have some 260,000 */
#define TOKEN_BYTES_MAX 8192  /* of one; the longest published are runs of some hundred blanks */
#define VOCAB_BYTES_MAX (256u << 20)

/* As tokenizer.ggml.token_type numbers them. */
enum token_kind { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_USER = 4, TOKEN_UNUSED = 5, TOKEN_BYTE = 6 };

struct token {
    uint32_t text, ntext;   /* in texts: as the file has it */
    uint32_t bytes, nbytes; /* in texts: what it stands for in a text */
    double score; /* of GGUF a float, of JSON what is written there: near ties fall as in the reference */
    uint8_t kind;
    bool guarded; /* only where all of its bytes are literal */
    bool apart;   /* not the model's own: no word is cut into it */
};

struct vocab {
    struct token *token;
    uint32_t n, cap;
    struct buf texts;
    uint32_t *slot; /* id + 1, by the hash of what is looked for */
    size_t mask;
    size_t longest; /* bytes of the longest that can be found */
    bool by_bytes;  /* tokens are found by the bytes they stand for, else by their text */
};

/* How a token's text is turned into the bytes that it stands for. */
enum spelling {
    SPELL_LETTERS, /* a letter a byte (byte-level) */
    SPELL_BLANKS,  /* U+2581 is a blank, <0x0A> a byte */
    SPELL_PLAIN,
    SPELL_PIECES,  /* WordPiece: "##x" goes on, all others begin a word */
};

/* Appends a token; ERR_FORMAT where it is too long or one too many. */
int vocab_add(struct vocab *v, const char *text, size_t n, double score, enum token_kind kind, struct err *e);
/* Fills bytes, and the table of what text is made of: by bytes where letters are spelled, else by text. Guarded tokens, unknown
 * and byte tokens are not found in it, so that no text can come to them by merges. Two of the same text: ERR_FORMAT. */
int vocab_ready(struct vocab *v, enum spelling how, const char *name, struct err *e);
void vocab_release(struct vocab *v);

uint32_t vocab_find(const struct vocab *v, const char *p, size_t n); /* TOKEN_NONE: none */
/* The id of the token written so, whatever its kind; slow. */
uint32_t vocab_named(const struct vocab *v, const char *text, size_t n);
/* A byte token's byte ("<0x0A>"), or -1. */
int token_byte(const char *text, size_t n);
/* The bytes that letters stand for; false where one of them stands for none. to: n bytes. */
bool letters_to_bytes(char *to, size_t *nto, const char *text, size_t n);

static inline const char *token_text(const struct vocab *v, uint32_t id, size_t *n)
{
    *n = v->token[id].ntext;
    return v->texts.data + v->token[id].text;
}

#endif
