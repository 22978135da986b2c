/* /v1/chat/completions: an answer out of the index, or the plain word of the model that writes. */
#include "daemon/openai.h"

#include "base/mem.h"
#include "service/result_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED_MOST 1000000 /* as `complete` takes them */
#define EARLIER_MOST 16   /* questions of a conversation that are looked back at */

struct chat {
    struct session *session;
    struct http_reply *out;
    bool (*full)(void *arg);
    void *full_arg;
    uint64_t id;
    char *model;        /* as it was asked for */
    json_int_t created;
    bool retrieves, streams, usage;
    struct buf sent;    /* text that the client has */
};

/* -- what goes out -------------------------------------------------------------------------------------------------------- */

static json_t *head(const struct chat *c, const char *object)
{
    char id[40];
    snprintf(id, sizeof id, "chatcmpl-%llu", (unsigned long long)c->id);
    return json_pack("{ss, ss, sI, ss}", "id", id, "object", object, "created", c->created, "model", c->model);
}

static void put_data(struct chat *c, json_t *o /* stolen */)
{
    char *text = json_dumps(o, JSON_COMPACT);
    reply_sse(c->out, NULL, text, strlen(text));
    free(text);
    json_decref(o);
}

static void put_chunk(struct chat *c, json_t *delta /* stolen */, const char *finish, json_t *more /* borrowed; NULL */)
{
    json_t *o = head(c, "chat.completion.chunk");
    json_object_set_new(o, "choices", json_pack("[{si, so, ss?}]", "index", 0, "delta", delta, "finish_reason", finish));
    if (more)
        json_object_set(o, OPENAI_RETRIEVAL, more);
    put_data(c, o);
}

/* The status stands with the first word: until then a failure has its own. */
static void begin_stream(struct chat *c)
{
    if (c->out->ready)
        return;
    c->out->status = 200;
    c->out->type = "text/event-stream";
    c->out->ready = true;
    put_chunk(c, json_pack("{ss, ss}", "role", "assistant", "content", ""), NULL, NULL);
}

static void put_text(struct chat *c, const char *text, size_t n)
{
    if (!n)
        return;
    buf_add(&c->sent, text, n);
    json_t *said = json_stringn(text, n);
    if (said)
        put_chunk(c, json_pack("{so}", "content", said), NULL, NULL);
}

static json_t *usage_of(json_t *result)
{
    json_t *t = json_object_get(result, "tokens");
    json_int_t asked = (json_int_t)number_at(t, "prompt"), said = (json_int_t)(number_at(t, "answer") + number_at(t, "reasoning"));
    return json_pack("{sI, sI, sI}", "prompt_tokens", asked, "completion_tokens", said, "total_tokens", asked + said);
}

/* What the objects of this API have no place for. */
static json_t *extension(json_t *result)
{
    static const char *const kept[] = {"id", "conversation", "mode", "citations", "note", "freshness"};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(result, kept[i]))
            json_object_set(o, kept[i], json_object_get(result, kept[i]));
    return o;
}

/* The text of a result, its sources behind it. */
static void put_result(struct buf *out, const struct chat *c, json_t *result)
{
    buf_adds(out, text_at(result, c->retrieves ? "answer" : "text"));
    if (c->retrieves)
        put_sources(out, result);
}

static void done_whole(struct chat *c, json_t *result, const char *finish)
{
    struct buf text = BUF_INIT;
    put_result(&text, c, result);
    json_t *o = head(c, "chat.completion");
    json_object_set_new(o, "choices", json_pack("[{si, s{ss, ss#}, ss}]", "index", 0, "message", "role", "assistant", "content", text.data ? text.data : "",
                                                (int)text.len, "finish_reason", finish));
    json_object_set_new(o, "usage", usage_of(result));
    if (c->retrieves)
        json_object_set_new(o, OPENAI_RETRIEVAL, extension(result));
    openai_reply(c->out, 200, o);
    buf_release(&text);
}

/* What was sent may turn out not to hold (the contract of `ask`): it cannot be taken back here, so that is said. */
static void done_stream(struct chat *c, json_t *result, const char *finish)
{
    struct buf text = BUF_INIT;
    begin_stream(c);
    put_result(&text, c, result);
    size_t had = c->sent.len, n = text.len;
    if (n >= had && !memcmp(text.data ? text.data : "", c->sent.data ? c->sent.data : "", had)) {
        put_text(c, text.data + had, n - had);
    } else {
        static const char anew[] = "\n\n*What stands above does not hold. Instead:*\n\n";
        put_text(c, anew, sizeof anew - 1);
        put_text(c, text.data, n);
    }
    json_t *more = c->retrieves ? extension(result) : NULL;
    put_chunk(c, json_object(), finish, more);
    json_decref(more);
    if (c->usage) {
        json_t *o = head(c, "chat.completion.chunk");
        json_object_set_new(o, "choices", json_array());
        json_object_set_new(o, "usage", usage_of(result));
        put_data(c, o);
    }
    reply_sse(c->out, NULL, "[DONE]", 6);
    c->out->ended = true;
    buf_release(&text);
}

