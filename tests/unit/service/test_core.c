/* The request core through a loopback sink. The methods are this file's own: it defines binding_named, so that the room's
 * dispatch.c is not linked. */
#include "service/core.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* -- methods -------------------------------------------------------------------------------------------------------------- */

static unsigned made; /* parts produced; read while the worker runs */

static int echo(struct request *rq, json_t **result, struct err *e)
{
    *result = json_pack("{ss}", "query", param_str(rq, "query"));
    return 0;
}

static int wrong(struct request *rq, json_t **result, struct err *e)
{
    err_set(e, ERR_NOT_FOUND, "no %s", param_str(rq, "name"));
    err_hint(e, "look elsewhere");
    return ERR_NOT_FOUND;
}

static int until_stopped(struct request *rq, json_t **result, struct err *e)
{
    while (!request_stopped(rq))
        usleep(1000);
    return err_set(e, ERR_CANCELED, "its own word for it");
}

static int many_parts(struct request *rq, json_t **result, struct err *e)
{
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = 0;
    for (int i = 0; i < 3000 && !request_stopped(rq); i++) {
        request_emit(rq, EVENT_PART, json_pack("{si, ss}", "i", i, "text", text));
        __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static int much_progress(struct request *rq, json_t **result, struct err *e)
{
    for (int i = 0; i < 1000; i++)
        request_emit(rq, EVENT_PROGRESS, json_pack("{si}", "i", i));
    return 0;
}

static struct waitlist shelf;
static int parked_once(struct request *rq, json_t **result, struct err *e)
{
    if (rq->nwaited) {
        *result = json_pack("{ss}", "woken", err_name(rq->wait_err.code));
        return 0;
    }
    rq->waited[rq->nwaited++] = 1;
    pthread_mutex_lock(&rq->s->mu);
    request_park_locked(rq, &shelf, 0, clock_ns() + 50000000);
    pthread_mutex_unlock(&rq->s->mu);
    return RUN_PARKED;
}

const struct binding *binding_named(const char *name)
{
    static const struct binding b[] = {{"search", echo},          {"repo.remove", wrong}, {"status", until_stopped},
                                       {"ask", many_parts},       {"stop", much_progress}, {"repo.list", parked_once}};
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        if (!strcmp(b[i].name, name))
            return &b[i];
    return NULL;
}

/* -- the loopback --------------------------------------------------------------------------------------------------------- */

struct got {
    unsigned done, fail, parts, progress, after_end;
    int next_part;
    bool in_order;
    unsigned full_every; /* returns false on every n-th part; 0: never */
    char last[4096];
    struct session *close_on_part;
};

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct got *g = arg;
    assert_int_equal(strlen(json), len);
    g->after_end += g->done + g->fail;
    snprintf(g->last, sizeof g->last, "%s", json);
    switch (kind) {
    case EVENT_DONE:
        g->done++;
        break;
    case EVENT_FAIL:
        g->fail++;
        break;
    case EVENT_PROGRESS:
        g->progress++;
        break;
    case EVENT_PART:
        if (atoi(json + strlen("{\"i\":")) != g->next_part++)
            g->in_order = false;
        g->parts++;
        if (g->close_on_part) {
            session_close(g->close_on_part);
            g->close_on_part = NULL;
        }
        return !g->full_every || g->parts % g->full_every;
    }
    return true;
}

struct fixture {
    char home[64];
    struct paths paths;
    struct config config;
    struct service *s;
    struct session *c;
    int woken;
};

static void wake(void *arg)
{
    __atomic_add_fetch(&((struct fixture *)arg)->woken, 1, __ATOMIC_RELAXED);
}

static int open_service(void **state)
{
    struct fixture *f = mem_zero(1, sizeof *f);
    struct err e = {0};
    strcpy(f->home, "/tmp/codeask-core-XXXXXX");
    assert_non_null(mkdtemp(f->home));
    setenv("CODEASK_HOME", f->home, 1);
    assert_int_equal(paths_open(&f->paths, &e), 0);
    assert_int_equal(config_open(&f->config, NULL, &e), 0);
    struct service_options o = {.paths = &f->paths, .config = &f->config, .program = TEST_BUILD_DIR "/codeaskd", .wake = wake,
                                .wake_arg = f};
    if (service_open(&f->s, &o, &e))
        fail_msg("%s", e.message);
    assert_int_equal(session_open(&f->c, f->s, &(struct caller){.local = true}, &e), 0);
    __atomic_store_n(&made, 0, __ATOMIC_RELAXED);
    *state = f;
    return 0;
}

static int close_service(void **state)
{
    struct fixture *f = *state;
    char command[128];
    service_close(f->s);
    config_close(&f->config);
    paths_close(&f->paths);
    snprintf(command, sizeof command, "rm -rf %s", f->home);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static uint64_t submit(struct fixture *f, const char *method, const char *params, struct got *g)
{
    struct err e;
    uint64_t id = 0;
    g->in_order = true;
    if (session_submit(f->c, method, params, strlen(params), (struct sink){on_event, g}, &id, &e))
        fail_msg("%s: %s", method, e.message);
    return id;
}

static void poll_until_end(struct fixture *f, struct got *g)
{
    int64_t until = clock_ns() + 10000000000LL;
    while (!g->done && !g->fail && clock_ns() < until) {
        service_poll(f->s);
        usleep(200);
    }
    for (int i = 0; i < 20; i++) { /* nothing may follow the end */
        service_poll(f->s);
        usleep(200);
    }
    assert_int_equal(g->done + g->fail, 1);
    assert_int_equal(g->after_end, 0);
}

/* -- tests ---------------------------------------------------------------------------------------------------------------- */

static void ends_once(void **state)
{
    struct fixture *f = *state;
    struct got a = {0}, b = {0};
    submit(f, "search", "{\"query\":\"x\"}", &a);
    submit(f, "repo.remove", "{\"name\":\"gone\"}", &b);
    poll_until_end(f, &a);
    poll_until_end(f, &b);
    assert_int_equal(a.done, 1);
    assert_string_equal(a.last, "{\"query\":\"x\"}");
    assert_string_equal(b.last, "{\"code\":\"not_found\",\"message\":\"no gone\",\"hint\":\"look elsewhere\"}");
    assert_true(service_quiet(f->s));
    assert_true(f->woken > 0);
}

static void refuses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *params;
        int code;
    } t[] = {
        {"nothing", "{}", ERR_UNSUPPORTED},
        {"search", "[]", ERR_USAGE},
        {"search", "{", ERR_USAGE},
        {"search", "", ERR_USAGE},
        {"search", "{\"querry\":\"x\"}", ERR_USAGE},
        {"search", "{\"query\":7}", ERR_USAGE},
        {"search", "{\"query\":\"x\",\"limit\":\"7\"}", ERR_USAGE},
        {"search", "{\"query\":\"x\",\"limit\":0}", ERR_USAGE},
        {"search", "{\"query\":\"x\",\"limit\":1001}", ERR_USAGE},
        {"search", "{\"query\":\"x\",\"all_repos\":1}", ERR_USAGE},
        {"search", "{\"query\":\"x\",\"repo\":[1]}", ERR_USAGE},
        {"search", "{\"query\":\"x\",\"query\":\"y\"}", ERR_USAGE},
        {"status", "{\"context\":\"x\"}", ERR_USAGE},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct got g = {0};
        struct err e = {0};
        uint64_t id;
        int rc = session_submit(f->c, t[i].method, t[i].params, strlen(t[i].params), (struct sink){on_event, &g}, &id, &e);
        if (rc != t[i].code)
            fail_msg("%s %s: %d %s", t[i].method, t[i].params, rc, e.message);
    }
    assert_true(service_quiet(f->s));
}

