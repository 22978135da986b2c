/* An answer that a model writes, out of what the extractive one found. */
#ifndef CODEASK_SERVICE_WRITING_H
#define CODEASK_SERVICE_WRITING_H

#include "retriever/answer.h"
#include "service/conversations.h"
#include "service/models.h"
#include "service/scope.h"

struct writing_task {
    struct request *rq;
    const struct scope *scope;
    const struct search_request *query;
    const struct answer *answer; /* with its sources */
    struct model *model;
    struct conversation *conversation;
    double began_ms;             /* of the request: timings count from it */
    bool second;                 /* another model has failed at it before a word of it went out */
};

/* Changes the result of `ask`, which holds the extractive answer: "answer", "citations", "mode", "model", "timings" and what was dropped.
 * Parts are emitted meanwhile: {"delta": text} …; together they are the answer's text, or where the result's mode is another than
 * "generated" they are to be forgotten. Where nothing comes, or what came does not hold, the result stays extractive and its note says
 * why. ERR_CANCELED alone is an error. failed: why the model could not go on, code 0 where it could; its hint is empty where not a word had
 * gone out, so that another may be asked. */
int writing_do(json_t *result, const struct writing_task *t, struct err *failed, struct err *e);

/* The model that writes, where there is room for another text: answers_at_once of the settings (0: half as many as there are workers), and
 * half of those for one user, else ERR_BUSY. Until it is given back with writer_drop the thread is no worker (worker_lend_locked). */
int writer_take(struct embedder **out, struct request *rq, enum model_role role /* ROLE_ANSWER, ROLE_FAR_ANSWER */, struct err *e);
void writer_drop(struct request *rq, struct embedder *g);

/* Adds a sentence to the result's "note". */
void note_add(json_t *result, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
