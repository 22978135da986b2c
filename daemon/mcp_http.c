/* The Model Context Protocol over streamable HTTP: one message in, its reply out, as JSON or, where something is told before it, as
 * server-sent events. */
#include "daemon/exchange.h"
#include "daemon/mcp.h"

#include "base/mem.h"
#include "service/jsonrpc.h"
#include "service/methods.h"

#include <stdlib.h>
#include <string.h>

#define EVENT_STREAM "text/event-stream"
#define FIRST_REVISION "2025-03-26" /* of a client that says none */
#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define HEADER_MISMATCH (-32020)

struct mcp_http {
    struct http_reply *out;
    void *mcp;              /* the machine of mcp.c */
    struct buf lines;       /* what it says */
    bool events;            /* the client reads them */
    bool modern;            /* the request names its own revision: errors have a status of their own */
};

/* Of those that name their own revision; all other errors are replies like any other (200). To add a code, add its row. */
static const struct {
    int code, status;
} statuses[] = {{RPC_PARSE_ERROR, 400}, {RPC_INVALID_REQUEST, 400}, {-32602, 400}, {-32601, 404}, {HEADER_MISMATCH, 400}, {-32022, 400}};

static int status_of(json_t *message)
{
    json_t *code = json_object_get(json_object_get(message, "error"), "code");
    for (size_t i = 0; code && i < sizeof statuses / sizeof *statuses; i++)
        if (json_integer_value(code) == statuses[i].code)
            return statuses[i].status;
    return 200;
}

static void refuse(struct http_reply *out, int code, const char *why)
{
    struct buf b = BUF_INIT;
    jsonrpc_error(&b, NULL, code, why, NULL);
    reply_json(out, 400, b.data, b.len - 1);
    buf_release(&b);
}

/* Not begun, and all is said: the replies alone; several (of a batch) are a list. */
static void reply_whole(struct mcp_http *x)
{
    json_t *said = json_array();
    for (const char *p = x->lines.data, *end = p + x->lines.len; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        json_t *m = json_loadb(p, (size_t)(nl - p), 0, NULL);
        if (m && !json_object_get(m, "method"))
            json_array_append(said, m);
        json_decref(m);
        p = nl + 1;
    }
    json_t *whole = json_array_size(said) == 1 ? json_array_get(said, 0) : said;
    char *text = json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(9));
    reply_json(x->out, x->modern ? status_of(whole) : 200, text, strlen(text));
    free(text);
    json_decref(said);
}

static void put_events(struct mcp_http *x)
{
    for (const char *p = x->lines.data, *end = p + x->lines.len; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        reply_sse(x->out, "message", p, (size_t)(nl - p));
        p = nl + 1;
    }
    x->lines.len = 0;
}

static void take(void *self)
{
    struct mcp_http *x = self;
    bool waits = mcp_waits(x->mcp), begun = x->out->ready;
    if (x->out->ended || (waits && (!x->events || !x->lines.len)))
        return;
    if (!waits && !begun && !x->lines.len) { /* a notification, or a reply to nothing */
        reply_text(x->out, 202, "text/plain", "");
    } else if (!waits && !begun) {
        reply_whole(x);
    } else {
        x->out->status = 200;
        x->out->type = EVENT_STREAM;
        x->out->ready = true;
        put_events(x);
        x->out->ended = !waits;
    }
}

static void http_close(void *self)
{
    struct mcp_http *x = self;
    mcp_protocol.close(x->mcp);
    buf_release(&x->lines);
    free(x);
}

/* A header's value that is no plain ASCII comes as =?base64?…?=: who it names is not looked at here. */
static bool differs(const char *header, json_t *value)
{
    return header && json_is_string(value) && strncmp(header, "=?base64?", 9) && strcmp(header, json_string_value(value));
}

/* What headers say of the body is what proxies go by: they may say nothing else. */
static bool headers_differ(const struct http_request *r, json_t *m, json_t *version)
{
    json_t *params = json_object_get(m, "params"), *name = json_object_get(params, "name");
    return differs(r->mcp_version, version) || differs(r->mcp_method, json_object_get(m, "method")) ||
           differs(r->mcp_name, name ? name : json_object_get(params, "uri"));
}

static void *http_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    json_error_t why;
    json_t *m = json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES, &why);
    json_t *version = json_object_get(json_object_get(json_object_get(m, "params"), "_meta"), META_VERSION);
    struct mcp_http *x = mem_zero(1, sizeof *x);
    x->out = out;
    x->modern = version != NULL;
    x->events = r->accept && strstr(r->accept, EVENT_STREAM);
    x->mcp = mcp_protocol.open(session, &x->lines, full, arg);
    bool known = mcp_remote(x->mcp, r->mcp_version ? r->mcp_version : FIRST_REVISION);
    if (!json_is_object(m) && !json_is_array(m)) {
        refuse(out, RPC_PARSE_ERROR, m ? "an object is wanted" : why.text);
    } else if (headers_differ(r, m, version)) {
        refuse(out, HEADER_MISMATCH, "a header says something else than the body");
    } else if (!known && !version) {
        refuse(out, RPC_INVALID_REQUEST, "MCP-Protocol-Version: no such revision");
    } else {
        char *line = json_dumps(m, JSON_COMPACT); /* a body may have several lines; a message has one */
        mcp_protocol.feed(x->mcp, line, strlen(line));
        mcp_protocol.feed(x->mcp, "\n", 1);
        free(line);
        take(x);
    }
    json_decref(m);
    if (!out->ended)
        return x;
    http_close(x);
    return NULL;
}

static void http_drained(void *self)
{
    mcp_protocol.drained(((struct mcp_http *)self)->mcp);
}

const struct http_codec mcp_http_codec = {http_open, http_drained, http_close, take};
