#include "service/writing.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/generate.h"
#include "retriever/cited.h"
#include "service/adapters.h"
#include "service/askers.h"
#include "service/audit.h"
#include "service/models.h"
#include "service/permission.h"
#include "service/rows.h"
#include "store/purge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE_TOKENS 64     /* of the window, for what a chat template adds around the messages */
#define RATE_UNKNOWN 200       /* tokens a second, where the engine has not measured: a model of 1.5 billion weights on two cores */
#define PASTED_BYTES 6000      /* of what was pasted with a question, its end: a log ends with what went wrong */
#define QUESTION_BYTES 8000
#define EARLIER_BYTES 1000     /* of the question before, where a client tells it */
#define REFUSAL "The sources do not say"

void note_add(json_t *result, const char *fmt, ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *old = json_string_value(json_object_get(result, "note"));
    struct buf b = BUF_INIT;
    if (old && *old)
        buf_addf(&b, "%s; ", old);
    buf_adds(&b, text);
    json_object_set_new(result, "note", json_text(b.data, b.len));
    buf_release(&b);
}

int writer_take(struct embedder **out, struct request *rq, enum model_role role, struct err *e)
{
    struct service *s = rq->s;
    int rc = models_generator(out, s, role, e);
    if (rc)
        return rc;
    pthread_mutex_lock(&s->mu);
    unsigned most = s->o.config->answers_at_once ? (unsigned)s->o.config->answers_at_once : (s->nworkers + 1) / 2;
    bool room = s->writing < most && (rq->who.local || rq->asker->writing < (most + 1) / 2);
    s->writing += room;
    rq->asker->writing += room;
    if (room)
        worker_lend_locked(s);
    pthread_mutex_unlock(&s->mu);
    if (room)
        return 0;
    models_drop(s, *out);
    *out = NULL;
    return err_set(e, ERR_BUSY, "the model is writing other answers");
}

void writer_drop(struct request *rq, struct embedder *g)
{
    pthread_mutex_lock(&rq->s->mu);
    rq->s->writing--;
    rq->asker->writing--;
    worker_back_locked(rq->s);
    pthread_mutex_unlock(&rq->s->mu);
    models_drop(rq->s, g);
}

/* -- the prompt ---------------------------------------------------------------------------------------------------------------- */

static int count_tokens(void *arg, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    return model_count(arg, text, len, n, out, e);
}

static struct pack_budget budget_of(const struct config *c, const struct model *model)
{
    const struct model_info *m = model_info(model);
    bool gpu = !strncmp(m->provider, "cuda", 4);
    double seconds = (double)(gpu ? c->read_ms_gpu : c->read_ms_cpu) / 1000 / (double)model_slowness(model);
    uint32_t reads = model_reads(m->prompt_rate > 0 ? m : &(struct model_info){.prompt_rate = RATE_UNKNOWN}, seconds);
    int64_t room = (int64_t)m->context - c->answer_tokens - c->reasoning_tokens - TEMPLATE_TOKENS;
    struct pack_budget b = {.window = room > 0 ? (uint32_t)room : 0};
    b.fresh = reads < b.window ? reads : b.window;
    return b;
}

/* What a model is asked: the question as it was typed and the end of what was pasted, secrets masked. */
static void put_question(struct buf *out, const struct request *rq, const struct search_request *q)
{
    const char *text = param_str(rq, "query");
    json_t *earlier = json_object_get(rq->params, "earlier");
    const char *before = json_string_value(json_array_get(earlier, json_array_size(earlier) - 1));
    if (before) {
        json_t *said = text_masked(before);
        size_t k = json_string_length(said);
        buf_adds(out, "The question before was: ");
        buf_add(out, json_string_value(said), k < EARLIER_BYTES ? k : EARLIER_BYTES);
        buf_adds(out, "\n\nNow: ");
        json_decref(said);
    }
    json_t *masked = text_masked(text ? text : "What is this about, and where does it come from?");
    size_t n = json_string_length(masked);
    buf_add(out, json_string_value(masked), n < QUESTION_BYTES ? n : QUESTION_BYTES);
    json_decref(masked);
    if (!q->context_len)
        return;
    size_t from = q->context_len > PASTED_BYTES ? q->context_len - PASTED_BYTES : 0;
    masked = text_masked(q->context + from);
    buf_adds(out, "\n\nWhat was pasted with it:\n");
    buf_add(out, json_string_value(masked), json_string_length(masked));
    json_decref(masked);
}

