/* The codecs of the HTTP server over stand-in sessions, and who is let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/gate.h"
#include "daemon/page.h"
#include "stand_in.h"

static bool is_full;

static bool full(void *arg)
{
    return is_full;
}

struct fixture {
    struct session session;
    struct http_reply out;
    const struct route *route;
    void *self;
};

static void ask(struct fixture *f, const char *method, const char *path, const char *query, const char *accept, const char *body)
{
    struct http_request r = {.method = method, .path = path, .query = query, .accept = accept, .body = body, .len = strlen(body)};
    memset(f, 0, sizeof *f);
    is_full = false;
    f->route = route_of(&r, &f->out);
    f->self = f->route ? f->route->codec->open(&f->session, &r, &f->out, full, NULL) : NULL;
}

static void done(struct fixture *f)
{
    if (f->self)
        f->route->codec->close(f->self);
    buf_release(&f->out.body);
}

static void a_query_string_is_typed_by_the_row(void **state)
{
    static const struct {
        const char *method, *path, *query, *body, *asked, *params;
    } t[] = {
        {"GET", "/v1/search", "query=a%20b+c&limit=3&regex=true&unique-files=0", "", "search",
         "{\"query\":\"a b c\",\"limit\":3,\"regex\":true,\"unique-files\":false}"},
        {"GET", "/v1/search", "query=12&repo=a&repo=b&repo=c", "", "search", "{\"query\":\"12\",\"repo\":[\"a\",\"b\",\"c\"]}"},
        {"GET", "/v1/search", "limit=x", "", "search", "{\"limit\":\"x\"}"}, /* params_check says what is wanted */
        {"GET", "/v1/repo.list", "", "", "repo.list", "{}"},
        {"POST", "/v1/ask", "", "{\"query\":\"q\",\"stream\":false}", "ask", "{\"query\":\"q\"}"},
        {"POST", "/v1/read", "place=a.c%3A3", "{}", "read", "{\"place\":\"a.c:3\"}"},
        {"GET", "/metrics", "", "", "metrics", "{}"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct fixture f;
        ask(&f, t[i].method, t[i].path, t[i].query, NULL, t[i].body);
        assert_int_equal(f.session.nopen, 1);
        assert_string_equal(f.session.open[0].method, t[i].asked);
        assert_string_equal(f.session.open[0].params, t[i].params);
        assert_false(f.out.ready);
        done(&f);
    }
}

static void errors_have_their_status(void **state)
{
    static const struct {
        const char *method, *path, *query, *body;
        int status;
    } t[] = {
        {"GET", "/v1/nothing", "", "", 404},   {"GET", "/v1/", "", "", 404},         {"GET", "/v1", "", "", 404},
        {"GET", "/v1/token.create", "name=x", "", 405}, {"GET", "/v1/feedback", "", "", 405}, {"POST", "/", "", "{}", 405},
        {"POST", "/v1/stop", "", "{}", 404},   {"POST", "/v1/page", "", "{}", 404},  {"POST", "/v1/index", "", "{}", 404},
        {"PUT", "/v1/search", "", "", 405},    {"", "/v1/search", "", "", 405},      {"POST", "/v1/search", "", "[]", 400},
        {"POST", "/v1/search", "", "{\"a\":1,\"a\":2}", 400}, {"GET", "/v1/search", "a=%zz", "", 400}, {"GET", "/v1/search", "stream=x", "", 400},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct fixture f;
        ask(&f, t[i].method, t[i].path, t[i].query, NULL, t[i].body);
        assert_int_equal(f.session.submitted, 0);
        assert_true(f.out.ready && f.out.ended);
        assert_int_equal(f.out.status, t[i].status);
        assert_non_null(strstr(f.out.body.data, "{\"error\":{\"code\":\""));
        done(&f);
    }
    static const struct {
        const char *fail;
        int status;
    } u[] = {{"{\"code\":\"denied\"}", 403}, {"{\"code\":\"not_found\"}", 404}, {"{\"code\":\"busy\"}", 429}, {"{\"code\":\"corrupt\"}", 500},
             {"{\"code\":\"stopping\"}", 503}, {"{\"code\":\"timeout\"}", 504}};
    for (size_t i = 0; i < sizeof u / sizeof *u; i++) {
        struct fixture f;
        ask(&f, "GET", "/v1/status", "", NULL, "");
        stand_in_event(&f.session, 0, EVENT_FAIL, u[i].fail);
        assert_int_equal(f.out.status, u[i].status);
        done(&f);
    }
}

