/* An answer from start to end: what was pasted is understood, searched, gathered, verified, and only then written. */
#include "retriever/answer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "retriever/answer_parts.h"

#include <stdlib.h>
#include <string.h>

#define HITS 24          /* of the search that an answer looks at */
#define MESSAGES 5       /* of a trace that are shown with their place */
#define SEARCHES 14      /* small ones, for them */
#define QUESTION_MAX 600 /* bytes made from a trace */

static void add_words(struct buf *out, struct str s)
{
    if (out->len + s.n > QUESTION_MAX || !s.n)
        return;
    if (out->len)
        buf_addc(out, ' ');
    buf_add(out, s.p, s.n);
}

/* The question in words: what was asked, and of a trace its names and messages. Quotes in it would become literals. */
static const char *question_of(const struct search_request *q, const struct trace *t, struct arena *arena)
{
    struct buf b = BUF_INIT;
    const char *text = q->text ? q->text : "";
    if (!t)
        return text;
    for (size_t i = 0; i < t->nmessages && i < 3; i++)
        add_words(&b, t->message[i]);
    for (size_t i = 0; i < t->nframes && i < 3; i++)
        add_words(&b, t->frame[i].function);
    for (size_t i = 0; i < t->nidentifiers && i < 6; i++)
        add_words(&b, t->identifier[i]);
    if (!b.len) /* nothing of a trace: the beginning of what was pasted */
        buf_add(&b, q->context, q->context_len < QUESTION_MAX ? q->context_len : QUESTION_MAX);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '"' || b.data[i] == '\0')
            b.data[i] = ' ';
    char *out = arena_fmt(arena, "%s%s%s", text, *text ? "\n" : "", b.data ? b.data : "");
    buf_release(&b);
    return out;
}

/* One literal search; found->n tells. */
static int find_literal(struct search_result *found, struct retriever *r, const struct search_request *q, struct str piece,
                        struct arena *arena, struct err *e)
{
    struct search_request one = *q;
    one.text = arena_fmt(arena, "\"%.*s\"", (int)piece.n, piece.p);
    one.limit = 1;
    one.embedder = one.reranker = NULL;
    one.explain = false;
    int rc = search(found, r, &one, arena, e);
    return rc == ERR_USAGE ? 0 : rc;
}

/* Where the constant pieces of messages stand, literally. A value without a digit or quotes cannot be told from the message
 * ("Could not reserve pear"), so a piece that is not there is tried again without its last words. */
static int find_messages(struct answer_work *w, struct retriever *r, const struct search_request *q, struct err *e)
{
    unsigned searches = 0;
    w->message = arena_zero(w->arena, MESSAGES, sizeof *w->message);
    for (size_t i = 0; i < w->trace->nmessages && w->nmessages < MESSAGES; i++) {
        struct str piece = w->trace->message[i];
        const char *quote = memchr(piece.p, '"', piece.n);
        if (quote)
            piece.n = (size_t)(quote - piece.p);
        for (int shorter = 0; shorter < 3 && piece.n >= 8 && searches < SEARCHES; shorter++) {
            struct search_result found = {0};
            searches++;
            int rc = find_literal(&found, r, q, piece, w->arena, e);
            if (rc)
                return rc;
            if (found.n) {
                w->message[w->nmessages++] = (struct message_hit){piece, found.hit[0]};
                break;
            }
            size_t words = 1;
            for (size_t k = 0; k < piece.n; k++)
                words += piece.p[k] == ' ';
            while (piece.n && piece.p[piece.n - 1] != ' ')
                piece.n--;
            while (piece.n && piece.p[piece.n - 1] == ' ')
                piece.n--;
            if (words < 4) /* two words are in many texts */
                break;
        }
    }
    return 0;
}

static int number(const void *a, const void *b)
{
    const struct citation *x = a, *y = b;
    return x->n < y->n ? -1 : x->n > y->n;
}

static void list_citations(struct answer *out, struct answer_work *w)
{
    out->citation = arena_zero(w->arena, w->parts.n ? w->parts.n : 1, sizeof *out->citation);
    for (size_t i = 0; i < w->parts.n; i++) {
        const struct part *p = &w->parts.v[i];
        if (p->n)
            out->citation[out->ncitations++] = (struct citation){p->n, p->hit, p->first, p->last};
    }
    qsort(out->citation, out->ncitations, sizeof *out->citation, number);
}

static int gather(struct answer_work *w, bool *enough, struct err *e)
{
    struct evidence v;
    int rc = w->trace ? gather_trace(w, e) : 0;
    if (rc)
        return rc;
    evidence_measure(&v, w);
    bool traced = w->parts.n > 0, found = w->result->n && evidence_probability(&v) >= EVIDENCE_ENOUGH;
    *enough = traced || found;
    return found ? gather_question(w, e) : traced ? 0 : gather_nearest(w, e);
}

int answer_compose(struct answer *out, struct retriever *r, const struct search_request *q, bool sources, source_reader read, void *read_arg,
                   struct arena *arena, struct err *e)
{
    *out = (struct answer){0};
    struct trace trace;
    struct query query;
    struct search_result result = {0};
    struct lookup lookup = {0};
    struct answer_work w = {.l = &lookup, .request = q, .result = &result, .query = &query, .arena = arena};
    struct search_request asked = *q;
    struct buf text = BUF_INIT;
    bool enough = false;
    double began = clock_ms();
    if (q->context && q->context_len) {
        trace_parse(&trace, q->context, q->context_len < SEARCH_CONTEXT_MAX ? q->context_len : SEARCH_CONTEXT_MAX, arena);
        w.trace = &trace;
    }
    asked.text = question_of(q, w.trace, arena);
    asked.limit = HITS;
    query_parse(&query, str_of(asked.text), arena);
    int rc = search(&result, r, &asked, arena, e);
    if (!rc && w.trace)
        rc = find_messages(&w, r, &asked, e);
    out->ms_search = clock_ms() - began;
    if (rc)
        return rc;
    double composing = clock_ms();
    if ((rc = lookup_open(&lookup, r, q->target, q->ntargets, arena, e)) || (rc = gather(&w, &enough, e)) ||
        (enough && sources && (rc = gather_sources(&w, e))))
        goto out;
    double verifying = clock_ms();
    parts_verify(&w.parts, &lookup, read, read_arg, &out->dropped);
    out->ms_verify = clock_ms() - verifying;
    if (enough)
        write_answer(&text, &w);
    if (!text.len) { /* nothing held, or nothing was found */
        enough = false;
        write_insufficient(&text, &w);
    }
    out->mode = enough ? ANSWER_EXTRACTIVE : ANSWER_INSUFFICIENT;
    out->markdown = arena_strn(arena, text.data, text.len);
    list_citations(out, &w);
    if (enough)
        list_sources(out, &w);
    out->ms_compose = clock_ms() - composing - out->ms_verify;
out:
    lookup_close(&lookup);
    free(w.parts.v);
    buf_release(&text);
    return rc;
}
