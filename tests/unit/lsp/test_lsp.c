/* The codec over stand-in sessions: lifecycle, what is refused, cancellation, progress, settings, and what features make of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../daemon/fixture.h"
#include "base/mem.h"
#include "lsp/frame.h"
#include "lsp/lsp.h"
#include "service/methods.h"

static int set_up(void **state)
{
    return fixture_open(state, &lsp_protocol);
}

static int feed(struct fixture *f, const char *text)
{
    struct buf framed = BUF_INIT;
    frame_put(&framed, text, strlen(text));
    int rc = lsp_protocol.feed(f->codec, framed.data, framed.len);
    buf_release(&framed);
    return rc;
}

static void request(struct fixture *f, int id, const char *method, const char *params)
{
    struct buf text = BUF_INIT;
    buf_addf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\"%s%s}", id, method, params ? ",\"params\":" : "", params ? params : "");
    assert_int_equal(feed(f, text.data), 0);
    buf_release(&text);
}

static int note(struct fixture *f, const char *method, const char *params)
{
    struct buf text = BUF_INIT;
    buf_addf(&text, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s}", method, params);
    int rc = feed(f, text.data);
    buf_release(&text);
    return rc;
}

static int keep(void *arg, const char *bytes, size_t n)
{
    json_t *m = json_loadb(bytes, n, 0, NULL);
    assert_non_null(m);
    json_array_append_new(arg, m);
    return 0;
}

/* All messages that were written. */
static json_t *said(struct fixture *f)
{
    struct frame in = FRAME_INIT;
    struct err e;
    json_t *list = json_array();
    assert_int_equal(frame_feed(&in, f->out.data ? f->out.data : "", f->out.len, keep, list, &e), 0);
    frame_release(&in);
    buf_clear(&f->out);
    return list;
}

static int said_error(struct fixture *f)
{
    json_t *list = said(f);
    assert_int_equal(json_array_size(list), 1);
    int code = (int)json_integer_value(json_object_get(json_object_get(json_array_get(list, 0), "error"), "code"));
    assert_true(code < 0);
    json_decref(list);
    return code;
}

static json_t *said_result(struct fixture *f)
{
    json_t *list = said(f), *result = json_incref(json_object_get(json_array_get(list, 0), "result"));
    assert_int_equal(json_array_size(list), 1);
    assert_non_null(result);
    json_decref(list);
    return result;
}

static json_t *begin(struct fixture *f, const char *params)
{
    request(f, 0, "initialize", params);
    json_t *r = said_result(f);
    note(f, "initialized", "{}");
    return r;
}

static void open_document(struct fixture *f, const char *text)
{
    json_t *params = json_pack("{s{ss, ss, si, ss}}", "textDocument", "uri", "file:///r/src/a.py", "languageId", "python", "version", 1, "text", text);
    char *line = json_dumps(params, 0);
    note(f, "textDocument/didOpen", line);
    free(line);
    json_decref(params);
}

#define AT(line, column) "{\"textDocument\":{\"uri\":\"file:///r/src/a.py\"},\"position\":{\"line\":" #line ",\"character\":" #column "}}"

static void lives_and_dies(void **state)
{
    struct fixture *f = *state;
    request(f, 1, "textDocument/hover", AT(0, 0));
    assert_int_equal(said_error(f), -32002);
    request(f, 2, "shutdown", NULL);
    assert_int_equal(said_error(f), -32002);
    json_decref(begin(f, "{\"capabilities\":{}}"));
    request(f, 3, "initialize", "{\"capabilities\":{}}");
    assert_int_equal(said_error(f), RPC_INVALID_REQUEST);
    request(f, 4, "textDocument/completion", AT(0, 0));
    assert_int_equal(said_error(f), -32601);
    request(f, 5, "textDocument/hover", "[1]");
    assert_int_equal(said_error(f), -32602);
    request(f, 5, "textDocument/hover", "{}");
    assert_int_equal(said_error(f), -32602);
    request(f, 6, "shutdown", NULL);
    json_t *r = said_result(f);
    assert_true(json_is_null(r));
    json_decref(r);
    request(f, 7, "textDocument/hover", AT(0, 0));
    assert_int_equal(said_error(f), RPC_INVALID_REQUEST);
    assert_true(note(f, "exit", "null") < 0);
    assert_int_equal(f->out.len, 2);
    assert_memory_equal(f->out.data, "\0" "0", 2);
}

