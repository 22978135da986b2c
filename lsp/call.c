#include "base/clock.h"
#include "base/mem.h"
#include "lsp/feature.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 100 /* of a list that is told in pieces */

struct call *call_new(struct lsp *x, char *name, const struct feature *f, json_t *params)
{
    struct call *c = mem_zero(1, sizeof *c);
    json_t *work = json_object_get(params, "workDoneToken"), *partial = json_object_get(params, "partialResultToken");
    *c = (struct call){.lsp = x, .name = name, .feature = f, .params = json_incref(params), .began_ms = clock_ms(), .answered = !name};
    c->work = json_is_string(work) || json_is_integer(work) ? json_incref(work) : NULL;
    c->partial = json_is_string(partial) || json_is_integer(partial) ? json_incref(partial) : NULL;
    c->next = x->calls;
    x->calls = c;
    x->ncalls++;
    return c;
}

void call_free(struct call *c)
{
    struct lsp *x = c->lsp;
    for (struct call **at = &x->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            x->ncalls--;
            break;
        }
    json_decref(c->params);
    json_decref(c->work);
    json_decref(c->partial);
    json_decref(c->kept);
    json_decref(c->asking);
    free(c->anew);
    free(c->creating);
    free(c->name);
    free(c->word);
    free(c->path);
    free(c->title);
    free(c);
}

struct call *call_find(struct lsp *x, const char *name)
{
    struct call *c = x->calls;
    while (c && (!c->name || c->answered || strcmp(c->name, name)))
        c = c->next;
    return c;
}

static void end_work(struct call *c)
{
    if (c->began)
        say_progress(c->lsp, c->work, json_pack("{ss}", "kind", "end"));
    c->began = false;
}

void call_settle(struct call *c)
{
    if (c->id)
        return;
    if (!c->answered)
        call_reply(c, c->feature && c->feature->empty ? c->feature->empty() : NULL);
    end_work(c);
    call_free(c);
}

/* -- answers ----------------------------------------------------------------------------------------------------------------- */

static void trace(struct call *c)
{
    struct lsp *x = c->lsp;
    struct buf line = BUF_INIT;
    if (x->trace == TRACE_OFF || !c->feature)
        return;
    buf_addf(&line, "%s: %.1f ms", c->feature->method, clock_ms() - c->began_ms);
    json_t *params = json_pack("{ss}", "message", line.data);
    if (x->trace == TRACE_VERBOSE && c->word)
        json_object_set_new(params, "verbose", json_string(c->word));
    say_note(x, "$/logTrace", params);
    buf_release(&line);
}

void call_reply(struct call *c, json_t *result)
{
    if (c->answered) {
        json_decref(result);
        return;
    }
    c->answered = true;
    end_work(c);
    say_result(c->lsp, c->name, result ? result : json_null());
    trace(c);
}

void call_reply_list(struct call *c, json_t *list)
{
    size_t n = json_array_size(list);
    if (c->partial && !c->answered && n > PIECE) {
        for (size_t at = 0; at < n; at += PIECE) {
            json_t *piece = json_array();
            for (size_t i = at; i < n && i < at + PIECE; i++)
                json_array_append(piece, json_array_get(list, i));
            say_progress(c->lsp, c->partial, piece);
        }
        json_array_clear(list);
    }
    call_reply(c, list);
}

void call_refuse(struct call *c, int code, const char *message, json_t *data)
{
    if (c->answered) {
        json_decref(data);
        return;
    }
    c->answered = true;
    end_work(c);
    say_error(c->lsp, c->name, code, message, data);
    trace(c);
}

void call_tell(struct call *c, int code, const char *message, const char *hint)
{
    call_refuse(c, code == ERR_CANCELED ? LSP_CANCELED : code == ERR_USAGE ? LSP_INVALID_PARAMS : LSP_REQUEST_FAILED, message,
                json_pack("{ss, ss*}", "code", err_name(code), "hint", hint));
}

