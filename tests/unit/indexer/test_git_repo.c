/* Repositories as they come: every odd one is a clear error, or is indexed as far as it can be read. */
#include "git_fixture.h"

#include "indexer/files.h"

#include <fcntl.h>

static void found_from_any_directory_in_it(void **state)
{
    struct repo_found f;
    sh("git init -q r; mkdir -p r/a/b plain");
    ok(repo_find(&f, at("r/a/b"), false, &e));
    assert_string_equal(f.path, at("r"));
    assert_true(f.unborn && !f.bare && !f.plain);
    free(f.path);
    ok(repo_find(&f, at("plain"), false, &e));
    assert_true(f.plain);
    assert_string_equal(f.path, at("plain"));
    free(f.path);
    assert_int_equal(repo_find(&f, at("nowhere"), false, &e), ERR_NO_REPOSITORY);
    assert_null(f.path);
}

static void empty_and_unborn(void **state)
{
    sh("git init -q r");
    struct repo_row r = add_repo("r");
    run(&r);
    expect(&r, "worktree", "");
    sh("echo 'int a;' > r/a.c");
    run(&r);
    expect(&r, "worktree", "a.c\n");
    char *none = show(&r, "HEAD", false);
    assert_null(none);
    sh("cd r; git add a.c; git commit -qm one");
    run(&r);
    expect(&r, "HEAD", "a.c\n");
    expect(&r, "worktree", "a.c\n");
    assert_int_equal(dirty(&r), 0);
    sh("cd r; git checkout -q --orphan fresh; git rm -rfq .");
    run(&r);
    assert_null(show(&r, "HEAD", false));
    expect(&r, "worktree", "");
    repo_row_release(&r);
}

static void bare_and_shallow_and_detached(void **state)
{
    struct repo_found f;
    sh("git init -q r; cd r; for i in 1 2 3; do echo $i > a.c; git add a.c; git commit -qm $i; done; cd ..;"
       "git clone -q --bare r bare.git; git clone -q --depth 1 file://$PWD/r shallow");
    struct repo_row bare = add_repo("bare.git"), shallow = add_repo("shallow"), r = add_repo("r");
    run(&bare);
    expect(&bare, "HEAD", "a.c\n");
    assert_null(show(&bare, "worktree", false));
    ok(repo_find(&f, at("shallow"), false, &e));
    assert_true(f.shallow);
    free(f.path);
    run(&shallow);
    expect(&shallow, "worktree", "a.c\n");
    sh("cd r; git checkout -q HEAD~1");
    run(&r);
    expect(&r, "HEAD", "a.c\n");
    assert_int_equal(index_run(fx.indexer, &r, "no-such-branch", NULL, NULL, &e), ERR_NOT_FOUND);
    repo_row_release(&bare);
    repo_row_release(&shallow);
    repo_row_release(&r);
}

static void sha256_is_refused_clearly(void **state)
{
    struct repo_found f;
    if (try_sh("git init -q --object-format=sha256 r 2>/dev/null")) {
        print_message("this git makes no SHA-256 repositories: skipped\n");
        skip();
    }
    assert_int_equal(repo_find(&f, at("r"), false, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "SHA-256"));
}

static void another_owner_needs_consent(void **state)
{
    struct repo_found f;
    if (geteuid() != 0) {
        print_message("only root gives files to others: skipped\n");
        skip();
    }
    sh("git init -q r; chown -R 12345 r");
    assert_int_equal(repo_find(&f, at("r"), false, &e), ERR_DENIED);
    assert_non_null(strstr(e.hint, "codeask repo add"));
    ok(repo_find(&f, at("r"), true, &e));
    free(f.path);
    sh("git config --global --add safe.directory '%s'", at("r"));
    ok(repo_find(&f, at("r"), false, &e));
    free(f.path);
}

