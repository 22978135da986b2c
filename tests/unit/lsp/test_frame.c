/* Framing: whatever the pieces that bytes come in, the same messages; headers that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lsp/frame.h"

static int take(void *arg, const char *bytes, size_t n)
{
    struct buf *out = arg;
    if (bytes)
        buf_addf(out, "<%.*s>", (int)n, bytes);
    else
        buf_addf(out, "<skipped %zu>", n);
    return 0;
}

static int feed(struct buf *out, const char *bytes, size_t n, size_t step)
{
    struct frame f = FRAME_INIT;
    struct err e;
    int rc = 0;
    buf_clear(out);
    for (size_t at = 0; at < n && !rc; at += step)
        rc = frame_feed(&f, bytes + at, step < n - at ? step : n - at, take, out, &e);
    frame_release(&f);
    return rc;
}

static void in_any_pieces(void **state)
{
    static const char text[] = "Content-Length: 2\r\n\r\n{}Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:  7 \r\n\r\n{\"a\":1}"
                               "Content-Length: 0\r\n\r\nX-More: x\r\nContent-Length: 1\r\n\r\n7";
    struct buf out = BUF_INIT;
    for (size_t step = 1; step < sizeof text; step++) {
        assert_int_equal(feed(&out, text, sizeof text - 1, step), 0);
        assert_string_equal(out.data, "<{}><{\"a\":1}><><7>");
    }
    buf_release(&out);
}

static void what_is_put_is_read(void **state)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    frame_put(&text, "{\"x\":\"\xC3\xA9\"}", 10);
    frame_put(&text, "[]", 2);
    assert_int_equal(feed(&out, text.data, text.len, 3), 0);
    assert_string_equal(out.data, "<{\"x\":\"\xC3\xA9\"}><[]>");
    buf_release(&text);
    buf_release(&out);
}

static void bad_headers_end_it(void **state)
{
    static const char *const bad[] = {
        "\r\n", "Content-Length: x\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 2 3\r\n\r\n", "Content-Length:\r\n\r\n", "Content-Length: 2\n\n{}",
        "Content-Length 2\r\n\r\n", "X: y\r\n\r\n", "Content-Length: 99999999999999999999\r\n\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
        "Content-Length: 2\r\nContent-Type: text; charset=latin1\r\n\r\n", "{\"jsonrpc\":\"2.0\"}\n", ": 1\r\n\r\n"};
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t step = 1; step < 40; step += 6)
            if (feed(&out, bad[i], strlen(bad[i]), step) != ERR_FORMAT)
                fail_msg("taken: %s", bad[i]);
    struct buf endless = BUF_INIT;
    for (int i = 0; i < 2000; i++)
        buf_adds(&endless, "a:b\r\n");
    assert_int_equal(feed(&out, endless.data, endless.len, 1000), ERR_FORMAT);
    buf_release(&endless);
    buf_release(&out);
}

static void too_long_is_skipped_without_being_kept(void **state)
{
    struct frame f = FRAME_INIT;
    struct buf out = BUF_INIT, head = BUF_INIT;
    struct err e;
    static char piece[65536];
    size_t left = 50u << 20;
    buf_addf(&head, "Content-Length: %zu\r\n\r\n", left);
    assert_int_equal(frame_feed(&f, head.data, head.len, take, &out, &e), 0);
    memset(piece, 'x', sizeof piece);
    for (; left; left -= left < sizeof piece ? left : sizeof piece) {
        assert_int_equal(frame_feed(&f, piece, left < sizeof piece ? left : sizeof piece, take, &out, &e), 0);
        assert_true(f.held.cap <= 4096);
    }
    assert_int_equal(frame_feed(&f, "Content-Length: 2\r\n\r\n{}", 23, take, &out, &e), 0);
    assert_string_equal(out.data, "<skipped 52428800><{}>");
    frame_release(&f);
    buf_release(&head);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_any_pieces),
        cmocka_unit_test(what_is_put_is_read),
        cmocka_unit_test(bad_headers_end_it),
        cmocka_unit_test(too_long_is_skipped_without_being_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
