#include "daemon/exchange.h"

#include "base/mem.h"
#include "base/uri.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* To add a code, add its row; all others are faults of the server (500). */
static const struct {
    int code, status;
} statuses[] = {
    {ERR_USAGE, 400},    {ERR_FORMAT, 400},      {ERR_DENIED, 403},      {ERR_NOT_FOUND, 404}, {ERR_NO_REPOSITORY, 404}, {ERR_LIMIT, 413},
    {ERR_BUSY, 429},     {ERR_CANCELED, 503},    {ERR_UNAVAILABLE, 503}, {ERR_STOPPING, 503},  {ERR_CRASHED, 503},       {ERR_TIMEOUT, 504},
    {ERR_FULL, 507},     {ERR_UNSUPPORTED, 422},
};

int http_status_of(int code)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return 500;
}

static void whole(struct http_reply *out, int status, const char *type)
{
    out->status = status;
    out->type = type;
    out->ready = out->ended = true;
}

void reply_json(struct http_reply *out, int status, const char *json, size_t len)
{
    whole(out, status, "application/json");
    buf_add(&out->body, json, len);
    buf_addc(&out->body, '\n');
}

void reply_fail(struct http_reply *out, int status, const char *json, size_t len)
{
    whole(out, status, "application/json");
    buf_adds(&out->body, "{\"error\":");
    buf_add(&out->body, json, len);
    buf_adds(&out->body, "}\n");
}

void reply_err(struct http_reply *out, const struct err *e)
{
    json_t *o = json_pack("{ss, ss+, ss}", "code", err_name(e->code), "message", e->message, "", "hint", e->hint);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL; /* NULL: foreign bytes that are no UTF-8 */
    static const char unsaid[] = "{\"code\":\"usage\",\"message\":\"the request is no UTF-8\",\"hint\":\"\"}";
    reply_fail(out, http_status_of(e->code), text ? text : unsaid, text ? strlen(text) : sizeof unsaid - 1);
    free(text);
    json_decref(o);
}

void reply_header(struct http_reply *out, const char *name, const char *value)
{
    if (out->nextra < HTTP_EXTRA)
        out->extra[out->nextra++] = (struct http_header){name, value};
}

void reply_text(struct http_reply *out, int status, const char *type, const char *text)
{
    whole(out, status, type);
    buf_adds(&out->body, text);
}

void reply_sse(struct http_reply *out, const char *event, const char *data, size_t len)
{
    if (event)
        buf_addf(&out->body, "event: %s\n", event);
    buf_adds(&out->body, "data: ");
    buf_add(&out->body, data, len);
    buf_adds(&out->body, "\n\n");
}

static char *decoded(const char *p, size_t n)
{
    char *plain = mem_strn(p, n);
    for (size_t i = 0; i < n; i++)
        plain[i] = p[i] == '+' ? ' ' : p[i];
    char *out = uri_unescape(plain, n);
    free(plain);
    return out;
}

bool query_next(const char *query, size_t *at, char **key, char **value)
{
    const char *p = query + *at;
    while (*p == '&')
        p++;
    if (!*p)
        return false;
    size_t n = strcspn(p, "&"), k = strcspn(p, "=&");
    *key = decoded(p, k);
    *value = k < n ? decoded(p + k + 1, n - k - 1) : decoded("", 0);
    *at = (size_t)(p + n - query);
    return true;
}
