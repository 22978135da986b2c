/* Commits as a source of their own: questions why, when and who are answered by messages. They are never ranked among code. */
#ifndef CODEASK_RETRIEVER_COMMITS_H
#define CODEASK_RETRIEVER_COMMITS_H

#include "engine/engine.h"
#include "retriever/retriever.h"
#include "store/history.h"

/* Whether a question asks for a reason, a time or a person: "why was X changed", "since when …", "who wrote …". */
bool commits_wanted(const char *question);

struct commit_hit {
    uint32_t commit;
    double score;      /* share of the question's words that the message has, by rarity, 0 … 1, then BM25 as a tie-breaker */
    double coverage;   /* that share */
    double near;       /* cosine of the message and the question; 0 without vectors */
    struct oid oid;
    int64_t time;
    int32_t offset;
    struct str author, subject, body; /* in the arena */
    uint32_t *path;    /* [npaths] path ids */
    uint32_t npaths;
};
struct commits_query {
    const char *question;
    const struct oid *tip;
    size_t most;
    const struct model_info *model;
    const float *vector;    /* of the question, by that model; NULL: words alone */
};
/* The question's vector, in the arena; NULL without a model (which may be NULL) or when it fails: words will do. Once for all tips. */
const float *commits_vector(struct model *m, const char *question, struct arena *arena);
/* The best commits behind tip, best first; only what tip reaches is looked at, document frequencies included. Everything is in the
 * arena. */
int commits_search(struct commit_hit **out, size_t *n, struct store *s, const struct commits_query *q, struct arena *arena, struct err *e);

#endif
