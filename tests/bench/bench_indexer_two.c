/* index.vs_two_parsers: indexing without embedding (git, cutting in the worker processes, store; wall time, all cores), beside as
 * many threads that do nothing but parse the same files and run the shipped queries, their texts already in memory.
 * bench_indexer_two [DIR]: DIR defaults to CODEASK_BENCH_REPOS, else to the sources of the grammars' packages. Repositories are
 * taken in the order of their names until there are enough bytes; what has no grammar is indexed too, and counts for neither. */
#define _XOPEN_SOURCE 700

#include "base/clock.h"
#include "bench_indexer.h"
#include "indexer/language.h"
#include "indexer/tags.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>

#define BYTES_MOST ((uint64_t)60 << 20) /* of source in all: some seconds a round */
#define REPO_BYTES ((uint64_t)20 << 20) /* a repository above it is left out: one alone would be the figure */
#define ROUNDS 3
#define THREADS_MAX 64

static struct {
    struct buf text;
    const struct language *language;
} *file;
static size_t nfiles, cap_files;
static uint64_t bytes;
static size_t next;

static int add_file(void *arg, const struct occ *o)
{
    const char *path = arg;
    struct buf full = BUF_INIT, text = BUF_INIT;
    if (o->cut == CUT_NONE)
        return 0;
    buf_addf(&full, "%s/%.*s", path, (int)o->path.n, o->path.p);
    if (!file_read(&text, full.data, REPO_BYTES, NULL)) {
        const struct language *l = language_for(o->path, (struct str){text.data, text.len});
        if (l && l->grammar) {
            VEC_ROOM(file, nfiles, cap_files);
            file[nfiles].text = text;
            file[nfiles++].language = l;
            bytes += text.len;
            text = (struct buf)BUF_INIT;
        }
    }
    buf_release(&text);
    buf_release(&full);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    size_t x = (*(const struct buf *)a).len, y = (*(const struct buf *)b).len;
    return (x < y) - (x > y);
}

static void *parse(void *arg)
{
    TSParser *parser = ts_parser_new();
    TSQueryCursor *cursor = ts_query_cursor_new();
    TSQueryMatch m;
    volatile uint32_t *captures = arg;
    for (size_t i; (i = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < nfiles;) {
        ts_parser_set_language(parser, file[i].language->grammar());
        TSTree *tree = ts_parser_parse_string(parser, NULL, file[i].text.data, (uint32_t)file[i].text.len);
        ts_query_cursor_exec(cursor, tags_of(file[i].language)->query, ts_tree_root_node(tree));
        while (ts_query_cursor_next_match(cursor, &m))
            *captures += m.capture_count;
        ts_tree_delete(tree);
    }
    ts_query_cursor_delete(cursor);
    ts_parser_delete(parser);
    return NULL;
}

/* Of this process and of its workers that have ended. */
static double cpu_ms(void)
{
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    struct timeval t[] = {self.ru_utime, self.ru_stime, children.ru_utime, children.ru_stime};
    double ms = 0;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        ms += (double)t[i].tv_sec * 1e3 + (double)t[i].tv_usec / 1e3;
    return ms;
}

static double parsers(unsigned threads)
{
    pthread_t thread[THREADS_MAX];
    uint32_t captures[THREADS_MAX] = {0};
    double begun = clock_ms();
    next = 0;
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, parse, &captures[i]))
            fail("pthread_create");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return clock_ms() - begun;
}

static double index_all(const struct repo_row *row, size_t n, int round)
{
    char name[16];
    snprintf(name, sizeof name, "home%d", round);
    open_home(name);
    double begun = clock_ms();
    for (size_t i = 0; i < n; i++) {
        struct repo_row own = {0};
        ok(state_repo_add(store, row[i].path, row[i].plain, &own, &e));
        ok(index_run(indexer, &own, NULL, NULL, NULL, &e));
        repo_row_release(&own);
    }
    double ms = clock_ms() - begun;
    close_home();
    return ms;
}

/* The files of a repository as its index has them; false: it is left out. */
static bool take(struct repo_row *row, const char *path)
{
    struct repo_found f;
    struct ref_row ref;
    struct txn *t;
    if (repo_find(&f, path, true, &e))
        return false;
    uint64_t before = bytes;
    size_t first = nfiles;
    ok(state_repo_add(store, f.path, f.plain, row, &e));
    bool taken = index_run(indexer, row, NULL, NULL, NULL, &e) == 0;
    ok(store_read(&t, store, &e));
    if (taken && ref_get(t, row->id, f.plain ? "plain" : f.bare ? "HEAD" : "worktree", &ref, &e) == 0)
        ok(occ_each(t, ref.view, (struct str){"", 0}, add_file, f.path, &e));
    txn_end(t);
    free(f.path);
    if (taken && bytes > before && bytes - before < REPO_BYTES)
        return true;
    while (nfiles > first)
        buf_release(&file[--nfiles].text);
    bytes = before;
    repo_row_release(row);
    return false;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], POOL_WORKER_ARG) == 0)
        return cut_worker_main(POOL_WORKER_FD);
    const char *from = argc > 1 ? argv[1] : getenv("CODEASK_BENCH_REPOS");
    struct dirent **name;
    struct repo_row row[64] = {{0}};
    size_t nrows = 0;
    if (!from || !dir_exists(from))
        from = TEST_SOURCE_DIR "/build/deps";
    begin();
    open_home("first");
    int n = scandir(from, &name, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", from, name[i]->d_name);
        if (name[i]->d_name[0] != '.' && dir_exists(path) && nrows < sizeof row / sizeof *row && bytes < BYTES_MOST)
            nrows += take(&row[nrows], path);
        free(name[i]);
    }
    free(name);
    close_home();
    if (!nfiles)
        fail("no sources to index");
    qsort(file, nfiles, sizeof *file, by_size); /* the largest first, so that no thread is left alone with one */
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores;
    double best_ours = 0, best_theirs = 0;
    parsers(threads); /* the first touches of memory and queries are nobody's */
    for (int i = 0; i < ROUNDS; i++) {
        double cpu[3] = {cpu_ms()}, theirs = parsers(threads);
        cpu[1] = cpu_ms();
        double ours = index_all(row, nrows, i);
        cpu[2] = cpu_ms();
        fprintf(stderr, "round %d: %.0f ms (CPU %.0f), parsers %.0f ms (CPU %.0f)\n", i, ours, cpu[2] - cpu[1], theirs, cpu[1] - cpu[0]);
        best_ours = !best_ours || ours < best_ours ? ours : best_ours;
        best_theirs = !best_theirs || theirs < best_theirs ? theirs : best_theirs;
    }
    printf("{\"name\": \"index.vs_two_parsers\", \"value\": %.2f, \"unit\": \"MB/s\", \"against\": \"%u threads of bare parsing and the shipped "
           "query, %.2f MB/s; %zu repositories, %zu files, %.1f MB\", \"ratio\": %.3f, \"goal\": 0.9}\n", (double)bytes / 1e3 / best_ours, threads,
           (double)bytes / 1e3 / best_theirs, nrows, nfiles, (double)bytes / 1e6, best_theirs / best_ours);
    for (size_t i = 0; i < nrows; i++)
        repo_row_release(&row[i]);
    while (nfiles)
        buf_release(&file[--nfiles].text);
    free(file);
    end();
    return 0;
}
