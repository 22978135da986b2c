/* What of a view is embedded: every card, the chunks that are worth it, each text once; a run that ends goes on. */
#include "git_fixture.h"

#include "store/vector.h"

static struct engine *engine;
static struct model *model;

static int with_model(void **state)
{
    struct engine_options o = {.threads = 1, .backend = "cpu"};
    const char *path = TEST_BUILD_DIR "/share/codeask/models/all-MiniLM-L6-v2";
    if (setup(state))
        return -1;
    if (!dir_exists(path))
        return 0;
    return engine_open(&engine, &o, &e) || model_open(&model, engine, path, &e) ? -1 : 0;
}

static int without_model(void **state)
{
    model_close(model);
    engine_close(engine);
    model = NULL;
    engine = NULL;
    return teardown(state);
}

static struct repo_row begin(void)
{
    sh("git init -q r; cd r; for i in 1 2 3 4 5 6; do printf '/* doc %%s */\\nint work_%%s(void)\\n{\\n    return %%s;\\n}\\n' $i $i $i > f$i.c; done; cp f1.c copy.c;"
       "printf 'int generated(void)\\n{\\n    return 1;\\n}\\n' > g.c; echo 'g.c linguist-generated' > .gitattributes; printf 'a\\0b' > bin.dat;"
       "for i in $(seq 400); do echo \"# Heading $i\"; echo; head -c 600 /dev/zero | tr '\\0' w | fold -w 70; echo; done > long.md; git add .; git commit -qm 1");
    struct repo_row r = add_repo("r");
    run(&r);
    return r;
}

static uint32_t view_of(const struct repo_row *r)
{
    struct txn *t;
    struct ref_row row;
    ok(store_read(&t, fx.store, &e));
    ok(ref_get(t, r->id, "worktree", &row, &e));
    txn_end(t);
    return row.view;
}

static uint16_t number(void)
{
    struct txn *t;
    uint16_t n;
    ok(store_write(&t, fx.store, &e));
    ok(vector_model(t, model_info(model)->hash, model_info(model)->dim, &n, &e));
    ok(txn_commit(t, &e));
    return n;
}

static double share(uint32_t view)
{
    double s;
    ok(index_embedded(fx.store, number(), view, &s, &e));
    return s;
}

static size_t vectors(void)
{
    struct txn *t;
    struct vector_run *v;
    size_t n, sum = 0;
    uint16_t m = number();
    ok(store_read(&t, fx.store, &e));
    ok(vectors_open(t, m, &v, &n, &e));
    for (size_t i = 0; i < n; i++)
        sum += v[i].n;
    free(v);
    txn_end(t);
    return sum;
}

static const void *uses(uint32_t view, const char *path, uint64_t variant, size_t *n)
{
    struct txn *t;
    struct occ o;
    uint16_t m = number();
    ok(store_read(&t, fx.store, &e));
    ok(occ_get(t, view, str_of(path), &o, &e));
    const void *p = vecof_get(t, m, o.cut, variant, n);
    txn_end(t);
    return p;
}

static void cards_and_chunks(void **state)
{
    if (!model) {
        print_message("no model: skipped\n");
        skip();
    }
    struct repo_row r = begin();
    uint32_t view = view_of(&r);
    size_t n;
    assert_true(share(view) == 0);
    ok(index_embed(fx.indexer, model, view, NULL, NULL, &e));
    assert_true(share(view) == 1);
    assert_non_null(uses(view, "f2.c", 0, &n));
    assert_non_null(uses(view, "f2.c", vecof_card(STR("f2.c")), &n));
    assert_int_equal(n, 1);
    assert_non_null(uses(view, "copy.c", vecof_card(STR("copy.c")), &n)); /* a path of its own, a card of its own */
    assert_non_null(uses(view, "g.c", vecof_card(STR("g.c")), &n));
    assert_null(uses(view, "g.c", 0, &n));
    assert_null(uses(view, "bin.dat", vecof_card(STR("bin.dat")), &n));
    size_t before = vectors();
    uint64_t g = generation();
    ok(index_embed(fx.indexer, model, view, NULL, NULL, &e));
    assert_int_equal(vectors(), before);
    assert_true(g == generation());
    /* long.md has hundreds of sections, 40 are taken */
    assert_true(before < 40 + 30);
    repo_row_release(&r);
}

static bool stop_after_first(void *arg, const struct index_progress *p)
{
    assert_string_equal(p->stage, "embedding");
    assert_true(p->texts > 0 && p->texts_done <= p->texts);
    return false;
}

static void a_stopped_run_goes_on(void **state)
{
    if (!model) {
        print_message("no model: skipped\n");
        skip();
    }
    sh("git init -q r; cd r; for i in $(seq 400); do echo \"int unique_$i(void) { return $i; }\" > f$i.c; done; git add .; git commit -qm 1");
    struct repo_row r = add_repo("r");
    run(&r);
    uint32_t view = view_of(&r);
    assert_int_equal(index_embed(fx.indexer, model, view, stop_after_first, NULL, &e), ERR_CANCELED);
    double half = share(view);
    assert_true(half > 0 && half < 1);
    ok(index_embed(fx.indexer, model, view, NULL, NULL, &e));
    assert_true(share(view) == 1);
    repo_row_release(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, with_model, without_model)
static const struct CMUnitTest tests[] = {TEST(cards_and_chunks), TEST(a_stopped_run_goes_on)};
GIT_TEST_MAIN(tests)
