#include "daemon/api.h"

#include "base/mem.h"
#include "service/methods.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define STREAM "stream"
#define EVENT_STREAM "text/event-stream"

struct call { /* the one request of an exchange; the sink's arg */
    struct session *session;
    struct http_reply *out;
    bool (*full)(void *arg);
    void *full_arg;
    uint64_t id;
    bool streams;
};

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    static const char *const names[] = {[EVENT_PROGRESS] = "progress", [EVENT_PART] = "part", [EVENT_DONE] = "done", [EVENT_FAIL] = "error"};
    struct call *c = arg;
    if (c->streams) {
        reply_sse(c->out, names[kind], json, len);
        c->out->ended = kind == EVENT_DONE || kind == EVENT_FAIL;
    } else if (kind == EVENT_DONE) {
        reply_json(c->out, 200, json, len);
    } else if (kind == EVENT_FAIL) {
        json_t *o = json_loadb(json, len, 0, NULL);
        const char *code = json_string_value(json_object_get(o, "code"));
        reply_fail(c->out, http_status_of(err_code_of(code ? code : "internal")), json, len);
        json_decref(o);
    }
    return !c->full(c->full_arg);
}

/* "all-repos" and "all_repos" are one */
static bool same(const char *flag, const char *key)
{
    for (; *flag && (*flag == *key || (*flag == '-' && *key == '_')); flag++, key++)
        ;
    return !*flag && !*key;
}

/* A value of a query string as the row's flag wants it; what is no flag is a text, and params_check says whether it is known. */
static json_t *typed(const struct method *m, const char *key, const char *value)
{
    const struct method_flag *f = m->flags;
    while (f && f->name && !same(f->name, key))
        f++;
    char *end;
    long long n = strtoll(value, &end, 10);
    if (f && f->name && f->type == FLAG_INT && *value && !*end)
        return json_integer(n);
    if ((f && f->name && f->type == FLAG_BOOL) || !strcmp(key, STREAM))
        return !strcmp(value, "true") || !strcmp(value, "1") || !*value ? json_true() : !strcmp(value, "false") || !strcmp(value, "0") ? json_false() : json_string(value);
    return json_string(value);
}

static int params_of_query(json_t *params, const struct method *m, const char *query, struct err *e)
{
    size_t at = 0;
    char *key, *value;
    int rc = 0;
    while (!rc && query_next(query, &at, &key, &value)) {
        json_t *v = key && value ? typed(m, key, value) : NULL, *before = key ? json_object_get(params, key) : NULL;
        if (!v) {
            rc = err_set(e, ERR_USAGE, "the query string cannot be decoded");
        } else if (json_is_array(before)) {
            json_array_append_new(before, v);
        } else if (before) { /* a repeated key is a list */
            json_object_set_new(params, key, json_pack("[O, o]", before, v));
        } else {
            json_object_set_new(params, key, v);
        }
        free(key);
        free(value);
    }
    return rc;
}

static json_t *params_of(const struct http_request *r, const struct method *m, struct err *e)
{
    json_error_t why;
    json_t *params = r->len ? json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES, &why) : json_object();
    if (!json_is_object(params)) {
        err_set(e, ERR_USAGE, "the body: %s", params ? "not an object" : why.text);
        json_decref(params);
        return NULL;
    }
    if (params_of_query(params, m, r->query, e)) {
        json_decref(params);
        return NULL;
    }
    return params;
}

static void *api_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    struct err e = {0};
    const struct method *m = request_named(r->path + sizeof API_PREFIX - 1);
    if (!m || m->access == ACCESS_OWNER) {
        err_set(&e, ERR_NOT_FOUND, "there is no %.200s", r->path);
        err_hint(&e, "GET /openapi.json describes what there is");
        reply_err(out, &e);
        return NULL;
    }
    if (m->access & (ACCESS_FEEDBACK | ACCESS_ADMIN) && !(m->access & ACCESS_READ) && strcmp(r->method, "POST")) {
        /* a picture or a link of any page can make a browser GET, and nothing tells it from a person's wish */
        err_set(&e, ERR_USAGE, "%.200s takes POST: it changes something", r->path);
        reply_err(out, &e);
        out->status = 405;
        reply_header(out, "allow:", "POST");
        return NULL;
    }
    json_t *params = params_of(r, m, &e), *stream = json_object_get(params, STREAM);
    if (!params || (stream && !json_is_boolean(stream))) {
        if (params)
            err_set(&e, ERR_USAGE, STREAM ": true or false is wanted");
        reply_err(out, &e);
        json_decref(params);
        return NULL;
    }
    struct call *c = mem_zero(1, sizeof *c);
    *c = (struct call){.session = session, .out = out, .full = full, .full_arg = arg};
    c->streams = json_is_true(stream) || (!stream && r->accept && strstr(r->accept, EVENT_STREAM));
    json_object_del(params, STREAM);
    char *text = json_dumps(params, JSON_COMPACT);
    char name[32] = ""; /* as on the socket */
    for (size_t i = 0; m->name[i] && i + 1 < sizeof name; i++)
        name[i] = m->name[i] == ' ' ? '.' : m->name[i];
    int rc = session_submit(session, name, text, strlen(text), (struct sink){on_event, c}, &c->id, &e);
    free(text);
    json_decref(params);
    if (rc) {
        reply_err(out, &e);
        free(c);
        return NULL;
    }
    if (c->streams) {
        out->status = 200;
        out->type = EVENT_STREAM;
        out->ready = true;
    }
    return c;
}

static void api_drained(void *self)
{
    struct call *c = self;
    session_resume(c->session, c->id);
}

static void api_close(void *self)
{
    free(self);
}

const struct http_codec api_codec = {api_open, api_drained, api_close};
