/* Exact search: an expression (PCRE2), or quoted text, over the bytes of every visible content, secrets masked. Which contents
 * can hold it comes out of the index (exact_plan.h), what does hold it out of the bytes (exact_scan.h). Source before tests, docs
 * and data; then in path order. Binary contents are not searched. */
#ifndef CODEASK_RETRIEVER_EXACT_H
#define CODEASK_RETRIEVER_EXACT_H

#include "retriever/retriever.h"
#include "retriever/texts.h"
#include "retriever/universe.h"

#define EXACT_GIVEN_UP 8     /* contents in which an expression may backtrack too much before it is refused */

struct exact_match {
    uint32_t target, file;   /* file: number in its snapshot */
    uint32_t line, end_line;
    struct str snippet;      /* the matched lines, at most about SCAN_SNIPPET bytes */
};

struct exact_result {
    struct exact_match *match;
    size_t n;
    bool truncated;          /* there are more */
    struct search_unsearched left_out;
};

/* At most limit matches, one a line. literal: pieces that all have to be in a content, each line with one of them is a match;
 * none: q->text is an expression. ERR_USAGE for a bad one, with the place; ERR_LIMIT for one that backtracks too much;
 * ERR_CANCELED. out: in arena. */
int exact_find(struct exact_result *out, const struct universe *u, const struct search_request *q, const struct str *literal,
               size_t nliterals, struct txn *t, struct arena *arena, struct err *e);
/* Which contents hold all the pieces. large: where large contents are kept unpacked. All of them are used until it is freed. */
struct exact_quoted;
int exact_quoted_new(struct exact_quoted **out, const struct universe *u, const struct search_request *q, const struct str *literal,
                     size_t nliterals, struct txn *t, struct texts *large, struct arena *arena, struct err *e);
void exact_quoted_free(struct exact_quoted *x); /* accepts NULL */
/* How many contents were not looked into because of search_request.blind_bytes. */
uint32_t exact_quoted_unread(const struct exact_quoted *x);
/* Whether the index lets it hold them: quick. */
bool exact_quoted_may(const struct exact_quoted *x, uint32_t gid);
/* holds: [n] whether they do, read in their bytes. ERR_CANCELED. */
int exact_quoted_look(bool *holds, struct exact_quoted *x, const uint32_t *gid, size_t n, struct err *e);

/* Whether an occurrence passes the request's path and language filters (candidates.c). */
bool occurrence_passes(const struct search_request *q, const struct snap_file *f);

#endif
