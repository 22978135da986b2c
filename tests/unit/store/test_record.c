#include "help.h"

/* reads whatever a reader may read: the sanitizers watch */
static uint64_t touch(const struct record *r)
{
    uint64_t sum = 0;
    const struct record_head *h = r->head;
    for (uint32_t i = 0; i < h->nchunks; i++) {
        const struct record_chunk *c = &r->chunk[i];
        if (c->symbol != RECORD_NONE)
            sum += r->symbol[c->symbol].kind;
        struct str crumb = record_str(r, c->crumb, c->crumb_len);
        for (size_t k = 0; k < crumb.n; k++)
            sum += (unsigned char)crumb.p[k];
    }
    for (uint32_t i = 0; i < h->nsymbols; i++) {
        struct str name = record_str(r, r->symbol[i].name, r->symbol[i].name_len);
        for (size_t k = 0; k < name.n; k++)
            sum += (unsigned char)name.p[k];
        uint32_t up = 0;
        for (uint32_t at = i; at != RECORD_NONE; at = r->symbol[at].parent)
            assert_true(up++ <= h->nsymbols);
        sum += r->chunk[r->symbol[i].chunk].words;
    }
    for (uint32_t i = 0; i < h->nrefs; i++) {
        struct str name = record_str(r, r->ref[i].name, r->ref[i].name_len);
        for (size_t k = 0; k < name.n; k++)
            sum += (unsigned char)name.p[k];
        sum += r->chunk[r->ref[i].chunk].words;
    }
    for (uint32_t i = 0; i < h->nwords; i++)
        sum += r->word[i].body + r->chunk[r->word[i].chunk].words;
    return sum;
}

static void whole_records(void **state)
{
    struct rng r = {1};
    struct buf b = BUF_INIT;
    for (int i = 0; i < 200; i++) {
        struct record rec;
        random_record(&b, &r, 8, 30);
        OK(record_check(&rec, b.data, b.len, e));
        touch(&rec);
    }
    buf_release(&b);
}

static void hostile_records(void **state)
{
    struct rng r = {2};
    struct buf b = BUF_INIT;
    int accepted = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        if (i % 50 == 0)
            random_record(&b, &r, 6, 12);
        char *copy = mem_alloc(b.len); /* of its own size, so that a read past it is seen */
        memcpy(copy, b.data, b.len);
        for (uint32_t flips = 1 + below(&r, 3); flips; flips--)
            copy[below(&r, i % 2 ? (uint32_t)b.len : 96)] ^= (char)(1 << below(&r, 8));
        struct record rec;
        struct err e = {0};
        if (record_check(&rec, copy, b.len, &e)) {
            assert_true(e.message[0]);
            refused++;
        } else {
            touch(&rec);
            accepted++;
        }
        free(copy);
    }
    assert_true(accepted > 100 && refused > 1000);
    buf_release(&b);
}

static void cut_short_or_long(void **state)
{
    struct rng r = {3};
    struct buf b = BUF_INIT;
    do
        random_record(&b, &r, 3, 5);
    while (b.len < 300);
    for (size_t n = 0; n < b.len; n++) {
        struct record rec;
        char *copy = mem_alloc(n + 1);
        memcpy(copy, b.data, n);
        assert_int_equal(record_check(&rec, copy, n, NULL), ERR_FORMAT);
        free(copy);
    }
    buf_addc(&b, 'x');
    struct record rec;
    assert_int_equal(record_check(&rec, b.data, b.len, NULL), ERR_FORMAT);
    buf_release(&b);
}

static void parents_in_a_circle(void **state)
{
    struct rng r = {4};
    struct buf b = BUF_INIT;
    struct record rec;
    do {
        random_record(&b, &r, 4, 5);
        rec = record_of(b.data);
    } while (rec.head->nsymbols < 3);
    struct record_symbol *s = (struct record_symbol *)rec.symbol;
    for (uint32_t i = 0; i < rec.head->nsymbols; i++)
        s[i].parent = RECORD_NONE;
    s[0].parent = 2; /* a method before its type is fine */
    OK(record_check(&rec, b.data, b.len, e));
    s[2].parent = 1;
    OK(record_check(&rec, b.data, b.len, e));
    s[1].parent = 0;
    assert_int_equal(record_check(&rec, b.data, b.len, NULL), ERR_FORMAT);
    s[1].parent = 1;
    assert_int_equal(record_check(&rec, b.data, b.len, NULL), ERR_FORMAT);
    buf_release(&b);
}

static void kinds(void **state)
{
    assert_string_equal(symbol_kind_name(SYMBOL_METHOD), "method");
    assert_int_equal(symbol_kind_of("test"), SYMBOL_TEST);
    assert_int_equal(symbol_kind_of("nonsense"), -1);
    assert_string_equal(ref_kind_name(REF_CALL), "call");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_records),       cmocka_unit_test(hostile_records), cmocka_unit_test(cut_short_or_long),
        cmocka_unit_test(parents_in_a_circle), cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
