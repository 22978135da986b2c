/* What an index costs: on disk, for one saved file, for a hundred branches.
 *
 *   index.size_ratio      index without vectors over source, the worst of the real repositories of CODEASK_BENCH_REPOS (or of
 *                         this project's dependencies)
 *   index.cutting_share   CPU time of the workers over that of all processes, while a repository of 50k files is indexed
 *   reindex.one_file_ms   index_run after one saved file there, from start to committed, median
 *   reconcile.ms          index_run after nothing
 *   views.cost_100        index of 100 branches that differ in ten files each, over the index of one, same repository
 *
 * The repository of 50k files is made of real ones: files of up to 8 KB, each copy made unique by a line. */
#define _XOPEN_SOURCE 700 /* nftw */

#include "base/clock.h"
#include "bench_indexer.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 50000
#define FILE_MOST 8192
#define SAVES 21
#define REPOS_MOST 24
#define REPO_BYTES ((uint64_t)300 << 20) /* of source in all: a minute on two cores */

static void add_table(void *arg, const char *table, uint64_t bytes)
{
    if (strcmp(table, "free") && strncmp(table, "vec", 3))
        *(uint64_t *)arg += bytes;
}

static uint64_t disk(void)
{
    struct txn *t;
    uint64_t n = 0;
    ok(store_read(&t, store, &e));
    ok(store_tables(t, add_table, &n, &e));
    txn_end(t);
    return n;
}

/* -- size ------------------------------------------------------------------------------------------------------------------------ */

static int add_source(void *arg, const struct occ *o)
{
    *(uint64_t *)arg += o->cut != CUT_NONE ? o->size : 0;
    return 0;
}

static bool index_source(const char *path, uint64_t *source)
{
    struct repo_found f;
    struct repo_row row = {0};
    struct txn *t;
    struct ref_row ref;
    if (repo_find(&f, path, true, &e))
        return false;
    ok(state_repo_add(store, f.path, f.plain, &row, &e));
    bool done = index_run(indexer, &row, NULL, NULL, NULL, &e) == 0;
    ok(store_read(&t, store, &e));
    if (done && ref_get(t, row.id, f.plain ? "plain" : f.bare ? "HEAD" : "worktree", &ref, &e) == 0)
        ok(occ_each(t, ref.view, (struct str){"", 0}, add_source, source, &e));
    txn_end(t);
    repo_row_release(&row);
    free(f.path);
    return done;
}

static void size_ratio(const char *from)
{
    struct dirent **name;
    uint64_t source = 0, first;
    double worst = 0;
    int n = scandir(from, &name, NULL, alphasort), used = 0;
    open_home("size");
    first = disk();
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", from, name[i]->d_name);
        uint64_t before = source, size = disk();
        bool take = name[i]->d_name[0] != '.' && dir_exists(path) && used < REPOS_MOST && source < REPO_BYTES;
        if (take && index_source(path, &source)) {
            double ratio = source - before > 1 << 20 ? (double)(disk() - size) / (double)(source - before) : 0;
            fprintf(stderr, "%-24s %7.2f MB, index %.2f times\n", name[i]->d_name, (double)(source - before) / 1e6, ratio);
            worst = ratio > worst ? ratio : worst;
            used++;
        }
        free(name[i]);
    }
    free(name);
    double all = source ? (double)(disk() - first) / (double)source : 0;
    close_home();
    printf("{\"name\": \"index.size_ratio\", \"value\": %.3f, \"unit\": \"index bytes / source byte\", \"against\": \"worst of %d directories; %.3f "
           "over their %.1f MB\", \"ratio\": null, \"goal\": 2}\n", worst, used, all, (double)source / 1e6);
    fflush(stdout);
}

/* -- the large repository ---------------------------------------------------------------------------------------------------------- */

static char **model;
static size_t nmodel, cap_model;

static int add_model(const char *path, const struct stat *st, int type, struct FTW *at)
{
    static const char *const code[] = {".c", ".h", ".py", ".ts", ".js", ".java", ".go", ".rs", ".kt", ".rb", ".php", ".swift"};
    const char *dot = strrchr(path, '.');
    if (type != FTW_F || !dot || st->st_size < 500 || st->st_size > FILE_MOST || strstr(path, "/.git/"))
        return 0;
    for (size_t i = 0; i < sizeof code / sizeof *code; i++)
        if (strcmp(dot, code[i]) == 0) {
            VEC_ROOM(model, nmodel, cap_model);
            model[nmodel++] = mem_str(path);
            break;
        }
    return nmodel >= FILES;
}

static void file_name(char *out, size_t size, size_t i)
{
    const char *dot = strrchr(model[i % nmodel], '.');
    snprintf(out, size, "r/p%zu/d%zu/f%zu%s", i / 2500, i / 25 % 100, i, dot);
}

static void comment(struct buf *b, size_t i, const char *text)
{
    const char *dot = strrchr(model[i % nmodel], '.');
    buf_addf(b, strcmp(dot, ".py") && strcmp(dot, ".rb") ? "/* %s %zu */\n" : "# %s %zu\n", text, i);
}

