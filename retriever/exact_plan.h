/* What a text must hold to match an expression, in grams (store/grams.h): an AND/OR that never refuses a text that PCRE2 would
 * find a match in. What the analyser does not understand asks for nothing.
 *
 * As in Russ Cox, "Regular Expression Matching with a Trigram Index" (https://swtch.com/~rsc/regexp/regexp4.html). */
#ifndef CODEASK_RETRIEVER_EXACT_PLAN_H
#define CODEASK_RETRIEVER_EXACT_PLAN_H

#include "base/arena.h"
#include "store/grams.h"

#define PLAN_STRINGS 24      /* alternatives that are followed side by side: [ab][cd]… doubles them */
#define PLAN_LENGTH 48       /* bytes of an alternative before its grams are taken and its end alone is kept */
#define PLAN_DEPTH 32        /* nested groups; some 15 KB of stack each */
#define PLAN_WORK (4u << 20) /* bytes of alternatives written: an expression that wants more is not analysed */

struct plan; /* NULL: no constraint */

/* pattern: accepted by pcre2_compile with PCRE2_UTF. */
struct plan *plan_regex(struct str pattern, struct arena *a);
struct plan *plan_literal(struct str text, struct arena *a);
struct plan *plan_and(struct plan *x, struct plan *y, struct arena *a);
bool plan_passes(const struct plan *p, struct grams g);
/* Whether an expression speaks of line ends (\n, \R, (?s), a line end itself): only then may a match go over one. */
bool plan_spans_lines(struct str pattern);

#endif