static void failed(struct chat *c, const char *json, size_t len)
{
    json_t *said;
    int code = openai_code(&said, json, len);
    if (!c->out->ready) {
        openai_reply(c->out, http_status_of(code), said);
        return;
    }
    put_data(c, said);
    c->out->ended = true;
}

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct chat *c = arg;
    json_t *o = kind == EVENT_PART || kind == EVENT_DONE ? json_loadb(json, len, 0, NULL) : NULL;
    const char *finish = !strcmp(text_at(o, "end"), "length") || !strcmp(text_at(o, "end"), "time") ? "length" : "stop";
    if (kind == EVENT_PART && c->streams) {
        json_t *delta = json_object_get(o, "delta");
        begin_stream(c);
        put_text(c, text_at(o, "delta"), json_string_length(delta));
    } else if (kind == EVENT_DONE && c->streams) {
        done_stream(c, o, finish);
    } else if (kind == EVENT_DONE) {
        done_whole(c, o, finish);
    } else if (kind == EVENT_FAIL) {
        failed(c, json, len);
    }
    json_decref(o);
    return !c->full(c->full_arg);
}

/* -- what comes in -------------------------------------------------------------------------------------------------------- */

/* What would change the answer and is not done. */
static const char *unsupported(json_t *body)
{
    json_t *n = json_object_get(body, "n");
    if (n && !json_is_null(n) && !(json_is_integer(n) && json_integer_value(n) == 1))
        return "n: one choice is given";
    if (json_array_size(json_object_get(body, "tools")) || json_array_size(json_object_get(body, "functions")))
        return "tools: the model calls none (agents reach the index over MCP: /mcp)";
    if (json_is_true(json_object_get(body, "logprobs")))
        return "logprobs: none are given";
    return NULL;
}

/* The JSON schema that response_format asks for, as text; empty: none. false: the reply is complete. */
static bool put_format(struct buf *schema, json_t *body, struct http_reply *out)
{
    json_t *format = json_object_get(body, "response_format"), *wanted = json_object_get(json_object_get(format, "json_schema"), "schema");
    const char *type = text_at(format, "type");
    if (!format || json_is_null(format) || !strcmp(type, "text"))
        return true;
    if (!strcmp(type, "json_object")) {
        buf_adds(schema, "{\"type\":\"object\"}");
    } else if (!strcmp(type, "json_schema") && json_is_object(wanted)) {
        char *text = json_dumps(wanted, JSON_COMPACT);
        buf_adds(schema, text);
        free(text);
    } else {
        openai_refuse(out, ERR_USAGE, "response_format: text, json_object, or json_schema with a schema is wanted");
        return false;
    }
    return true;
}

/* A message's text: one, or parts that are texts. NULL: neither. */
static json_t *content_of(json_t *message)
{
    json_t *content = json_object_get(message, "content"), *part;
    struct buf text = BUF_INIT;
    size_t i;
    if (json_is_string(content))
        return json_incref(content);
    if (!json_array_size(content))
        return NULL;
    json_array_foreach(content, i, part) {
        json_t *t = json_object_get(part, "text");
        if (strcmp(text_at(part, "type"), "text") || !json_is_string(t)) {
            buf_release(&text);
            return NULL;
        }
        buf_add(&text, json_string_value(t), json_string_length(t));
    }
    json_t *out = json_stringn(text.data ? text.data : "", text.len);
    buf_release(&text);
    return out;
}

/* As `complete` wants them; NULL: the reply is complete. */
static json_t *messages_of(json_t *body, struct http_reply *out)
{
    json_t *list = json_array(), *from = json_object_get(body, "messages"), *m;
    size_t i;
    json_array_foreach(from, i, m) {
        const char *role = text_at(m, "role");
        json_t *text = content_of(m);
        role = !strcmp(role, "developer") ? "system" : role;
        if (!text || (strcmp(role, "system") && strcmp(role, "user") && strcmp(role, "assistant"))) {
            openai_refuse(out, ERR_USAGE, "messages[%zu]: a role (system, developer, user, assistant) and a text are wanted", i);
            json_decref(text);
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, json_pack("{ss, so}", "role", role, "text", text));
    }
    if (json_array_size(list))
        return list;
    openai_refuse(out, ERR_USAGE, "messages: a list of at least one is wanted");
    json_decref(list);
    return NULL;
}

/* The questions before the last, newest last: what the assistant is said to have said is no source, and is left out. */
static json_t *earlier_of(json_t *messages)
{
    json_t *list = json_array(), *m;
    size_t i;
    json_array_foreach(messages, i, m)
        if (i + 1 < json_array_size(messages) && !strcmp(text_at(m, "role"), "user"))
            json_array_append(list, json_object_get(m, "text"));
    while (json_array_size(list) > EARLIER_MOST)
        json_array_remove(list, 0);
    return list;
}

