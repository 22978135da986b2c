/* Exact search: a regular expression (PCRE2) over the bytes of every visible content, secrets masked. Source before tests,
 * docs and data; then in path order. */
#ifndef CODEASK_RETRIEVER_EXACT_H
#define CODEASK_RETRIEVER_EXACT_H

#include "retriever/lexical.h"
#include "retriever/retriever.h"

#define EXACT_MATCH_LIMIT 1000000 /* PCRE2's steps for one file: a pattern that backtracks without end is refused, not run */

struct exact_match {
    uint32_t target, file;       /* file: number in its snapshot */
    uint32_t start, end;         /* bytes of the matched lines */
    uint32_t line, end_line;
};

/* At most limit matches, one a line. ERR_USAGE for a bad pattern, with the place; ERR_LIMIT for one that backtracks too much;
 * ERR_CANCELED. out: in arena. */
int exact_find(struct exact_match **out, size_t *n, struct snapshot *const *snap, const struct search_request *q, struct txn *t,
               struct arena *arena, struct err *e);

/* Whether an occurrence passes the request's path and language filters (candidates.c). */
bool occurrence_passes(const struct search_request *q, const struct snap_file *f);
/* How unlike source a file is, 0 … (candidates.c). */
float nature_blame(const struct file_nature *is);

#endif
