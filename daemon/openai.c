#include "daemon/openai.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- what the codecs share ---------------------------------------------------------------------------------------------- */

/* To add a type, add its row: the first whose status is at least the reply's. */
static const char *type_of_status(int status)
{
    static const struct {
        int status;
        const char *type;
    } types[] = {{400, "invalid_request_error"}, {401, "authentication_error"}, {403, "permission_error"}, {404, "not_found_error"},
                 {428, "invalid_request_error"}, {429, "rate_limit_error"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (status <= types[i].status)
            return types[i].type;
    return "server_error";
}

json_t *openai_error(int code, const char *message, const char *hint)
{
    json_t *said = *hint ? json_pack("s++", message, ": ", hint) : json_string(message);
    return json_pack("{s{so, ss, sn, ss}}", "error", "message", said ? said : json_string("the request is no UTF-8"), "type",
                     type_of_status(http_status_of(code)), "param", "code", err_name(code));
}

void openai_reply(struct http_reply *out, int status, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    reply_json(out, status, text, strlen(text));
    free(text);
    json_decref(o);
}

void openai_refuse_err(struct http_reply *out, const struct err *e)
{
    openai_reply(out, http_status_of(e->code), openai_error(e->code, e->message, e->hint));
}

void openai_refuse(struct http_reply *out, int code, const char *fmt, ...)
{
    struct err e = {0};
    char text[sizeof e.message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    err_set(&e, code, "%s", text);
    openai_refuse_err(out, &e);
}

int openai_code(json_t **said, const char *json, size_t len)
{
    json_t *o = json_loadb(json, len, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "code")), *message = json_string_value(json_object_get(o, "message"));
    const char *hint = json_string_value(json_object_get(o, "hint"));
    int code = err_code_of(name ? name : "internal");
    *said = openai_error(code, message ? message : "", hint ? hint : "");
    json_decref(o);
    return code;
}

json_t *openai_body(const struct http_request *r, struct http_reply *out)
{
    json_error_t why;
    json_t *o = json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(o))
        return o;
    openai_refuse(out, ERR_USAGE, "the body: %s", o ? "not an object" : why.text);
    json_decref(o);
    return NULL;
}

int openai_submit(struct session *c, struct http_reply *out, const char *method, json_t *params, struct sink sink, uint64_t *id)
{
    struct err e = {0};
    char *text = json_dumps(params, JSON_COMPACT);
    int rc = session_submit(c, method, text, strlen(text), sink, id, &e);
    free(text);
    json_decref(params);
    if (rc)
        openai_refuse_err(out, &e);
    return rc;
}

/* An EVENT_FAIL of a request that is answered as a whole. */
static void reply_failed(struct http_reply *out, const char *json, size_t len)
{
    json_t *said;
    int code = openai_code(&said, json, len);
    openai_reply(out, http_status_of(code), said);
}

/* -- models --------------------------------------------------------------------------------------------------------------- */

struct models {
    struct http_reply *out;
    char *one; /* that is asked for; NULL: all */
};

static json_t *model_json(const char *id)
{
    return json_pack("{ss, ss, si, ss}", "id", id, "object", "model", "created", 0, "owned_by", "codeask");
}

/* Of a status: what answers, then what writes and what embeds. */
static json_t *models_of(json_t *status)
{
    json_t *list = json_array(), *row;
    size_t i;
    json_array_append_new(list, model_json(OPENAI_RETRIEVAL));
    json_array_foreach(json_object_get(status, "repos"), i, row) {
        json_t *id = json_pack("s+", OPENAI_RETRIEVAL "/", json_string_value(json_object_get(row, "repo")));
        if (id)
            json_array_append_new(list, model_json(json_string_value(id)));
        json_decref(id);
    }
    json_array_foreach(json_object_get(status, "models"), i, row) {
        const char *role = json_string_value(json_object_get(row, "role")), *name = json_string_value(json_object_get(row, "name"));
        if (role && name && *name && (!strcmp(role, "answer") || !strcmp(role, "embed")))
            json_array_append_new(list, model_json(name));
    }
    return list;
}

static bool on_models(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct models *m = arg;
    if (kind == EVENT_FAIL)
        reply_failed(m->out, json, len);
    if (kind != EVENT_DONE)
        return true;
    json_t *status = json_loadb(json, len, 0, NULL), *list = models_of(status), *row;
    size_t i;
    if (!m->one) {
        openai_reply(m->out, 200, json_pack("{ss, sO}", "object", "list", "data", list));
    } else {
        json_array_foreach(list, i, row)
            if (!strcmp(json_string_value(json_object_get(row, "id")), m->one))
                break;
        if (i < json_array_size(list))
            openai_reply(m->out, 200, json_incref(json_array_get(list, i)));
        else
            openai_refuse(m->out, ERR_NOT_FOUND, "there is no such model");
    }
    json_decref(list);
    json_decref(status);
    return true;
}

static void *models_begin(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    struct models *m = mem_zero(1, sizeof *m);
    const char *one = r->path + sizeof OPENAI_MODELS - 1;
    uint64_t id;
    *m = (struct models){out, *one ? mem_str(one + 1) : NULL};
    if (!openai_submit(session, out, "status", json_object(), (struct sink){on_models, m}, &id))
        return m;
    free(m->one);
    free(m);
    return NULL;
}

static void models_end(void *self)
{
    struct models *m = self;
    free(m->one);
    free(m);
}

/* -- embeddings ----------------------------------------------------------------------------------------------------------- */

struct embeddings {
    struct http_reply *out;
    char *model;
    bool base64;
};

static int digit(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Numbers out of base64 of 32-bit floats, little-endian. */
static json_t *numbers(const char *text)
{
    json_t *list = json_array();
    uint64_t bits = 0;
    uint32_t u = 0;
    unsigned have = 0, bytes = 0;
    for (const char *p = text; *p && digit(*p) >= 0; p++) {
        bits = bits << 6 | (unsigned)digit(*p);
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        u |= (uint32_t)(bits >> have & 0xff) << 8 * bytes++;
        if (bytes < 4)
            continue;
        float v;
        memcpy(&v, &u, 4);
        json_array_append_new(list, json_real(v));
        bytes = u = 0;
    }
    return list;
}

static bool on_vectors(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct embeddings *m = arg;
    if (kind == EVENT_FAIL)
        reply_failed(m->out, json, len);
    if (kind != EVENT_DONE)
        return true;
    json_t *result = json_loadb(json, len, 0, NULL), *rows = json_array(), *v, *tokens = json_object_get(result, "tokens");
    size_t i;
    json_array_foreach(json_object_get(result, "vectors"), i, v) {
        const char *text = json_string_value(v);
        json_array_append_new(rows, json_pack("{ss, si, so}", "object", "embedding", "index", (int)i, "embedding",
                                              m->base64 ? json_string(text ? text : "") : numbers(text ? text : "")));
    }
    char *text = NULL;
    json_t *o = json_pack("{ss, so, ss, s{sI, sI}}", "object", "list", "data", rows, "model", m->model, "usage", "prompt_tokens", json_integer_value(tokens),
                          "total_tokens", json_integer_value(tokens));
    text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)); /* what 32 bits hold */
    reply_json(m->out, 200, text, strlen(text));
    free(text);
    json_decref(o);
    json_decref(result);
    return true;
}

