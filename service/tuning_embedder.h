/* Tunes the embedder of some repositories: a map of their questions (engine/train/query_map.h), learned from the records of a corpus over the vectors
 * that the index has, and measured by the whole retriever. It takes a minute or two and is not kept half done: who is interrupted begins again, with
 * the same result. */
#ifndef CODEASK_SERVICE_TUNING_EMBEDDER_H
#define CODEASK_SERVICE_TUNING_EMBEDDER_H

#include "service/core.h"

#define EMBEDDER_RECORDS 10000   /* of a kind that are learned: of commits the newest, which say how people ask now */
#define EMBEDDER_QUESTIONS 1000  /* held-out ones that are measured by, drawn: an interval of a hundredth or two of MRR */

struct embedder_order {
    const struct repo_row *repo;
    size_t repos;
    const char *folder;      /* of the adapter: its map is written there, or where it is only measured, read */
    const char *corpus;      /* path of the records */
    const char *learned;     /* path of those that it has learned; NULL: not known */
    const char *model;       /* the name that the embedder must have */
    bool measure;            /* it is there */
    uint64_t seed;
    /* Between two pieces of work, some milliseconds each; it may wait. false: ERR_CANCELED. */
    bool (*go_on)(void *arg, const char *stage, uint64_t step, uint64_t steps, double loss);
    void *arg;
};
/* *report: of verdict_retrieval.h, with "steps", "texts", "loss", "seconds", "base". ERR_NOT_FOUND: no embedder, nothing embedded or nothing to learn;
 * ERR_USAGE: the embedder is another one by now. Runs in the calling thread. */
int embedder_tune(json_t **report, struct service *s, const struct embedder_order *o, struct err *e);

#endif