static void nothing_of_the_repository_is_run(void **state)
{
    sh("git init -q r; cd r; echo x > a.c; git add a.c; git commit -qm 1;"
       "printf '[filter \"evil\"]\\n\\tclean = touch %s/ran\\n\\tsmudge = touch %s/ran\\n\\trequired = true\\n[core]\\n\\tfsmonitor = "
       "touch %s/ran\\n\\thooksPath = hooks\\n' >> .git/config; echo '*.c filter=evil' > .gitattributes; echo y > a.c", root, root, root);
    struct repo_row r = add_repo("r");
    run(&r);
    expect(&r, "worktree", ".gitattributes\na.c\n");
    assert_false(file_exists(at("ran")));
    repo_row_release(&r);
}

static void a_worktree_that_leads_elsewhere_is_not_followed(void **state)
{
    struct repo_found f;
    sh("mkdir secret; echo key > secret/k.txt; git init -q r; cd r; echo x > a.c; git add a.c; git commit -qm 1;"
       "git config core.worktree %s/secret", root);
    ok(repo_find(&f, at("r"), false, &e));
    assert_true(f.bare);
    struct repo_row row = {0};
    ok(state_repo_add(fx.store, f.path, f.plain, &row, &e));
    run(&row);
    expect(&row, "HEAD", "a.c\n");
    assert_null(show(&row, "worktree", false));
    free(f.path);
    repo_row_release(&row);
}

static int count(void *arg, const struct quarantine_row *q)
{
    assert_true(*q->reason);
    return ++*(uint32_t *)arg, 0;
}

static uint32_t quarantined(void)
{
    struct txn *t;
    uint32_t n = 0;
    ok(store_read(&t, fx.store, &e));
    ok(quarantine_each(t, count, &n, &e));
    txn_end(t);
    return n;
}

static void missing_objects_are_listed_and_the_rest_is_indexed(void **state)
{
    sh("git init -q r; cd r; mkdir d; echo one > a.c; echo two > b.c; echo three > d/c.c; git add .; git commit -qm 1;"
       "f=$(git rev-parse HEAD:b.c); rm -f .git/objects/${f%%${f#??}}/${f#??}");
    struct repo_row r = add_repo("r");
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    expect(&r, "refs/heads/main", "a.c\nb.c\tQ\nd/c.c\n");
    assert_int_equal(quarantined(), 1);
    sh("cd r; git reset -q --hard 2>/dev/null || true; echo two > b.c; git hash-object -w b.c >/dev/null"); /* it is there again */
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    expect(&r, "refs/heads/main", "a.c\nb.c\tQ\nd/c.c\n");
    ok(index_retry(fx.indexer, &r, NULL, NULL, &e));
    ok(index_run(fx.indexer, &r, NULL, NULL, NULL, &e));
    expect(&r, "refs/heads/main", "a.c\nb.c\nd/c.c\n");
    expect(&r, "worktree", "a.c\nb.c\nd/c.c\n");
    assert_int_equal(quarantined(), 0);
    repo_row_release(&r);
}

static void damage_is_named(void **state)
{
    struct repo_found f;
    sh("git init -q r; cd r; echo one > a.c; git add .; git commit -qm 1; rm -rf .git/objects/??");
    struct repo_row r = add_repo("r");
    assert_int_equal(index_run(fx.indexer, &r, NULL, NULL, NULL, &e), ERR_CORRUPT);
    repo_row_release(&r);
    sh("git init -q s; rm s/.git/HEAD");
    assert_int_equal(repo_find(&f, at("s"), false, &e), ERR_CORRUPT);
    sh("mkdir t; echo 'gitdir: /nowhere' > t/.git");
    assert_true(repo_find(&f, at("t"), false, &e) < 0);
}

