/* Directories without git. */
#include "git_fixture.h"

static void a_plain_directory_is_followed(void **state)
{
    sh("mkdir -p p/d; echo one > p/a.c; echo two > p/d/b.py; echo x > p/skip.log; echo '*.log' > p/.gitignore; mkfifo p/pipe; ln -s . p/self");
    struct repo_row r = add_repo("p");
    assert_true(r.plain);
    run(&r);
    expect(&r, "plain", ".gitignore\na.c\nd/b.py\nself\tSL\n");
    sh("sleep 0.1");
    run(&r);
    uint64_t g = generation();
    run(&r);
    assert_true(g == generation());
    sh("cd p; echo more >> a.c; rm d/b.py; echo n > n.c; echo '/n.c' > .codeaskignore; mkdir z; echo z > z/z.c");
    run(&r);
    expect(&r, "plain", ".codeaskignore\n.gitignore\na.c\nself\tSL\nz/z.c\n");
    assert_true(g < generation());
    assert_int_equal(index_run(fx.indexer, &r, "main", NULL, NULL, &e), ERR_USAGE);
    repo_row_release(&r);
}

static void an_empty_one_and_one_that_goes_away(void **state)
{
    sh("mkdir p");
    struct repo_row r = add_repo("p");
    run(&r);
    expect(&r, "plain", "");
    sh("rmdir p");
    assert_int_equal(index_run(fx.indexer, &r, NULL, NULL, NULL, &e), ERR_NO_REPOSITORY);
    expect(&r, "plain", "");
    repo_row_release(&r);
}

static void the_same_content_is_cut_once(void **state)
{
    struct txn *t;
    struct ref_row row;
    struct occ a, b;
    sh("mkdir p; echo same > p/a.c; git init -q r; cd r; echo same > b.c; git add .; git commit -qm 1");
    struct repo_row p = add_repo("p"), r = add_repo("r");
    run(&p);
    run(&r);
    ok(store_read(&t, fx.store, &e));
    ok(ref_get(t, p.id, "plain", &row, &e));
    ok(occ_get(t, row.view, STR("a.c"), &a, &e));
    ok(ref_get(t, r.id, "HEAD", &row, &e));
    ok(occ_get(t, row.view, STR("b.c"), &b, &e));
    assert_int_equal(a.cut, b.cut);
    assert_int_not_equal(a.cut, CUT_NONE);
    txn_end(t);
    repo_row_release(&p);
    repo_row_release(&r);
}

static void sources_are_read_again(void **state)
{
    struct buf out = BUF_INIT;
    struct oid o;
    sh("mkdir p; echo one > p/a.c; git init -q r; cd r; echo two > b.c; git add .; git commit -qm 1");
    struct repo_row p = add_repo("p"), r = add_repo("r");
    o = oid_hash("one\n", 4);
    ok(source_read(NULL, &p, STR("a.c"), &o, true, &out, &e));
    assert_string_equal(out.data, "one\n");
    assert_int_equal(source_read(NULL, &p, STR("../r/b.c"), &o, true, &out, &e), ERR_USAGE);
    sh("echo changed > p/a.c");
    assert_int_equal(source_read(NULL, &p, STR("a.c"), &o, true, &out, &e), ERR_CORRUPT);
    sh("rm p/a.c");
    assert_int_equal(source_read(NULL, &p, STR("a.c"), &o, true, &out, &e), ERR_NOT_FOUND);
    buf_clear(&out);
    o = oid_hash("two\n", 4);
    sh("rm r/b.c");
    ok(source_read(NULL, &r, STR("b.c"), &o, false, &out, &e));
    assert_string_equal(out.data, "two\n");
    o = oid_hash("nowhere", 7);
    assert_int_equal(source_read(NULL, &r, STR("b.c"), &o, false, &out, &e), ERR_NOT_FOUND);
    buf_release(&out);
    repo_row_release(&p);
    repo_row_release(&r);
}

static const struct CMUnitTest tests[] = {
    GIT_TEST(a_plain_directory_is_followed),
    GIT_TEST(an_empty_one_and_one_that_goes_away),
    GIT_TEST(the_same_content_is_cut_once),
    GIT_TEST(sources_are_read_again),
};
GIT_TEST_MAIN(tests)
