#include "daemon/rpc.h"

#include "base/mem.h"
#include "service/methods.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct rpc;
struct call {                /* an open request; the sink's arg */
    struct call *next;
    struct rpc *rpc;
    uint64_t id;             /* the service's */
    char *name;              /* the client's id as JSON text */
};

struct rpc {
    struct session *session;
    struct buf *out, line;
    size_t scanned;          /* bytes of line that hold no newline */
    bool greeted;
    bool (*full)(void *arg);
    void *full_arg;
    struct call *calls;
    unsigned ncalls;
};

void rpc_hello(struct buf *out, const char *build, int pid, bool autostarted)
{
    buf_addf(out, "{\"codeask\":%d,\"build\":\"%s\",\"pid\":%d,\"autostarted\":%s}\n", PROTOCOL_VERSION, build, pid,
             autostarted ? "true" : "false");
}

static int to_buf(const char *bytes, size_t n, void *buf)
{
    buf_add(buf, bytes, n);
    return 0;
}

/* Ends the message with an error; name NULL: the id is not known. */
static void reply_error(struct rpc *x, const char *name, int code, const char *message, json_t *data)
{
    json_t *error = json_pack("{si, ss}", "code", code, "message", message);
    if (data)
        json_object_set_new(error, "data", data);
    buf_addf(x->out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":", name ? name : "null");
    json_dump_callback(error, to_buf, x->out, JSON_COMPACT);
    buf_adds(x->out, "}\n");
    json_decref(error);
}

static void reply_err(struct rpc *x, const char *name, const struct err *e)
{
    json_t *data = json_pack("{ss, ss, ss}", "code", err_name(e->code), "message", e->message, "hint", e->hint);
    if (!data) /* a message with foreign bytes in it */
        data = json_pack("{ss, ss, ss}", "code", err_name(e->code), "message", err_name(e->code), "hint", "");
    const char *message = json_string_value(json_object_get(data, "message"));
    reply_error(x, name, RPC_ERROR_BASE + e->code, message, data);
}

static void call_free(struct call *c)
{
    struct rpc *x = c->rpc;
    for (struct call **at = &x->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            x->ncalls--;
            break;
        }
    free(c->name);
    free(c);
}

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct call *c = arg;
    struct rpc *x = c->rpc;
    switch (kind) {
    case EVENT_PROGRESS:
    case EVENT_PART: {
        const char *what = kind == EVENT_PART ? "part" : "progress";
        buf_addf(x->out, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":{\"id\":%s,\"%s\":", what, c->name, what);
        buf_add(x->out, json, len);
        buf_adds(x->out, "}}\n");
        break;
    }
    case EVENT_DONE:
        buf_addf(x->out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", c->name);
        buf_add(x->out, json, len);
        buf_adds(x->out, "}\n");
        call_free(c);
        break;
    case EVENT_FAIL: {
        json_t *data = json_loadb(json, len, 0, NULL);
        const char *name = json_string_value(json_object_get(data, "code"));
        const char *message = json_string_value(json_object_get(data, "message"));
        reply_error(x, c->name, RPC_ERROR_BASE + err_code_of(name ? name : "internal"), message ? message : "", data);
        call_free(c);
        break;
    }
    }
    return !x->full(x->full_arg);
}

static struct call *find_call(struct rpc *x, const char *name)
{
    struct call *c = x->calls;
    while (c && strcmp(c->name, name))
        c = c->next;
    return c;
}

static void submit(struct rpc *x, char *name /* taken over */, const char *method, json_t *params)
{
    struct err e;
    struct call *c = mem_zero(1, sizeof *c);
    c->rpc = x;
    c->name = name;
    char *text = params ? json_dumps(params, JSON_COMPACT) : mem_str("{}");
    int rc;
    if (x->ncalls >= RPC_OPEN_MAX)
        rc = err_set(&e, ERR_BUSY, "%d requests of this connection are open already", RPC_OPEN_MAX);
    else if (find_call(x, name))
        rc = err_set(&e, ERR_USAGE, "id: in use by an open request");
    else
        rc = session_submit(x->session, method, text, strlen(text), (struct sink){on_event, c}, &c->id, &e);
    free(text);
    if (rc) {
        reply_err(x, name, &e);
        free(name);
        free(c);
        return;
    }
    c->next = x->calls;
    x->calls = c;
    x->ncalls++;
}