static void cancels(void **state)
{
    struct fixture *f = *state;
    struct got g[24] = {{0}}; /* more than there are workers: some are still queued */
    uint64_t id[24];
    for (int i = 0; i < 24; i++)
        id[i] = submit(f, "status", "{}", &g[i]);
    usleep(20000);
    for (int i = 0; i < 24; i++)
        session_cancel(f->c, id[i]);
    for (int i = 0; i < 24; i++) {
        poll_until_end(f, &g[i]);
        assert_string_equal(g[i].last, "{\"code\":\"canceled\",\"message\":\"canceled\",\"hint\":\"\"}");
    }
    session_cancel(f->c, id[0]); /* of one that has ended: nothing */
    session_cancel(f->c, 12345);
    service_poll(f->s);
    assert_int_equal(g[0].fail, 1);
}

static void times_out(void **state)
{
    struct fixture *f = *state;
    struct got g = {0};
    int64_t began = clock_ns();
    submit(f, "status", "{\"timeout\":1}", &g);
    poll_until_end(f, &g);
    assert_non_null(strstr(g.last, "\"timeout\""));
    assert_in_range((clock_ns() - began) / 1000000, 900, 3000);
}

static void holds_back(void **state)
{
    struct fixture *f = *state;
    struct got slow = {.full_every = 10}, other = {0};
    uint64_t id = submit(f, "ask", "{\"query\":\"x\"}", &slow);
    submit(f, "search", "{\"query\":\"x\"}", &other);
    poll_until_end(f, &other); /* is not held back by the slow one */
    for (int i = 0; i < 50; i++) {
        service_poll(f->s);
        usleep(1000);
    }
    assert_int_equal(slow.parts, 10);
    assert_in_range(__atomic_load_n(&made, __ATOMIC_RELAXED), 10, 10 + REQUEST_EVENT_BYTES / 1000 + 10);
    while (!slow.done && !slow.fail) {
        session_resume(f->c, id);
        service_poll(f->s);
        usleep(100);
    }
    assert_int_equal(slow.done, 1);
    assert_int_equal(slow.parts, 3000);
    assert_true(slow.in_order);
}

