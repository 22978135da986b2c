/* Whether the retriever finds more with an embedder's adapter than without: a pure function of what was measured (retriever/asked/measure.h). */
#ifndef CODEASK_SERVICE_VERDICT_RETRIEVAL_H
#define CODEASK_SERVICE_VERDICT_RETRIEVAL_H

#include "base/err.h"
#include "retriever/asked/measure.h"

#include <jansson.h>

#define RETRIEVAL_LEAST 20   /* held-out questions: fewer have no interval worth the name */
#define RETRIEVAL_WORSE .05  /* of a kind's MRR: so much less is worse, however few questions there are */

struct retrieval_row { /* of one held-out question */
    enum corpus_kind kind;
    struct measured base, tuned;
};

/* *report: {"promote": bool, "why": [text …], "mrr": C, "ndcg": C, "kinds": {name: {"mrr": C, "ndcg": C}}, "shared": n}
 * C = {"questions", "base", "tuned", "ratio": F, "gain": F}, F of bootstrap.h: tuned over base, and tuned less base
 *
 * Better: the MRR of all of them is surely more (the whole interval), their NDCG and the MRR of each kind is not surely less, no kind's MRR is less by
 * RETRIEVAL_WORSE, and nothing that it is measured by was learned (shared). */
void verdict_retrieval(json_t **report, const struct retrieval_row *row, size_t n, uint64_t shared, uint64_t seed);

#endif
