/* Reads a repository's history into a home, without the daemon, and traces lines:
 *   history_run HOME DIR [-n] [-i] <lines
 * Lines of standard input are PATH<tab>FIRST[<tab>LAST]; each gives one line a piece: COMMIT<tab>PATH<tab>LINE<tab>FIRST<tab>N, ended by
 * an empty one. -n: nothing is read in first. -i: .git-blame-ignore-revs counts. Figures go to stderr. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "indexer/git.h"
#include "indexer/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static bool show(void *arg, const struct index_progress *p)
{
    static int64_t last;
    if (clock_ns() - last > 2000000000) {
        last = clock_ns();
        fprintf(stderr, "  %s %llu of %llu, %.1f s\n", p->stage, (unsigned long long)p->files_done, (unsigned long long)p->files, p->seconds);
    }
    return true;
}

static void print_trace(const struct trace *t, struct store *s)
{
    struct txn *r;
    if (store_read(&r, s, NULL))
        return;
    for (size_t i = 0; i < t->n; i++) {
        struct commit_row c;
        char hex[2 * GIT_ID_BYTES + 1] = "?";
        const struct traced *l = &t->line[i];
        if (!commit_get(r, l->commit, &c, NULL))
            hex_of(hex, c.oid.byte, GIT_ID_BYTES);
        printf("%s\t%.*s\t%u\t%u\t%u%s\n", hex, (int)l->path.n, l->path.p, l->then, l->first, l->n, l->unfinished ? "\tunfinished" : "");
    }
    txn_end(r);
    printf("\n");
}

static int by_value(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct config config = {0};
    struct store *s = NULL;
    struct indexer *x = NULL;
    struct repo_row repo = {0};
    git_repository *git = NULL;
    struct git_target head;
    char line[8192];
    double *ms = NULL;
    size_t n = 0, cap = 0;
    bool read = true, ignore = false;
    struct oid *revs = NULL;
    size_t nrevs = 0;
    for (int i = 3; i < argc; i++) {
        read &= strcmp(argv[i], "-n") != 0;
        ignore |= !strcmp(argv[i], "-i");
    }
    if (argc < 3 || dir_make(argv[1], 0700, &e) || config_open(&config, NULL, &e) || store_open(&s, argv[1], NULL, &e) ||
        indexer_open(&x, s, &config, "", &e) || state_repo_add(s, argv[2], false, &repo, &e) || repo_open(&git, argv[2], &e) ||
        repo_target(&head, git, NULL, &e)) {
        fprintf(stderr, "%s\n", argc < 3 ? "usage: history_run HOME DIR [-n] [-i]" : e.message);
        return 2;
    }
    if (read) {
        int64_t began = clock_ns();
        struct rusage u;
        if (history_index(x, &repo, &head.commit, show, NULL, &e)) {
            fprintf(stderr, "%s\n", e.message);
            return 2;
        }
        getrusage(RUSAGE_SELF, &u);
        fprintf(stderr, "read in %.2f s, %.2f s of CPU, %ld MB\n", (double)(clock_ns() - began) / 1e9,
                (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec, u.ru_maxrss / 1024);
    }
    if (ignore)
        history_ignored(&revs, &nrevs, &repo, &head.commit);
    while (fgets(line, sizeof line, stdin)) {
        char *tab = strchr(line, '\t'), *more = tab ? strchr(tab + 1, '\t') : NULL;
        struct arena a;
        struct trace t;
        if (!tab)
            continue;
        *tab = 0;
        struct trace_request q = {.repo = &repo, .tip = head.commit, .path = line, .first = (uint32_t)atoi(tab + 1), .ignore = revs, .nignore = nrevs};
        q.last = more ? (uint32_t)atoi(more + 1) : q.first;
        arena_init(&a);
        int64_t began = clock_ns();
        int rc = history_trace(&t, s, &q, &a, &e);
        VEC_ROOM(ms, n, cap);
        ms[n++] = (double)(clock_ns() - began) / 1e6;
        if (rc)
            printf("error\t%s\n\n", e.message);
        else
            print_trace(&t, s);
        arena_release(&a);
    }
    if (n) {
        qsort(ms, n, sizeof *ms, by_value);
        fprintf(stderr, "%zu traces: p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, most %.2f ms\n", n, ms[n / 2], ms[n * 95 / 100], ms[n * 99 / 100], ms[n - 1]);
    }
    free(ms);
    free(revs);
    repo_close(git);
    indexer_close(x);
    store_close(s);
    repo_row_release(&repo);
    config_close(&config);
    return 0;
}
