/* For the tests of the git side: a scratch folder with repositories made by the git command, an index in it, and what a view
 * shows as sorted text. Each test program's main is GIT_TEST_MAIN, for it is also the worker that the pool starts. */
#ifndef CODEASK_TESTS_GIT_FIXTURE_H
#define CODEASK_TESTS_GIT_FIXTURE_H

#include "indexer/git.h"
#include "indexer/indexer.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* libgit2 1.5 leaks when it looks at the extensions of a repository: see repo_close. The stack ends in its PCRE. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libgit2\nleak:libpcre2\n";
}

static struct err e;
static char root[64]; /* the scratch folder */

struct fixture {
    struct store *store;
    struct indexer *indexer;
    struct config config;
    char program[PATH_MAX];
};
static struct fixture fx;

__attribute__((format(printf, 1, 2), unused)) static int try_sh(const char *fmt, ...)
{
    char cmd[16384];
    va_list ap;
    int n = snprintf(cmd, sizeof cmd, "set -e; cd '%s'; ", root);
    va_start(ap, fmt);
    vsnprintf(cmd + n, sizeof cmd - (size_t)n, fmt, ap);
    va_end(ap);
    return system(cmd);
}
#define sh(...) assert_int_equal(try_sh(__VA_ARGS__), 0)

#define ok(call)                                                                                                       \
    do {                                                                                                               \
        int rc_ = (call);                                                                                              \
        if (rc_)                                                                                                       \
            fail_msg("%s: %s: %s", #call, err_name(rc_), e.message);                                                   \
    } while (0)

__attribute__((unused)) static const char *at(const char *name)
{
    static char out[4][PATH_MAX];
    static int turn;
    char *s = out[turn++ % 4];
    assert_in_range(snprintf(s, sizeof out[0], "%s/%s", root, name), 1, PATH_MAX - 1);
    return s;
}

static void open_index(const char *home)
{
    assert_int_equal(dir_make(at(home), 0700, &e), 0);
    ok(store_open(&fx.store, at(home), NULL, &e));
    ok(indexer_open(&fx.indexer, fx.store, &fx.config, fx.program, &e));
}

static void close_index(void)
{
    indexer_close(fx.indexer);
    store_close(fx.store);
    fx.indexer = NULL;
    fx.store = NULL;
}

static int setup(void **state)
{
    strcpy(root, "/tmp/codeask-git-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    /* nobody's own settings: the same result on every machine */
    setenv("HOME", root, 1);
    git_start();
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, root);
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_SYSTEM, root);
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_XDG, root);
    unsetenv("XDG_CONFIG_HOME");
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    ssize_t n = readlink("/proc/self/exe", fx.program, sizeof fx.program - 1);
    fx.program[n > 0 ? n : 0] = 0;
    if (config_open(&fx.config, NULL, &e))
        return -1;
    if (try_sh("git config --global user.email t@example.com; git config --global user.name t; git config --global init.defaultBranch main; "
               "git config --global commit.gpgsign false; git config --global protocol.file.allow always; git config --global advice.detachedHead false"))
        return -1;
    open_index("home");
    return 0;
}

static int teardown(void **state)
{
    close_index();
    config_close(&fx.config);
    return try_sh("chmod -R u+rwx . && cd / && rm -rf '%s'", root);
}

/* Finds what lies at name and adds it; the caller releases the row. */
__attribute__((unused)) static struct repo_row add_repo(const char *name)
{
    struct repo_found f;
    struct repo_row row = {0};
    ok(repo_find(&f, at(name), false, &e));
    ok(state_repo_add(fx.store, f.path, f.plain, &row, &e));
    free(f.path);
    return row;
}

struct shown {
    struct txn *t;
    struct buf *out;
    bool cuts;
};

static int show_row(void *arg, const struct occ *o)
{
    struct shown *s = arg;
    char hex[41], mark[8] = "";
    hex_of(hex, o->oid.byte, 20);
    snprintf(mark, sizeof mark, "%s%s%s%s%s", o->flags & OCC_SKIPPED ? "S" : "", o->flags & OCC_QUARANTINED ? "Q" : "",
             o->flags & OCC_GENERATED ? "G" : "", o->flags & OCC_VENDORED ? "V" : "", o->flags & OCC_SYMLINK ? "L" : "");
    buf_add(s->out, o->path.p, o->path.n);
    if (s->cuts) {
        struct record r;
        bool has = o->cut != CUT_NONE && cut_get(s->t, o->cut, &r, NULL) == 0;
        /* what is left out has no content that counts */
        buf_addf(s->out, "\t%s\t%s", has ? hex : "-", has ? r.head->language : "-");
    }
    buf_addf(s->out, "%s%s\n", *mark ? "\t" : "", mark);
    return 0;
}

/* The visible files of a ref's view, a line each: path [oid of the cut, language] [marks: S skipped, Q quarantined,
 * G generated, V vendored, L link]. Freed by the caller. NULL where there is no such ref. */
static char *show(const struct repo_row *repo, const char *ref, bool cuts)
{
    struct buf out = BUF_INIT;
    struct shown s = {.out = &out, .cuts = cuts};
    struct ref_row row;
    ok(store_read(&s.t, fx.store, &e));
    int rc = ref_get(s.t, repo->id, ref, &row, &e);
    if (!rc) {
        struct view_head h;
        uint32_t lines = 0;
        ok(occ_each(s.t, row.view, (struct str){"", 0}, show_row, &s, &e));
        ok(view_get(s.t, row.view, &h, &e));
        for (size_t i = 0; i < out.len; i++)
            lines += out.data[i] == '\n';
        if (!out.len || !strstr(out.data, "\nnew")) /* a path with a newline is two lines */
            assert_int_equal(h.files, lines);
    }
    txn_end(s.t);
    buf_addc(&out, 0);
    char *text = buf_take(&out);
    if (!rc)
        return text;
    free(text);
    return NULL;
}

__attribute__((unused)) static void expect(const struct repo_row *repo, const char *ref, const char *want)
{
    char *got = show(repo, ref, false);
    assert_string_equal(got ? got : "(no such ref)", want);
    free(got);
}

__attribute__((unused)) static uint32_t dirty(const struct repo_row *repo)
{
    struct txn *t;
    struct ref_row row;
    uint32_t n;
    ok(store_read(&t, fx.store, &e));
    ok(ref_get(t, repo->id, "worktree", &row, &e));
    ok(index_dirty_files(t, row.view, &n, &e));
    txn_end(t);
    return n;
}

__attribute__((unused)) static uint64_t generation(void)
{
    struct txn *t;
    ok(store_read(&t, fx.store, &e));
    uint64_t g = txn_generation(t);
    txn_end(t);
    return g;
}

__attribute__((unused)) static void run(const struct repo_row *repo)
{
    ok(index_run(fx.indexer, repo, NULL, NULL, NULL, &e));
}

#define GIT_TEST_MAIN(tests)                                                                                           \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        if (argc > 1 && strcmp(argv[1], POOL_WORKER_ARG) == 0)                                                         \
            return cut_worker_main(POOL_WORKER_FD);                                                                    \
        return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);                                               \
    }
#define GIT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
