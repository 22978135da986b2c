/* Server-sent events of a server that may be anything: the same events however they come in, and never more than is allowed. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/sse.h"

#define MOST 256

static int note(void *arg, const char *name, struct str text)
{
    struct buf *b = arg;
    if (text.n > MOST || strlen(name) > SSE_NAME)
        abort();
    buf_addf(b, "[%s|", name);
    buf_add(b, text.p, text.n);
    buf_addc(b, ']');
    return 0;
}

static void feed(struct buf *out, const uint8_t *bytes, size_t n, size_t step)
{
    struct sse s = SSE_INIT(MOST);
    struct err e;
    for (size_t at = 0; at < n; at += step)
        if (sse_feed(&s, (const char *)bytes + at, step < n - at ? step : n - at, note, out, &e))
            break;
    sse_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    feed(&whole, bytes, n, n ? n : 1);
    feed(&parts, bytes, n, n ? 1 + bytes[0] % 7 : 1);
    if (whole.len != parts.len || (whole.len && memcmp(whole.data, parts.data, whole.len)))
        abort();
    buf_release(&whole);
    buf_release(&parts);
    return 0;
}
