/* Mirrors of file: addresses, through the process that fetches; https and ssh are tests/sessions/test_mirrors.py. */
#include "indexer/mirror_inside.h"

#include "git_fixture.h"
#include "indexer/pool.h"

static char *url, *path;

static int begin(void **state)
{
    struct buf b = BUF_INIT;
    setup(state);
    sh("export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t; git init -q -b main there; cd there; git config user.name t; git config user.email t@t;"
       " echo one > a; git add a; git commit -qm one");
    buf_addf(&b, "file://%s/there", root);
    url = buf_take(&b);
    buf_addf(&b, "%s/mirrors/here", root);
    path = buf_take(&b);
    return 0;
}

static int end(void **state)
{
    free(url);
    free(path);
    return teardown(state);
}

static struct mirror_order order(const char *branches)
{
    return (struct mirror_order){.url = url, .path = path, .branches = branches, .credentials = "", .known_hosts = "", .ca = "", .hosts = "", .max_bytes = 64 << 20,
                                 .stall_seconds = 5, .seconds = 60};
}

static bool never(void *arg, const struct mirror_progress *p)
{
    return false;
}

static void patterns(void **state)
{
    assert_true(branch_wanted("main", "main"));
    assert_true(branch_wanted("a, release/*", "release/1"));
    assert_true(branch_wanted("a,v?", "v1"));
    assert_false(branch_wanted("main", "main2"));
    assert_false(branch_wanted("", "main"));
    assert_false(branch_wanted("v?", "v10"));
}

static void follows(void **state)
{
    struct mirror_order o = order("");
    struct mirror_result got;
    ok(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e));
    assert_true(got.changed && got.branches == 1);
    assert_string_equal(got.head, "main");
    ok(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e));
    assert_false(got.changed);
    sh("cd there; git branch v1; git branch wip; echo two > a; git commit -qam two");
    o = order("v*");
    ok(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e));
    assert_true(got.changed && got.branches == 2);
    sh("cd mirrors/here; test \"$(git for-each-ref --format='%%(refname)' | tr '\\n' ' ')\" = 'refs/heads/main refs/heads/v1 '; test \"$(git show HEAD:a)\" = two");
    sh("cd there; git branch -D -q v1; git checkout -q --orphan fresh; echo new > a; git commit -qam new; git branch -M main");
    ok(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e));
    assert_true(got.changed && got.branches == 1);
    sh("cd mirrors/here; test \"$(git for-each-ref --format='%%(refname)')\" = refs/heads/main; test \"$(git show HEAD:a)\" = new");
}

static void refuses(void **state)
{
    struct mirror_order o = order("");
    struct mirror_result got;
    assert_int_equal(mirror_fetch(&got, fx.program, &o, never, NULL, &e), ERR_CANCELED);
    sh("head -c 3000000 /dev/urandom > there/large; cd there; git add large; git commit -qm large");
    o.max_bytes = 1 << 20;
    assert_int_equal(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e), ERR_LIMIT);
    sh("cd mirrors/here; test -z \"$(git for-each-ref)\"");
    o.max_bytes = 64 << 20;
    ok(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e));
    o.url = "file:///nowhere/at/all";
    assert_int_equal(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e), ERR_NOT_FOUND);
    sh("cd mirrors/here; git fsck --strict 2>/dev/null; test -n \"$(git for-each-ref)\"; ls objects/pack | grep -v -q '^pack-' && exit 1 || true");
    o.url = "http://127.0.0.1/x";
    assert_int_equal(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e), ERR_USAGE);
    assert_int_equal(mirror_fetch(&got, "/bin/true", &o, NULL, NULL, &e), ERR_CRASHED);
    assert_int_equal(mirror_remove("/tmp/elsewhere", &e), ERR_INTERNAL);
    ok(mirror_remove(path, &e));
    assert_false(dir_exists(path));
    ok(mirror_remove(path, &e));
}

/* Some thirty fetches leave a few packs, and everything in them. */
static void packs(void **state)
{
    struct mirror_order o = order("");
    struct mirror_result got;
    for (int i = 0; i < 26; i++) {
        sh("cd there; echo %d > a; git commit -qam %d", i, i);
        ok(mirror_fetch(&got, fx.program, &o, NULL, NULL, &e));
        assert_true(got.changed);
    }
    sh("cd mirrors/here; test $(ls objects/pack/*.pack | wc -l) -lt 10; test $(ls objects/pack/*.idx | wc -l) -lt 10; git fsck --strict --full 2>/dev/null; test $(git rev-list HEAD | wc -l) = 27");
}

int main(int argc, char **argv)
{
    if (argc >= 2 && !strcmp(argv[1], MIRROR_WORKER_ARG))
        return mirror_worker_main(POOL_WORKER_FD);
    const struct CMUnitTest tests[] = {cmocka_unit_test(patterns), cmocka_unit_test_setup_teardown(follows, begin, end), cmocka_unit_test_setup_teardown(refuses, begin, end),
                                       cmocka_unit_test_setup_teardown(packs, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
