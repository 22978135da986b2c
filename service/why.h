/* The part of an answer that commits give: for questions why, when and who. */
#ifndef CODEASK_SERVICE_WHY_H
#define CODEASK_SERVICE_WHY_H

#include "retriever/answer.h"
#include "service/scope.h"

/* embedder: NULL where there is none. Adds to an `ask` result (its "answer", "citations" and, where the code gave none, "mode") what the commits say: each named by subject,
 * author and date, and cited by the lines that it wrote, as they are now; a note tells where commits may be missing yet. Does nothing for other
 * questions. */
int why_add(json_t *result, struct request *rq, const struct scope *sc, const struct answer *a, const char *question, struct model *embedder,
            struct err *e);

#endif
