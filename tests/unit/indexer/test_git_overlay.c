/* The dirty worktree: every kind of change is seen, nothing that is unchanged is read or written. */
#include "git_fixture.h"

static struct repo_row begin(const char *more)
{
    sh("git init -q r; cd r; mkdir -p d/e; echo one > a.c; echo two > b.c; echo three > d/c.py; echo '#!/bin/sh' > d/e/tool; %s;"
       "git add -A; git commit -qm 1", more);
    struct repo_row r = add_repo("r");
    run(&r);
    return r;
}

static void edits_additions_deletions(void **state)
{
    struct repo_row r = begin(":");
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    assert_int_equal(dirty(&r), 0);
    uint64_t g = generation();
    run(&r);
    assert_true(g == generation());
    sh("cd r; echo changed >> a.c; rm b.c; echo new > n.c; git mv d/c.py d/m.py");
    run(&r);
    assert_true(g < generation());
    expect(&r, "worktree", "a.c\nd/e/tool\nd/m.py\nn.c\n");
    expect(&r, "HEAD", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    assert_int_equal(dirty(&r), 5);
    sh("cd r; git checkout -q . 2>/dev/null; git reset -q --hard; rm n.c");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    assert_int_equal(dirty(&r), 0);
    repo_row_release(&r);
}

static char *oid_of_path(const struct repo_row *r, const char *path)
{
    char *all = show(r, "worktree", true), *p = strstr(all, path);
    char *out = p ? mem_strn(p + strlen(path) + 1, 40) : NULL;
    free(all);
    return out;
}

static void a_second_edit_in_the_same_tick_is_seen(void **state)
{
    struct repo_row r = begin(":");
    /* same size, same inode, and the file's times put back: only ctime tells, or the rule about young files */
    for (int i = 0; i < 30; i++) {
        sh("cd r; printf '%03d\\n' > a.c; touch -d '2001-01-01' a.c", i);
        run(&r);
        char want[64], text[16], *got = oid_of_path(&r, "a.c");
        snprintf(text, sizeof text, "%03d\n", i);
        struct oid o = oid_hash(text, 4);
        hex_of(want, o.byte, 20);
        assert_non_null(got);
        assert_string_equal(got, want);
        free(got);
    }
    repo_row_release(&r);
}

static void ignored_files(void **state)
{
    struct repo_row r = begin("mkdir t; echo x > t/kept.log; echo y > secret.c; git add -f t/kept.log");
    sh("cd r; mkdir -p out n/m; echo 1 > out/x.c; echo 1 > n/m/y.log; echo 1 > n/z.c; printf 'out/\\n*.log\\nt/\\n' > .gitignore;"
       "echo '/z.c' > n/.gitignore; echo 1 > ex.c; echo ex.c > .git/info/exclude");
    run(&r);
    expect(&r, "worktree", ".gitignore\na.c\nb.c\nd/c.py\nd/e/tool\nn/.gitignore\nsecret.c\nt/kept.log\n");
    sh("cd r; printf 'secret.c\\n/d/*\\n!/d/e\\n' > .codeaskignore");
    run(&r);
    expect(&r, "worktree", ".codeaskignore\n.gitignore\na.c\nb.c\nd/e/tool\nn/.gitignore\nt/kept.log\n");
    sh("cd r; git add -A; git commit -qm 2");
    run(&r);
    expect(&r, "HEAD", ".codeaskignore\n.gitignore\na.c\nb.c\nd/e/tool\nn/.gitignore\nt/kept.log\n");
    assert_int_equal(dirty(&r), 0);
    sh("cd r; rm .codeaskignore");
    run(&r);
    expect(&r, "worktree", ".gitignore\na.c\nb.c\nd/c.py\nd/e/tool\nn/.gitignore\nsecret.c\nt/kept.log\n");
    repo_row_release(&r);
}

static void attributes_change_what_did_not_change(void **state)
{
    struct repo_row r = begin("echo 'a.c linguist-generated' > .gitattributes");
    expect(&r, "worktree", ".gitattributes\na.c\tG\nb.c\nd/c.py\nd/e/tool\n");
    sh("cd r; printf 'b.c linguist-vendored\\nd/** binary\\n' > .gitattributes");
    run(&r);
    expect(&r, "worktree", ".gitattributes\na.c\nb.c\tV\nd/c.py\tS\nd/e/tool\tS\n");
    assert_int_equal(dirty(&r), 1);
    sh("cd r; git commit -qam 2");
    run(&r);
    expect(&r, "HEAD", ".gitattributes\na.c\nb.c\tV\nd/c.py\tS\nd/e/tool\tS\n");
    sh("cd r; rm .gitattributes");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    char *cuts = show(&r, "worktree", true);
    assert_non_null(strstr(cuts, "\tpython\n"));
    free(cuts);
    repo_row_release(&r);
}

static void line_endings_are_cleaned(void **state)
{
    struct repo_row r = begin("printf 'x\\ny\\n' > crlf.c; printf '$Id$\\n' > id.c; printf '*.c text eol=crlf\\nid.c ident\\n' > .gitattributes");
    sh("cd r; rm crlf.c id.c; git checkout -q crlf.c id.c; grep -q \"$(printf '\\r')\" crlf.c; grep -q 'Id: ' id.c; sleep 0.02; touch crlf.c id.c");
    run(&r);
    assert_int_equal(dirty(&r), 0);
    char *before = oid_of_path(&r, "crlf.c");
    sh("cd r; printf 'x\\r\\ny\\r\\nz\\r\\n' > crlf.c");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    char *got = oid_of_path(&r, "crlf.c"), want[64];
    struct oid o = oid_hash("x\ny\nz\n", 6);
    hex_of(want, o.byte, 20);
    assert_string_equal(got, want);
    struct buf text = BUF_INIT;
    ok(source_read(NULL, &r, STR("crlf.c"), &o, true, &text, &e));
    assert_string_equal(text.data, "x\ny\nz\n");
    buf_release(&text);
    free(before);
    free(got);
    repo_row_release(&r);
}

static void odd_files(void **state)
{
    struct repo_row r = begin("ln -s a.c link.c; ln -s loop1 loop2; ln -s loop2 loop1; echo x > \"$(printf 'new\\nline.c')\";"
                              "echo y > \"$(printf 'bad\\377utf8.c')\"");
    sh("cd r; mkfifo pipe.c; : > empty.c; printf 'a\\0b' > nul.c; ln -s /etc hostile; echo s > loop1x; head -c 3000000 /dev/zero > big.c");
    run(&r);
    char *got = show(&r, "worktree", false);
    assert_non_null(strstr(got, "new\nline.c\n"));
    assert_non_null(strstr(got, "bad\377utf8.c\n"));
    assert_non_null(strstr(got, "link.c\tSL\n"));
    assert_non_null(strstr(got, "loop1\tSL\n"));
    assert_non_null(strstr(got, "hostile\tSL\n"));
    assert_non_null(strstr(got, "big.c\tS\n"));
    assert_non_null(strstr(got, "empty.c\n"));
    assert_non_null(strstr(got, "nul.c\n"));
    assert_null(strstr(got, "pipe.c"));
    assert_null(strstr(got, "passwd"));
    free(got);
    sh("cd r; rm link.c; echo 'int now_a_file;' > link.c; rm a.c; ln -s b.c a.c");
    run(&r);
    got = show(&r, "worktree", false);
    assert_non_null(strstr(got, "\nlink.c\n"));
    assert_non_null(strstr(got, "a.c\tSL\n"));
    free(got);
    repo_row_release(&r);
}

static void a_path_of_four_kilobytes(void **state)
{
    struct repo_row r = begin(":");
    sh("cd r; n=$(printf 'x%%.0s' $(seq 200)); for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do mkdir $n; cd $n; done; echo deep > deep.c; cd %s/r; "
       "git -c core.longpaths=true add -A; git commit -qm deep; rm b.c", root);
    run(&r);
    char *got = show(&r, "worktree", false);
    assert_non_null(strstr(got, "/deep.c\n"));
    assert_null(strstr(got, "b.c"));
    free(got);
    sh("cd r; p=$(git ls-files | grep deep.c); echo more >> $p");
    run(&r);
    assert_int_equal(dirty(&r), 2);
    sh("cd r; rm -rf xxx*");
    run(&r);
    expect(&r, "worktree", "a.c\nd/c.py\nd/e/tool\n");
    repo_row_release(&r);
}

static void unreadable_files_are_listed(void **state)
{
    if (geteuid() == 0) {
        print_message("root reads everything: skipped\n");
        skip();
    }
    struct repo_row r = begin(":");
    sh("cd r; echo new > n.c; chmod 0 n.c");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\nn.c\tQ\n");
    sh("cd r; chmod 600 n.c");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\nn.c\n");
    repo_row_release(&r);
}

static void sparse_checkouts_are_no_deletions(void **state)
{
    struct repo_row r = begin("mkdir s; echo x > s/x.c");
    sh("cd r; git sparse-checkout set --cone d 2>/dev/null; test ! -e s");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\ns/x.c\n");
    assert_int_equal(dirty(&r), 0);
    if (try_sh("cd r; git sparse-checkout set --cone --sparse-index d 2>/dev/null") == 0) {
        run(&r);
        expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\ns/x.c\n");
    }
    sh("cd r; rm b.c");
    run(&r);
    expect(&r, "worktree", "a.c\nd/c.py\nd/e/tool\ns/x.c\n");
    repo_row_release(&r);
}

static void every_form_of_the_git_index(void **state)
{
    struct repo_row r = begin(":");
    sh("cd r; git update-index --index-version 4; echo new > n.c; git add -N n.c; echo st > st.c; git add st.c; rm st.c");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\nn.c\n");
    sh("cd r; git rm -q --cached n.c; rm n.c; git rm -q --cached st.c; git update-index --index-version 2; git update-index --split-index; echo z > a.c");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    sh("cd r; rm -f .git/index; echo y > a.c");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    sh("cd r; printf 'DIRC garbage garbage garbage garbage garbage' > .git/index");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    expect(&r, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    repo_row_release(&r);
}

static void a_copied_worktree_is_read_once(void **state)
{
    struct repo_row r = begin(":");
    sh("cp -r r copy; sleep 0.1");
    struct repo_row c = add_repo("copy");
    run(&c);
    assert_int_equal(dirty(&c), 0);
    run(&c);
    uint64_t g = generation();
    run(&c); /* the stat data is kept: nothing is read, nothing written */
    assert_true(g == generation());
    expect(&c, "worktree", "a.c\nb.c\nd/c.py\nd/e/tool\n");
    repo_row_release(&c);
    repo_row_release(&r);
}

static void conflicts_and_stashes(void **state)
{
    struct repo_row r = begin(":");
    sh("cd r; git checkout -q -b side; echo side > a.c; git commit -qam side; git checkout -q main; echo mine > a.c; git commit -qam mine;"
       "git merge -q side >/dev/null 2>&1 || true; grep -q '<<<<' a.c");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    sh("cd r; git merge --abort; echo wip > b.c; git stash -q");
    run(&r);
    assert_int_equal(dirty(&r), 0);
    sh("cd r; git stash pop -q");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    repo_row_release(&r);
}

static void case_collisions_and_kinds_that_change(void **state)
{
    struct repo_row r = begin("echo u > A.c; echo x > kind");
    expect(&r, "worktree", "A.c\na.c\nb.c\nd/c.py\nd/e/tool\nkind\n");
    sh("cd r; rm kind; mkdir kind; echo y > kind/a.c; rm -r d; echo z > d");
    run(&r);
    expect(&r, "worktree", "A.c\na.c\nb.c\nd\nkind/a.c\n");
    sh("cd r; git add -A; git commit -qm 2");
    run(&r);
    expect(&r, "HEAD", "A.c\na.c\nb.c\nd\nkind/a.c\n");
    assert_int_equal(dirty(&r), 0);
    repo_row_release(&r);
}

static void many_changes_at_once_are_one_step(void **state)
{
    struct repo_row r = begin(":");
    /* so many directories that the walk is shared by threads */
    sh("cd r; for d in $(seq 250); do mkdir -p many/$d; for i in 1 2 3 4 5 6 7 8 9 10; do echo $d $i > many/$d/$i.c; done; done");
    run(&r);
    assert_int_equal(dirty(&r), 2500);
    sh("cd r; rm -r many; echo x > b.c");
    run(&r);
    assert_int_equal(dirty(&r), 1);
    repo_row_release(&r);
}

static const struct CMUnitTest tests[] = {
    GIT_TEST(edits_additions_deletions),
    GIT_TEST(a_second_edit_in_the_same_tick_is_seen),
    GIT_TEST(ignored_files),
    GIT_TEST(attributes_change_what_did_not_change),
    GIT_TEST(line_endings_are_cleaned),
    GIT_TEST(odd_files),
    GIT_TEST(a_path_of_four_kilobytes),
    GIT_TEST(unreadable_files_are_listed),
    GIT_TEST(sparse_checkouts_are_no_deletions),
    GIT_TEST(every_form_of_the_git_index),
    GIT_TEST(a_copied_worktree_is_read_once),
    GIT_TEST(conflicts_and_stashes),
    GIT_TEST(case_collisions_and_kinds_that_change),
    GIT_TEST(many_changes_at_once_are_one_step),
};
GIT_TEST_MAIN(tests)
