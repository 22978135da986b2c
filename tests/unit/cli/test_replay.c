/* What another daemon is told, and the client in place of one that ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/packets.h"
#include "cli/replay.h"

#define INITIALIZE "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{}}"
#define HOVER "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"textDocument/hover\",\"params\":{}}"

static void asked(struct replay *r, const char *text)
{
    replay_asked(r, str_of(text));
}

static bool heard(struct replay *r, const char *text)
{
    struct buf reply = BUF_INIT;
    bool h = replay_answered(r, str_of(text), &reply);
    buf_release(&reply);
    return h;
}

/* The messages of b, which is emptied. */
static json_t *messages(struct buf *b, bool framed)
{
    struct packets p = {.framed = framed};
    struct packet one;
    json_t *list = json_array();
    packets_feed(&p, b->len ? b->data : "", b->len);
    while (packets_next(&p, &one)) {
        assert_true(one.whole);
        json_array_append_new(list, json_loadb(one.body.p, one.body.n, 0, NULL));
    }
    assert_int_equal(packets_left(&p).n, 0);
    packets_release(&p);
    buf_release(b);
    return list;
}

static json_t *again(struct replay *r)
{
    struct buf b = BUF_INIT;
    replay_again(r, &b);
    return messages(&b, r->framed);
}

static json_t *lost(struct replay *r)
{
    struct buf b = BUF_INIT;
    replay_lost(r, &b);
    return messages(&b, r->framed);
}

static const char *method_at(json_t *list, size_t i)
{
    const char *s = json_string_value(json_object_get(json_array_get(list, i), "method"));
    return s ? s : "";
}

static void a_request_is_put_to_two_daemons(void **state)
{
    struct replay r = REPLAY_INIT(false);
    asked(&r, INITIALIZE);
    assert_true(heard(&r, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}"));
    asked(&r, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    asked(&r, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"tools/call\"}");
    asked(&r, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\"}");
    asked(&r, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2}}");
    json_t *list = lost(&r);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    list = again(&r);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(method_at(list, 0), "initialize");
    assert_string_equal(method_at(list, 1), "notifications/initialized");
    assert_string_equal(method_at(list, 2), "tools/call");
    json_decref(list);
    assert_false(heard(&r, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}")); /* it has that answer */
    list = lost(&r);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), "a");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(list, 0), "error"), "code")), -32603);
    json_decref(list);
    assert_false(replay_waits(&r));
    replay_release(&r);
}

static void a_handshake_that_nobody_answered(void **state)
{
    struct replay r = REPLAY_INIT(true);
    asked(&r, INITIALIZE);
    json_decref(lost(&r));
    json_t *list = again(&r);
    assert_int_equal(json_array_size(list), 1); /* once */
    json_decref(list);
    assert_true(heard(&r, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}"));
    replay_release(&r);
}

static void what_was_begun_is_ended(void **state)
{
    struct replay r = REPLAY_INIT(true);
    assert_true(heard(&r, "{\"jsonrpc\":\"2.0\",\"method\":\"$/progress\",\"params\":{\"token\":\"t\",\"value\":{\"kind\":\"begin\",\"title\":\"x\"}}}"));
    assert_true(heard(&r, "{\"jsonrpc\":\"2.0\",\"method\":\"$/progress\",\"params\":{\"token\":7,\"value\":{\"kind\":\"begin\",\"title\":\"x\"}}}"));
    assert_true(heard(&r, "{\"jsonrpc\":\"2.0\",\"method\":\"$/progress\",\"params\":{\"token\":\"t\",\"value\":{\"kind\":\"end\"}}}"));
    asked(&r, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"codeask/ask\",\"params\":{\"partialResultToken\":1}}");
    asked(&r, HOVER);
    json_t *list = lost(&r), *params = json_object_get(json_array_get(list, 0), "params");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(json_object_get(params, "token")), 7);
    assert_string_equal(json_string_value(json_object_get(json_object_get(params, "value"), "kind")), "end");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "id")), 5); /* its parts cannot be taken back */
    json_decref(list);
    assert_true(replay_waits(&r));
    struct err e;
    struct buf b = BUF_INIT;
    err_set(&e, ERR_UNAVAILABLE, "codeaskd cannot be run");
    replay_refuse(&r, &e, &b);
    list = messages(&b, true);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "id")), 1);
    assert_false(replay_waits(&r));
    json_decref(list);
    replay_release(&r);
}

static void an_editor_as_it_stands(void **state)
{
    static const char *const told[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":{\"uri\":\"file:///a\",\"languageId\":\"c\",\"text\":\"one\"}}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":{\"uri\":\"file:///b\",\"text\":\"two\"}}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":{\"uri\":\"file:///c\",\"text\":\"gone\"}}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didClose\",\"params\":{\"textDocument\":{\"uri\":\"file:///c\"}}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{\"textDocument\":{\"uri\":\"file:///a\"},\"contentChanges\":[{\"text\":\"1\"}]}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didChange\",\"params\":{\"textDocument\":{\"uri\":\"file:///b\"},\"contentChanges\":[{\"text\":\"2\"}]}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didSave\",\"params\":{\"textDocument\":{\"uri\":\"file:///b\"}}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"$/setTrace\",\"params\":{\"value\":\"off\"}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"$/setTrace\",\"params\":{\"value\":\"verbose\"}}",
    };
    struct replay r = REPLAY_INIT(true);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        asked(&r, told[i]);
    json_t *list = again(&r), *opened = json_object();
    assert_string_equal(method_at(list, 0), "$/setTrace");
    assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(list, 0), "params"), "value")), "verbose");
    assert_int_equal(json_array_size(list), 4); /* two documents, one of them with an edit */
    for (size_t i = 1; i < 4; i++) {
        json_t *d = json_object_get(json_object_get(json_array_get(list, i), "params"), "textDocument");
        const char *uri = json_string_value(json_object_get(d, "uri"));
        bool open = !strcmp(method_at(list, i), "textDocument/didOpen");
        assert_true(open || !strcmp(uri, "file:///a"));
        if (open)
            json_object_set(opened, uri, json_object_get(d, "text"));
    }
    assert_string_equal(json_string_value(json_object_get(opened, "file:///a")), "1");
    assert_string_equal(json_string_value(json_object_get(opened, "file:///b")), "2");
    json_decref(opened);
    json_decref(list);
    replay_release(&r);
}

static void feed(struct packets *p, const char *text)
{
    packets_feed(p, text, strlen(text));
}

static void pieces(void **state)
{
    struct packets p = {.framed = true}, bad = {.framed = true};
    struct packet one;
    feed(&p, "Content-Length: 2\r\n");
    assert_false(packets_next(&p, &one));
    feed(&p, "\r\n{}Content-Length: 16777217\r\n\r\nab");
    assert_true(packets_next(&p, &one) && one.whole && str_same(one.body, STR("{}")));
    assert_true(packets_next(&p, &one) && !one.whole); /* too long: passed on as it comes */
    assert_true(str_same(one.bytes, STR("Content-Length: 16777217\r\n\r\nab")));
    feed(&p, "c");
    assert_true(packets_next(&p, &one) && !one.whole && str_same(one.bytes, STR("c")));
    packets_release(&p);
    feed(&bad, "Content-Length: 5\nx");
    assert_true(packets_next(&bad, &one) && !one.whole && bad.raw); /* at once: the daemon is to say what is wrong */
    packets_release(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_put_to_two_daemons),
        cmocka_unit_test(a_handshake_that_nobody_answered),
        cmocka_unit_test(what_was_begun_is_ended),
        cmocka_unit_test(an_editor_as_it_stands),
        cmocka_unit_test(pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
