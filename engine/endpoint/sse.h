/* Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) out of a stranger's bytes: the data of each event,
 * whose lines are joined by '\n'. Names, ids and comments are passed over. Pure, bounded: fuzzed by tests/fuzz/fuzz_engine_sse.c. */
#ifndef CODEASK_ENGINE_ENDPOINT_SSE_H
#define CODEASK_ENGINE_ENDPOINT_SSE_H

#include "base/buf.h"

#include <stdbool.h>

#define SSE_EVENT_MAX (1u << 20) /* bytes of an event: a token is some hundred */

struct sse {
    struct buf line, data;
    bool cr, any;       /* the last byte was a CR; the event has data */
};

/* false: enough, sse_feed returns. data: borrowed for the call, ends with a NUL. */
typedef bool (*sse_event)(void *arg, const char *data, size_t len);

/* 0; 1: the callback said enough; -1: an event is larger than SSE_EVENT_MAX. */
int sse_feed(struct sse *s, const char *bytes, size_t n, sse_event event, void *arg);
void sse_release(struct sse *s);

#endif