static void cancels_a_full_one(void **state)
{
    struct fixture *f = *state;
    struct got g = {.full_every = 1};
    uint64_t id = submit(f, "ask", "{\"query\":\"x\"}", &g);
    while (!g.parts) {
        service_poll(f->s);
        usleep(1000);
    }
    session_cancel(f->c, id);
    service_poll(f->s);
    assert_int_equal(g.fail, 0); /* full: not even the end goes through */
    session_resume(f->c, id);
    poll_until_end(f, &g);
    assert_int_equal(g.fail, 1);
    assert_int_equal(g.parts, 1);
}

static void coalesces_progress(void **state)
{
    struct fixture *f = *state;
    struct got g = {0};
    submit(f, "stop", "{}", &g);
    usleep(50000);
    poll_until_end(f, &g);
    assert_int_equal(g.done, 1);
    assert_in_range(g.progress, 0, 10);
}

static void close_drops(void **state)
{
    struct fixture *f = *state;
    struct got g[3] = {{0}};
    struct err e;
    submit(f, "status", "{}", &g[0]);
    submit(f, "ask", "{\"query\":\"x\"}", &g[1]);
    submit(f, "search", "{\"query\":\"x\"}", &g[2]);
    usleep(10000);
    session_close(f->c);
    int64_t until = clock_ns() + 5000000000LL;
    while (!service_quiet(f->s) && clock_ns() < until) {
        service_poll(f->s);
        usleep(500);
    }
    assert_true(service_quiet(f->s));
    for (int i = 0; i < 3; i++)
        assert_int_equal(g[i].done + g[i].fail + g[i].parts, 0);
    assert_int_equal(session_open(&f->c, f->s, &(struct caller){.local = true}, &e), 0);
}

static void closes_in_its_sink(void **state)
{
    struct fixture *f = *state;
    struct got g = {.close_on_part = f->c};
    struct err e;
    submit(f, "ask", "{\"query\":\"x\"}", &g);
    int64_t until = clock_ns() + 5000000000LL;
    while ((!g.parts || !service_quiet(f->s)) && clock_ns() < until) {
        service_poll(f->s);
        usleep(500);
    }
    assert_true(service_quiet(f->s));
    assert_int_equal(g.parts, 1);
    assert_int_equal(g.done + g.fail, 0);
    assert_int_equal(session_open(&f->c, f->s, &(struct caller){.local = true}, &e), 0);
}

static void parks(void **state)
{
    struct fixture *f = *state;
    struct got g[40] = {{0}}; /* more than there are workers: parked ones hold none */
    struct got quick = {0};
    for (int i = 0; i < 40; i++)
        submit(f, "repo.list", "{}", &g[i]);
    submit(f, "search", "{\"query\":\"x\"}", &quick);
    poll_until_end(f, &quick);
    for (int i = 0; i < 40; i++) {
        poll_until_end(f, &g[i]);
        assert_string_equal(g[i].last, "{\"woken\":\"timeout\"}");
    }
    assert_null(shelf.first);
}

static void cancels_a_parked_one(void **state)
{
    struct fixture *f = *state;
    struct got g = {0};
    uint64_t id = submit(f, "repo.list", "{}", &g);
    for (bool parked = false; !parked;) {
        pthread_mutex_lock(&f->s->mu);
        parked = shelf.first != NULL;
        pthread_mutex_unlock(&f->s->mu);
    }
    session_cancel(f->c, id);
    poll_until_end(f, &g);
    assert_int_equal(g.fail, 1);
    assert_null(shelf.first);
}

static void drains(void **state)
{
    struct fixture *f = *state;
    struct got g = {0};
    struct err e;
    uint64_t id;
    service_drain(f->s);
    assert_int_equal(session_submit(f->c, "search", "{}", 2, (struct sink){on_event, &g}, &id, &e), ERR_UNAVAILABLE);
}

static void limits_the_queue(void **state)
{
    struct fixture *f = *state;
    struct got *g = mem_zero(SERVICE_QUEUE_MAX + 1, sizeof *g);
    struct err e = {0};
    uint64_t id;
    for (int i = 0; i < SERVICE_QUEUE_MAX; i++)
        submit(f, "status", "{}", &g[i]);
    assert_int_equal(session_submit(f->c, "search", "{}", 2, (struct sink){on_event, &g[SERVICE_QUEUE_MAX]}, &id, &e), ERR_BUSY);
    session_close(f->c);
    while (!service_quiet(f->s)) {
        service_poll(f->s);
        usleep(500);
    }
    assert_int_equal(session_open(&f->c, f->s, &(struct caller){.local = true}, &e), 0);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_once),          cmocka_unit_test(refuses),          cmocka_unit_test(cancels),
        cmocka_unit_test(times_out),          cmocka_unit_test(holds_back),       cmocka_unit_test(cancels_a_full_one),
        cmocka_unit_test(coalesces_progress), cmocka_unit_test(close_drops),      cmocka_unit_test(closes_in_its_sink),
        cmocka_unit_test(parks),              cmocka_unit_test(cancels_a_parked_one),
        cmocka_unit_test(limits_the_queue),   cmocka_unit_test(drains), /* last: nothing is taken after it */
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
