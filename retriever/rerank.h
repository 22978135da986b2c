/* The best hits read again by a cross-encoder, where the user has chosen one: it sees question and piece together, and says how well
 * they fit. What it says is half of the new order (RERANK_WEIGHT); as many hits are read as the time allows, from the best on. */
#ifndef CODEASK_RETRIEVER_RERANK_H
#define CODEASK_RETRIEVER_RERANK_H

#include "retriever/retriever.h"

#define RERANK_HITS 24 /* most that are read: what stands further down hardly ever comes to the first page */

/* Sets rerank, score and order of out's first hits, out->reranked and out->ms_rerank. budget_ms: no more than fit, judged by those
 * before; the first four are read in any case. What the model cannot do costs the reranking, not the answer. */
void rerank_hits(struct search_result *out, struct model *m, const char *question, double budget_ms, const volatile bool *stop,
                 struct arena *arena);

#endif