static bool are_texts(json_t *input)
{
    json_t *one;
    size_t i;
    json_array_foreach(input, i, one)
        if (!json_is_string(one))
            return false;
    return json_is_string(input) || json_array_size(input);
}

static void *embeddings_begin(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    json_t *body = openai_body(r, out), *input = json_object_get(body, "input");
    const char *model = json_string_value(json_object_get(body, "model"));
    json_t *format = json_object_get(body, "encoding_format");
    const char *as = json_is_string(format) ? json_string_value(format) : "float";
    struct embeddings *m = NULL;
    uint64_t id;
    if (!body) {
        return NULL;
    } else if (!model) {
        openai_refuse(out, ERR_USAGE, "model: a name is wanted");
    } else if (!are_texts(input)) {
        openai_refuse(out, ERR_USAGE, "input: a text or a list of texts is wanted (tokens are not taken)");
    } else if (strcmp(as, "float") && strcmp(as, "base64")) {
        openai_refuse(out, ERR_USAGE, "encoding_format: float or base64 is wanted");
    } else if (json_object_get(body, "dimensions")) {
        openai_refuse(out, ERR_UNSUPPORTED, "dimensions: vectors come as the model makes them");
    } else {
        m = mem_zero(1, sizeof *m);
        *m = (struct embeddings){out, mem_str(model), !strcmp(as, "base64")};
        if (!openai_submit(session, out, "embed", json_pack("{sO, ss}", "text", input, "model", model), (struct sink){on_vectors, m}, &id)) {
            json_decref(body);
            return m;
        }
        free(m->model);
        free(m);
    }
    json_decref(body);
    return NULL;
}

static void embeddings_end(void *self)
{
    struct embeddings *m = self;
    free(m->model);
    free(m);
}

const struct http_codec openai_models_codec = {models_begin, NULL, models_end}, openai_embeddings_codec = {embeddings_begin, NULL, embeddings_end};
