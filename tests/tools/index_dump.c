/* Indexes a directory into a home and prints what came of it:
 *   index_dump HOME DIR [-r REF | -a] [-f files] [-s symbols] [-n TIMES]
 * -n runs it so many times (what a reconcile costs); -f and -s list the view. Timings on stderr. */
#include "indexer/indexer.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct totals {
    struct txn *t;
    uint64_t files, cuts, chunks, symbols, refs, bytes, skipped, quarantined;
    bool list_files, list_symbols;
};

static int count(void *arg, const struct occ *o)
{
    struct totals *n = arg;
    struct record r;
    char hex[41];
    n->files++;
    n->bytes += o->size;
    n->skipped += (o->flags & OCC_SKIPPED) != 0;
    n->quarantined += (o->flags & OCC_QUARANTINED) != 0;
    hex_of(hex, o->oid.byte, 20);
    if (n->list_files)
        printf("%s %u %#x %llu %.*s\n", hex, o->cut, o->flags, (unsigned long long)o->size, (int)o->path.n, o->path.p);
    if (o->cut == CUT_NONE || cut_get(n->t, o->cut, &r, NULL) != 0)
        return 0;
    n->cuts++;
    n->chunks += r.head->nchunks;
    n->symbols += r.head->nsymbols;
    n->refs += r.head->nrefs;
    for (uint32_t i = 0; n->list_symbols && i < r.head->nsymbols; i++) {
        struct str name = record_str(&r, r.symbol[i].name, r.symbol[i].name_len);
        printf("%.*s:%u: %s %.*s\n", (int)o->path.n, o->path.p, r.symbol[i].start_line, symbol_kind_name(r.symbol[i].kind),
               (int)name.n, name.p);
    }
    return 0;
}

static bool progress(void *arg, const struct index_progress *p)
{
    if (isatty(2))
        fprintf(stderr, "\r%s %llu/%llu files, %.1f MB ", p->stage, (unsigned long long)p->files_done,
                (unsigned long long)p->files, (double)p->bytes_done / 1e6);
    return true;
}

static void print_table(void *arg, const char *table, uint64_t bytes)
{
    fprintf(stderr, "  %-12s %8.2f MB\n", table, (double)bytes / 1e6);
}

static int show(struct store *s, const struct repo_row *repo, const char *name, struct totals *n, struct err *e)
{
    struct ref_row ref;
    int rc = store_read(&n->t, s, e);
    if (rc)
        return rc;
    rc = ref_get(n->t, repo->id, name, &ref, e);
    if (!rc)
        rc = occ_each(n->t, ref.view, (struct str){"", 0}, count, n, e);
    fprintf(stderr, "%s: view %u: %llu files (%llu skipped, %llu quarantined), %.2f MB, %llu chunks, %llu symbols, %llu references\n",
            name, ref.view, (unsigned long long)n->files, (unsigned long long)n->skipped, (unsigned long long)n->quarantined,
            (double)n->bytes / 1e6, (unsigned long long)n->chunks, (unsigned long long)n->symbols, (unsigned long long)n->refs);
    store_tables(n->t, print_table, NULL, e);
    txn_end(n->t);
    return rc;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], POOL_WORKER_ARG) == 0)
        return cut_worker_main(POOL_WORKER_FD);
    struct store *s = NULL;
    struct indexer *x = NULL;
    struct config c;
    struct repo_found found = {0};
    struct repo_row repo = {0};
    struct totals n = {0};
    struct err e = {0};
    const char *ref = NULL;
    char program[PATH_MAX], real[PATH_MAX];
    bool all = false;
    int times = 1, opt;
    if (argc < 3)
        return fprintf(stderr, "usage: index_dump HOME DIR [-r REF | -a] [-f] [-s] [-n TIMES]\n"), 2;
    optind = 3;
    while ((opt = getopt(argc, argv, "r:afsn:")) != -1) {
        ref = opt == 'r' ? optarg : ref;
        all |= opt == 'a';
        n.list_files |= opt == 'f';
        n.list_symbols |= opt == 's';
        times = opt == 'n' ? atoi(optarg) : times;
    }
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len > 0 ? len : 0] = 0;
    int rc = config_open(&c, NULL, &e);
    if (!rc)
        rc = dir_make(argv[1], 0700, &e);
    if (!rc && !realpath(argv[1], real))
        rc = err_set(&e, ERR_IO, "%s", argv[1]);
    if (!rc)
        rc = repo_find(&found, argv[2], true, &e);
    if (!rc)
        rc = store_open(&s, real, NULL, &e);
    if (!rc)
        rc = state_repo_add(s, found.path, found.plain, &repo, &e);
    if (!rc)
        rc = indexer_open(&x, s, &c, program, &e);
    for (int i = 0; i < times && !rc; i++) {
        double begun = clock_ms();
        rc = all ? index_all_branches(x, &repo, progress, NULL, &e) : index_run(x, &repo, ref, progress, NULL, &e);
        struct store_writes w;
        fprintf(stderr, "%sindex_run: %.1f ms\n", isatty(2) ? "\r" : "", clock_ms() - begun);
        store_writes(s, &w);
        fprintf(stderr, "%llu write transactions: p99 %.0f ms, longest %.1f ms, %llu of %d ms and more\n", (unsigned long long)w.n, w.p99_ms, w.longest_ms,
                (unsigned long long)w.over, STORE_WRITE_MS);
    }
    struct buf name = BUF_INIT;
    if (!rc && ref)
        rc = repo_ref_name(&name, &repo, ref, &e);
    if (!rc)
        rc = show(s, &repo, ref ? name.data : found.plain ? "plain" : found.bare ? "HEAD" : "worktree", &n, &e);
    if (rc)
        fprintf(stderr, "%s: %s\n%s\n", err_name(rc), e.message, e.hint);
    buf_release(&name);
    indexer_close(x);
    store_close(s);
    struct rusage self, workers;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &workers);
    fprintf(stderr, "CPU: this process %.2f s user, %.2f s system; workers %.2f s, %.2f s\n", seconds(self.ru_utime),
            seconds(self.ru_stime), seconds(workers.ru_utime), seconds(workers.ru_stime));
    repo_row_release(&repo);
    free(found.path);
    config_close(&c);
    return rc ? 2 : 0;
}
