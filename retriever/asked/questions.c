#include "retriever/asked/questions.h"

#include "retriever/corpus/inside.h"

#include <ctype.h>
#include <string.h>

#define WORDS_LEAST 8 /* bytes of a question */

static struct str line_of(struct str *rest)
{
    const char *nl = memchr(rest->p, '\n', rest->n);
    struct str line = {rest->p, nl ? (size_t)(nl - rest->p) : rest->n};
    size_t whole = line.n + (nl != NULL);
    *rest = (struct str){rest->p + whole, rest->n - whole};
    return line;
}

/* "Signed-off-by: …", "PR-URL: …": who and where, not what. */
static bool is_trailer(struct str line)
{
    size_t i = 0;
    while (i < line.n && (isalpha((unsigned char)line.p[i]) || line.p[i] == '-'))
        i++;
    return i > 1 && i + 1 < line.n && isupper((unsigned char)*line.p) && line.p[i] == ':' && line.p[i + 1] == ' ';
}

/* A commit's message without its trailers. */
static const char *message(struct str all, struct arena *arena)
{
    struct buf b = BUF_INIT;
    for (bool first = true; all.n && b.len < QUESTION_BYTES; first = false) {
        struct str line = trimmed(line_of(&all));
        if (line.n && (first || !is_trailer(line)))
            buf_addf(&b, "%s%.*s", b.len ? "\n" : "", (int)line.n, line.p);
    }
    size_t n = b.len < QUESTION_BYTES ? b.len : QUESTION_BYTES;
    while (n && n < b.len && ((unsigned char)b.data[n] & 0xc0) == 0x80) /* not in the middle of a character */
        n--;
    const char *text = arena_strn(arena, b.data ? b.data : "", n);
    buf_release(&b);
    return text;
}

static const char *asked_by(const struct corpus_record *r, struct arena *arena)
{
    struct str text = r->kind == CORPUS_DOC ? r->text[0] : r->prompt;
    if (r->kind == CORPUS_DOC)
        return arena_sentence(arena, text).p;
    if (r->kind == CORPUS_CHANGE) {
        line_of(&text); /* what is asked; the message follows */
        return message(trimmed(text), arena);
    }
    return arena_strn(arena, text.p, text.n);
}

struct question *questions_of(size_t *n, const struct corpus *c, struct arena *arena)
{
    struct question *v = arena_alloc(arena, ((size_t)c->records + 1) * sizeof *v);
    *n = 0;
    for (uint32_t i = 0; i < c->records; i++) {
        const struct corpus_record *r = &c->record[i];
        if (!(QUESTION_KINDS >> r->kind & 1) || !r->blobs)
            continue;
        struct question q = {.kind = r->kind, .held = r->held, .text = asked_by(r, arena), .answer = r->blob, .answers = r->blobs};
        if (strlen(q.text) >= WORDS_LEAST)
            v[(*n)++] = q;
    }
    return v;
}
