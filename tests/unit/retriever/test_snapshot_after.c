/* A snapshot made from the one before it is the same as one that is loaded whole. */
#include "small_repo.h"

#include "retriever/snapshot.h"

static const char *const python[] = {"shop/cart.py", "shop/checkout.py", "shop/store.py", "tests/test_cart.py"};

static void same_file(const struct snapshot *a, const struct snapshot *b, uint32_t i)
{
    const struct snap_file *x = &a->file[i], *y = &b->file[i];
    assert_int_equal(x->path.n, y->path.n);
    assert_memory_equal(x->path.p, y->path.p, x->path.n);
    assert_memory_equal(&x->oid, &y->oid, sizeof x->oid);
    assert_int_equal(x->cut, y->cut);
    assert_int_equal(x->ucut, y->ucut);
    assert_int_equal(x->flags, y->flags);
    assert_int_equal(x->uncommitted, y->uncommitted);
    assert_int_equal(x->stem, y->stem);
    assert_int_equal(x->word, y->word);
    assert_int_equal(x->nwords, y->nwords);
    assert_int_equal(x->package, y->package);
    assert_int_equal(x->imported_by, y->imported_by);
    assert_int_equal(x->nimports, y->nimports);
    assert_int_equal(x->nimporters, y->nimporters);
    for (uint32_t k = 0; k < x->nimports; k++)
        assert_int_equal(a->edge[x->import + k], b->edge[y->import + k]);
    for (uint32_t k = 0; k < x->nimporters; k++)
        assert_int_equal(a->back_edge[x->importer + k], b->back_edge[y->importer + k]);
    assert_memory_equal(&x->is, &y->is, sizeof x->is);
    if (x->language || y->language)
        assert_string_equal(x->language, y->language);
}

static void same_snapshot(const struct snapshot *a, const struct snapshot *b)
{
    assert_int_equal(a->nfiles, b->nfiles);
    assert_int_equal(a->ncuts, b->ncuts);
    assert_int_equal(a->nchunks, b->nchunks);
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->cut, b->cut, a->ncuts * sizeof *a->cut);
    for (uint32_t i = 0; i < a->nfiles; i++)
        same_file(a, b, i);
    assert_int_equal(a->npath_words, b->npath_words);
    for (uint32_t i = 0; i < a->npath_words; i++) {
        assert_int_equal(a->path_word[i].term, b->path_word[i].term);
        assert_memory_equal(a->words + a->path_word[i].text, b->words + b->path_word[i].text, a->path_word[i].len);
        assert_int_equal(a->path_index[i].term, b->path_index[i].term);
        assert_int_equal(a->path_index[i].file, b->path_index[i].file);
    }
    assert_int_equal(a->npackages, b->npackages);
    for (uint32_t i = 0; i < a->npackages; i++) {
        assert_int_equal(a->package[i].files, b->package[i].files);
        assert_int_equal(a->package[i].path.n, b->package[i].path.n);
        assert_memory_equal(a->package[i].path.p, b->package[i].path.p, a->package[i].path.n);
    }
}

/* Gives a file the content of another, or (from NULL) takes it away. */
static void put(const char *path, const char *from)
{
    struct txn *t;
    struct occ o;
    OK(store_write(&t, repo.store, e));
    if (from) {
        OK(occ_get(t, repo.target.view, str_of(from), &o, e));
        o.path = str_of(path);
        OK(occ_put(t, repo.target.view, &o, e));
    } else {
        OK(occ_drop(t, repo.target.view, str_of(path), e));
    }
    txn_bump(t);
    OK(txn_commit(t, e));
}

/* Replaces *before by what comes after it, checked against a whole load. */
static void step(struct snapshot **before, bool renewed)
{
    struct snapshot *after, *whole;
    OK(snapshot_load(&after, repo.store, repo.target.view, NULL, *before, e));
    OK(snapshot_load(&whole, repo.store, repo.target.view, NULL, NULL, e));
    assert_int_equal(after->renewed, renewed);
    assert_false(whole->renewed);
    snapshot_drop(*before); /* nothing of it is looked at any more */
    same_snapshot(after, whole);
    snapshot_drop(whole);
    *before = after;
}

static void saves(void **state)
{
    struct snapshot *s;
    OK(snapshot_load(&s, repo.store, repo.target.view, NULL, NULL, e));
    step(&s, true); /* nothing changed */
    uint32_t seed = 7;
    for (int i = 0; i < 60; i++) {
        seed = seed * 1664525 + 1013904223;
        put(python[(seed >> 8) % 4], python[(seed >> 16) % 4]);
        step(&s, true);
    }
    snapshot_drop(s);
}

static void other_paths(void **state)
{
    struct snapshot *s;
    OK(snapshot_load(&s, repo.store, repo.target.view, NULL, NULL, e));
    put("shop/more.py", "shop/cart.py");
    step(&s, false);
    put("shop/more.py", "shop/checkout.py");
    step(&s, true);
    put("shop/more.py", NULL);
    step(&s, false);
    put("shop/cart.py", "src/list.c"); /* another language means other imports */
    step(&s, false);
    snapshot_drop(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, small_open, small_close)
    const struct CMUnitTest tests[] = {T(saves), T(other_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
