/* complete: what the answer model says to messages, for other programs. Nothing of the index comes into it. */
#include "service/method.h"

#include "base/clock.h"
#include "engine/generate.h"
#include "service/writing.h"

#include <string.h>

#define MESSAGES_MAX 1024 /* more are no conversation; a window holds fewer */

struct completion {
    struct request *rq;
    struct buf text;
    bool thinking;
};

static bool on_piece(void *arg, const struct gen_piece *p)
{
    struct completion *c = arg;
    if (p->channel == GEN_ANSWER && p->len) {
        buf_add(&c->text, p->text, p->len);
        request_emit(c->rq, EVENT_PART, json_pack("{so}", "delta", json_text(p->text, p->len)));
    } else if (p->channel == GEN_REASONING && p->len && !c->thinking) { /* never shown */
        c->thinking = true;
        request_emit(c->rq, EVENT_PROGRESS, json_pack("{ss}", "stage", "thinking"));
    }
    return !__atomic_load_n(&c->rq->enough, __ATOMIC_RELAXED);
}

static bool is_role(const char *role)
{
    return role && (!strcmp(role, "system") || !strcmp(role, "user") || !strcmp(role, "assistant"));
}

static int messages_of(struct gen_prompt *p, struct request *rq, struct err *e)
{
    json_t *list = json_object_get(rq->params, "messages"), *one;
    size_t i;
    p->n = json_array_size(list);
    if (!p->n || p->n > MESSAGES_MAX)
        return err_set(e, ERR_USAGE, "messages: 1 to %d are wanted", MESSAGES_MAX);
    struct gen_message *m = arena_zero(&rq->arena, p->n, sizeof *m);
    json_array_foreach(list, i, one) {
        json_t *text = json_object_get(one, "text");
        m[i] = (struct gen_message){json_string_value(json_object_get(one, "role")), json_string_value(text), json_string_length(text)};
        if (!is_role(m[i].role) || !m[i].text)
            return err_set(e, ERR_USAGE, "messages: each has a role (system, user, assistant) and a text");
    }
    p->message = m;
    return 0;
}

static int number(float *out, const struct request *rq, const char *name, double most, struct err *e)
{
    json_t *v = json_object_get(rq->params, name);
    double n = json_is_number(v) ? json_number_value(v) : 0;
    if (!(n >= 0 && n <= most))
        return err_set(e, ERR_USAGE, "%s: 0 to %g is allowed", name, most);
    *out = (float)n;
    return 0;
}

static int options_of(struct gen_options *o, struct request *rq, struct err *e)
{
    json_t *stop = json_object_get(rq->params, "stop");
    size_t n = json_is_array(stop) ? json_array_size(stop) : stop != NULL;
    o->max_tokens = (uint32_t)param_int(rq, "max_tokens", rq->s->o.config->answer_tokens);
    o->max_reasoning = (uint32_t)rq->s->o.config->reasoning_tokens;
    o->seed = (uint64_t)param_int(rq, "seed", 1);
    if (n > GENERATE_STOPS)
        return err_set(e, ERR_USAGE, "stop: at most %d are allowed", GENERATE_STOPS);
    for (size_t i = 0; i < n; i++)
        if (!*(o->stop[i] = json_string_value(json_is_array(stop) ? json_array_get(stop, i) : stop)))
            return err_set(e, ERR_USAGE, "stop: an empty text ends nothing");
    o->grammar = param_str(rq, "schema");
    if (o->grammar && *o->grammar != '{') /* elsewhere a grammar may be GBNF: this is not for clients */
        return err_set(e, ERR_USAGE, "schema: a JSON schema is wanted, which begins with {");
    int rc = number(&o->temperature, rq, "temperature", 2, e);
    return rc ? rc : number(&o->top_p, rq, "top_p", 1, e);
}

/* What is asked is the client's own text: an endpoint gets it, where there is one that answers. A model that is named is that one alone. */
static int take(struct embedder **out, struct request *rq, struct err *e)
{
    bool far = *rq->s->o.config->answer_endpoint && !model_is_named(rq, ROLE_FAR_ANSWER, NULL), here = !model_is_named(rq, ROLE_ANSWER, e);
    if (!far && !here)
        return ERR_NOT_FOUND;
    int rc = far ? writer_take(out, rq, ROLE_FAR_ANSWER, e) : ERR_NOT_FOUND;
    return here && rc && rc != ERR_BUSY ? writer_take(out, rq, ROLE_ANSWER, e) : rc;
}

int method_complete(struct request *rq, json_t **result, struct err *e)
{
    static const char *const ends[] = {[GEN_END_TURN] = "turn", [GEN_END_LENGTH] = "length", [GEN_END_STOP] = "stop", [GEN_END_SINK] = "time"};
    struct completion c = {.rq = rq};
    struct gen_prompt p = {0};
    struct gen_result g = {0};
    struct embedder *writer = NULL;
    int rc = messages_of(&p, rq, e);
    if (rc || (rc = options_of(&p.options, rq, e)) || (rc = take(&writer, rq, e)))
        return rc;
    request_enough_at(rq, clock_ns() + rq->s->o.config->generate_seconds * 1000000000LL);
    rc = model_generate(writer->model, &p, on_piece, &c, &g, &rq->enough, e);
    bool late = __atomic_load_n(&rq->enough, __ATOMIC_RELAXED) && !request_stopped(rq);
    request_enough_at(rq, 0);
    if (late && rc == ERR_CANCELED) { /* generate_seconds: what is there is given */
        rc = 0;
        g.end = GEN_END_SINK;
    }
    if (!rc)
        *result = json_pack("{so, so, ss, s{sI, sI, sI, sI}}", "model", json_cstr(model_info(writer->model)->name), "text",
                            json_text(c.text.data, c.text.len), "end", ends[g.end], "tokens", "prompt", (json_int_t)g.prompt_tokens, "reused",
                            (json_int_t)g.reused_tokens, "answer", (json_int_t)g.answer_tokens, "reasoning", (json_int_t)g.reasoning_tokens);
    buf_release(&c.text);
    writer_drop(rq, writer);
    return rc;
}
