/* The socket's codec on arbitrary bytes, cut into arbitrary pieces, with answers arriving in between: what it writes is
 * always whole lines of JSON, and every request it took gets one end. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/rpc.h"
#include "../unit/daemon/stand_in.h"
#include "codec.h"

#include <jansson.h>

static bool never_full(void *arg)
{
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct session *c = calloc(1, sizeof *c);
    struct buf out = BUF_INIT;
    void *codec = rpc_protocol.open(c, &out, never_full, NULL);
    bool greeted = n && (bytes[0] & 1);
    size_t at = n ? 1 : 0, step = n ? 1 + bytes[0] / 2u : 1;
    if (greeted)
        rpc_protocol.feed(codec, "{\"codeask\":1}\n", 14);
    while (at < n) {
        size_t len = step < n - at ? step : n - at;
        if (rpc_protocol.feed(codec, (const char *)bytes + at, len))
            break;
        at += len;
        if (c->nopen && at % 3 == 0)
            stand_in_event(c, 0, EVENT_PROGRESS, "{}");
        if (c->nopen && at % 5 == 0)
            stand_in_event(c, (unsigned)(at % c->nopen), at % 2 ? EVENT_DONE : EVENT_FAIL,
                           at % 2 ? "{}" : "{\"code\":\"io\",\"message\":\"m\",\"hint\":\"\"}");
    }
    check_lines(&out);
    rpc_protocol.close(codec);
    buf_release(&out);
    free(c);
    return 0;
}