static void the_page_is_whole_and_kept_only_under_its_hash(void **state)
{
    struct fixture f;
    char path[200], link[100];
    ask(&f, "GET", "/", "", NULL, "");
    assert_int_equal(f.out.status, 200);
    assert_string_equal(f.out.cache, "no-cache");
    assert_string_equal(f.out.extra[0].name, "content-security-policy:");
    buf_addc(&f.out.body, 0);
    for (const struct page_file *p = page_files + 1; p->name; p++) {
        struct fixture g;
        snprintf(path, sizeof path, PAGE_PREFIX "%s/%s", page_hash, p->name);
        ask(&g, "GET", path, "", NULL, "");
        assert_int_equal(g.out.status, 200);
        assert_true(g.out.ended && g.out.body.len == p->len && p->len && *p->type);
        assert_non_null(strstr(g.out.cache, "immutable"));
        done(&g);
    }
    snprintf(link, sizeof link, "page/%s/app.js", page_hash);
    assert_non_null(strstr(f.out.body.data, link));
    assert_null(strchr(f.out.body.data, '@'));
    done(&f);
    static const char *const none[] = {"/page/", "/page/0000000000000000/app.js", "/page/index.html", "/index.html", "/app.js", "/page"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ask(&f, "GET", none[i], "", NULL, "");
        assert_int_equal(f.out.status, 404);
        done(&f);
    }
    snprintf(path, sizeof path, PAGE_PREFIX "%s/../app.js", page_hash);
    ask(&f, "GET", path, "", NULL, "");
    assert_int_equal(f.out.status, 404);
    done(&f);
}

static void streams_events_and_stops_when_full(void **state)
{
    struct fixture f;
    ask(&f, "GET", "/v1/ask", "query=q", "text/event-stream", "");
    assert_true(f.out.ready && !f.out.ended);
    assert_true(stand_in_event(&f.session, 0, EVENT_PART, "{\"delta\":\"a\"}"));
    is_full = true;
    assert_false(stand_in_event(&f.session, 0, EVENT_PART, "{\"delta\":\"b\"}"));
    f.route->codec->drained(f.self);
    assert_int_equal(f.session.resumed, 1);
    stand_in_event(&f.session, 0, EVENT_DONE, "{\"answer\":\"ab\"}");
    assert_true(f.out.ended);
    assert_string_equal(f.out.body.data, "event: part\ndata: {\"delta\":\"a\"}\n\nevent: part\ndata: {\"delta\":\"b\"}\n\n"
                                         "event: done\ndata: {\"answer\":\"ab\"}\n\n");
    done(&f);
}

