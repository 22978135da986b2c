/* Questions with known answers, made of the small repository's records: what they ask, what answers them, and what the retriever is worth by them. */
#include "small_repo.h"

#include "retriever/asked/measure.h"
#include "retriever/asked/vectors.h"
#include "retriever/corpus/make.h"

static struct buf bytes = BUF_INIT;
static struct corpus corpus;

static struct question *questions(size_t *n)
{
    struct corpus_told told;
    struct corpus_order o = {.target = &repo.target, .ntargets = 1, .seed = 1, .most = 100, .bytes = 1 << 20, .kinds = QUESTION_KINDS};
    buf_clear(&bytes);
    OK(corpus_make(&bytes, &told, repo.retriever, &o, e));
    OK(corpus_read(&corpus, bytes.data, bytes.len, e));
    for (uint32_t i = 0; i < corpus.records; i++)
        assert_true(QUESTION_KINDS >> corpus.record[i].kind & 1);
    return questions_of(n, &corpus, &repo.arena);
}

static const struct question *that_asks(const struct question *q, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(q[i].text, text))
            return &q[i];
    fail_msg("nothing asks \"%s\"", text);
    return NULL;
}

static bool answers(const struct question *q, const char *path)
{
    for (size_t i = 0; i < SMALL_FILES; i++)
        for (uint32_t k = 0; k < q->answers && !strcmp(small_files[i].path, path); k++)
            if (!memcmp(q->answer + k * CORPUS_BLOB, small_oid(small_files[i].text).byte, CORPUS_BLOB))
                return true;
    return false;
}

static void what_is_asked(void **state)
{
    size_t n;
    struct question *q = questions(&n);
    const struct question *doc = that_asks(q, n, "Lowers all prices by a rate."), *where = that_asks(q, n, "Where is `checkout` defined?");
    assert_true(doc->kind == CORPUS_DOC && answers(doc, "shop/cart.py") && !answers(doc, "shop/store.py"));
    assert_true(where->kind == CORPUS_WHERE && answers(where, "shop/checkout.py"));
    corpus_release(&corpus);
}

/* A commit's record as corpus/commits.c writes it. */
static void a_commit(void **state)
{
    struct buf b = BUF_INIT;
    struct corpus c;
    size_t n;
    uint8_t blob[CORPUS_BLOB] = {7};
    char text[QUESTION_BYTES + 400] = "Which files does this change concern?\n\nCart: refuse odd rates\n\nThey were taken for sums.\n\nSigned-off-by: A <a@b>\nPR-URL: http://x\n";
    struct corpus_record r = {.kind = CORPUS_CHANGE, .held = true, .blobs = 1, .blob = blob, .prompt = str_of(text), .text = {STR("a.c")}, .texts = 1};
    corpus_begin(&b, 1, NULL, 0);
    corpus_add(&b, &r);
    char *end = text + strlen(text); /* a long one of two-byte letters */
    while (end < text + sizeof text - 3)
        end = stpcpy(end, "\xc3\xa9");
    r.prompt = str_of(text);
    corpus_add(&b, &r);
    r.blobs = 0; /* none of its files is there any more */
    corpus_add(&b, &r);
    corpus_end(&b);
    OK(corpus_read(&c, b.data, b.len, e));
    struct question *q = questions_of(&n, &c, &repo.arena);
    assert_int_equal(n, 2);
    assert_string_equal(q[0].text, "Cart: refuse odd rates\nThey were taken for sums.");
    assert_true(q[0].held && q[0].answers == 1 && q[0].answer[0] == 7);
    size_t len = strlen(q[1].text);
    assert_true(len <= QUESTION_BYTES && len > QUESTION_BYTES - 8 && !memcmp(q[1].text + len - 2, "\xc3\xa9", 2)); /* cut between letters */
    corpus_release(&c);
    buf_release(&b);
}

static void what_it_is_worth(void **state)
{
    size_t n;
    struct question *q = questions(&n);
    struct search_request like = {.target = &repo.target, .ntargets = 1, .kind = -1};
    struct question two = *that_asks(q, n, "Lowers all prices by a rate.");
    struct measured m;
    OK(measure_question(&m, repo.retriever, &like, &two, &repo.arena, e));
    assert_true(m.reciprocal > .99 && m.ndcg > .99);
    uint8_t answer[2 * CORPUS_BLOB] = {0}; /* the second best, and one that is not there */
    struct search_result found;
    struct search_request ask = like;
    ask.text = two.text;
    ask.limit = 10;
    ask.unique_files = true;
    OK(search(&found, repo.retriever, &ask, &repo.arena, e));
    assert_true(found.n >= 2);
    memcpy(answer, found.hit[1].oid.byte, CORPUS_BLOB);
    two.answer = answer;
    two.answers = 2;
    OK(measure_question(&m, repo.retriever, &like, &two, &repo.arena, e));
    assert_true(m.reciprocal == .5 && m.ndcg > .38 && m.ndcg < .39); /* (1/log2 3) / (1 + 1/log2 3) */
    two.text = "...";
    OK(measure_question(&m, repo.retriever, &like, &two, &repo.arena, e));
    assert_true(m.reciprocal == 0 && m.ndcg == 0);
    corpus_release(&corpus);
}

static void without_vectors(void **state)
{
    struct content_vectors v;
    struct err e;
    struct model_info info = {.name = "none", .dim = 8};
    assert_int_equal(content_vectors_read(&v, repo.retriever, &repo.target, 1, &info, &e), ERR_NOT_FOUND);
    assert_int_equal(content_number(&v, (const uint8_t[20]){0}), UINT32_MAX);
    content_vectors_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_asked), cmocka_unit_test(a_commit), cmocka_unit_test(what_it_is_worth),
                                       cmocka_unit_test(without_vectors)};
    return cmocka_run_group_tests(tests, small_open, small_close);
}