/* What earlier questions read is looked at again; a conversation with another model begins anew. */
static int look_again(const struct writing_task *t, struct err *e)
{
    struct conversation *c = t->conversation;
    const struct model_info *m = model_info(t->model);
    struct pack *p = &c->pack;
    bool *holds = arena_zero(&t->rq->arena, p->nsources + 1, sizeof *holds);
    struct answer_source **s = arena_zero(&t->rq->arena, p->nsources + 1, sizeof *s);
    for (size_t i = 0; i < p->nsources; i++)
        s[i] = &p->source[i].s;
    int rc = 0;
    if (!memcmp(c->model, m->hash, sizeof c->model) && p->nsources)
        rc = answer_recheck(holds, s, p->nsources, t->rq->s->retriever, t->query, scope_source, (void *)t->scope, &t->rq->arena, e);
    memcpy(c->model, m->hash, sizeof c->model);
    if (!rc)
        pack_drop(p, holds);
    return rc;
}

/* -- what comes ---------------------------------------------------------------------------------------------------------------- */

struct writing {
    const struct writing_task *t;
    struct cited cited;
    struct cited_source *source;
    size_t sent;            /* bytes of cited.shown that were emitted */
    double first_ms;        /* of the first byte of the answer; 0: none yet */
    bool thinking;
};

static void send_new(struct writing *w)
{
    const struct buf *b = &w->cited.shown;
    if (b->len == w->sent)
        return;
    request_emit(w->t->rq, EVENT_PART, json_pack("{so}", "delta", json_text(b->data + w->sent, b->len - w->sent)));
    w->sent = b->len;
}

static bool on_piece(void *arg, const struct gen_piece *p)
{
    struct writing *w = arg;
    struct request *rq = w->t->rq;
    if (p->channel == GEN_ANSWER && p->len) {
        if (!w->first_ms)
            w->first_ms = clock_ms();
        cited_feed(&w->cited, p->text, p->len);
        send_new(w);
    } else if (p->channel == GEN_REASONING && p->len) { /* never shown, stored or cited */
        if (!w->thinking)
            request_emit(rq, EVENT_PROGRESS, json_pack("{ss}", "stage", "thinking"));
        w->thinking = true;
    } else if (!p->len && p->prompt_total) {
        request_emit(rq, EVENT_PROGRESS, json_pack("{ss, sI, sI}", "stage", "reading", "tokens_done", (json_int_t)p->prompt_done, "tokens",
                                                   (json_int_t)p->prompt_total));
    }
    return !__atomic_load_n(&rq->enough, __ATOMIC_RELAXED);
}

/* The number that the extractive answer gives to that place, which was shown already. */
static uint32_t number_of(const struct answer *a, const struct answer_source *s, const struct cited_source *taken, size_t n)
{
    for (size_t i = 0; i < a->ncitations; i++) {
        const struct citation *c = &a->citation[i];
        bool used = false;
        for (size_t k = 0; k < n; k++)
            used |= taken[k].shown == c->n;
        if (!used && c->hit->target == s->hit.target && str_same(c->hit->path, s->hit.path) && c->start_line <= s->last && c->end_line >= s->first)
            return c->n;
    }
    return 0;
}

static void open_sources(struct writing *w, uint32_t next_shown)
{
    const struct pack *p = &w->t->conversation->pack;
    w->source = arena_zero(&w->t->rq->arena, p->nsources + 1, sizeof *w->source);
    for (size_t i = 0; i < p->nsources; i++) {
        const struct answer_source *s = &p->source[i].s;
        w->source[i] = (struct cited_source){.n = p->source[i].n, .path = s->hit.path, .text = s->text, .title = s->title, .first = s->first,
                                             .last = s->last, .shown = number_of(w->t->answer, s, w->source, i)};
    }
    cited_open(&w->cited, w->source, p->nsources, next_shown, p->fence);
}

static int generate(struct gen_result *out, struct writing *w, struct err *e)
{
    const struct config *c = w->t->rq->s->o.config;
    const struct pack *p = &w->t->conversation->pack;
    struct arena *arena = &w->t->rq->arena;
    struct gen_message *m = arena_zero(arena, p->nmessages, sizeof *m);
    uint8_t(*content)[20] = arena_zero(arena, p->nsources + 1, sizeof *content);
    uint64_t about = w->t->conversation->about;
    bool known = !p->past; /* all that the prompt was made of can be named: then a purge finds it on disk */
    for (size_t i = 0; i < p->nmessages; i++)
        m[i] = (struct gen_message){p->message[i].role, p->message[i].text.data, p->message[i].text.len};
    for (size_t i = 0; i < p->nsources; i++) {
        memcpy(content[i], p->source[i].s.hit.oid.byte, sizeof *content);
        known &= p->source[i].s.hit.oid_len == 20;
    }
    char *adapter = adapter_for(w->t->rq);
    struct gen_prompt prompt = {.message = m, .n = p->nmessages, .adapter = adapter,
                                .options = {.max_tokens = (uint32_t)c->answer_tokens, .max_reasoning = (uint32_t)c->reasoning_tokens,
                                            .lookup = true, .stop = {p->fence}}};
    if (known)
        prompt.provenance = (struct gen_provenance){(const uint8_t(*)[20])content, p->nsources,
                                                    arena_fmt(arena, "%llu/%016llx", (unsigned long long)caller_key(&w->t->rq->who), (unsigned long long)about)};
    int rc = model_generate(w->t->model, &prompt, on_piece, w, out, &w->t->rq->enough, e);
    free(adapter);
    for (size_t i = 0; i < p->nsources; i++)
        if (purged(w->t->rq->s->store, &p->source[i].s.hit.oid)) { /* while it was written: it was kept behind the purge */
            models_forget(w->t->rq->s, NULL);
            break;
        }
    return rc;
}

