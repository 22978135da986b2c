/* Records for tuning as a file: what is written is read, and what is cut off, damaged or out of bounds is refused. */
#include "engine/train/corpus.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t blobs[2][20] = {{1, 2, 3}, {4, 5, 6}};

static void make(struct buf *b)
{
    static const uint32_t repo[] = {3, 9};
    struct corpus_record text = {.kind = CORPUS_FILL, .repo = 3, .blob = blobs[0], .blobs = 2, .prompt = {"before", 6}, .suffix = {"after", 5},
                                 .text = {{"between", 7}}, .texts = 1};
    struct corpus_record choice = {.kind = CORPUS_CITE, .held = true, .repo = 9, .time = -5, .prompt = {"which?", 6}, .text = {{"a", 1}, {"", 0}, {"c", 1}},
                                   .texts = 3, .right = 2};
    corpus_begin(b, 77, repo, 2);
    corpus_add(b, &text);
    corpus_add(b, &choice);
    assert_int_equal(corpus_count(b), 2);
    corpus_end(b);
}

static void written_and_read(void **state)
{
    struct buf b = BUF_INIT;
    struct corpus c;
    struct err e;
    make(&b);
    assert_int_equal(corpus_read(&c, b.data, b.len, &e), 0);
    assert_int_equal(c.seed, 77);
    assert_int_equal(c.repos, 2);
    assert_true(c.repo[0] == 3 && c.repo[1] == 9 && c.records == 2);
    const struct corpus_record *x = c.record, *y = c.record + 1;
    assert_true(x->kind == CORPUS_FILL && !x->held && x->repo == 3 && x->blobs == 2 && x->texts == 1 && x->suffix.n == 5);
    assert_memory_equal(x->blob, blobs, sizeof blobs);
    assert_memory_equal(x->text[0].p, "between", 7);
    assert_true(y->kind == CORPUS_CITE && y->held && y->time == -5 && y->right == 2 && y->texts == 3 && y->text[1].n == 0 && *y->text[2].p == 'c');
    struct hash128 hx = corpus_hash(x), hy = corpus_hash(y);
    assert_true(hx.lo != hy.lo);
    corpus_release(&c);
    buf_release(&b);
}

/* With the hash that it needs, so that the bounds are what refuses it. */
static int read_again(const struct buf *b, size_t n)
{
    struct corpus c;
    struct err e = {0};
    struct hash128 h = hash128(b->data, n - 16);
    char *copy = mem_alloc(n);
    memcpy(copy, b->data, n);
    memcpy(copy + n - 16, &h, 16);
    int rc = corpus_read(&c, copy, n, &e);
    assert_true(!rc || e.message[0]);
    corpus_release(&c);
    free(copy);
    return rc;
}

static void damaged(void **state)
{
    struct buf b = BUF_INIT;
    struct corpus c;
    struct err e;
    make(&b);
    for (size_t n = 0; n < b.len; n++) {
        assert_int_not_equal(corpus_read(&c, b.data, n, &e), 0);
        corpus_release(&c);
        if (n > 24)
            if (!read_again(&b, n))
                fail_msg("%zu of %zu bytes: accepted", n, b.len);
    }
    for (size_t i = 0; i < b.len; i++) {
        b.data[i] ^= 0x20;
        assert_int_not_equal(corpus_read(&c, b.data, b.len, &e), 0);
        corpus_release(&c);
        b.data[i] ^= 0x20;
    }
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } bad[] = {{19, 0xff, "repositories"}, {31, 0xff, "records"}, {32, CORPUS_KIND_COUNT, "a kind"}, {33, 2, "held"}, {34, 1, "right"},
               {35, CORPUS_TEXTS + 1, "texts"}, {35, 0, "no text"}, {35, 2, "a choice that is learned"}, {49, 0xff, "contents"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char was = b.data[bad[i].at];
        b.data[bad[i].at] = (char)bad[i].value;
        if (!read_again(&b, b.len))
            fail_msg("%s: accepted", bad[i].what);
        b.data[bad[i].at] = was;
    }
    assert_int_equal(read_again(&b, b.len), 0);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_and_read), cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