void call_fail(struct call *c, int code, const char *message, const char *hint)
{
    bool nothing = code == ERR_NO_REPOSITORY || code == ERR_NOT_FOUND || code == ERR_UNSUPPORTED;
    if (nothing && c->feature && c->feature->empty)
        call_reply(c, c->feature->empty());
    else
        call_tell(c, code, message, hint);
}

void call_cancel(struct call *c)
{
    call_refuse(c, LSP_CANCELED, "canceled", NULL);
    if (c->id)
        session_cancel(c->lsp->session, c->id);
}

/* -- work-done progress ------------------------------------------------------------------------------------------------------ */

void call_offer_work(struct call *c)
{
    struct lsp *x = c->lsp;
    struct buf id = BUF_INIT;
    if (c->work || !client_can(x, "window.workDoneProgress"))
        return;
    buf_addf(&id, "codeask-%u", x->asked + 1);
    c->work = json_string(id.data);
    buf_clear(&id);
    buf_addf(&id, "\"work/%u\"", x->asked + 1);
    c->creating = buf_take(&id);
    say_request(x, "work", "window/workDoneProgress/create", json_pack("{sO}", "token", c->work));
}

void call_work(struct call *c, const char *title, const char *message)
{
    if (!c->work || c->creating)
        return;
    json_t *value = json_pack("{ss, ss*}", "kind", c->began ? "report" : "begin", "message", message);
    if (!value)
        value = json_pack("{ss}", "kind", c->began ? "report" : "begin");
    if (!c->began) {
        json_object_set_new(value, "title", json_string(title));
        json_object_set_new(value, "cancellable", json_true());
    }
    c->began = true;
    say_progress(c->lsp, c->work, value);
}

static void on_progress(struct call *c, json_t *o)
{
    const char *stage = json_string_value(json_object_get(o, "stage")), *repo = json_string_value(json_object_get(o, "repo"));
    json_t *done = json_object_get(o, "files_done"), *total = json_object_get(o, "files");
    struct buf message = BUF_INIT;
    if (!c->work && stage && !strcmp(stage, "indexing"))
        call_offer_work(c);
    buf_addf(&message, "%s%s%s", stage ? stage : "working", repo ? " " : "", repo ? repo : "");
    if (json_integer_value(total) > 0)
        buf_addf(&message, " %lld/%lld", (long long)json_integer_value(done), (long long)json_integer_value(total));
    call_work(c, "codeask", message.data);
    buf_release(&message);
}

/* -- the service ------------------------------------------------------------------------------------------------------------- */

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct call *c = arg;
    struct lsp *x = c->lsp;
    json_t *o = json_loadb(json, len, 0, NULL);
    if (kind == EVENT_PROGRESS) {
        on_progress(c, o);
    } else if (kind == EVENT_PART) {
        if (c->part && !(c->name && c->answered))
            c->part(c, o);
    } else {
        c->id = 0;
        if (c->name && c->answered) {
            ; /* canceled */
        } else if (kind == EVENT_DONE) {
            c->done(c, o);
        } else {
            const char *name = json_string_value(json_object_get(o, "code")), *message = json_string_value(json_object_get(o, "message"));
            const char *hint = json_string_value(json_object_get(o, "hint"));
            (c->failed ? c->failed : call_fail)(c, err_code_of(name ? name : "internal"), message ? message : "", hint);
        }
        call_settle(c);
    }
    json_decref(o);
    return !x->full(x->full_arg);
}

void call_ask(struct call *c, const char *method, json_t *params, void (*done)(struct call *c, json_t *result))
{
    struct err e = {0};
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    int rc = text ? 0 : err_set(&e, ERR_INTERNAL, "%s: no parameters", method);
    json_decref(params);
    c->done = done;
    if (!rc)
        rc = session_submit(c->lsp->session, method, text, strlen(text), (struct sink){on_event, c}, &c->id, &e);
    free(text);
    if (rc) {
        c->id = 0;
        (c->failed ? c->failed : call_fail)(c, rc, e.message, e.hint);
    }
}
