/* Random edits, moves, deletions, checkouts, stashes and merges: after each the index shows what a fresh one shows. */
#include "git_fixture.h"

#define OPERATIONS 300
#define FRESH_EVERY 10 /* a fresh index costs more than the operation; the last one is compared in any case */

static uint64_t seed = 20240229;
static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static const char *name(void)
{
    static char out[64];
    static const char *const dir[] = {"", "d/", "d/e/", "src/", "x y/"}, *const ext[] = {".c", ".py", ".txt", "", ".h"};
    snprintf(out, sizeof out, "%sf%u%s", dir[rnd(5)], rnd(12), ext[rnd(5)]);
    return out;
}

static void add_dir(struct buf *dirs, const char *path)
{
    const char *slash = strrchr(path, '/');
    buf_add(dirs, path, slash ? (size_t)(slash - path) + 1 : 0);
    buf_addc(dirs, 0);
}

/* Operations may fail (nothing to stash, no such file): then they are no operation. dirs: where files were touched; nothing where git
 * was used or rules changed. */
static void step(struct buf *dirs)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%s", name());
    snprintf(b, sizeof b, "%s", name());
    uint32_t what = rnd(20);
    buf_clear(dirs);
    if (what < 10) {
        add_dir(dirs, a);
        if (what > 7 && strcmp(a, b))
            add_dir(dirs, b);
    }
    switch (what) {
    case 0: case 1: case 2: case 3: case 4:
        try_sh("cd r; mkdir -p \"$(dirname '%s')\"; echo 'int v%u;' > '%s'", a, rnd(1000), a);
        break;
    case 5: case 6:
        try_sh("cd r; echo 'int w%u;' >> '%s'", rnd(1000), a);
        break;
    case 7:
        try_sh("cd r; rm -f '%s'", a);
        break;
    case 8: case 9:
        try_sh("cd r; test -f '%s'; mkdir -p \"$(dirname '%s')\"; mv '%s' '%s'", a, b, a, b);
        break;
    case 10: case 11:
        try_sh("cd r; git add -A; git commit -qm x >/dev/null 2>&1");
        break;
    case 12:
        try_sh("cd r; git checkout -q -f -B b%u >/dev/null 2>&1", rnd(4));
        break;
    case 13:
        try_sh("cd r; git checkout -q b%u >/dev/null 2>&1", rnd(4));
        break;
    case 14:
        try_sh("cd r; git stash -q -u >/dev/null 2>&1");
        break;
    case 15:
        try_sh("cd r; git stash pop -q >/dev/null 2>&1");
        break;
    case 16:
        try_sh("cd r; git merge -q b%u -m m >/dev/null 2>&1 || { git merge --abort || git reset -q --hard; } >/dev/null 2>&1", rnd(4));
        break;
    case 17:
        try_sh("cd r; git reset -q --hard HEAD~1 >/dev/null 2>&1");
        break;
    case 18:
        try_sh("cd r; printf '%s\\n' > .gitignore", rnd(2) ? "*.txt" : "d/");
        break;
    default:
        if (rnd(2))
            try_sh("cd r; printf '%s linguist-generated\\n' > .gitattributes", rnd(2) ? "*.h" : "d/**");
        else
            try_sh("cd r; printf '%s\\n' > .codeaskignore", rnd(2) ? "f3*" : "/src");
    }
}

/* What a look at the touched directories shows is what the run over everything shows after it. */
static bool look_equals_run(const struct repo_row *r, const struct buf *dirs)
{
    bool whole = true;
    if (!dirs->len)
        return false;
    ok(index_look(fx.indexer, r, (struct str){dirs->data, dirs->len}, &whole, NULL, NULL, &e));
    if (whole)
        return false;
    char *got = show(r, "worktree", true);
    uint32_t changed = dirty(r);
    run(r);
    char *want = show(r, "worktree", true);
    assert_string_equal(got, want);
    assert_int_equal(changed, dirty(r));
    free(got);
    free(want);
    return true;
}

static void incremental_equals_fresh(void **state)
{
    struct fixture kept;
    struct buf dirs = BUF_INIT;
    int looks = 0;
    const char *count = getenv("CODEASK_TEST_OPERATIONS");
    int n = count ? atoi(count) : OPERATIONS;
    sh("git init -q r; cd r; mkdir d src; for i in 1 2 3 4 5 6 7 8; do echo \"int a$i;\" > f$i.c; echo \"int b$i;\" > d/f$i.h; done; git add .; git commit -qm 1");
    struct repo_row r = add_repo("r");
    for (int i = 0; i < n; i++) {
        step(&dirs);
        looks += look_equals_run(&r, &dirs);
        run(&r);
        if (i % FRESH_EVERY && i != n - 1)
            continue;
        char *got = show(&r, "worktree", true), *head = show(&r, "HEAD", true);
        kept = fx;
        sh("rm -rf fresh");
        open_index("fresh");
        struct repo_row again = add_repo("r");
        run(&again);
        char *want = show(&again, "worktree", true), *want_head = show(&again, "HEAD", true);
        if (strcmp(got, want))
            try_sh("cd r; git status --short; cat .gitignore .codeaskignore .gitattributes; ls -la . d src");
        assert_string_equal(got, want);
        assert_string_equal(head, want_head);
        repo_row_release(&again);
        free(got);
        free(want);
        free(head);
        free(want_head);
        close_index();
        fx = kept;
    }
    print_message("%d operations, %d looks, generation %llu\n", n, looks, (unsigned long long)generation());
    assert_true(looks > n / 10);
    buf_release(&dirs);
    repo_row_release(&r);
}

static const struct CMUnitTest tests[] = {GIT_TEST(incremental_equals_fresh)};
GIT_TEST_MAIN(tests)