/* -- what becomes of it ---------------------------------------------------------------------------------------------------------- */

static int by_n(const void *a, const void *b)
{
    json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "n")), y = json_integer_value(json_object_get(*(json_t *const *)b, "n"));
    return x < y ? -1 : x > y;
}

/* Those of commits stay with their section; then what the model cited. */
static json_t *rows_of(const struct writing *w, json_t *old)
{
    const struct pack *p = &w->t->conversation->pack;
    json_t **v = arena_zero(&w->t->rq->arena, json_array_size(old) + p->nsources + 1, sizeof *v), *rows = json_array(), *row;
    size_t n = 0, i;
    json_array_foreach(old, i, row)
        if (json_object_get(row, "reason_commit"))
            v[n++] = json_incref(row);
    for (i = 0; i < p->nsources; i++) {
        const struct answer_source *s = &p->source[i].s;
        if (!w->source[i].cited)
            continue;
        row = place_json(w->t->scope, &s->hit, s->first, s->last);
        json_object_set_new(row, "n", json_integer(w->source[i].shown));
        json_object_set_new(row, "symbol", json_cstr(s->title));
        json_object_set_new(row, "language", json_null());
        v[n++] = row;
    }
    qsort(v, n, sizeof *v, by_n);
    for (i = 0; i < n; i++)
        json_array_append_new(rows, v[i]);
    return rows;
}

/* What the sources do not support is said. */
static void say_unsupported(struct writing *w)
{
    const struct cited_counts *k = &w->cited.counts;
    if (!k->unsupported)
        return;
    struct buf *b = &w->cited.shown;
    while (b->len > w->sent && b->data[b->len - 1] == '\n')
        b->len--;
    buf_addf(b, "%s*%u of %u sentences cite no source.*\n", b->len && b->data[b->len - 1] == '\n' ? "\n" : "\n\n", k->unsupported, k->sentences);
}

static void set_counts(json_t *result, const struct writing *w, const struct pack_report *packed, const struct gen_result *g)
{
    const struct cited_counts *k = &w->cited.counts;
    json_object_set_new(result, "dropped_citations", json_integer((json_int_t)k->invented + k->shifted + k->forged));
    json_object_set_new(result, "dropped", json_pack("{sI, sI, sI, sI}", "invented", (json_int_t)k->invented, "shifted", (json_int_t)k->shifted,
                                                     "forged", (json_int_t)k->forged, "active", (json_int_t)k->active));
    json_object_set_new(result, "sentences", json_integer(k->sentences));
    json_object_set_new(result, "unsupported", json_integer(k->unsupported));
    json_object_set_new(result, "sources", json_pack("{sI, sI, sI, sI}", "packed", (json_int_t)packed->packed, "known", (json_int_t)packed->known, "cut",
                                                     (json_int_t)packed->cut, "left_out", (json_int_t)packed->left_out));
    json_object_set_new(result, "tokens", json_pack("{sI, sI, sI, sI}", "prompt", (json_int_t)g->prompt_tokens, "reused", (json_int_t)g->reused_tokens,
                                                    "answer", (json_int_t)g->answer_tokens, "reasoning", (json_int_t)g->reasoning_tokens));
}

static void set_timings(json_t *result, const struct writing *w, const struct gen_result *g, double began, double verified)
{
    json_t *t = json_object_get(result, "timings");
    double now = clock_ms();
    json_object_set_new(t, "prompt", json_real(g->ms_prompt));
    if (w->first_ms)
        json_object_set_new(t, "first_token", json_real(w->first_ms - w->t->began_ms));
    json_object_set_new(t, "generate", json_real(now - began));
    json_object_set_new(t, "verify", json_real(json_real_value(json_object_get(t, "verify")) + verified));
    json_object_set_new(t, "total", json_real(now - w->t->began_ms));
}

