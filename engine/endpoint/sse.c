#include "engine/endpoint/sse.h"

#include <string.h>

static void take_line(struct sse *s)
{
    const char *p = s->line.len ? s->line.data : "";
    if (s->line.len >= 4 && !memcmp(p, "data", 4) && (s->line.len == 4 || p[4] == ':')) {
        size_t from = s->line.len == 4 ? 4 : 5;
        from += from < s->line.len && p[from] == ' ';
        if (s->any)
            buf_addc(&s->data, '\n');
        buf_add(&s->data, p + from, s->line.len - from);
        s->any = true;
    }
}

/* A line has ended; an empty one ends the event. */
static bool end_line(struct sse *s, sse_event event, void *arg)
{
    bool go = true;
    if (s->line.len)
        take_line(s);
    else if (s->any) {
        go = event(arg, s->data.len ? s->data.data : "", s->data.len);
        buf_clear(&s->data);
        s->any = false;
    }
    buf_clear(&s->line);
    return go;
}

int sse_feed(struct sse *s, const char *bytes, size_t n, sse_event event, void *arg)
{
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        bool lf_of_crlf = c == '\n' && s->cr;
        s->cr = c == '\r';
        if (lf_of_crlf)
            continue;
        if (c == '\n' || c == '\r') {
            if (!end_line(s, event, arg))
                return 1;
        } else if (s->line.len + s->data.len >= SSE_EVENT_MAX) {
            return -1;
        } else {
            buf_addc(&s->line, c);
        }
    }
    return 0;
}

void sse_release(struct sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
}