/* The parameters of `ask`; NULL: the reply is complete. */
static json_t *question(json_t *body, json_t *messages, const char *model, struct http_reply *out)
{
    json_t *given = json_object_get(body, OPENAI_RETRIEVAL), *last = json_array_get(messages, json_array_size(messages) - 1);
    json_t *format = json_object_get(body, "response_format");
    if (json_is_object(format) && strcmp(text_at(format, "type"), "text")) {
        openai_refuse(out, ERR_UNSUPPORTED, "response_format: answers out of the index are text; the answer model alone writes JSON");
        return NULL;
    }
    if (given && !json_is_object(given)) {
        openai_refuse(out, ERR_USAGE, OPENAI_RETRIEVAL ": an object is wanted");
        return NULL;
    }
    if (strcmp(text_at(last, "role"), "user")) {
        openai_refuse(out, ERR_USAGE, "messages: the last one is the question, and its role is user");
        return NULL;
    }
    json_t *params = given ? json_copy(given) : json_object();
    json_object_set(params, "query", json_object_get(last, "text"));
    if (!json_object_get(params, "continue"))
        json_object_set_new(params, "earlier", earlier_of(messages));
    if (model[sizeof OPENAI_RETRIEVAL - 1])
        json_object_set_new(params, "repo", json_pack("[s]", model + sizeof OPENAI_RETRIEVAL));
    if (!json_object_get(params, "repo") && !json_object_get(params, "dir"))
        json_object_set_new(params, "all_repos", json_true());
    return params;
}

/* The parameters of `complete`; NULL: the reply is complete. */
static json_t *completion(json_t *body, json_t *messages, const char *model, struct http_reply *out)
{
    static const char *const alike[] = {"temperature", "top_p", "stop", "max_tokens"};
    struct buf schema = BUF_INIT;
    if (!put_format(&schema, body, out))
        return NULL;
    json_t *params = json_pack("{sO, ss}", "messages", messages, "model", model), *seed = json_object_get(body, "seed");
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        json_t *v = json_object_get(body, alike[i]);
        if (v && !json_is_null(v))
            json_object_set(params, alike[i], v);
    }
    if (json_is_integer(json_object_get(body, "max_completion_tokens")))
        json_object_set(params, "max_tokens", json_object_get(body, "max_completion_tokens"));
    if (json_is_integer(seed))
        json_object_set_new(params, "seed", json_integer(1 + (json_int_t)((uint64_t)json_integer_value(seed) % SEED_MOST)));
    if (schema.len)
        json_object_set_new(params, "schema", json_stringn(schema.data, schema.len));
    buf_release(&schema);
    return params;
}

static bool is_retrieval(const char *model)
{
    size_t n = sizeof OPENAI_RETRIEVAL - 1;
    return !strncmp(model, OPENAI_RETRIEVAL, n) && (!model[n] || (model[n] == '/' && model[n + 1]));
}

static void chat_close(void *self)
{
    struct chat *c = self;
    buf_release(&c->sent);
    free(c->model);
    free(c);
}

static void *chat_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    json_t *body = openai_body(r, out), *messages = NULL, *params = NULL, *stream = json_object_get(body, "stream");
    const char *model = json_string_value(json_object_get(body, "model")), *why = body ? unsupported(body) : NULL;
    struct chat *c = NULL;
    if (!body)
        return NULL;
    if (!model || !*model)
        openai_refuse(out, ERR_USAGE, "model: a name is wanted (GET " OPENAI_MODELS ")");
    else if (why)
        openai_refuse(out, ERR_UNSUPPORTED, "%s", why);
    else if (stream && !json_is_boolean(stream) && !json_is_null(stream))
        openai_refuse(out, ERR_USAGE, "stream: true or false is wanted");
    else if ((messages = messages_of(body, out)))
        params = is_retrieval(model) ? question(body, messages, model, out) : completion(body, messages, model, out);
    if (params) {
        c = mem_zero(1, sizeof *c);
        *c = (struct chat){.session = session, .out = out, .full = full, .full_arg = arg, .model = mem_str(model), .created = (json_int_t)time(NULL),
                           .retrieves = is_retrieval(model), .streams = json_is_true(stream),
                           .usage = json_is_true(json_object_get(json_object_get(body, "stream_options"), "include_usage"))};
        if (openai_submit(session, out, c->retrieves ? "ask" : "complete", params, (struct sink){on_event, c}, &c->id)) {
            chat_close(c);
            c = NULL;
        }
    }
    json_decref(messages);
    json_decref(body);
    return c;
}

static void chat_drained(void *self)
{
    struct chat *c = self;
    session_resume(c->session, c->id);
}

const struct http_codec openai_chat_codec = {chat_open, chat_drained, chat_close};
