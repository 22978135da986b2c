/* Whether a tuned model is better than its base: a pure function of what the tuning process measured (engine/process/tune.h: rows). Every figure
 * has an interval of a paired bootstrap: records are drawn again with the model's two results together. */
#ifndef CODEASK_SERVICE_VERDICT_H
#define CODEASK_SERVICE_VERDICT_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define VERDICT_TEXTS_LEAST 2  /* held-out texts: fewer have no interval */
#define VERDICT_WORSE .1       /* of a score by choice: so much less is worse, however few questions there are */
#define VERDICT_LEAK .1        /* a loss may fall by so much more on what is held out than on what is learned; past it, it was learned */

#define VERDICT_SAID_WORSE .2  /* the same of what is written: of two dozen questions three are chance */

/* rows: [[kind, held, texts, tokens, base, tuned], …]; asked: [[answerable, [cited, right, refused], [… with the adapter]], …], NULL: none; shared: held-out records that the adapter is known to have learned.
 *
 * *report: {"promote": bool, "why": [text …], "perplexity": {"records", "tokens", "base", "tuned", "ratio": F}, "definition": C, "cite": C, "refusal": C,
 *           "kinds": {name: {"records", "base", "tuned"}}, "leak": F, "shared": n}
 *           "citation": {"questions", "precision": S, "recall": S}, "declining": S: of what was written; null without questions
 * S = {"questions", "base", "tuned", "gain": F}: precision the right ones of all sources that are named, recall the answerable questions whose source is named, declining the
 * unanswerable ones to which it says that the sources do not say it, and names none
 * F = {"value", "low", "high"}: of perplexity the base's over the tuned (more than 1 better), of a leak how much more the loss fell on held-out records
 * C = {"questions", "base", "tuned", "gain": F}: definition the mean reciprocal rank, cite and refusal the share that is right; null without questions
 * ERR_FORMAT: not such rows. */
int verdict(json_t **report, const json_t *rows, const json_t *asked, uint64_t shared, uint64_t seed, struct err *e);

#endif
