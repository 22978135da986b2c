/* The socket's codec, byte by byte, over stand-in sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/rpc.h"
#include "service/methods.h"
#include "fixture.h"

#define HELLO "{\"codeask\":1,\"build\":\"0.1.0+0\"}\n"

static int set_up(void **state)
{
    return fixture_open(state, &rpc_protocol);
}

static int feed(struct fixture *f, const char *text)
{
    return rpc_protocol.feed(f->codec, text, strlen(text));
}

/* What was written since the last look. */
static const char *said(struct fixture *f)
{
    static char text[8192];
    snprintf(text, sizeof text, "%s", f->out.data ? f->out.data : "");
    buf_clear(&f->out);
    return text;
}

static void answers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(feed(f, HELLO "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"search\",\"params\":{\"query\":\"x\"}}\n"), 0);
    assert_int_equal(f->session.nopen, 1);
    assert_string_equal(f->session.open[0].params, "{\"query\":\"x\"}");
    assert_string_equal(said(f), "");
    assert_true(stand_in_event(&f->session, 0, EVENT_PROGRESS, "{\"stage\":\"indexing\"}"));
    assert_string_equal(said(f), "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":7,\"progress\":"
                                 "{\"stage\":\"indexing\"}}}\n");
    stand_in_event(&f->session, 0, EVENT_PART, "{\"a\":1}");
    assert_string_equal(said(f), "{\"jsonrpc\":\"2.0\",\"method\":\"part\",\"params\":{\"id\":7,\"part\":{\"a\":1}}}\n");
    stand_in_event(&f->session, 0, EVENT_DONE, "{\"results\":[]}");
    assert_string_equal(said(f), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"results\":[]}}\n");
}

static void fails(void **state)
{
    struct fixture *f = *state;
    feed(f, HELLO "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"method\":\"ask\",\"params\":{}}\n");
    stand_in_event(&f->session, 0, EVENT_FAIL, "{\"code\":\"timeout\",\"message\":\"late\",\"hint\":\"\"}");
    assert_string_equal(said(f), "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"error\":{\"code\":-32010,\"message\":\"late\",\"data\":"
                                 "{\"code\":\"timeout\",\"message\":\"late\",\"hint\":\"\"}}}\n");
    feed(f, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"refuse\"}\n");
    const char *text = said(f);
    assert_non_null(strstr(text, "\"id\":2,\"error\":{\"code\":-32002,"));
    assert_non_null(strstr(text, "\"code\":\"usage\""));
}

static void byte_by_byte(void **state)
{
    struct fixture *f = *state;
    const char *text = HELLO "\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"search\",\"params\":{\"query\":\"caf\xC3\xA9\"}}\r\n"
                             "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ask\",\"params\":{}}\n";
    for (; *text; text++)
        assert_int_equal(rpc_protocol.feed(f->codec, text, 1), 0);
    assert_int_equal(f->session.nopen, 2);
    assert_string_equal(f->session.open[0].params, "{\"query\":\"caf\xC3\xA9\"}");
    assert_string_equal(f->session.open[1].method, "ask");
    assert_string_equal(said(f), "");
}

static void greets_first(void **state)
{
    static const char *const bad[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"search\"}\n", "{\"codeask\":99,\"build\":\"9\"}\n", "{\"codeask\":\"1\"}\n",
        "[]\n", "7\n", "GET / HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture *f;
        set_up((void **)&f);
        assert_true(feed(f, bad[i]) < 0);
        assert_int_equal(f->session.submitted, 0);
        assert_non_null(strstr(said(f), "\"error\""));
        tear_down((void **)&f);
    }
}

static void survives_garbage(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "{}\n", "[]\n", "null\n", "{\"jsonrpc\":\"2.0\"}\n", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ask\"}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ask\"}\n", "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ask\"}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}\n", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\",\"params\":[]}\n",
        "\xFF\xFE\n", "{\"a\":\"\xC0\"}\n", "{\"a\":1,\"a\":2}\n", "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\"}]\n",
    };
    feed(f, HELLO);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(feed(f, bad[i]), 0);
        assert_non_null(strstr(said(f), "\"id\":null,\"error\""));
    }
    assert_int_equal(f->session.submitted, 0);
    assert_int_equal(rpc_protocol.feed(f->codec, "{\"a\":\"\0\"}\n", 10), 0);
    assert_non_null(strstr(said(f), "\"error\""));
}

static void nests_no_deeper(void **state)
{
    struct fixture *f = *state;
    struct buf b = BUF_INIT;
    feed(f, HELLO);
    for (int i = 0; i < 100000; i++)
        buf_addc(&b, '[');
    buf_addc(&b, '\n');
    assert_int_equal(rpc_protocol.feed(f->codec, b.data, b.len), 0);
    assert_non_null(strstr(said(f), "-32700"));
    buf_release(&b);
}

static void bounds_a_line(void **state)
{
    struct fixture *f = *state;
    char block[65536];
    int rc = 0;
    feed(f, HELLO);
    memset(block, 'x', sizeof block);
    size_t sent = 0;
    while (!rc && sent < 2 * (size_t)RPC_MESSAGE_MAX) {
        rc = rpc_protocol.feed(f->codec, block, sizeof block);
        sent += sizeof block;
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_in_range(sent, RPC_MESSAGE_MAX, RPC_MESSAGE_MAX + 2 * sizeof block);
}

static void cancels(void **state)
{
    struct fixture *f = *state;
    feed(f, HELLO "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\"}\n{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"method\":\"ask\"}\n");
    feed(f, "{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{\"id\":2}}\n"
            "{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{}}\n{\"jsonrpc\":\"2.0\",\"method\":\"cancel\"}\n"
            "{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{\"id\":\"1\"}}\n");
    assert_int_equal(f->session.canceled, 1);
    assert_string_equal(said(f), "");
}

static void bounds_open_requests(void **state)
{
    struct fixture *f = *state;
    char line[128];
    feed(f, HELLO "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"ask\"}\n{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"ask\"}\n");
    assert_non_null(strstr(said(f), "in use"));
    for (int i = 1; i <= RPC_OPEN_MAX; i++) {
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"ask\"}\n", i);
        feed(f, line);
    }
    assert_int_equal(f->session.nopen, RPC_OPEN_MAX);
    assert_non_null(strstr(said(f), "\"busy\""));
}

static void tells_when_full(void **state)
{
    struct fixture *f = *state;
    feed(f, HELLO "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\"}\n");
    f->full = true;
    assert_false(stand_in_event(&f->session, 0, EVENT_PART, "{}"));
    f->full = false;
    rpc_protocol.drained(f->codec);
    assert_int_equal(f->session.resumed, 1);
}

static void says_hello(void **state)
{
    struct buf b = BUF_INIT;
    rpc_hello(&b, "0.1.0+5", 42, true);
    assert_string_equal(b.data, "{\"codeask\":1,\"build\":\"0.1.0+5\",\"pid\":42,\"autostarted\":true}\n");
    buf_release(&b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(answers), T(fails), T(byte_by_byte), T(greets_first), T(survives_garbage), T(nests_no_deeper), T(bounds_a_line),
        T(cancels), T(bounds_open_requests), T(tells_when_full), T(says_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