static void a_damaged_pack_costs_its_objects(void **state)
{
    sh("git init -q r; cd r; for i in $(seq 200); do head -c 3000 /dev/urandom | base64 > f$i.txt; done; git add .; git commit -qm 1;"
       "git repack -adq; p=$(ls .git/objects/pack/*.pack); chmod u+w $p; printf 'XXXXXXXXXXXXXXXXXXXXXXXX' | dd of=$p bs=1 seek=300000 conv=notrunc "
       "2>/dev/null; rm f*.txt; git checkout -q -f HEAD 2>/dev/null || true");
    struct repo_row r = add_repo("r");
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    char *got = show(&r, "refs/heads/main", false);
    int bad = 0, all = 0;
    for (char *p = got; *p; p++) {
        bad += *p == 'Q';
        all += *p == '\n';
    }
    assert_int_equal(all, 200);
    assert_in_range(bad, 1, 3);
    free(got);
    repo_row_release(&r);
}

static void a_large_file_is_not_read_wherever_it_stands(void **state)
{
    struct buf want = BUF_INIT;
    sh("git init -q w; cd w; for i in $(seq 100 160); do echo $i > f$i.c; done; head -c 3000000 /dev/zero | tr '\\0' 'x' > a.c; cp a.c z.c; git add .; git commit -qm 1;"
       "cd ..; git clone -q --bare w r");
    struct repo_row r = add_repo("r");
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    buf_adds(&want, "a.c\tS\n");
    for (int i = 100; i <= 160; i++)
        buf_addf(&want, "f%d.c\n", i);
    buf_adds(&want, "z.c\tS\n");
    expect(&r, "refs/heads/main", want.data);
    buf_release(&want);
    repo_row_release(&r);
}

static int first_line(void *arg, const struct occ *o)
{
    struct buf text = BUF_INIT;
    struct txn *t;
    ok(store_read(&t, fx.store, &e));
    ok(cut_text(t, o->cut, &text, &e));
    txn_end(t);
    buf_add(arg, text.data, 1);
    buf_release(&text);
    return 0;
}

/* The first bytes of a ref's files, in path order. */
static void expect_firsts(const struct repo_row *repo, const char *ref, const char *want)
{
    struct buf got = BUF_INIT;
    struct txn *t;
    struct ref_row row;
    ok(store_read(&t, fx.store, &e));
    ok(ref_get(t, repo->id, ref, &row, &e));
    ok(occ_each(t, row.view, (struct str){"", 0}, first_line, &got, &e));
    txn_end(t);
    assert_string_equal(got.data, want);
    buf_release(&got);
}

/* A commit's file may be read from the worktree: never another content, and never what a link leads to. */
static void a_worktree_stands_in_only_for_what_it_holds(void **state)
{
    sh("git init -q r; cd r; mkdir d; for i in a b c d e f g d/h; do echo \"$i$i$i$i\" | tail -c 5 > $i.c; done; git add .; git commit -qm 1;"
       "echo XXXX > b.c; echo YYYYYYY > c.c; rm d.c; echo eeee > ../e.c; rm e.c; ln -s ../e.c e.c; rm f.c; mkfifo f.c; rm g.c; mkdir g.c");
    struct repo_row r = add_repo("r");
    run(&r);
    expect_firsts(&r, "HEAD", "abcdhefg");
    repo_row_release(&r);
    /* what the object database cannot give any more, the worktree can; a citation of it holds as well */
    sh("git init -q s; cd s; for i in $(seq 4); do head -c 3000 /dev/urandom | base64 > $i.txt; done; git add .; git commit -qm 1; git repack -adq;"
       "p=$(ls .git/objects/pack/*.pack); chmod u+w $p; printf 'XXXXXXXXXXXXXXXXXXXXXXXX' | dd of=$p bs=1 seek=6000 conv=notrunc 2>/dev/null");
    struct buf held = BUF_INIT;
    bool told = files_cached(&held, AT_FDCWD, at("r/a.c"), 5);
    buf_release(&held);
    if (!told) { /* nothing is ever read without waiting there */
        print_message("this file system does not tell what it has in memory: a damaged pack with its worktree is left out\n");
        return;
    }
    struct repo_row s = add_repo("s");
    run(&s);
    expect(&s, "HEAD", "1.txt\n2.txt\n3.txt\n4.txt\n");
    for (int i = 0; i < 4; i++) {
        char name[] = {(char)('1' + i), '.', 't', 'x', 't', 0}, path[PATH_MAX];
        struct buf bytes = BUF_INIT, again = BUF_INIT;
        snprintf(path, sizeof path, "s/%s", name);
        ok(file_read(&bytes, at(path), 10000, &e));
        struct oid o = oid_hash(bytes.data, bytes.len);
        ok(source_read(NULL, &s, str_of(name), &o, false, &again, &e));
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        buf_release(&bytes);
        buf_release(&again);
    }
    repo_row_release(&s);
}

