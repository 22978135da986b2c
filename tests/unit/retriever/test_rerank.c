/* A reranker's opinion of the best hits: how many are read in time, what becomes of the order, what a failure costs. */
#include "base/clock.h"
#include "engine/model.h"
#include "retriever/rerank.h"
#include "small_repo.h"

static struct judge {
    const char *likes;  /* a text that holds it fits best */
    unsigned calls, read, us; /* us: what a pair takes */
    int fails;
} judge;

static int says(void *model, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop, struct err *e)
{
    judge.calls++;
    if (judge.fails)
        return err_set(e, judge.fails, "the engine is gone");
    for (size_t i = 1; i < n; i++) {
        judge.read++;
        usleep(judge.us);
        score[i - 1] = strstr(text[i], judge.likes) ? 7 : -3;
    }
    return 0;
}

static const struct engine_kind kind = {.rerank = says};
static struct model model = {.kind = &kind, .info = {.name = "judge", .scores = true}};

/* n hits of falling score, the third from the end holds "gold". */
static struct search_result hits(uint32_t n, struct arena *a)
{
    struct search_result r = {.hit = arena_zero(a, n, sizeof *r.hit), .n = n};
    for (uint32_t i = 0; i < n; i++) {
        const char *text = i + 3 == n ? "a gold coin" : "a stone";
        r.hit[i] = (struct search_hit){.path = {"src/a.c", 7}, .snippet = {text, strlen(text)}, .score = 10 - i * .1, .start_line = i};
    }
    return r;
}

static void order(void **state)
{
    struct arena a = {0};
    struct search_result r = hits(10, &a);
    judge = (struct judge){.likes = "gold"};
    rerank_hits(&r, &model, "where is the gold", 1000, NULL, &a);
    assert_int_equal(r.reranked, 10);
    assert_int_equal(judge.read, 10);
    assert_int_equal(r.hit[0].start_line, 7); /* half of the way from the eighth place: above the first, whose half is as large but one */
    for (size_t i = 1; i < r.n; i++)
        assert_true(r.hit[i - 1].score >= r.hit[i].score);
    for (size_t i = 0; i < r.n; i++) /* what it added is told, and nothing leaves the range */
        assert_true(r.hit[i].score <= 10 && r.hit[i].score >= 10 - .9 - 1e-9 &&
                    r.hit[i].score - r.hit[i].rerank > 9.09 && r.hit[i].score - r.hit[i].rerank <= 10);
    judge = (struct judge){.likes = "src/a.c"}; /* the path is read too; all alike: as before */
    r = hits(10, &a);
    rerank_hits(&r, &model, "where", 1000, NULL, &a);
    for (size_t i = 0; i < r.n; i++)
        assert_int_equal(r.hit[i].start_line, i);
    arena_release(&a);
}

static void bounded(void **state)
{
    struct arena a = {0};
    struct search_result r = hits(100, &a);
    judge = (struct judge){.likes = "gold"};
    rerank_hits(&r, &model, "q", 10000, NULL, &a);
    assert_int_equal(r.reranked, RERANK_HITS); /* never more */
    assert_int_equal(r.hit[RERANK_HITS].start_line, RERANK_HITS);
    r = hits(100, &a);
    judge = (struct judge){.likes = "gold", .us = 10000}; /* 60 ms hold four, and two more where nothing else runs */
    rerank_hits(&r, &model, "q", 60, NULL, &a);
    assert_true(r.reranked >= 4 && r.reranked <= 6);
    assert_int_equal(r.reranked, judge.read);
    assert_true(r.ms_rerank >= 10 * r.reranked);
    for (size_t i = r.reranked; i < r.n; i++)
        assert_int_equal(r.hit[i].start_line, i);
    arena_release(&a);
}

static void failure(void **state)
{
    struct arena a = {0};
    struct search_result r = hits(10, &a);
    judge = (struct judge){.likes = "gold", .fails = ERR_CRASHED};
    rerank_hits(&r, &model, "q", 1000, NULL, &a);
    assert_int_equal(r.reranked, 0);
    assert_int_equal(judge.calls, 1);
    for (size_t i = 0; i < r.n; i++)
        assert_true(r.hit[i].start_line == i && r.hit[i].rerank == 0);
    arena_release(&a);
}

/* Through a search: the hit that it likes comes first, and no more than was asked for are given. */
static void searched(void **state)
{
    struct arena a = {0};
    struct search_request q = {.text = "discount cart", .target = &repo.target, .ntargets = 1, .kind = -1, .limit = 2};
    struct search_result r;
    OK(search(&r, repo.retriever, &q, &a, e));
    assert_int_equal(r.n, 2);
    assert_int_equal(r.reranked, 0);
    struct search_hit last = r.hit[1];
    judge = (struct judge){.likes = arena_fmt(&a, "%.*s", (int)last.snippet.n, last.snippet.p)};
    q.reranker = &model;
    q.rerank_ms = 1000;
    OK(search(&r, repo.retriever, &q, &a, e));
    assert_int_equal(r.n, 2);
    assert_true(r.reranked > 2);
    assert_true(r.hit[0].start_line == last.start_line && r.hit[0].path.n == last.path.n);
    assert_true(r.hit[0].rerank > 0);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order), cmocka_unit_test(bounded), cmocka_unit_test(failure), cmocka_unit_test(searched)};
    return cmocka_run_group_tests(tests, small_open, small_close);
}
