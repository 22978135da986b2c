/* Server-sent events, in pieces of every size. */
#include "net/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int note(void *arg, const char *name, struct str text)
{
    struct buf *b = arg;
    buf_addf(b, "[%s|%.*s]", name, (int)text.n, text.p);
    return text.n == 4 && !memcmp(text.p, "stop", 4) ? 7 : 0;
}

static void feeds(const char *in, const char *want, int want_rc)
{
    size_t n = strlen(in);
    for (size_t step = 1; step <= n; step++) {
        struct sse s = SSE_INIT(64);
        struct buf out = BUF_INIT;
        struct err e;
        int rc = 0;
        for (size_t at = 0; at < n && !rc; at += step)
            rc = sse_feed(&s, in + at, step < n - at ? step : n - at, note, &out, &e);
        assert_int_equal(rc, want_rc);
        assert_string_equal(out.len ? out.data : "", want);
        buf_release(&out);
        sse_release(&s);
    }
}

static void events(void **state)
{
    feeds("event: part\ndata: {}\n\n", "[part|{}]", 0);
    feeds("data: a\n\nevent: x\ndata: b\ndata:c\n\n", "[message|a][x|b\nc]", 0);
    feeds("event: part\r\ndata: {}\r\n\r\ndata: 2\r\r", "[part|{}][message|2]", 0);
    feeds(": a comment\nid: 1\nretry: 2\nunknown\n\nevent: none\n\ndata\n\n", "[message|]", 0);
    feeds("data: not ended\n", "", 0);
    feeds("data: stop\n\ndata: never\n\n", "[message|stop]", 7);
    feeds("event: a-name-that-is-longer-than-thirty-two\ndata:  two\n\n", "[a-name-that-is-longer-than-thirt| two]", 0);
}

static void bounded(void **state)
{
    struct sse s = SSE_INIT(64);
    struct buf out = BUF_INIT;
    struct err e;
    int rc = 0;
    for (int i = 0; i < 100 && !rc; i++)
        rc = sse_feed(&s, "data: 0123456789\n", 17, note, &out, &e);
    assert_int_equal(rc, ERR_LIMIT);
    sse_release(&s);
    s = (struct sse)SSE_INIT(64);
    rc = 0;
    for (int i = 0; i < 100 && !rc; i++)
        rc = sse_feed(&s, "0123456789", 10, note, &out, &e);
    assert_int_equal(rc, ERR_LIMIT);
    sse_release(&s);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(events), cmocka_unit_test(bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