static void linked_worktrees_share_cuts(void **state)
{
    struct repo_found f;
    sh("git init -q r; cd r; echo one > a.c; echo two > b.c; git add .; git commit -qm 1; git worktree add -q ../w -b side; cd ../w; echo three > c.c");
    struct repo_row r = add_repo("r"), w = add_repo("w");
    ok(repo_find(&f, at("w"), false, &e));
    assert_string_equal(f.path, at("w"));
    free(f.path);
    run(&r);
    run(&w);
    expect(&w, "worktree", "a.c\nb.c\nc.c\n");
    assert_int_equal(dirty(&w), 1);
    char *a = show(&r, "HEAD", true), *b = show(&w, "HEAD", true);
    assert_string_equal(a, b);
    free(a);
    free(b);
    sh("rm -rf w");
    assert_int_equal(index_run(fx.indexer, &w, NULL, NULL, NULL, &e), ERR_NO_REPOSITORY);
    repo_row_release(&r);
    repo_row_release(&w);
}

static void submodules_are_indexed_under_their_path(void **state)
{
    sh("git init -q lib; cd lib; echo one > lib.c; echo '*.o' > .gitignore; git add .; git commit -qm 1; cd ..;"
       "git init -q r; cd r; echo two > main.c; git add main.c; git submodule --quiet add ../lib sub; git commit -qm 1; echo x > sub/x.o; echo y > sub/new.c;"
       "echo z > sub.c; git clone -q ../lib stranger");
    struct repo_row r = add_repo("r");
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    expect(&r, "refs/heads/main", ".gitmodules\nmain.c\nsub\tS\n");
    run(&r);
    expect(&r, "worktree", ".gitmodules\nmain.c\nsub\tS\nsub.c\nsub/.gitignore\nsub/lib.c\nsub/new.c\n");
    repo_row_release(&r);
}

static void removed_from_the_index(void **state)
{
    sh("git init -q r; cd r; echo one > a.c; git add .; git commit -qm 1");
    struct repo_row r = add_repo("r");
    run(&r);
    ok(index_remove(fx.indexer, r.id, &e));
    assert_null(show(&r, "HEAD", false));
    run(&r);
    expect(&r, "worktree", "a.c\n");
    repo_row_release(&r);
}

static const struct CMUnitTest tests[] = {
    GIT_TEST(found_from_any_directory_in_it),
    GIT_TEST(empty_and_unborn),
    GIT_TEST(bare_and_shallow_and_detached),
    GIT_TEST(sha256_is_refused_clearly),
    GIT_TEST(another_owner_needs_consent),
    GIT_TEST(nothing_of_the_repository_is_run),
    GIT_TEST(a_worktree_that_leads_elsewhere_is_not_followed),
    GIT_TEST(missing_objects_are_listed_and_the_rest_is_indexed),
    GIT_TEST(damage_is_named),
    GIT_TEST(a_damaged_pack_costs_its_objects),
    GIT_TEST(a_large_file_is_not_read_wherever_it_stands),
    GIT_TEST(a_worktree_stands_in_only_for_what_it_holds),
    GIT_TEST(linked_worktrees_share_cuts),
    GIT_TEST(submodules_are_indexed_under_their_path),
    GIT_TEST(removed_from_the_index),
};
GIT_TEST_MAIN(tests)
