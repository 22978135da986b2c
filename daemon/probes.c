#include "daemon/probes.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

static void *health_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    reply_text(out, 200, "text/plain", "ok\n");
    return NULL;
}

static void *ready_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    bool ready = session_ready(session);
    reply_text(out, ready ? 200 : 503, "text/plain", ready ? "ready\n" : "the daemon is stopping\n");
    return NULL;
}

/* The rows of the method `metrics`: [{"name","type","help","values":[{"labels":{…},"value":n}]}] */
static void put_metrics(struct buf *out, json_t *rows)
{
    size_t i, k;
    json_t *row, *v, *label;
    const char *key;
    json_array_foreach(rows, i, row) {
        const char *name = json_string_value(json_object_get(row, "name"));
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, json_string_value(json_object_get(row, "help")), name,
                 json_string_value(json_object_get(row, "type")));
        json_array_foreach(json_object_get(row, "values"), k, v) {
            const char *sep = "{";
            buf_adds(out, name);
            json_object_foreach(json_object_get(v, "labels"), key, label) {
                buf_addf(out, "%s%s=\"%s\"", sep, key, json_string_value(label)); /* names of methods and outcomes: nothing to escape */
                sep = ",";
            }
            buf_addf(out, "%s %.17g\n", *sep == ',' ? "}" : "", json_number_value(json_object_get(v, "value")));
        }
    }
}

static bool on_metrics(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct http_reply *out = arg;
    if (kind == EVENT_DONE) {
        json_t *o = json_loadb(json, len, 0, NULL);
        reply_text(out, 200, PROMETHEUS, "");
        put_metrics(&out->body, json_object_get(o, "metrics"));
        json_decref(o);
    } else if (kind == EVENT_FAIL) {
        reply_fail(out, 503, json, len);
    }
    return true;
}

static void *metrics_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    struct err e = {0};
    uint64_t id;
    if (session_submit(session, "metrics", "{}", 2, (struct sink){on_metrics, out}, &id, &e))
        reply_err(out, &e);
    return NULL;
}

/* The sender is proved by the body's signature, so that anybody may try; it learns nothing: not even whether the repository is one of ours. */
static void *hook_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    struct err e = {0};
    struct hook_call h = {r->body, r->len, r->hook_signature, r->hook_token};
    if (session_hook(session, &h, &e)) {
        reply_err(out, &e);
        if (e.code == ERR_DENIED)
            out->status = 401;
    } else {
        reply_text(out, 202, "text/plain", "ok\n");
    }
    return NULL;
}

const struct http_codec health_codec = {health_open, NULL, NULL}, ready_codec = {ready_open, NULL, NULL}, metrics_codec = {metrics_open, NULL, NULL}, hook_codec = {hook_open, NULL, NULL};
