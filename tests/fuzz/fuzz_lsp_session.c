/* The codec on arbitrary messages, a line each in the input, with arbitrary results of the service arriving in between: what it writes
 * is always whole frames of JSON. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/daemon/stand_in.h"
#include "codec.h"
#include "lsp/frame.h"
#include "lsp/lsp.h"

#include <jansson.h>

static bool never_full(void *arg)
{
    return false;
}

static int check(void *arg, const char *bytes, size_t n)
{
    json_t *j = bytes ? json_loadb(bytes, n, JSON_ALLOW_NUL, NULL) : NULL;
    if (!json_is_object(j))
        abort();
    json_decref(j);
    return 0;
}

/* A text of the input as a JSON string, so that results hold foreign text. */
static char *result_of(const uint8_t *bytes, size_t n, size_t kind)
{
    static const char *const shapes[] = {
        "{\"roots\":{\"r\":\"/r\"},\"found\":{\"callers\":1},\"definitions\":[{\"repo\":\"r\",\"path\":%s,\"start_line\":1,\"end_line\":2,\"symbol\":%s,"
        "\"kind\":%s,\"language\":%s,\"snippet\":%s,\"signature\":%s}],\"references\":[{\"repo\":\"r\",\"path\":\"a.c\",\"use\":\"inherit\"}],"
        "\"callers\":[{\"repo\":\"r\",\"path\":\"a.c\",\"symbol\":\"f\",\"start_line\":1,\"end_line\":1}]}",
        "{\"roots\":{\"r\":\"/r\"},\"references\":[{\"name\":\"send\",\"use\":\"call\",\"line\":1,\"symbol\":1}],"
        "\"symbols\":[{\"name\":%s,\"kind\":%s,\"signature\":%s,\"start_line\":1,\"end_line\":3,\"parent\":0},{\"name\":%s,\"parent\":0,"
        "\"start_line\":2,\"end_line\":2}],\"paths\":[%s,null],\"path\":%s}",
        "{\"answer\":%s,\"id\":%s,\"citations\":[{\"n\":1,\"path\":%s,\"repo\":%s}],\"conversation\":%s,\"note\":%s}",
        "{\"reason\":{\"body\":%s,\"subject\":%s},\"commits\":[{\"author\":%s}],\"results\":[{\"repo\":\"r\",\"path\":%s,\"symbol\":%s,\"snippet\":%s}],"
        "\"roots\":{\"r\":\"/r\"}}",
    };
    return filled(shapes[kind % 4], bytes, n);
}

static int feed(void *codec, const char *body, size_t n)
{
    struct buf framed = BUF_INIT;
    frame_put(&framed, body, n);
    int rc = lsp_protocol.feed(codec, framed.data, framed.len);
    buf_release(&framed);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"capabilities\":{\"window\":{\"workDoneProgress\":true,"
                                "\"showDocument\":{\"support\":true}}}}}";
    static const char open[] = "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":{\"uri\":\"file:///r/a.c\",\"text\":"
                               "\"int send(int x)\\r\\n{ return \xC3\xA9 + p->send(x); } // see a.c:1\\n\"}}}";
    struct session *c = calloc(1, sizeof *c);
    struct buf out = BUF_INIT;
    struct frame f = FRAME_INIT;
    struct err e;
    void *codec = lsp_protocol.open(c, &out, never_full, NULL);
    size_t at = n ? 1 : 0;
    if (n && (bytes[0] & 1)) {
        feed(codec, hello, sizeof hello - 1);
        feed(codec, open, sizeof open - 1);
    }
    int rc = 0;
    while (at < n && !rc) {
        const uint8_t *nl = memchr(bytes + at, '\n', n - at);
        size_t len = nl ? (size_t)(nl - bytes) - at : n - at;
        rc = feed(codec, (const char *)bytes + at, len);
        at += len + 1;
        for (int k = 0; k < 3 && c->nopen && at < n; k++) {
            char *json = result_of(bytes + at, n - at, n - at + (size_t)k);
            if (bytes[at] & 2)
                stand_in_event(c, 0, EVENT_PART, json);
            if ((at + (size_t)k) % 5)
                stand_in_event(c, 0, EVENT_DONE, json);
            else
                stand_in_event(c, 0, EVENT_FAIL, "{\"code\":\"io\",\"message\":\"m\",\"hint\":\"\"}");
            free(json);
        }
    }
    if (rc && out.len > 1 && !out.data[out.len - 2])
        out.len -= 2; /* the carrier's last word */
    if (out.len && frame_feed(&f, out.data, out.len, check, NULL, &e))
        abort();
    frame_release(&f);
    lsp_protocol.close(codec);
    buf_release(&out);
    free(c);
    return 0;
}
