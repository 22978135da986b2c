/* Answers without a generator (mode "extractive"): what was asked for, the definitions found with signature, doc comment
 * and the most relevant lines, who calls them and what they call, and numbered citations. "insufficient" when the evidence
 * says so. Cited spans are re-read from their source and compared before they are given: a citation that does not hold is
 * dropped and counted. Text from sources is quoted so that it can never become active Markdown or HTML. */
#ifndef CODEASK_RETRIEVER_ANSWER_H
#define CODEASK_RETRIEVER_ANSWER_H

#include "retriever/source.h"

enum answer_mode { ANSWER_EXTRACTIVE, ANSWER_INSUFFICIENT, ANSWER_GENERATED };

struct citation {
    uint32_t n;                    /* 1-based, as [n] in the text */
    const struct search_hit *hit;  /* repo, path, oid, commit */
    uint32_t start_line, end_line; /* the cited span, inside the hit's file */
};

struct answer {
    enum answer_mode mode;
    const char *markdown;
    struct citation *citation;
    size_t ncitations;
    uint32_t dropped;              /* citations that did not hold */
    struct answer_source *source;         /* what a generator may read, in order of relevance; only where it was asked for */
    size_t nsources;
    double ms_search, ms_compose, ms_verify;
};

/* Re-reads the content behind a span: appends the current source bytes of the occurrence to out (the indexer's source_read
 * behind it; the retriever does not know git). Returns 0, or an error when the content is gone or differs from hit->oid. */
typedef int (*source_reader)(void *arg, const struct search_hit *hit, struct buf *out, struct err *e);

/* Searches and composes. Everything in out lives in arena. Not enough evidence is mode ANSWER_INSUFFICIENT, not an error.
 * sources: whole definitions, callers, sections, for a generator, too, verified as citations are. */
int answer_compose(struct answer *out, struct retriever *r, const struct search_request *q, bool sources, source_reader read, void *read_arg,
                   struct arena *arena, struct err *e);

/* Sources of an earlier answer, looked at again: holds[i] where a view of q's targets has that file with that content and its
 * lines still read back the same; then s[i].hit is of that target. */
int answer_recheck(bool *holds, struct answer_source *const *s, size_t n, struct retriever *r, const struct search_request *q, source_reader read,
                   void *read_arg, struct arena *arena, struct err *e);

#endif
