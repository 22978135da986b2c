/* Views: made once a tree, small differences for branches, never half of one, resumable. */
#include "git_fixture.h"

#include <signal.h>
#include <sys/wait.h>

/* n different C files of some size in r/d, committed. */
static void make_files(int n, int lines)
{
    uint64_t x = 88172645463325252u;
    sh("git init -q r; mkdir r/d");
    for (int i = 1; i <= n; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/r/d/f%d.c", root, i);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        for (int k = 0; k < lines; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            fprintf(f, "int f%d_%llx(int a) { return a + %d; }\n", i, (unsigned long long)x, k);
        }
        fclose(f);
    }
    sh("cd r; git add .; git commit -qm 1");
}

static struct view_head head_of(const struct repo_row *repo, const char *ref)
{
    struct txn *t;
    struct ref_row row;
    struct view_head h;
    ok(store_read(&t, fx.store, &e));
    ok(ref_get(t, repo->id, ref, &row, &e));
    ok(view_get(t, row.view, &h, &e));
    txn_end(t);
    return h;
}

static void sum(void *arg, const char *table, uint64_t bytes)
{
    if (strcmp(table, "free") != 0)
        *(uint64_t *)arg += bytes;
}

static uint64_t disk(void)
{
    struct txn *t;
    uint64_t n = 0;
    ok(store_read(&t, fx.store, &e));
    ok(store_tables(t, sum, &n, &e));
    txn_end(t);
    return n;
}

static uint32_t next_cut(void)
{
    /* the key of a content that is made now tells how many were made before */
    struct txn *t;
    uint32_t n = 0;
    struct record r;
    ok(store_read(&t, fx.store, &e));
    while (cut_get(t, n + 1, &r, NULL) == 0)
        n++;
    txn_end(t);
    return n;
}

static void a_branch_switch_cuts_nothing(void **state)
{
    sh("git init -q r; cd r; for i in $(seq 40); do echo \"int f$i;\" > f$i.c; done; git add .; git commit -qm 1; git checkout -q -b side;"
       "echo 'int g;' > f1.c; git commit -qam 2; git checkout -q main");
    struct repo_row r = add_repo("r");
    run(&r);
    uint32_t main_view = head_of(&r, "HEAD").id;
    sh("cd r; git checkout -q side");
    run(&r);
    struct view_head side = head_of(&r, "HEAD");
    assert_int_equal(side.base, main_view);
    assert_int_equal(side.rows, 1);
    assert_int_equal(side.files, 40);
    uint32_t cuts = next_cut();
    sh("cd r; git checkout -q main");
    run(&r);
    assert_int_equal(head_of(&r, "HEAD").id, main_view);
    sh("cd r; git checkout -q side; git commit -q --amend -m other");
    run(&r);
    assert_int_equal(head_of(&r, "HEAD").id, side.id);
    assert_int_equal(next_cut(), cuts);
    assert_int_equal(dirty(&r), 0);
    repo_row_release(&r);
}

static void a_large_difference_is_written_out(void **state)
{
    sh("git init -q r; cd r; for i in $(seq 40); do echo \"int f$i;\" > f$i.c; done; git add .; git commit -qm 1; git checkout -q -b side;"
       "for i in $(seq 20); do echo \"int g$i;\" > f$i.c; done; rm f30.c; git add -A; git commit -qm 2");
    struct repo_row r = add_repo("r");
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    run(&r);
    assert_int_equal(head_of(&r, "HEAD").base, VIEW_NONE);
    assert_int_equal(head_of(&r, "HEAD").files, 39);
    repo_row_release(&r);
}

static void a_hundred_branches_cost_hardly_more_than_one(void **state)
{
    make_files(1500, 25);
    sh("cd r; for b in $(seq 100); do echo \"reset refs/heads/b$b\"; echo \"commit refs/heads/b$b\"; echo 'committer t <t@t> 0 +0000';"
       "echo 'data 1'; echo x; echo \"from $(git rev-parse main)\"; for k in 1 2 3 4 5 6 7 8 9 10; do echo \"M 100644 inline d/f$((b * 10 + k)).c\";"
       "s=\"int branch_${b}_$k(void);\"; echo \"data ${#s}\"; echo \"$s\"; done; done | git fast-import --quiet");
    struct repo_row r = add_repo("r");
    run(&r);
    uint64_t one = disk();
    ok(index_all_branches(fx.indexer, &r, NULL, NULL, &e));
    uint64_t all = disk();
    struct view_head b = head_of(&r, "refs/heads/b7");
    assert_int_equal(b.rows, 10);
    assert_int_equal(b.files, 1500);
    print_message("one branch %llu bytes, 101 branches %llu\n", (unsigned long long)one, (unsigned long long)all);
    assert_true((double)all < 1.3 * (double)one); /* tiny files here: the benchmark holds 1.1 on real ones */
    repo_row_release(&r);
}