static void exit_without_shutdown_is_a_failure(void **state)
{
    struct fixture *f = *state;
    assert_true(note(f, "exit", "{}") < 0);
    assert_memory_equal(f->out.data, "\0" "1", 2);
}

static void refuses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        int code;
    } bad[] = {{"{", RPC_PARSE_ERROR},
               {"7", RPC_PARSE_ERROR},
               {"[]", RPC_INVALID_REQUEST},
               {"{\"id\":1,\"method\":\"initialize\"}", RPC_INVALID_REQUEST},
               {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"initialize\"}", RPC_INVALID_REQUEST},
               {"{\"jsonrpc\":\"2.0\",\"id\":1}", RPC_INVALID_REQUEST}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(feed(f, bad[i].text), 0);
        assert_int_equal(said_error(f), bad[i].code);
    }
    assert_true(lsp_protocol.feed(f->codec, "Content-Length: x\r\n\r\n", 21) < 0);
    assert_int_equal(said_error(f), RPC_PARSE_ERROR);
}

static void negotiates_the_encoding(void **state)
{
    static const char *const cases[][2] = {{"{\"capabilities\":{}}", "utf-16"},
                                           {"{\"capabilities\":{\"general\":{\"positionEncodings\":[\"utf-8\",\"utf-16\"]}}}", "utf-8"},
                                           {"{\"capabilities\":{\"general\":{\"positionEncodings\":[\"ebcdic\",\"utf-32\"]}}}", "utf-32"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *f;
        set_up((void **)&f);
        json_t *r = begin(f, cases[i][0]), *c = json_object_get(r, "capabilities");
        assert_string_equal(json_string_value(json_object_get(c, "positionEncoding")), cases[i][1]);
        assert_null(json_object_get(c, "completionProvider"));
        assert_true(json_is_true(json_object_get(c, "hoverProvider")));
        json_decref(r);
        tear_down((void **)&f);
    }
}

static void settings_and_registration(void **state)
{
    struct fixture *f = *state;
    json_t *r = begin(f, "{\"capabilities\":{\"textDocument\":{\"hover\":{\"dynamicRegistration\":true},\"references\":{\"dynamicRegistration\":true}}},"
                         "\"initializationOptions\":{\"definition\":false,\"references\":false}}");
    json_t *c = json_object_get(r, "capabilities");
    assert_null(json_object_get(c, "definitionProvider")); /* off */
    assert_null(json_object_get(c, "hoverProvider"));      /* registered */
    assert_non_null(json_object_get(c, "implementationProvider"));
    json_decref(r);
    json_t *list = said(f), *m = json_array_get(list, 0), *reg = json_object_get(json_object_get(m, "params"), "registrations");
    assert_string_equal(json_string_value(json_object_get(m, "method")), "client/registerCapability");
    assert_int_equal(json_array_size(reg), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(reg, 0), "method")), "textDocument/hover");
    json_decref(list);
    note(f, "workspace/didChangeConfiguration", "{\"settings\":{\"codeask\":{\"hover\":false}}}");
    list = said(f);
    assert_int_equal(json_array_size(list), 2); /* hover goes, references come */
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "method")), "client/unregisterCapability");
    json_decref(list);
    open_document(f, "x = send(1)\n");
    request(f, 1, "textDocument/hover", AT(0, 5));
    r = said_result(f);
    assert_true(json_is_null(r));
    json_decref(r);
    assert_int_equal(f->session.submitted, 0);
}

