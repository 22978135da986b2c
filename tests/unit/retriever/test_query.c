#include "retriever/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool has_term(const struct query *q, const char *text, bool joined)
{
    for (unsigned i = 0; i < q->nterms; i++)
        if (!strcmp(q->term[i].text, text) && q->term[i].joined == joined)
            return true;
    return false;
}

static const struct query_name *name_of(const struct query *q, const char *text)
{
    for (unsigned i = 0; i < q->nnames; i++)
        if (q->name[i].text.n == strlen(text) && !memcmp(q->name[i].text.p, text, q->name[i].text.n))
            return &q->name[i];
    return NULL;
}

static struct arena arena;

static int set_up(void **state)
{
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    arena_release(&arena);
    return 0;
}

static void prose(void **state)
{
    struct query q;
    query_parse(&q, STR("where is the thread pool implemented?"), &arena);
    assert_true(has_term(&q, "thread", false));
    assert_true(has_term(&q, "pool", false));
    assert_true(has_term(&q, "threadpool", true));
    assert_false(has_term(&q, "where", false));
    assert_false(has_term(&q, "implemented", false));
    assert_non_null(name_of(&q, "thread_pool"));
    assert_false(q.symbol_like);
    assert_int_equal(q.nwords, 2);
}

static void identifiers(void **state)
{
    struct query q;
    query_parse(&q, STR("RotatingFileHandler"), &arena);
    assert_true(q.symbol_like);
    assert_true(has_term(&q, "rotatingfilehandler", false));
    assert_true(has_term(&q, "rotating", false));
    assert_true(name_of(&q, "RotatingFileHandler")->weight == 1);

    query_parse(&q, STR("how does Rack::Builder work"), &arena);
    const struct query_name *n = name_of(&q, "Builder");
    assert_non_null(n);
    assert_int_equal(n->scope.n, 4);
    assert_memory_equal(n->scope.p, "Rack", 4);
    assert_true(n->weight == 1);

    query_parse(&q, STR("app.handle()"), &arena);
    assert_non_null(name_of(&q, "handle"));
    assert_non_null(name_of(&q, "app"));
}

static void literals_and_intent(void **state)
{
    struct query q;
    query_parse(&q, STR("who prints \"no space left\" in tests"), &arena);
    assert_int_equal(q.nliterals, 1);
    assert_memory_equal(q.literal[0].p, "no space left", 13);
    assert_true(q.about_tests);
    query_parse(&q, STR("an open \" quote is no literal"), &arena);
    assert_int_equal(q.nliterals, 0);
    query_parse(&q, STR("latest contest"), &arena);
    assert_false(q.about_tests);
}

static void only_stop_words(void **state)
{
    struct query q;
    query_parse(&q, STR("what is this"), &arena);
    assert_true(q.nterms > 0);
    query_parse(&q, STR("?!"), &arena);
    assert_int_equal(q.nterms, 0);
}

static void bounded(void **state)
{
    struct buf b = BUF_INIT;
    struct query q;
    for (int i = 0; i < 5000; i++)
        buf_addf(&b, "wordNumber%d::x%d ", i, i);
    query_parse(&q, (struct str){b.data, b.len}, &arena);
    assert_true(q.nterms <= QUERY_TERMS && q.nnames <= QUERY_NAMES);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prose, set_up, tear_down),
        cmocka_unit_test_setup_teardown(identifiers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(literals_and_intent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_stop_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
