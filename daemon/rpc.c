#include "daemon/rpc.h"

#include "base/mem.h"
#include "service/jsonrpc.h"
#include "daemon/lines.h"
#include "daemon/mcp.h"
#include "lsp/lsp.h"
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
    struct buf *out;
    struct lines in;
    bool greeted;
    const struct protocol *other; /* that the client greeted for; NULL: this one */
    void *other_self;
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
        jsonrpc_error(x->out, c->name, RPC_ERROR_BASE + err_code_of(name ? name : "internal"), message ? message : "", data);
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
        jsonrpc_err(x->out, name, &e);
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
    char *name = jsonrpc_id(params);
    struct call *c = name ? find_call(x, name) : NULL;
    if (c)
        session_cancel(x->session, c->id);
    free(name);
}

/* What may be spoken on the socket besides this. */
static const struct protocol *const others[] = {&mcp_protocol, &lsp_protocol};

static int greet(struct rpc *x, json_t *message)
{
    struct err e;
    json_t *v = json_object_get(message, "codeask");
    const char *other = json_string_value(json_object_get(message, "protocol"));
    if (json_is_integer(v) && json_integer_value(v) >= PROTOCOL_VERSION - 1 && json_integer_value(v) <= PROTOCOL_VERSION) {
        x->greeted = true;
        session_server(x->session, json_string_value(json_object_get(message, "server")), json_string_value(json_object_get(message, "token")));
        if (!other)
            return 0;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (!strcmp(others[i]->name, other)) {
                x->other = others[i];
                x->other_self = x->other->open(x->session, x->out, x->full, x->full_arg);
                return LINES_REST;
            }
        err_set(&e, ERR_UNSUPPORTED, "this daemon does not speak \"%.80s\"", other);
        jsonrpc_err(x->out, NULL, &e);
        return ERR_UNSUPPORTED;
    }
    if (json_is_integer(v))
        err_set(&e, ERR_VERSION, "this daemon speaks protocol %d, the client %lld", PROTOCOL_VERSION,
                (long long)json_integer_value(v));
    else
        err_set(&e, ERR_VERSION, "the first message must be {\"codeask\":%d,\"build\":…}", PROTOCOL_VERSION);
    jsonrpc_err(x->out, NULL, &e);
    return ERR_VERSION;
}

static int message(void *self, const char *bytes, size_t len)
{
    struct rpc *x = self;
    json_error_t why;
    json_t *m = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why);
    int rc = 0;
    if (!m) {
        jsonrpc_error(x->out, NULL, RPC_PARSE_ERROR, why.text, NULL);
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
            jsonrpc_error(x->out, NULL, RPC_INVALID_REQUEST, "not a JSON-RPC 2.0 request", NULL);
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
    if (x->other)
        return x->other->feed(x->other_self, bytes, len);
    int rc = lines_feed(&x->in, bytes, len, RPC_MESSAGE_MAX, message, x);
    if (rc == ERR_LIMIT)
        jsonrpc_error(x->out, NULL, RPC_INVALID_REQUEST, "a message of more than 16 MiB", NULL);
    if (rc != LINES_REST)
        return rc;
    struct buf rest = x->in.held;
    x->in = (struct lines){BUF_INIT, 0};
    rc = rest.len ? x->other->feed(x->other_self, rest.data, rest.len) : 0;
    buf_release(&rest);
    return rc;
}

static void rpc_drained(void *self)
{
    struct rpc *x = self;
    if (x->other)
        x->other->drained(x->other_self);
    for (struct call *c = x->calls; c; c = c->next)
        session_resume(x->session, c->id);
}

static void rpc_close(void *self)
{
    struct rpc *x = self;
    if (x->other)
        x->other->close(x->other_self);
    while (x->calls)
        call_free(x->calls);
    lines_release(&x->in);
    free(x);
}

const struct protocol rpc_protocol = {"rpc", rpc_open, rpc_feed, rpc_drained, rpc_close};
