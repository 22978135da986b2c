/* The last answers, so that feedback can name one. In memory only: an answer that nobody judged leaves no trace but its row in audit.jsonl. */
#ifndef CODEASK_SERVICE_ANSWERS_H
#define CODEASK_SERVICE_ANSWERS_H

#include "service/scope.h"

#define ANSWERS_KEPT 256 /* about 1 MB: a team's last hour, a person's week */

struct answers;
struct answers *answers_new(void);
void answers_free(struct answers *a); /* accepts NULL */

/* Keeps what feedback will want of the result of `ask`: question (as asked: who stores it masks its secrets), mode, model, freshness, and where the cited
 * places are; the oldest leaves. result is read. */
void answers_keep(struct answers *a, const struct request *rq, const struct scope *sc, json_t *result);
/* The asker's own answer of that id: {"answer", "question", "mode", "model", "freshness", "shown", "repos": [id], "branch"}; a
 * new reference, NULL when it is not there (any more) or another's. */
json_t *answers_find(struct answers *a, const struct caller *who, const char *id);
/* Forgets those that show a content that `is` names. */
void answers_forget(struct answers *a, bool (*is)(void *arg, const struct oid *oid), void *arg);

#endif
