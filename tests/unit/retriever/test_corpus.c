/* Records for tuning, made of the small repository: what they say, that what is held out is not learned, that secrets stay masked, and that the
 * same seed gives the same bytes. */
#define _GNU_SOURCE /* memmem */
#include "small_repo.h"

#include "retriever/corpus/make.h"

#define SEEDS 24 /* each holds another file out */

static void make(struct buf *out, struct corpus_told *told, uint64_t seed, uint32_t most)
{
    struct corpus_order o = {.target = &repo.target, .ntargets = 1, .seed = seed, .most = most, .bytes = 1 << 20};
    OK(corpus_make(out, told, repo.retriever, &o, e));
}

static struct corpus opened(const struct buf *b)
{
    struct corpus c;
    OK(corpus_read(&c, b->data, b->len, e));
    return c;
}

static const struct corpus_record *with(const struct corpus *c, enum corpus_kind kind, const char *prompt)
{
    for (uint32_t i = 0; i < c->records; i++)
        if (c->record[i].kind == kind && memmem(c->record[i].prompt.p, c->record[i].prompt.n, prompt, strlen(prompt)))
            return &c->record[i];
    fail_msg("no record of kind %s with \"%s\"", corpus_kind_name(kind), prompt);
    return NULL;
}

static void says(const struct corpus_record *r, const char *text)
{
    if (!memmem(r->text[0].p, r->text[0].n, text, strlen(text)))
        fail_msg("%s: \"%.*s\" does not say \"%s\"", corpus_kind_name(r->kind), (int)r->text[0].n, r->text[0].p, text);
}

static void what_they_say(void **state)
{
    struct buf b = BUF_INIT;
    struct corpus_told told;
    make(&b, &told, 1, 1000);
    struct corpus c = opened(&b);
    assert_int_equal(told.files, SMALL_FILES);
    assert_int_equal(told.commits, 0);
    const struct corpus_record *doc = with(&c, CORPUS_DOC, "`discount` of shop/cart.py");
    says(doc, "Lowers all prices by a rate.");
    assert_null(memmem(doc->prompt.p, doc->prompt.n, "Lowers", 6)); /* the answer does not stand in the question */
    says(with(&c, CORPUS_CODE, "`discount` of shop/cart.py"), "self.rate = rate");
    says(with(&c, CORPUS_WHERE, "`checkout`"), "`checkout` is defined in shop/checkout.py, lines 8 to 12.");
    says(with(&c, CORPUS_CALLERS, "`price_of`"), "`total` in shop/cart.py, line 39");
    says(with(&c, CORPUS_RETURNS, "`price_of`"), "return _lookup(sku)");
    says(with(&c, CORPUS_BREAKS, "`price_of`"), "`add` in shop/cart.py");
    says(with(&c, CORPUS_SECTION, "Discounts"), "A rate above one is refused.");
    const struct corpus_record *r = with(&c, CORPUS_CALLERS, "`price_of`");
    assert_true(r->blobs == 2 && r->repo == repo.row.id);
    corpus_release(&c);
    buf_release(&b);
}

static bool holds(const struct corpus_record *r, const uint8_t blob[20])
{
    for (uint16_t i = 0; i < r->blobs; i++)
        if (!memcmp(r->blob + (size_t)i * 20, blob, 20))
            return true;
    return false;
}

static void held_out_is_not_learned(void **state)
{
    uint32_t held = 0, pairs = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct buf b = BUF_INIT, again = BUF_INIT;
        struct corpus_told told;
        make(&b, &told, seed, 1000);
        make(&again, &told, seed, 1000);
        assert_true(b.len == again.len && !memcmp(b.data, again.data, b.len));
        struct corpus c = opened(&b);
        for (uint32_t i = 0; i < c.records; i++) {
            const struct corpus_record *h = &c.record[i];
            assert_true(h->blobs > 0);
            held += h->held;
            for (uint32_t j = 0; h->held && h->kind == CORPUS_DOC && j < c.records; j++) /* made of one file, which is held out */
                if (!c.record[j].held) {
                    if (holds(&c.record[j], h->blob))
                        fail_msg("seed %d: a %s is learned from a file that is held out", (int)seed, corpus_kind_name(c.record[j].kind));
                    pairs++;
                }
        }
        assert_null(memmem(b.data, b.len, "x7Kq2mWv9", 9)); /* of the token in shop/store.py */
        corpus_release(&c);
        buf_release(&b);
        buf_release(&again);
    }
    assert_true(held > SEEDS && pairs > 50);
}

static void bounded(void **state)
{
    struct buf b = BUF_INIT;
    struct corpus_told told;
    make(&b, &told, 3, 2);
    for (int k = 0; k < CORPUS_KIND_COUNT; k++)
        assert_true(told.learned[k] <= 2 && told.held[k] <= 1);
    buf_release(&b);
}

static bool stop_at_once(void *arg, const char *stage, uint64_t done, uint64_t all)
{
    return false;
}

static void canceled(void **state)
{
    struct buf b = BUF_INIT;
    struct corpus_told told;
    struct err e = {0};
    struct corpus_order o = {.target = &repo.target, .ntargets = 1, .most = 10, .bytes = 1 << 20, .go_on = stop_at_once};
    assert_int_equal(corpus_make(&b, &told, repo.retriever, &o, &e), ERR_CANCELED);
    o.ntargets = 0; /* nothing at all */
    assert_int_equal(corpus_make(&b, &told, repo.retriever, &o, &e), 0);
    struct corpus c = opened(&b);
    assert_int_equal(c.records, 0);
    corpus_release(&c);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_they_say), cmocka_unit_test(held_out_is_not_learned), cmocka_unit_test(bounded),
                                       cmocka_unit_test(canceled)};
    return cmocka_run_group_tests(tests, small_open, small_close);
}
