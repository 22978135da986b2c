#define _GNU_SOURCE /* memmem */
/* The codecs behind the HTTP server on arbitrary requests, with arbitrary results of the service arriving: a reply is whole JSON, whole events, or
 * text, its status is one, and it ends once. An input's lines: method, path, query, accept, the rest is the body. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/daemon/stand_in.h"
#include "base/mem.h"
#include "codec.h"
#include "daemon/exchange.h"

static bool never_full(void *arg)
{
    return false;
}

/* Up to the line's end, without NUL; *p moves behind it. */
static char *line(const char **p, const char *end)
{
    const char *nl = memchr(*p, '\n', (size_t)(end - *p)), *to = nl ? nl : end;
    char *text = mem_strn(*p, strnlen(*p, (size_t)(to - *p)));
    *p = nl ? nl + 1 : end;
    return text;
}

/* Events are blocks of "event: NAME" and "data: JSON", each one line. */
static void check_events(const struct buf *b)
{
    for (const char *p = b->len ? b->data : "", *end = p + b->len; p < end;) {
        const char *stop = memmem(p, (size_t)(end - p), "\n\n", 2);
        const char *data = memmem(p, (size_t)(end - p), "data: ", 6);
        if (!stop || !data || data > stop || memchr(data, '\n', (size_t)(stop - data)))
            abort();
        json_t *o = json_loadb(data + 6, (size_t)(stop - data - 6), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (!o && memcmp(data + 6, "[DONE]", 6))
            abort();
        json_decref(o);
        p = stop + 2;
    }
}

static void check_whole(const struct buf *b)
{
    json_t *o = json_loadb(b->data, b->len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(o) && !json_is_array(o))
        abort();
    json_decref(o);
}

static void check(const struct http_reply *out)
{
    if (out->ready && (out->status < 200 || out->status > 599 || !out->type))
        abort();
    if (out->ready && !strcmp(out->type, "text/event-stream"))
        check_events(&out->body);
    else if (out->ended && !strcmp(out->type, "application/json"))
        check_whole(&out->body); /* an object, or a list of a batch's replies */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const results[] = {
        "{\"metrics\":[{\"name\":\"a\",\"type\":\"counter\",\"help\":\"h\",\"values\":[{\"labels\":{\"m\":\"x\"},\"value\":1}]}],\"t\":[%s,%s,%s,%s,%s,%s]}",
        "{\"answer\":%s,\"citations\":[{\"n\":1,\"path\":%s,\"repo\":%s}],\"model\":%s,\"note\":%s,\"text\":%s}",
        "{\"models\":[{\"role\":\"answer\",\"name\":%s}],\"vectors\":[%s,%s],\"repos\":[{\"repo\":%s}],\"delta\":%s,\"end\":%s}",
        "{\"results\":[{\"repo\":%s,\"path\":%s,\"start_line\":1,\"snippet\":%s}],\"repos\":[{\"repo\":%s,\"path\":%s}],\"x\":%s}",
    };
    struct session *c = calloc(1, sizeof *c);
    struct http_reply out = {0};
    const char *p = (const char *)bytes, *end = p + n;
    char *text[4];
    for (size_t i = 0; i < 4; i++)
        text[i] = line(&p, end);
    struct http_request r = {.method = text[0], .path = text[1], .query = text[2], .accept = text[3], .body = p, .len = (size_t)(end - p)};
    const struct route *route = *r.path == '/' ? route_of(&r, &out) : NULL;
    void *self = route ? route->codec->open(c, &r, &out, never_full, NULL) : NULL;
    char *json = filled(results[n % 4], bytes, n);
    check(&out);
    while (c->nopen) { /* of a batch there are several */
        stand_in_event(c, 0, EVENT_PROGRESS, "{\"stage\":\"indexing\"}");
        stand_in_event(c, 0, EVENT_PART, json);
        if (self && route->codec->polled)
            route->codec->polled(self);
        check(&out);
        if (self && route->codec->drained)
            route->codec->drained(self);
        stand_in_event(c, 0, n % 5 ? EVENT_DONE : EVENT_FAIL, n % 5 ? json : "{\"code\":\"io\",\"message\":\"m\",\"hint\":\"\"}");
        if (self && route->codec->polled)
            route->codec->polled(self);
        if (!c->nopen && (!out.ready || !out.ended))
            abort();
    }
    check(&out);
    if (self)
        route->codec->close(self);
    free(json);
    for (size_t i = 0; i < 4; i++)
        free(text[i]);
    buf_release(&out.body);
    free(c);
    return 0;
}
