/* The Model Context Protocol's codec on arbitrary bytes, cut into arbitrary pieces, with arbitrary results of the service arriving in
 * between: what it writes is always whole lines of JSON. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/mcp.h"
#include "../unit/daemon/stand_in.h"
#include "codec.h"

#include <jansson.h>

static bool never_full(void *arg)
{
    return false;
}

/* A text of the input as a JSON string, so that results hold foreign text. */
static char *result_of(const uint8_t *bytes, size_t n)
{
    static const char *const shapes[] = {
        "{\"results\":[{\"repo\":%s,\"path\":%s,\"start_line\":1,\"end_line\":2,\"symbol\":%s,\"kind\":%s,\"language\":%s,\"snippet\":%s}]}",
        "{\"answer\":%s,\"citations\":[{\"n\":1,\"path\":%s,\"repo\":%s}],\"conversation\":%s,\"note\":%s,\"text\":%s}",
        "{\"symbol\":%s,\"callers\":[{\"path\":%s,\"snippet\":%s}],\"entries\":[%s],\"path\":%s,\"text\":%s}",
        "{\"reason\":{\"body\":%s,\"subject\":%s},\"commits\":[{\"author\":%s}],\"people\":[{\"name\":%s}],\"repos\":[{\"repo\":%s,\"path\":%s}]}",
    };
    return filled(shapes[n % 4], bytes, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\"}}\n";
    struct session *c = calloc(1, sizeof *c);
    struct buf out = BUF_INIT;
    void *codec = mcp_protocol.open(c, &out, never_full, NULL);
    size_t at = n ? 1 : 0, step = n ? 1 + bytes[0] / 2u : 1;
    if (n && (bytes[0] & 1))
        mcp_protocol.feed(codec, hello, sizeof hello - 1);
    while (at < n) {
        size_t len = step < n - at ? step : n - at;
        if (mcp_protocol.feed(codec, (const char *)bytes + at, len))
            break;
        if (c->nopen && at % 3 == 0)
            stand_in_event(c, 0, EVENT_PROGRESS, "{\"stage\":\"indexing\"}");
        if (c->nopen) {
            char *json = result_of(bytes + at, n - at);
            if (at % 2)
                stand_in_event(c, 0, EVENT_DONE, json);
            else
                stand_in_event(c, 0, EVENT_FAIL, "{\"code\":\"io\",\"message\":\"m\",\"hint\":\"\"}");
            free(json);
        }
        at += len;
    }
    check_lines(&out);
    mcp_protocol.close(codec);
    buf_release(&out);
    free(c);
    return 0;
}
