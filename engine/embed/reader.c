#include "engine/embed/reader.h"

#include "base/mem.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/wordpiece.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct wordpiece *words;  /* one of the two */
    struct tokenizer *tokens;
    uint32_t first, last, empty; /* TOKEN_NONE: none; empty: what stands for a text of no tokens */
};

struct reader_memory {
    struct wordpiece_memory *words;
    struct tokenizer_memory *tokens;
    uint32_t *id; /* of tokens */
    size_t cap;
};

int reader_open(struct reader **out, const struct model_file *f, struct err *e)
{
    struct reader *r = mem_zero(1, sizeof *r);
    const char *folder = model_file_folder(f);
    int rc = ERR_UNSUPPORTED;
    *r = (struct reader){.first = TOKEN_NONE, .last = TOKEN_NONE};
    if (folder)
        rc = wordpiece_open(&r->words, folder, e);
    if (!rc) {
        wordpiece_marks(r->words, &r->first, &r->last);
    } else if (rc == ERR_UNSUPPORTED) { /* a tokenizer of another kind */
        rc = tokenizer_open(&r->tokens, f, e);
        const struct tokenizer_info *i = rc ? NULL : tokenizer_info(r->tokens);
        if (i) {
            r->first = i->first;
            r->last = i->last;
            r->empty = i->eos != TOKEN_NONE ? i->eos : 0;
        }
    }
    if (rc)
        reader_close(r);
    else
        *out = r;
    return rc;
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    wordpiece_close(r->words);
    tokenizer_close(r->tokens);
    free(r);
}

uint32_t reader_vocab(const struct reader *r)
{
    return r->words ? wordpiece_vocab(r->words) : tokenizer_info(r->tokens)->vocab;
}

size_t reader_bytes(const struct reader *r)
{
    return r->words ? wordpiece_bytes(r->words) : 0; /* the others' tables are small beside their weights */
}

const struct tokenizer *reader_tokenizer(const struct reader *r)
{
    return r->tokens;
}

struct tokenizer_memory *reader_memory_tokens(struct reader_memory *m)
{
    return m->tokens;
}

struct reader_memory *reader_memory_new(void)
{
    struct reader_memory *m = mem_zero(1, sizeof *m);
    m->words = wordpiece_memory_new();
    m->tokens = tokenizer_memory_new();
    return m;
}

void reader_memory_free(struct reader_memory *m)
{
    if (!m)
        return;
    wordpiece_memory_free(m->words);
    tokenizer_memory_free(m->tokens);
    free(m->id);
    free(m);
}

/* The text's own tokens, max of them at most. */
static size_t pieces(const struct reader *r, struct reader_memory *m, const char *text, size_t len, uint32_t *ids, size_t max)
{
    if (r->words)
        return wordpiece_pieces(r->words, m->words, text, len, ids, max);
    size_t n = 0;
    tokenizer_encode(r->tokens, m->tokens, text, len, NULL, &m->id, &n, &m->cap);
    n = n < max ? n : max;
    if (n)
        memcpy(ids, m->id, n * sizeof *ids);
    return n;
}

size_t reader_text(const struct reader *r, struct reader_memory *m, const char *text, size_t len, uint32_t *ids, size_t max)
{
    size_t n = 0, behind = r->last != TOKEN_NONE;
    if (r->first != TOKEN_NONE)
        ids[n++] = r->first;
    n += pieces(r, m, text, len, ids + n, max - n - behind);
    if (behind)
        ids[n++] = r->last;
    if (!n)
        ids[n++] = r->empty;
    return n;
}

size_t reader_pair(const struct reader *r, struct reader_memory *m, const char *a, size_t a_len, const char *b, size_t b_len,
                   uint32_t *ids, uint32_t *type, size_t max)
{
    size_t n = 0, behind = r->last != TOKEN_NONE, half = max / 2 - 1 - behind;
    if (r->first != TOKEN_NONE)
        ids[n++] = r->first;
    n += pieces(r, m, a, a_len, ids + n, half);
    if (behind)
        ids[n++] = r->last;
    memset(type, 0, n * sizeof *type);
    size_t from = n;
    n += pieces(r, m, b, b_len, ids + n, max - n - behind);
    if (behind)
        ids[n++] = r->last;
    for (size_t i = from; i < n; i++)
        type[i] = 1;
    return n;
}
