/* ask: an answer with citations whose spans were read again from their source. */
#include "service/method.h"

#include "base/clock.h"
#include "retriever/answer.h"
#include "service/answers.h"
#include "service/models.h"
#include "service/rows.h"
#include "service/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const char *const mode_name[] = {[ANSWER_EXTRACTIVE] = "extractive", [ANSWER_INSUFFICIENT] = "insufficient",
                                        [ANSWER_GENERATED] = "generated"};

/* Not guessable and the same in no two homes: feedback names answers by it, conversations will. */
static json_t *answer_id(void)
{
    uint64_t r = 0;
    char id[24];
    if (getrandom(&r, sizeof r, 0) != sizeof r)
        r = (uint64_t)clock_wall_ns();
    snprintf(id, sizeof id, "a%016llx", (unsigned long long)r);
    return json_string(id);
}

static json_t *citations(const struct scope *sc, const struct answer *a)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < a->ncitations; i++) {
        const struct citation *c = &a->citation[i];
        json_t *row = place_json(sc, c->hit, c->start_line, c->end_line);
        json_object_set_new(row, "n", json_integer(c->n));
        json_object_set_new(row, "symbol", json_cstr(c->hit->symbol_name));
        json_object_set_new(row, "language", json_cstr(c->hit->language));
        json_array_append_new(rows, row);
    }
    return rows;
}

int method_ask(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct search_request q;
    struct answer a;
    struct embedder *m = NULL;
    int rc = scope_open(&sc, rq, e);
    if (rc)
        return rc;
    int64_t began = clock_ns();
    if ((rc = query_params(&q, &m, rq, &sc, e)) ||
        (rc = answer_compose(&a, rq->s->retriever, &q, false, scope_source, &sc, &rq->arena, e)))
        goto out;
    if (!sc.note)
        sc.note = query_note(rq, &q, &sc);
    *result = json_pack("{so, sn, ss, so, so, sn}", "id", answer_id(), "conversation", "mode", mode_name[a.mode], "answer",
                        json_cstr(a.markdown ? a.markdown : ""), "citations", citations(&sc, &a), "model");
    if (!q.context_len && !q.regex && rq->s->o.config->history && (rc = why_add(*result, rq, &sc, &a, q.text, m ? m->model : NULL, e))) {
        json_decref(*result);
        *result = NULL;
        goto out;
    }
    answer_stamp(*result, rq, &sc);
    json_object_set_new(*result, "timings",
                        json_pack("{sf, sf, sf, sf}", "search", a.ms_search, "compose", a.ms_compose, "verify", a.ms_verify,
                                  "total", (double)(clock_ns() - began) / 1e6));
    if (a.dropped)
        json_object_set_new(*result, "dropped_citations", json_integer(a.dropped));
    answers_keep(rq->s->answers, rq, &sc, *result);
out:
    models_drop(rq->s, m);
    return rc;
}