static void a_definition(void **state)
{
    struct fixture *f = *state;
    json_decref(begin(f, "{\"capabilities\":{}}"));
    open_document(f, "x = \xF0\x9F\x98\x80 + session.send(1)\n");
    request(f, 1, "textDocument/definition", AT(0, 19));
    assert_string_equal(f->session.open[0].method, "symbol");
    assert_non_null(strstr(f->session.open[0].params, "\"session.send\""));
    assert_non_null(strstr(f->session.open[0].params, "\"dir\":\"/r/src\""));
    stand_in_event(&f->session, 0, EVENT_DONE, "{\"definitions\":[]}");
    assert_non_null(strstr(f->session.open[0].params, "\"all_repos\":true")); /* then elsewhere */
    stand_in_event(&f->session, 0, EVENT_DONE,
                   "{\"roots\":{\"r\":\"/r\",\"q\":\"/q\"},\"definitions\":["
                   "{\"repo\":\"q\",\"path\":\"b c.py\",\"start_line\":3,\"end_line\":9,\"kind\":\"method\",\"snippet\":\"@decorated\\n  def \xC3\xA9, send(x):\"},"
                   "{\"repo\":\"r\",\"path\":\"src/z.py\",\"start_line\":7,\"end_line\":7,\"kind\":\"prototype\",\"snippet\":\"send\"},"
                   "{\"repo\":\"r\",\"path\":\"src/z.py\",\"start_line\":8,\"end_line\":8,\"kind\":\"method\",\"snippet\":\"resend\"}]}");
    json_t *r = said_result(f), *want = json_loads(
        "[{\"uri\":\"file:///r/src/z.py\",\"range\":{\"start\":{\"line\":7,\"character\":0},\"end\":{\"line\":7,\"character\":0}}},"
        "{\"uri\":\"file:///q/b%20c.py\",\"range\":{\"start\":{\"line\":3,\"character\":9},\"end\":{\"line\":3,\"character\":13}}}]", 0, NULL);
    assert_true(json_equal(r, want));
    json_decref(r);
    json_decref(want);
}

static void a_hover(void **state)
{
    struct fixture *f = *state;
    json_decref(begin(f, "{\"capabilities\":{}}"));
    open_document(f, "send\n");
    request(f, 1, "textDocument/hover", AT(0, 4));
    stand_in_event(&f->session, 0, EVENT_DONE,
                   "{\"roots\":{\"r\":\"/r\"},\"found\":{\"callers\":3,\"references\":5},\"definitions\":[{\"repo\":\"r\",\"path\":\"z.py\",\"start_line\":8,"
                   "\"end_line\":9,\"symbol\":\"send\",\"kind\":\"function\",\"language\":\"python\",\"signature\":\"def send(x)\",\"doc\":\"# ``` [x](y)\"}]}");
    assert_string_equal(f->session.open[0].method, "history");
    assert_non_null(strstr(f->session.open[0].params, "\"z.py:8-9\""));
    stand_in_event(&f->session, 0, EVENT_DONE,
                   "{\"commits\":[{\"commit\":\"1\",\"date\":\"2020-01-02T\",\"author\":\"A\",\"subject\":\"<b>s\",\"body\":\"\"}],\"reason\":null}");
    json_t *r = said_result(f);
    const char *text = json_string_value(json_object_get(json_object_get(r, "contents"), "value"));
    assert_non_null(strstr(text, "````python\n# ``` [x](y)\ndef send(x)\n````"));
    assert_non_null(strstr(text, "Called by 3 \xC2\xB7 used 5 times \xC2\xB7 [z.py:8](file:///r/z.py#L8)"));
    assert_non_null(strstr(text, "Last change 2020-01-02 A: "));
    assert_non_null(strstr(text, "\\<b>s"));
    json_decref(r);
    /* a history that fails costs only itself */
    request(f, 2, "textDocument/hover", AT(0, 4));
    stand_in_event(&f->session, 0, EVENT_DONE, "{\"roots\":{},\"definitions\":[{\"repo\":\"r\",\"path\":\"z.py\",\"start_line\":8,\"end_line\":9}]}");
    stand_in_event(&f->session, 0, EVENT_FAIL, "{\"code\":\"io\",\"message\":\"m\",\"hint\":\"\"}");
    r = said_result(f);
    assert_true(json_is_object(r));
    json_decref(r);
}