static void make_large(void)
{
    char path[PATH_MAX], name[128];
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < FILES; i++) {
        file_name(name, sizeof name, i);
        snprintf(path, sizeof path, "%s/%s", root, name);
        if (i % 25 == 0) {
            char *slash = strrchr(path, '/');
            *slash = 0;
            ok(dir_make(path, 0700, &e));
            *slash = '/';
        }
        buf_clear(&b);
        ok(file_read(&b, model[i % nmodel], FILE_MOST * 2, &e));
        comment(&b, i, "copy");
        FILE *f = fopen(path, "w");
        if (!f || fwrite(b.data, 1, b.len, f) != b.len || fclose(f))
            fail(path);
    }
    buf_release(&b);
    sh("cd r && git init -q -b main && git config user.email t@example.com && git config user.name t && git config gc.auto 0 && git add -A && "
       "git commit -qm 1 && git repack -adq");
}

/* 100 branches, ten files each: the real content with a line more. */
static void make_branches(void)
{
    char cmd[256], path[PATH_MAX], name[128];
    struct buf b = BUF_INIT;
    snprintf(cmd, sizeof cmd, "cd '%s/r' && git fast-import --quiet", root);
    FILE *f = popen(cmd, "w");
    for (size_t branch = 0; f && branch < 100; branch++) {
        fprintf(f, "commit refs/heads/b%zu\ncommitter t <t@example.com> 0 +0000\ndata 1\nx\nfrom refs/heads/main\n", branch);
        for (size_t k = 0; k < 10; k++) {
            size_t i = (branch * 10 + k) * 47 % FILES;
            file_name(name, sizeof name, i);
            snprintf(path, sizeof path, "%s/%s", root, name);
            buf_clear(&b);
            ok(file_read(&b, path, FILE_MOST * 2, &e));
            comment(&b, i, "changed on a branch");
            fprintf(f, "M 100644 inline %s\ndata %zu\n", name + 2, b.len);
            fwrite(b.data, 1, b.len, f);
            fputc('\n', f);
        }
    }
    if (!f || pclose(f))
        fail("git fast-import");
    buf_release(&b);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double timed_run(const struct repo_row *r)
{
    double begun = clock_ms();
    ok(index_run(indexer, r, NULL, NULL, NULL, &e));
    return clock_ms() - begun;
}

static double saves(const struct repo_row *r, bool save)
{
    double ms[SAVES];
    char path[PATH_MAX], name[128];
    for (size_t k = 0; k < SAVES; k++) {
        file_name(name, sizeof name, k * 2003 % FILES);
        snprintf(path, sizeof path, "%s/%s", root, name);
        FILE *f = save ? fopen(path, "a") : NULL;
        if (f) {
            fprintf(f, "\n");
            fclose(f);
        }
        usleep(60000); /* past the time in which a file counts as young */
        ms[k] = timed_run(r);
    }
    qsort(ms, SAVES, sizeof *ms, by_value);
    return ms[SAVES / 2];
}

static void large_repository(void)
{
    char path[PATH_MAX];
    struct repo_row r = {0};
    struct rusage before, self, workers;
    make_large();
    make_branches();
    open_home("large");
    snprintf(path, sizeof path, "%s/r", root);
    ok(state_repo_add(store, path, false, &r, &e));
    getrusage(RUSAGE_SELF, &before);
    double first = timed_run(&r);
    getrusage(RUSAGE_SELF, &self);
    indexer_close(indexer); /* ends the workers, so that they are counted */
    getrusage(RUSAGE_CHILDREN, &workers);
    ok(indexer_open(&indexer, store, &config, program, &e));
    double own = seconds(self.ru_utime) + seconds(self.ru_stime) - seconds(before.ru_utime) - seconds(before.ru_stime);
    double theirs = seconds(workers.ru_utime) + seconds(workers.ru_stime);
    uint64_t one = disk();
    printf("{\"name\": \"index.cutting_share\", \"value\": %.3f, \"unit\": \"of CPU time\", \"against\": \"%.1f s of wall time\", \"ratio\": null, "
           "\"goal\": null}\n", theirs / (own + theirs), first / 1e3);
    fflush(stdout);
    ok(index_all_branches(indexer, &r, NULL, NULL, &e));
    printf("{\"name\": \"views.cost_100\", \"value\": %.3f, \"unit\": \"times the index of one\", \"against\": \"one branch, %.1f MB\", \"ratio\": null, "
           "\"goal\": 1.1}\n", (double)disk() / (double)one, (double)one / 1e6);
    double nothing = saves(&r, false), saved = saves(&r, true);
    printf("{\"name\": \"reindex.one_file_ms\", \"value\": %.1f, \"unit\": \"ms\", \"against\": null, \"ratio\": null, \"goal\": 300}\n"
           "{\"name\": \"reconcile.ms\", \"value\": %.1f, \"unit\": \"ms\", \"against\": \"%d files, nothing changed\", \"ratio\": null, \"goal\": "
           "null}\n", saved, nothing, FILES);
    close_home();
    repo_row_release(&r);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], POOL_WORKER_ARG) == 0)
        return cut_worker_main(POOL_WORKER_FD);
    const char *asked = getenv("CODEASK_BENCH_ROWS"), *from = getenv("CODEASK_BENCH_REPOS");
    if (!from || !dir_exists(from))
        from = TEST_SOURCE_DIR "/build/deps";
    begin();
    if (!asked || !*asked || strstr(asked, "index."))
        size_ratio(from);
    nftw(from, add_model, 32, FTW_PHYS);
    if (!nmodel)
        fail("no sources to make a repository of");
    if (!asked || !*asked || strstr(asked, "re") || strstr(asked, "views") || strstr(asked, "cutting"))
        large_repository();
    for (size_t i = 0; i < nmodel; i++)
        free(model[i]);
    free(model);
    end();
    return 0;
}