static void cancel(struct rpc *x, json_t *params)
{
    json_t *id = json_object_get(params, "id");
    char *name = json_is_integer(id) || json_is_string(id) ? json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct call *c = name ? find_call(x, name) : NULL;
    if (c)
        session_cancel(x->session, c->id);
    free(name);
}

static int greet(struct rpc *x, json_t *message)
{
    struct err e;
    json_t *v = json_object_get(message, "codeask");
    if (json_is_integer(v) && json_integer_value(v) >= PROTOCOL_VERSION - 1 && json_integer_value(v) <= PROTOCOL_VERSION) {
        x->greeted = true;
        return 0;
    }
    if (json_is_integer(v))
        err_set(&e, ERR_VERSION, "this daemon speaks protocol %d, the client %lld", PROTOCOL_VERSION,
                (long long)json_integer_value(v));
    else
        err_set(&e, ERR_VERSION, "the first message must be {\"codeask\":%d,\"build\":…}", PROTOCOL_VERSION);
    reply_err(x, NULL, &e);
    return ERR_VERSION;
}

static int message(struct rpc *x, const char *bytes, size_t len)
{
    json_error_t why;
    json_t *m = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why);
    int rc = 0;
    if (!m) {
        reply_error(x, NULL, RPC_PARSE_ERROR, why.text, NULL);
        return x->greeted ? 0 : ERR_FORMAT;
    }
    if (!x->greeted) {
        rc = greet(x, m);
    } else {
        json_t *id = json_object_get(m, "id"), *params = json_object_get(m, "params");
        const char *method = json_string_value(json_object_get(m, "method"));
        const char *version = json_string_value(json_object_get(m, "jsonrpc"));
        if (!json_is_object(m) || !method || !version || strcmp(version, "2.0") || (params && !json_is_object(params)) ||
            (id && !json_is_integer(id) && !json_is_string(id)))
            reply_error(x, NULL, RPC_INVALID_REQUEST, "not a JSON-RPC 2.0 request", NULL);
        else if (id)
            submit(x, json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY), method, params);
        else if (!strcmp(method, "cancel"))
            cancel(x, params); /* other notifications mean nothing and get no reply */
    }
    json_decref(m);
    return rc;
}

static void *rpc_open(struct session *c, struct buf *out, bool (*full)(void *arg), void *arg)
{
    struct rpc *x = mem_zero(1, sizeof *x);
    x->session = c;
    x->out = out;
    x->full = full;
    x->full_arg = arg;
    return x;
}

static int rpc_feed(void *self, const char *bytes, size_t len)
{
    struct rpc *x = self;
    int rc = 0;
    size_t done = 0;
    buf_add(&x->line, bytes, len);
    for (;;) {
        char *from = x->line.data + x->scanned;
        char *end = x->line.len > x->scanned ? memchr(from, '\n', x->line.len - x->scanned) : NULL;
        if (!end)
            break;
        size_t n = (size_t)(end - x->line.data) - done;
        size_t bare = n && x->line.data[done + n - 1] == '\r' ? n - 1 : n;
        if (n > RPC_MESSAGE_MAX)
            break;
        if (bare && (rc = message(x, x->line.data + done, bare)))
            break;
        done += n + 1;
        x->scanned = done;
    }
    if (!rc && x->line.len - done > RPC_MESSAGE_MAX) {
        reply_error(x, NULL, RPC_INVALID_REQUEST, "a message of more than 16 MiB", NULL);
        rc = ERR_LIMIT;
    }
    buf_drop_front(&x->line, done);
    x->scanned = x->line.len;
    if (!x->line.len)
        buf_release(&x->line);
    return rc;
}

static void rpc_drained(void *self)
{
    struct rpc *x = self;
    for (struct call *c = x->calls; c; c = c->next)
        session_resume(x->session, c->id);
}

static void rpc_close(void *self)
{
    struct rpc *x = self;
    while (x->calls)
        call_free(x->calls);
    buf_release(&x->line);
    free(x);
}

const struct protocol rpc_protocol = {"rpc", rpc_open, rpc_feed, rpc_drained, rpc_close};