static void cancels(void **state)
{
    struct fixture *f = *state;
    json_decref(begin(f, "{\"capabilities\":{}}"));
    open_document(f, "send\n");
    request(f, 1, "textDocument/hover", AT(0, 1));
    request(f, 1, "textDocument/hover", AT(0, 1));
    assert_int_equal(said_error(f), RPC_INVALID_REQUEST); /* the id is in use */
    note(f, "$/cancelRequest", "{\"id\":1}");
    note(f, "$/cancelRequest", "{\"id\":1}");
    note(f, "$/cancelRequest", "{\"id\":\"1\"}");
    assert_int_equal(said_error(f), -32800);
    assert_int_equal(f->session.canceled, 1);
    stand_in_event(&f->session, 0, EVENT_DONE, "{\"definitions\":[]}");
    assert_int_equal(f->session.nopen, 0); /* no next step */
    json_t *list = said(f);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void tells_of_progress(void **state)
{
    struct fixture *f = *state;
    json_decref(begin(f, "{\"capabilities\":{\"window\":{\"workDoneProgress\":true}}}"));
    open_document(f, "send\n");
    request(f, 1, "textDocument/references", "{\"textDocument\":{\"uri\":\"file:///r/src/a.py\"},\"position\":{\"line\":0,\"character\":1},"
                                             "\"workDoneToken\":\"w\",\"partialResultToken\":9}");
    stand_in_event(&f->session, 0, EVENT_PROGRESS, "{\"stage\":\"indexing\",\"repo\":\"r\",\"files\":9,\"files_done\":3}");
    struct buf rows = BUF_INIT;
    buf_adds(&rows, "{\"roots\":{\"r\":\"/r\"},\"references\":[");
    for (int i = 0; i < 250; i++)
        buf_addf(&rows, "%s{\"repo\":\"r\",\"path\":\"z%d.py\",\"start_line\":8,\"end_line\":8,\"snippet\":\"send\"}", i ? "," : "", i);
    buf_adds(&rows, "]}");
    stand_in_event(&f->session, 0, EVENT_DONE, rows.data);
    buf_release(&rows);
    json_t *list = said(f), *m;
    static const char *const kinds[] = {"begin", NULL, NULL, NULL, "end"};
    assert_int_equal(json_array_size(list), 6);
    for (size_t i = 0; i < 5; i++) {
        m = json_object_get(json_array_get(list, i), "params");
        const char *kind = json_string_value(json_object_get(json_object_get(m, "value"), "kind"));
        if (kinds[i])
            assert_string_equal(kind, kinds[i]);
        else
            assert_int_equal(json_array_size(json_object_get(m, "value")), i < 3 ? 100 : 50);
    }
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 5), "result")), 0);
    json_decref(list);
    /* without a token: one of ours, once the client has made it */
    request(f, 2, "textDocument/hover", AT(0, 1));
    stand_in_event(&f->session, 0, EVENT_PROGRESS, "{\"stage\":\"indexing\"}");
    list = said(f);
    m = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(m, "method")), "window/workDoneProgress/create");
    char answer[128];
    snprintf(answer, sizeof answer, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":null}", json_string_value(json_object_get(m, "id")));
    json_decref(list);
    feed(f, answer);
    stand_in_event(&f->session, 0, EVENT_PROGRESS, "{\"stage\":\"indexing\"}");
    list = said(f);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
}

static void folders_are_indexed(void **state)
{
    struct fixture *f = *state;
    json_decref(begin(f, "{\"capabilities\":{},\"rootUri\":\"file:///old\",\"workspaceFolders\":[{\"uri\":\"file:///a%20b\",\"name\":\"x\"}]}"));
    assert_int_equal(f->session.nopen, 1);
    assert_string_equal(f->session.open[0].method, "read");
    assert_non_null(strstr(f->session.open[0].params, "\"/a b\""));
    note(f, "workspace/didChangeWorkspaceFolders", "{\"event\":{\"added\":[{\"uri\":\"file:///c\"},{\"uri\":\"file:///c\"}],\"removed\":[{\"uri\":\"file:///a%20b\"}]}}");
    assert_int_equal(f->session.nopen, 2);
    stand_in_event(&f->session, 0, EVENT_FAIL, "{\"code\":\"no_repository\",\"message\":\"m\",\"hint\":\"\"}");
    assert_int_equal(f->out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lives_and_dies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exit_without_shutdown_is_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
        cmocka_unit_test(negotiates_the_encoding),
        cmocka_unit_test_setup_teardown(settings_and_registration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_definition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hover, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_progress, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_are_indexed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
