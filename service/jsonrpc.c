#include "service/jsonrpc.h"

#include "service/methods.h"

static int to_buf(const char *bytes, size_t n, void *buf)
{
    buf_add(buf, bytes, n);
    return 0;
}

static void finish(struct buf *out, const char *id, const char *what, json_t *value)
{
    buf_addf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":", id ? id : "null", what);
    json_dump_callback(value, to_buf, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    buf_adds(out, "}\n");
    json_decref(value);
}

void jsonrpc_result(struct buf *out, const char *id, json_t *result)
{
    finish(out, id, "result", result);
}

void jsonrpc_error(struct buf *out, const char *id, int code, const char *message, json_t *data)
{
    json_t *error = json_pack("{si, ss}", "code", code, "message", message);
    if (!error)
        error = json_pack("{si, ss}", "code", code, "message", "a message with foreign bytes");
    if (data)
        json_object_set_new(error, "data", data);
    finish(out, id, "error", error);
}

void jsonrpc_err(struct buf *out, const char *id, const struct err *e)
{
    json_t *data = json_pack("{ss, ss, ss}", "code", err_name(e->code), "message", e->message, "hint", e->hint);
    if (!data) /* a message with foreign bytes in it */
        data = json_pack("{ss, ss, ss}", "code", err_name(e->code), "message", err_name(e->code), "hint", "");
    jsonrpc_error(out, id, RPC_ERROR_BASE + e->code, json_string_value(json_object_get(data, "message")), data);
}

char *jsonrpc_id(json_t *message)
{
    json_t *id = json_object_get(message, "id");
    return json_is_integer(id) || json_is_string(id) ? json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}