static void rules_that_change_reach_equal_files(void **state)
{
    sh("git init -q r; cd r; mkdir d; for i in $(seq 40); do echo \"int f$i;\" > d/f$i.c; done; git add .; git commit -qm 1");
    struct repo_row r = add_repo("r");
    run(&r);
    sh("cd r; echo 'f7.c linguist-generated' > d/.gitattributes; echo /d/f8.c > .codeaskignore; git add .; git commit -qm 2");
    run(&r);
    char *got = show(&r, "HEAD", false);
    assert_non_null(strstr(got, "d/f7.c\tG\n"));
    assert_null(strstr(got, "d/f8.c"));
    assert_int_equal(head_of(&r, "HEAD").files, 41);
    assert_int_not_equal(head_of(&r, "HEAD").base, VIEW_NONE);
    free(got);
    repo_row_release(&r);
}

static bool stop_at_once(void *arg, const struct index_progress *p)
{
    return false;
}

static void stopping_keeps_what_was_done(void **state)
{
    make_files(150, 300);
    struct repo_row r = add_repo("r");
    assert_int_equal(index_run(fx.indexer, &r, "main", stop_at_once, NULL, &e), ERR_CANCELED);
    char *got = show(&r, "refs/heads/main", false);
    assert_null(got);
    ok(index_run(fx.indexer, &r, "main", NULL, NULL, &e));
    got = show(&r, "refs/heads/main", false);
    assert_int_equal(head_of(&r, "refs/heads/main").files, 150);
    free(got);
    repo_row_release(&r);
}

static bool never_stop(void *arg, const struct index_progress *p)
{
    return true;
}

/* The child indexes and is killed in the middle; the parent opens the home that it left. */
static void a_killed_run_is_resumed(void **state)
{
    make_files(200, 300);
    struct repo_row r = add_repo("r");
    close_index();
    for (int round = 0; round < 12; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            if (store_open(&fx.store, at("home"), NULL, &e) || indexer_open(&fx.indexer, fx.store, &fx.config, fx.program, &e) ||
                index_run(fx.indexer, &r, NULL, never_stop, NULL, &e))
                _exit(1);
            _exit(0);
        }
        usleep(20000 + 15000 * (useconds_t)round);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        ok(store_open(&fx.store, at("home"), NULL, &e));
        ok(indexer_open(&fx.indexer, fx.store, &fx.config, fx.program, &e));
        char *half = show(&r, "HEAD", false); /* all of it or nothing: show() compares with the count */
        if (half)
            assert_int_equal(head_of(&r, "HEAD").files, 200);
        free(half);
        if (round < 11)
            close_index();
    }
    run(&r);
    char *got = show(&r, "HEAD", true);
    close_index();
    open_index("fresh");
    struct repo_row again = add_repo("r");
    run(&again);
    char *fresh = show(&again, "HEAD", true);
    assert_string_equal(got, fresh);
    free(got);
    free(fresh);
    repo_row_release(&again);
    repo_row_release(&r);
}

static void a_cutter_of_another_version_replaces_the_views(void **state)
{
    sh("git init -q r; cd r; echo 'int a;' > a.c; head -c 5000 /dev/zero | tr '\\0' 'x' > b.c; git add .; git commit -qm 1");
    struct repo_row r = add_repo("r");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\n");
    uint32_t before = head_of(&r, "HEAD").id;
    close_index();
    fx.config.max_file_bytes = 2000; /* as good as another version: other files are left out */
    open_index("home");
    expect(&r, "worktree", "a.c\nb.c\n");
    run(&r);
    expect(&r, "worktree", "a.c\nb.c\tS\n");
    assert_int_not_equal(head_of(&r, "HEAD").id, before);
    repo_row_release(&r);
}

static const struct CMUnitTest tests[] = {
    GIT_TEST(a_branch_switch_cuts_nothing),
    GIT_TEST(a_large_difference_is_written_out),
    GIT_TEST(a_hundred_branches_cost_hardly_more_than_one),
    GIT_TEST(rules_that_change_reach_equal_files),
    GIT_TEST(stopping_keeps_what_was_done),
    GIT_TEST(a_killed_run_is_resumed),
    GIT_TEST(a_cutter_of_another_version_replaces_the_views),
};
GIT_TEST_MAIN(tests)
