/* What is carried, on arbitrary bytes from both sides: pieces come out whole and in order however they came in, and what is said again to
 * another daemon, or in place of one, is always whole messages of JSON. The first byte chooses the protocol. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/packets.h"
#include "cli/replay.h"

static void check_messages(struct buf *b, bool framed)
{
    struct packets p = {.framed = framed};
    struct packet one;
    packets_feed(&p, b->len ? b->data : "", b->len);
    while (packets_next(&p, &one)) {
        json_t *m = one.whole ? json_loadb(one.body.p, one.body.n, JSON_ALLOW_NUL, NULL) : NULL;
        if (!json_is_object(m))
            abort();
        json_decref(m);
    }
    if (packets_left(&p).n)
        abort();
    packets_release(&p);
    buf_release(b);
}

/* All bytes come out again, in their order, whole messages at the same places. */
static void pieces(struct buf *ends, const uint8_t *bytes, size_t n, size_t step, bool framed)
{
    struct packets p = {.framed = framed};
    struct packet one;
    size_t out = 0;
    for (size_t at = 0; at < n; at += step) {
        packets_feed(&p, (const char *)bytes + at, step < n - at ? step : n - at);
        while (packets_next(&p, &one)) {
            if (!one.bytes.n || out + one.bytes.n > n || memcmp(bytes + out, one.bytes.p, one.bytes.n))
                abort();
            out += one.bytes.n;
            if (one.whole)
                buf_addf(ends, "%zu:%zu ", out, one.body.n);
        }
    }
    if (out + packets_left(&p).n != n)
        abort();
    packets_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    bool framed = n && (bytes[0] & 1);
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    pieces(&whole, bytes, n, n ? n : 1, framed);
    pieces(&parts, bytes, n, n ? 1 + bytes[0] % 7 : 1, framed);
    if (whole.len != parts.len || (whole.len && memcmp(whole.data, parts.data, whole.len)))
        abort();
    buf_release(&whole);
    buf_release(&parts);

    struct replay r = REPLAY_INIT(framed);
    struct buf to_client = BUF_INIT, to_daemon = BUF_INIT;
    size_t at = n ? 1 : 0;
    while (at < n) { /* a message a line; its first byte chooses whose */
        const uint8_t *nl = memchr(bytes + at, '\n', n - at);
        struct str body = {(const char *)bytes + at, nl ? (size_t)(nl - bytes) - at : n - at};
        if (body.n && *body.p == '<')
            replay_answered(&r, (struct str){body.p + 1, body.n - 1}, &to_daemon);
        else if (body.n && *body.p == '!')
            replay_lost(&r, &to_client), replay_again(&r, &to_daemon);
        else
            replay_asked(&r, body);
        at += body.n + 1;
    }
    struct err e;
    err_set(&e, ERR_UNAVAILABLE, "codeaskd cannot be run");
    replay_lost(&r, &to_client);
    replay_again(&r, &to_daemon);
    replay_refuse(&r, &e, &to_client);
    if (replay_waits(&r))
        abort();
    check_messages(&to_client, framed);
    check_messages(&to_daemon, framed);
    replay_release(&r);
    return 0;
}
