#include "cli/replay.h"

#include "base/mem.h"
#include "cli/packets.h"
#include "service/methods.h"

#include <stdlib.h>
#include <string.h>

#define LSP_REQUEST_FAILED (-32803)
#define MCP_INTERNAL_ERROR (-32603)

void replay_release(struct replay *r)
{
    editor_state_release(&r->editor);
    json_decref(r->open);
    free(r->handshake);
    free(r->handshake_id);
    *r = (struct replay){.framed = r->framed};
}

static void forget(struct replay *r, const char *id)
{
    json_t *row = id ? json_object_get(r->open, id) : NULL;
    r->bytes -= json_string_length(json_object_get(row, "text"));
    if (row)
        json_object_del(r->open, id);
}

/* NULL: it has none. The caller frees. */
static char *id_of(json_t *message, const char *key)
{
    json_t *id = json_object_get(message, key);
    return json_is_string(id) || json_is_number(id) ? json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
}

static bool is(const char *method, const char *wanted)
{
    return method && !strcmp(method, wanted);
}

/* -- the client's messages --------------------------------------------------------------------------------------------------- */

static void keep(struct replay *r, const char *id, const char *text, size_t n, json_t *params)
{
    bool fits = r->bytes + n <= REPLAY_MAX && !json_object_get(params, "partialResultToken"); /* parts cannot be taken back */
    if (!r->open)
        r->open = json_object();
    forget(r, id);
    json_object_set_new(r->open, id, json_pack("{so, si}", "text", fits ? json_stringn(text, n) : json_null(), "asked", 1));
    r->bytes += json_string_length(json_object_get(json_object_get(r->open, id), "text"));
}

static void take_asked(struct replay *r, json_t *m)
{
    const char *method = json_string_value(json_object_get(m, "method"));
    char *id = id_of(m, "id"), *canceled = id_of(json_object_get(m, "params"), "requestId");
    char *text = method && id ? json_dumps(m, JSON_COMPACT) : NULL;
    if (text && is(method, "initialize") && !r->handshake) {
        r->handshake = mem_str(text);
        r->handshake_id = mem_str(id);
    }
    r->ready |= is(method, r->framed ? "initialized" : "notifications/initialized");
    r->shut |= r->framed && is(method, "shutdown");
    r->exit |= r->framed && is(method, "exit");
    if (text)
        keep(r, id, text, strlen(text), json_object_get(m, "params"));
    else if (method && r->framed)
        editor_state_told(&r->editor, method, json_object_get(m, "params"));
    else if (canceled && is(method, "notifications/cancelled"))
        forget(r, canceled); /* nothing is answered to it */
    free(id);
    free(canceled);
    free(text);
}

/* One message, or the messages of a batch. */
static void each(struct replay *r, struct str body, void (*take)(struct replay *r, json_t *m))
{
    json_t *m = json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL), *one;
    size_t i;
    if (json_is_array(m))
        json_array_foreach(m, i, one)
            take(r, one);
    else if (m)
        take(r, m);
    json_decref(m);
}

void replay_asked(struct replay *r, struct str body)
{
    each(r, body, take_asked);
}

/* -- the daemon's messages --------------------------------------------------------------------------------------------------- */

static bool take_answer(struct replay *r, json_t *m, const char *id)
{
    bool handshake = r->handshake_id && !strcmp(id, r->handshake_id);
    if (handshake && r->framed)
        editor_state_agreed(&r->editor, json_object_get(json_object_get(m, "result"), "capabilities"));
    if (handshake && r->again) {
        r->again = false;
        return false;
    }
    forget(r, id);
    return true;
}

bool replay_answered(struct replay *r, struct str body, struct buf *reply)
{
    json_t *m = json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL);
    const char *method = json_string_value(json_object_get(m, "method"));
    char *id = id_of(m, "id");
    bool heard = true;
    if (id && !method)
        heard = take_answer(r, m, id);
    else if (method && r->framed)
        heard = editor_state_heard(&r->editor, method, json_object_get(m, "params"));
    if (!heard && method && id) {
        struct buf text = BUF_INIT;
        buf_addf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":null}", id);
        packets_put(reply, r->framed, text.data, text.len);
        buf_release(&text);
    }
    free(id);
    json_decref(m);
    return heard;
}

bool replay_waits(const struct replay *r)
{
    return json_object_size(r->open) > 0;
}

/* -- another daemon ---------------------------------------------------------------------------------------------------------- */

static void refuse(struct replay *r, const char *id, const char *message, const char *hint, int code, struct buf *to_client)
{
    json_t *was = json_loads(id, JSON_DECODE_ANY, NULL);
    json_t *m = json_pack("{ss, so, s{si, ss, s{ss, ss*}}}", "jsonrpc", "2.0", "id", was, "error", "code",
                          r->framed ? LSP_REQUEST_FAILED : MCP_INTERNAL_ERROR, "message", message, "data", "code", err_name(code), "hint", hint);
    char *text = m ? json_dumps(m, JSON_COMPACT) : NULL;
    if (text)
        packets_put(to_client, r->framed, text, strlen(text));
    free(text);
    json_decref(m);
}

void replay_lost(struct replay *r, struct buf *to_client)
{
    const char *id;
    void *next;
    json_t *row;
    if (r->framed)
        editor_state_lost(&r->editor, to_client);
    json_object_foreach_safe(r->open, next, id, row) {
        json_int_t asked = json_integer_value(json_object_get(row, "asked"));
        if (json_is_string(json_object_get(row, "text")) && asked < REPLAY_ASKED_MAX) {
            json_object_set_new(row, "asked", json_integer(asked + 1));
            continue;
        }
        refuse(r, id, "codeaskd ended while it answered this", asked > 1 ? "codeask doctor tells what is wrong; other requests go on" : "ask again",
               ERR_CRASHED, to_client);
        forget(r, id);
    }
}

void replay_again(struct replay *r, struct buf *to_daemon)
{
    static const char lsp_ready[] = "{\"jsonrpc\":\"2.0\",\"method\":\"initialized\",\"params\":{}}";
    static const char mcp_ready[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    const char *id;
    json_t *row;
    bool first = r->handshake_id && json_object_get(r->open, r->handshake_id); /* nobody has answered it yet */
    r->again = r->handshake && !first;
    if (r->handshake)
        packets_put(to_daemon, r->framed, r->handshake, strlen(r->handshake));
    if (r->ready)
        packets_put(to_daemon, r->framed, r->framed ? lsp_ready : mcp_ready, (r->framed ? sizeof lsp_ready : sizeof mcp_ready) - 1);
    if (r->framed)
        editor_state_again(&r->editor, to_daemon);
    json_object_foreach(r->open, id, row) {
        json_t *text = json_object_get(row, "text");
        if (json_is_string(text) && !(first && !strcmp(id, r->handshake_id)))
            packets_put(to_daemon, r->framed, json_string_value(text), json_string_length(text));
    }
}

void replay_refuse(struct replay *r, const struct err *e, struct buf *to_client)
{
    const char *id;
    json_t *row;
    json_object_foreach(r->open, id, row)
        refuse(r, id, e->message, *e->hint ? e->hint : NULL, e->code, to_client);
    json_object_clear(r->open);
    r->bytes = 0;
}
