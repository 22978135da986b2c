/* Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as they come in: a pure byte machine. */
#ifndef CODEASK_NET_SSE_H
#define CODEASK_NET_SSE_H

#include "base/buf.h"
#include "base/err.h"

#define SSE_NAME 32             /* bytes of an event's name; a longer one is cut */

/* name: "message" where the event has none. text: its data lines, joined. Both valid in the callback. Non-zero ends the feeding. */
typedef int (*sse_event)(void *arg, const char *name, struct str text);

struct sse {
    struct buf line, data;      /* of what has not ended yet */
    char name[SSE_NAME + 1];
    bool has_data, cr;          /* cr: the last byte was one */
    size_t most;                /* bytes of one event */
};
#define SSE_INIT(most_bytes) {BUF_INIT, BUF_INIT, {0}, false, false, (most_bytes)}

/* 0, what the callback returned, or ERR_LIMIT for an event of more than `most` bytes: then nothing more may be fed. */
int sse_feed(struct sse *s, const char *bytes, size_t n, sse_event each, void *arg, struct err *e);
void sse_release(struct sse *s);

#endif
