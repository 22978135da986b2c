/* ask: an answer with citations whose spans were read again from their source; written by a model where there is one. */
#include "service/method.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "retriever/follow.h"
#include "service/answers.h"
#include "service/permission.h"
#include "service/pins.h"
#include "service/rows.h"
#include "service/why.h"
#include "service/writing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const char *const mode_name[] = {[ANSWER_EXTRACTIVE] = "extractive", [ANSWER_INSUFFICIENT] = "insufficient",
                                        [ANSWER_GENERATED] = "generated"};

/* Not guessable and the same in no two homes: feedback names answers by it. */
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

/* The same number for the same repositories, in whatever order. */
static uint64_t about(const struct scope *sc)
{
    uint64_t h = sc->n;
    for (size_t i = 0; i < sc->n; i++)
        h += hash64_seed(&sc->repo[i].id, sizeof sc->repo[i].id, 1);
    return h;
}

/* Whether a model is to write, if it can be had. */
static bool writes(struct request *rq, const struct search_request *q)
{
    if (q->regex || param_bool(rq, "no_generate") || !rq->s->o.config->generate)
        return false;
    char *name = models_name(rq->s, ROLE_ANSWER);
    bool chosen = *name != 0 || *rq->s->o.config->answer_endpoint;
    free(name);
    return chosen;
}

/* That model. NULL: the note says why. */
static struct embedder *generator(json_t *result, struct request *rq, enum model_role role)
{
    struct embedder *g = NULL;
    struct err e = {0};
    int rc = writer_take(&g, rq, role, &e);
    if (rc == ERR_BUSY)
        note_add(result, "%s: the sources are quoted", e.message);
    else if (rc)
        note_add(result, "no model writes: %s", e.message);
    return g;
}

/* The extractive answer goes out before the model reads; before it is opened, too, which may take long. */
static int write_answer(struct writing_task *t, json_t *result, struct err *e)
{
    struct request *rq = t->rq;
    char *here = models_name(rq->s, ROLE_ANSWER);
    bool far = *rq->s->o.config->answer_endpoint && scope_may_leave(rq->s, t->scope), local = *here != 0, shown = false, again = true;
    int rc = 0;
    free(here);
    if (!far && !local)
        note_add(result, "no model writes: what is asked about stays on this machine, and no model of it is chosen");
    for (int turn = far ? 0 : 1; turn < 2 && again && (!turn || local); turn++) {
        enum model_role role = turn ? ROLE_ANSWER : ROLE_FAR_ANSWER;
        struct err failed = {0};
        bool closed = models_closed(rq->s, role);
        if (closed && !shown)
            request_emit(rq, EVENT_PART, json_pack("{sO}", "extractive", result));
        shown |= closed;
        struct embedder *g = generator(result, rq, role);
        if (!g)
            continue;
        if (!shown)
            request_emit(rq, EVENT_PART, json_pack("{sO}", "extractive", result));
        shown = true;
        t->model = g->model;
        rc = writing_do(result, t, &failed, e);
        t->second = true;
        again = !rc && failed.code && !*failed.hint;
        if (!turn && failed.code)
            models_fell(rq->s, g, &failed);
        if (!rc && !turn)
            json_object_set_new(result, "endpoint", json_cstr(model_info(g->model)->provider));
        else if (!rc)
            json_object_del(result, "endpoint");
        writer_drop(rq, g);
    }
    return rc;
}

static json_t *first_result(const struct scope *sc, const struct answer *a, const char *conversation)
{
    return json_pack("{so, ss, ss, so, so, sn}", "id", answer_id(), "conversation", conversation, "mode", mode_name[a->mode], "answer",
                     json_cstr(a->markdown ? a->markdown : ""), "citations", citations(sc, a), "model");
}

/* The question as it is searched: with the words of earlier ones where it points back, of this conversation or of those that a client tells. */
static const char *searched_as(struct request *rq, const char *asked, const char *before)
{
    json_t *told = json_object_get(rq->params, "earlier"), *one;
    size_t i;
    if (!before)
        json_array_foreach(told, i, one)
            before = follow_question(json_string_value(one), before, &rq->arena);
    return follow_question(asked, before, &rq->arena);
}

int method_ask(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct search_request q;
    struct answer a;
    struct query_models m = {0};
    struct conversation *talk = NULL;
    json_t *goes_on = json_object_get(rq->params, "continue");
    int rc = scope_open(&sc, rq, e);
    if (rc)
        return rc;
    double began = clock_ms();
    bool answered = false;
    if ((rc = conversation_take(&talk, rq->s->conversations, json_string_value(goes_on), caller_key(&rq->who), about(&sc), clock_ns(), e)) ||
        (rc = query_params(&q, &m, rq, &sc, e)))
        goto out;
    const char *asked = q.text;
    q.text = searched_as(rq, asked, talk->searched);
    bool written = writes(rq, &q);
    if ((rc = answer_compose(&a, rq->s->retriever, &q, written, scope_source, &sc, &rq->arena, e)))
        goto out;
    if (!sc.note)
        sc.note = query_note(rq, &q, &sc);
    *result = first_result(&sc, &a, talk->id);
    answer_stamp(*result, rq, &sc);
    if (!q.context_len && !q.regex && rq->s->o.config->history && (rc = why_add(*result, rq, &sc, &a, asked, m.embed ? m.embed->model : NULL, e)))
        goto out;
    json_object_set_new(*result, "timings", json_pack("{sf, sf, sf, sf}", "search", a.ms_search, "compose", a.ms_compose, "verify", a.ms_verify,
                                                      "total", clock_ms() - began));
    if (a.dropped)
        json_object_set_new(*result, "dropped_citations", json_integer(a.dropped));
    struct writing_task task = {.rq = rq, .scope = &sc, .query = &q, .answer = &a, .conversation = talk, .began_ms = began};
    if (written && a.nsources && (rc = write_answer(&task, *result, e)))
        goto out;
    free(talk->searched);
    talk->searched = mem_str(q.text);
    answered = true;
    answers_keep(rq->s->answers, rq, &sc, *result);
out:
    if (rc) {
        json_decref(*result);
        *result = NULL;
    }
    conversation_give(rq->s->conversations, talk, answered, clock_ns());
    query_models_drop(rq->s, &m);
    return rc;
}
