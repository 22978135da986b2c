/* Framing on arbitrary bytes: what comes out does not depend on the pieces that they come in. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lsp/frame.h"

static int take(void *arg, const char *bytes, size_t n)
{
    struct buf *out = arg;
    buf_addf(out, "%zu%c", n, bytes ? ':' : '-');
    if (bytes)
        buf_add(out, bytes, n);
    return 0;
}

static int feed(struct buf *out, const uint8_t *bytes, size_t n, size_t step)
{
    struct frame f = FRAME_INIT;
    struct err e;
    int rc = 0;
    for (size_t at = 0; at < n && !rc; at += step)
        rc = frame_feed(&f, (const char *)bytes + at, step < n - at ? step : n - at, take, out, &e);
    frame_release(&f);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    int a = feed(&whole, bytes, n, n ? n : 1), b = feed(&parts, bytes, n, n ? 1 + bytes[0] % 7 : 1);
    if (a != b || whole.len != parts.len || (whole.len && memcmp(whole.data, parts.data, whole.len)))
        abort();
    buf_release(&whole);
    buf_release(&parts);
    return 0;
}
