#include "net/sse.h"

#include <string.h>

static int end_event(struct sse *s, sse_event each, void *arg)
{
    int rc = 0;
    if (s->has_data)
        rc = each(arg, *s->name ? s->name : "message", (struct str){s->data.len ? s->data.data : "", s->data.len});
    buf_clear(&s->data);
    s->has_data = false;
    *s->name = 0;
    return rc;
}

/* A whole line, without its end. */
static int end_line(struct sse *s, sse_event each, void *arg)
{
    struct str line = {s->line.len ? s->line.data : "", s->line.len};
    if (!line.n)
        return end_event(s, each, arg);
    const char *colon = memchr(line.p, ':', line.n);
    struct str field = {line.p, colon ? (size_t)(colon - line.p) : line.n};
    struct str value = {colon ? colon + 1 : "", colon ? line.n - field.n - 1 : 0};
    if (value.n && *value.p == ' ')
        value.p++, value.n--;
    if (str_same(field, STR("data"))) {
        if (s->has_data)
            buf_addc(&s->data, '\n');
        buf_add(&s->data, value.p, value.n);
        s->has_data = true;
    } else if (str_same(field, STR("event"))) {
        size_t n = value.n < SSE_NAME ? value.n : SSE_NAME;
        memcpy(s->name, value.p, n);
        s->name[n] = 0;
    }
    buf_clear(&s->line);
    return 0;
}

int sse_feed(struct sse *s, const char *bytes, size_t n, sse_event each, void *arg, struct err *e)
{
    int rc = 0;
    for (size_t at = 0; at < n && !rc;) {
        if (s->cr && bytes[at] == '\n') { /* the rest of "\r\n" */
            s->cr = false;
            at++;
            continue;
        }
        size_t len = 0;
        while (at + len < n && bytes[at + len] != '\n' && bytes[at + len] != '\r')
            len++;
        if (s->line.len + s->data.len + len > s->most)
            return err_set(e, ERR_LIMIT, "an event of more than %zu bytes", s->most);
        buf_add(&s->line, bytes + at, len);
        at += len;
        s->cr = false;
        if (at < n) {
            s->cr = bytes[at++] == '\r';
            rc = end_line(s, each, arg);
            buf_clear(&s->line);
        }
    }
    return rc;
}

void sse_release(struct sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
}
