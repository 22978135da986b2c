/* How well questions with known answers are answered by the whole retriever: words, names, vectors and all, as everyone's searches go. */
#ifndef CODEASK_RETRIEVER_ASKED_MEASURE_H
#define CODEASK_RETRIEVER_ASKED_MEASURE_H

#include "retriever/asked/questions.h"
#include "retriever/retriever.h"

#define MEASURE_FILES 50 /* results that are looked at; an answer behind them counts as none */
#define MEASURE_NDCG 10

struct measured {
    double reciprocal; /* of the first right file's rank; 0: it is not among them */
    double ndcg;       /* of the first ten, each right file worth the same */
};
/* like: the targets and models of a search; its text, limit and unique_files are set here. */
int measure_question(struct measured *out, struct retriever *r, const struct search_request *like, const struct question *q, struct arena *arena, struct err *e);

#endif