static void a_chat_is_asked_out_of_the_index_or_of_the_model(void **state)
{
    static const struct {
        const char *body, *asked, *params;
    } t[] = {
        {"{\"model\":\"codeask\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\"}]}", "ask",
         "{\"query\":\"q\",\"earlier\":[],\"all_repos\":true}"},
        {"{\"model\":\"codeask\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"q\"}],"
         "\"codeask\":{\"dir\":\"/\"}}", "ask", "{\"dir\":\"/\",\"query\":\"q\",\"earlier\":[\"a\"]}"},
        {"{\"model\":\"codeask/a/b\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}],\"codeask\":{\"query\":\"x\",\"lang\":\"c\"}}", "ask",
         "{\"query\":\"q\",\"lang\":\"c\",\"earlier\":[],\"repo\":[\"a/b\"]}"},
        {"{\"model\":\"codeaskx\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}],\"seed\":-1,\"max_completion_tokens\":5}", "complete",
         "{\"messages\":[{\"role\":\"user\",\"text\":\"q\"}],\"model\":\"codeaskx\",\"max_tokens\":5,\"seed\":551616}"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct fixture f;
        ask(&f, "POST", "/v1/chat/completions", "", NULL, t[i].body);
        assert_int_equal(f.session.nopen, 1);
        assert_string_equal(f.session.open[0].method, t[i].asked);
        assert_string_equal(f.session.open[0].params, t[i].params);
        assert_false(f.out.ready);
        done(&f);
    }
}

/* What was sent goes on, or is taken back by a sentence; a failure before the first word has its own status. */
static void a_chat_streams(void **state)
{
    static const char body[] = "{\"model\":\"codeask\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}],\"stream\":true}";
    struct fixture f;
    ask(&f, "POST", "/v1/chat/completions", "", NULL, body);
    stand_in_event(&f.session, 0, EVENT_PART, "{\"delta\":\"a [1]\"}");
    stand_in_event(&f.session, 0, EVENT_DONE, "{\"answer\":\"a [1]\",\"citations\":[{\"n\":1,\"repo\":\"r\",\"path\":\"p\",\"start_line\":1,\"end_line\":2}]}");
    assert_true(f.out.ended);
    assert_non_null(strstr(f.out.body.data, "\"delta\":{\"content\":\"a [1]\"}"));
    assert_non_null(strstr(f.out.body.data, "\"delta\":{\"content\":\"\\n\\nSources:\\n[1] `p:1-2` (r)\\n\"}"));
    assert_string_equal(f.out.body.data + f.out.body.len - 14, "data: [DONE]\n\n");
    done(&f);
    ask(&f, "POST", "/v1/chat/completions", "", NULL, body);
    stand_in_event(&f.session, 0, EVENT_PART, "{\"delta\":\"wrong\"}");
    stand_in_event(&f.session, 0, EVENT_DONE, "{\"answer\":\"right\",\"citations\":[]}");
    assert_non_null(strstr(f.out.body.data, "does not hold"));
    assert_non_null(strstr(f.out.body.data, "{\"content\":\"right\"}"));
    done(&f);
    ask(&f, "POST", "/v1/chat/completions", "", NULL, body);
    stand_in_event(&f.session, 0, EVENT_FAIL, "{\"code\":\"busy\",\"message\":\"m\",\"hint\":\"\"}");
    assert_int_equal(f.out.status, 429);
    assert_string_equal(f.out.body.data, "{\"error\":{\"message\":\"m\",\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"busy\"}}\n");
    done(&f);
}

static void metrics_are_in_prometheus_format(void **state)
{
    struct fixture f;
    ask(&f, "GET", "/metrics", "", NULL, "");
    stand_in_event(&f.session, 0, EVENT_DONE,
                   "{\"metrics\":[{\"name\":\"a_total\",\"type\":\"counter\",\"help\":\"All of them.\",\"values\":["
                   "{\"labels\":{\"method\":\"ask\",\"outcome\":\"done\"},\"value\":3},{\"value\":0.5}]}]}");
    assert_int_equal(f.out.status, 200);
    assert_string_equal(f.out.body.data, "# HELP a_total All of them.\n# TYPE a_total counter\na_total{method=\"ask\",outcome=\"done\"} 3\na_total 0.5\n");
    done(&f);
}

static void the_gate(void **state)
{
    static const struct {
        const char *host, *origin, *authorization, *forwarded;
        bool same_user, tls;
        int status; /* 0: let in */
    } t[] = {
        {"127.0.0.1:7411", NULL, NULL, NULL, true, false, 0},
        {"localhost", NULL, NULL, NULL, true, false, 0},
        {"[::1]:7411", NULL, NULL, NULL, true, true, 0},
        {"localhost:1", "http://localhost:1", NULL, NULL, true, false, 0},
        {"localhost:1", "https://localhost:1", NULL, NULL, true, true, 0},
        {"127.0.0.1:7411", NULL, NULL, NULL, false, false, 401},  /* another user */
        {"localhost.evil", NULL, NULL, NULL, true, false, 401},   /* a name that was made to point here */
        {"127.0.0.10", NULL, NULL, NULL, true, false, 401},
        {NULL, NULL, NULL, NULL, true, false, 401},
        {"localhost", NULL, NULL, "", true, false, 401},          /* a proxy of this user speaks for others */
        {"localhost", NULL, "Bearer x", NULL, true, false, 401},
        {"localhost", NULL, "Basic x", NULL, true, false, 401},
        {"localhost:1", "http://localhost:2", NULL, NULL, true, false, 403},
        {"localhost:1", "http://localhost:1", NULL, NULL, true, true, 403},
        {"localhost:1", "null", NULL, NULL, true, false, 403},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct http_request r = {.method = "GET", .path = "/v1/status", .query = "", .host = t[i].host, .origin = t[i].origin,
                                 .authorization = t[i].authorization, .forwarded = t[i].forwarded};
        struct http_reply out = {0};
        struct caller who;
        bool in = gate_pass(&who, &r, &(struct peer_facts){true, t[i].same_user, t[i].tls}, NULL, &out);
        assert_int_equal(in, t[i].status == 0);
        assert_int_equal(who.local, in);
        assert_int_equal(out.status, t[i].status);
        buf_release(&out.body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_string_is_typed_by_the_row), cmocka_unit_test(errors_have_their_status),
        cmocka_unit_test(streams_events_and_stops_when_full),
        cmocka_unit_test(a_chat_is_asked_out_of_the_index_or_of_the_model), cmocka_unit_test(a_chat_streams), cmocka_unit_test(the_page_is_whole_and_kept_only_under_its_hash),
        cmocka_unit_test(metrics_are_in_prometheus_format), cmocka_unit_test(the_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
