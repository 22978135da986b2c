/* What an endpoint says: the first byte chooses a stream, cut into pieces of that many bytes, or an answer with vectors. However a stream is
 * cut, the same comes out of it; vectors are of unit length or refused. */
#include "engine/endpoint/endpoint.h"
#include "net/sse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool take(void *arg, const struct gen_piece *p)
{
    buf_addc(arg, (char)('0' + p->channel));
    buf_add(arg, p->text, p->len);
    return true;
}

static int run(struct buf *out, const char *bytes, size_t n, size_t step)
{
    struct gen_result g = {0};
    struct err e = {0};
    struct sse s = SSE_INIT(ENDPOINT_EVENT_MAX);
    struct endpoint_stream x = {.sink = take, .arg = out, .out = &g, .e = &e};
    int fed = 0;
    for (size_t at = 0; at < n && !fed; at += step)
        fed = sse_feed(&s, bytes + at, n - at < step ? n - at : step, endpoint_event, &x, &e);
    sse_release(&s);
    return (fed < 0 ? -1 : fed) * 1000 + x.rc * 2 + x.ended;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (!n)
        return 0;
    const char *text = (const char *)bytes + 1;
    struct buf whole = BUF_INIT, pieces = BUF_INIT;
    if (bytes[0] & 1) {
        if (run(&whole, text, n - 1, n) != run(&pieces, text, n - 1, 1 + (bytes[0] >> 1)) || whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len)))
            abort();
    } else {
        uint32_t dim = 4, tokens;
        float v[8];
        if (!endpoint_vectors(v, &dim, 2, text, n - 1, &tokens, NULL))
            for (int i = 0; i < 2; i++)
                if (fabs(sqrt((double)v[4 * i] * v[4 * i] + (double)v[4 * i + 1] * v[4 * i + 1] + (double)v[4 * i + 2] * v[4 * i + 2] + (double)v[4 * i + 3] * v[4 * i + 3]) - 1) > 1e-3)
                    abort();
        endpoint_text(&whole, text, n - 1);
        if (whole.len < n - 1)
            abort();
    }
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
