/* Symbols by name: where they are defined, who calls them, what they call. */
#include "small_repo.h"

static struct symbol_result look(const char *name, unsigned want)
{
    struct symbol_result r;
    OK(symbol_lookup(&r, repo.retriever, name, want, &repo.target, 1, 20, &repo.arena, e));
    return r;
}

/* "path:line symbol" of each row, parted by "; " */
static void check(const struct symbol_result *r, int list, const char *want)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < r->n[list]; i++) {
        const struct search_hit *h = &r->list[list][i];
        buf_addf(&b, "%s%.*s:%u %s", i ? "; " : "", (int)h->path.n, h->path.p, h->start_line, h->symbol_name ? h->symbol_name : "-");
        assert_true(h->end_line >= h->start_line);
        assert_true(h->snippet.n > 0);
        assert_non_null(h->language);
    }
    assert_string_equal(b.data ? b.data : "", want);
    buf_release(&b);
}

static void definitions(void **state)
{
    struct symbol_result r = look("price_of", WANT_DEFINITIONS);
    check(&r, 0, "shop/store.py:5 price_of");
    assert_string_equal(r.matched, "price_of");
    assert_string_equal(r.list[0][0].kind, "function");
    assert_int_equal(r.list[0][0].end_line, 7);
    assert_int_equal(r.n[1] + r.n[2] + r.n[3], 0);
    r = look("Cart", WANT_DEFINITIONS);
    check(&r, 0, "shop/cart.py:9 Cart");
}

static void qualified(void **state)
{
    static const char *const names[] = {"Cart.add", "Cart::add", "Cart#add()", "shop.cart.Cart.add", "cart->add", "cart.add"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct symbol_result r = look(names[i], WANT_DEFINITIONS);
        check(&r, 0, "shop/cart.py:19 add");
    }
    struct symbol_result r = look("store.price_of", WANT_DEFINITIONS); /* a module is its file */
    check(&r, 0, "shop/store.py:5 price_of");
}

static void other_spellings(void **state)
{
    struct symbol_result r = look("PRICE_OF", WANT_DEFINITIONS);
    check(&r, 0, "shop/store.py:5 price_of");
    assert_string_equal(r.matched, "price_of");
    r = look("priceOf", WANT_DEFINITIONS);
    check(&r, 0, "shop/store.py:5 price_of");
    r = look("list_smu", WANT_DEFINITIONS); /* two neighbours swapped */
    check(&r, 0, "src/list.c:4 list_sum");
    r = look("lisst_summ", WANT_DEFINITIONS); /* two errors */
    check(&r, 0, "src/list.c:4 list_sum");
    r = look("GuestC", WANT_DEFINITIONS);
    check(&r, 0, "shop/checkout.py:4 GuestCart");
    r = look("zebra_stripes", WANT_DEFINITIONS);
    assert_int_equal(r.n[0], 0);
}

static void callers_and_callees(void **state)
{
    struct symbol_result r = look("price_of", WANT_CALLERS | WANT_CALLEES);
    check(&r, 1, "shop/cart.py:25 add; shop/cart.py:39 total");
    check(&r, 2, "shop/store.py:10 _lookup");
    r = look("Cart.discount", WANT_CALLEES);
    check(&r, 2, "shop/cart.py:5 CartError; shop/cart.py:38 total");
    r = look("list_sum", WANT_CALLEES);
    check(&r, 2, "src/list.c:12 node_value");
    r = look("Cart.add", WANT_CALLERS); /* tests come last */
    assert_true(r.n[1] >= 2);
    assert_int_equal(memcmp(r.list[1][0].path.p, "shop/", 5), 0);
    assert_int_equal(memcmp(r.list[1][r.n[1] - 1].path.p, "tests/", 6), 0);
}

static void references(void **state)
{
    struct symbol_result r = look("Cart", WANT_REFERENCES);
    bool inherits = false, made = false;
    for (size_t i = 0; i < r.n[3]; i++) {
        inherits |= r.list[3][i].start_line == 4 && strstr(r.list[3][i].path.p, "checkout");
        made |= r.list[3][i].start_line == 9 && strstr(r.list[3][i].path.p, "checkout");
    }
    assert_true(inherits && made);
    r = look("append", WANT_DEFINITIONS | WANT_CALLERS); /* a library's: not defined, but used */
    assert_int_equal(r.n[0], 0);
    check(&r, 1, "shop/cart.py:28 add");
}

static void odd_names(void **state)
{
    struct symbol_result r;
    struct err e = {0};
    assert_int_equal(symbol_lookup(&r, repo.retriever, "", 1, &repo.target, 1, 20, &repo.arena, &e), ERR_USAGE);
    assert_int_equal(symbol_lookup(&r, repo.retriever, "()", 1, &repo.target, 1, 20, &repo.arena, &e), ERR_USAGE);
    char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    static const char *const names[] = {"::", "...", "a::", "operator()", "\xff\xfe", "->", "#"};
    assert_int_equal(symbol_lookup(&r, repo.retriever, longest, 15, &repo.target, 1, 20, &repo.arena, &e), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        symbol_lookup(&r, repo.retriever, names[i], 15, &repo.target, 1, 20, &repo.arena, &e);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, small_open, small_close)
    const struct CMUnitTest tests[] = {T(definitions), T(qualified), T(other_spellings), T(callers_and_callees), T(references), T(odd_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
