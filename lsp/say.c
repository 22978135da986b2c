#include "lsp/inside.h"

#include "service/jsonrpc.h"

#include <stdlib.h>

static int to_buf(const char *bytes, size_t n, void *buf)
{
    buf_add(buf, bytes, n);
    return 0;
}

static void put(struct lsp *x, struct buf *body)
{
    frame_put(x->out, body->data, body->len);
    buf_release(body);
}

void say_result(struct lsp *x, const char *id, json_t *result)
{
    struct buf body = BUF_INIT;
    jsonrpc_result(&body, id, result);
    put(x, &body);
}

void say_error(struct lsp *x, const char *id, int code, const char *message, json_t *data)
{
    struct buf body = BUF_INIT;
    jsonrpc_error(&body, id, code, message, data);
    put(x, &body);
}

static void say(struct lsp *x, json_t *message)
{
    struct buf body = BUF_INIT;
    json_dump_callback(message, to_buf, &body, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(message);
    put(x, &body);
}

void say_note(struct lsp *x, const char *method, json_t *params)
{
    if (params)
        say(x, json_pack("{ss, ss, so}", "jsonrpc", "2.0", "method", method, "params", params));
}

void say_request(struct lsp *x, const char *kind, const char *method, json_t *params)
{
    struct buf id = BUF_INIT;
    buf_addf(&id, "%s/%u", kind, ++x->asked);
    say(x, json_pack("{ss, ss, ss, so*}", "jsonrpc", "2.0", "id", id.data, "method", method, "params", params));
    buf_release(&id);
}

void say_progress(struct lsp *x, json_t *token, json_t *value)
{
    say_note(x, "$/progress", value ? json_pack("{sO, so}", "token", token, "value", value) : NULL);
}

void say_message(struct lsp *x, enum message_type type, const char *text)
{
    say_note(x, type == MESSAGE_LOG ? "window/logMessage" : "window/showMessage", json_pack("{si, ss}", "type", type, "message", text));
}