/* prefix: what of the answer came from commits. */
static void take_over(json_t *result, struct writing *w, const char *prefix, size_t n)
{
    struct buf b = BUF_INIT;
    buf_add(&b, prefix, n);
    buf_add(&b, w->cited.shown.data, w->cited.shown.len);
    json_object_set_new(result, "answer", json_text(b.data, b.len));
    json_object_set_new(result, "citations", rows_of(w, json_object_get(result, "citations")));
    json_object_set_new(result, "mode", json_string("generated"));
    buf_release(&b);
}

static void refuse(json_t *result)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, REFUSAL ", as the model reads them. What was found:\n\n");
    buf_adds(&b, json_string_value(json_object_get(result, "answer")));
    json_object_set_new(result, "answer", json_text(b.data, b.len));
    json_object_set_new(result, "mode", json_string("insufficient"));
    buf_release(&b);
}

/* Decides by what came; true: the model's text stands, and the conversation goes on from it. */
static bool judge(json_t *result, struct writing *w, int rc, const struct gen_result *g, const struct err *why, size_t prefix)
{
    const struct config *c = w->t->rq->s->o.config;
    const char *name = model_info(w->t->model)->name, *text = w->cited.shown.data ? w->cited.shown.data : "";
    bool late = __atomic_load_n(&w->t->rq->enough, __ATOMIC_RELAXED), any = text[strspn(text, " \n")] != 0;
    if (rc && !(late && rc == ERR_CANCELED)) {
        note_add(result, "%s wrote no answer: %s", name, why->message);
        return false;
    }
    if (w->cited.counts.valid) {
        if (late)
            note_add(result, "cut short after %lld seconds (generate_seconds)", (long long)c->generate_seconds);
        else if (g->end == GEN_END_LENGTH)
            note_add(result, "cut short after %lld tokens (answer_tokens)", (long long)c->answer_tokens);
        say_unsupported(w);
        send_new(w);
        take_over(result, w, json_string_value(json_object_get(result, "answer")), prefix);
        return true;
    }
    if (late) {
        note_add(result, "%s had no answer after %lld seconds (generate_seconds)", name, (long long)c->generate_seconds);
    } else if (strstr(text, REFUSAL)) {
        refuse(result);
        return true;
    } else {
        note_add(result, any ? "%s wrote nothing that its sources support: they are quoted instead" : "%s wrote nothing", name);
    }
    return false;
}

int writing_do(json_t *result, const struct writing_task *t, struct err *failed, struct err *e)
{
    struct writing w = {.t = t};
    struct gen_result g = {0};
    struct pack_report packed = {0};
    struct buf question = BUF_INIT;
    struct err why = {0};
    const struct model_info *m = model_info(t->model);
    struct pack_budget b = budget_of(t->rq->s->o.config, t->model);
    const char *answer = json_string_value(json_object_get(result, "answer"));
    size_t prefix = strlen(answer) - strlen(t->answer->markdown); /* commits are told of before it */
    double began = clock_ms(), verified = 0;
    int rc = look_again(t, &why);
    verified = clock_ms() - began;
    put_question(&question, t->rq, t->query);
    if (!rc)
        rc = pack_turn(&t->conversation->pack, t->answer->source, t->answer->nsources, (struct str){question.data, question.len}, &b,
                       count_tokens, t->model, &packed, &why);
    for (size_t i = 0; !rc && i < t->conversation->pack.nsources; i++) {
        const struct answer_source *s = &t->conversation->pack.source[i].s;
        audit_chunk(t->rq, &s->hit.oid, s->hit.oid_len, s->first, s->last);
    }
    began = clock_ms();
    open_sources(&w, (uint32_t)json_array_size(json_object_get(result, "citations")) + 1);
    if (!rc) {
        if (prefix && !t->second)
            request_emit(t->rq, EVENT_PART, json_pack("{so}", "delta", json_text(answer, prefix)));
        request_enough_at(t->rq, clock_ns() + t->rq->s->o.config->generate_seconds * 1000000000LL);
        rc = generate(&g, &w, &why);
        cited_end(&w.cited);
        if (!rc || w.cited.counts.valid)
            send_new(&w);
    }
    failed->code = 0;
    if (rc && rc != ERR_CANCELED && !request_stopped(t->rq)) {
        *failed = why;
        snprintf(failed->hint, sizeof failed->hint, "%s", w.sent ? "a part of the answer had gone out" : "");
    }
    if (request_stopped(t->rq)) {
        rc = err_set(e, ERR_CANCELED, "canceled");
    } else {
        if (judge(result, &w, rc, &g, &why, prefix))
            pack_answer(&t->conversation->pack, (struct str){w.cited.said.data ? w.cited.said.data : "", w.cited.said.len});
        json_object_set_new(result, "model", json_cstr(m->name));
        set_counts(result, &w, &packed, &g);
        set_timings(result, &w, &g, began, verified);
        rc = 0;
    }
    request_enough_at(t->rq, 0);
    cited_release(&w.cited);
    buf_release(&question);
    return rc;
}
