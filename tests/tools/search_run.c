/* Searches a home without its daemon, to profile searches and to compare two builds:
 *   search_run HOME [-m MODEL_FOLDER] [-j THREADS] [-n TIMES] [-q] [-v VIEW]… [-r] [-f CHUNKS] [-s VECTORS] <questions
 * Questions are lines of standard input. Every question's first ten results are printed with their scores (-q: none), then
 * the means of CPU and wall time by stage on stderr. Without -v every repository's worktree, HEAD or plain view is searched.
 *   -r         lines are REPOSITORY <tab> PATH PREFIX <tab> QUESTION: only that repository is searched
 *   -s VECTORS from how many on their signs choose among them (0: always; 4000000000: never)
 *   -f CHUNKS  the first so many chunks, each with its value of every signal: tests/bench/retrieval_halves.py weighs them anew */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "retriever/rank.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGETS 64
#define THREADS 16

struct bench {
    struct retriever *r;
    struct model *model;
    struct search_target target[TARGETS];
    size_t ntargets;
    struct question {
        char *line;
        const char *repo, *prefix, *text; /* in line; repo and prefix NULL: everything */
    } *question;
    size_t n, cap, next, times, chunks;
    bool quiet, of_repo;
    pthread_mutex_t lock;
    double embed, lexical, dense, rank, total, cpu; /* sums, ms */
    size_t done;
};

static void print_hits(size_t number, const char *text, const struct search_result *r)
{
    printf("%zu\t%s\n", number, text);
    for (size_t i = 0; i < r->n; i++) {
        const struct search_hit *h = &r->hit[i];
        printf("\t%.5f\t%u\t%.*s:%u-%u", h->score, h->target, (int)h->path.n, h->path.p, h->start_line, h->end_line);
        for (size_t k = 0; h->value && k < signal_count(); k++)
            printf("\t%.4g", h->value[k]);
        putchar('\n');
    }
    printf("\t= %.5f %.5f %.5f %.5f %u\n", r->evidence.coverage, r->evidence.lexical, r->evidence.name, r->evidence.dense,
           r->evidence.unknown_words);
}

/* "#", then of every signal its name, level (enum signal_level) and weight: what the values of -f are */
static void print_signals(void)
{
    putchar('#');
    for (size_t i = 0; i < signal_count(); i++)
        printf("\t%s:%d:%g", signals[i].name, (int)signals[i].level, signals[i].weight);
    putchar('\n');
}

static struct search_request request(const struct bench *b, const struct question *asked)
{
    struct search_request q = {.text = asked->text, .target = b->target, .ntargets = b->ntargets, .kind = -1,
                               .limit = b->chunks ? (uint32_t)b->chunks : 10, .explain = b->chunks > 0, .embedder = b->model};
    q.path_prefix = asked->prefix && *asked->prefix ? asked->prefix : NULL;
    for (size_t i = 0; asked->repo && i < b->ntargets; i++)
        if (!strcmp(b->target[i].repo->name, asked->repo)) {
            q.target = &b->target[i];
            q.ntargets = 1;
            return q;
        }
    q.ntargets = asked->repo ? 0 : q.ntargets;
    return q;
}

static void *worker(void *arg)
{
    struct bench *b = arg;
    struct arena a;
    arena_init(&a);
    for (;;) {
        size_t at = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED);
        if (at >= b->n * b->times)
            break;
        struct search_request q = request(b, &b->question[at % b->n]);
        struct search_result r;
        struct err e = {0};
        int64_t cpu = clock_cpu_ns();
        r = (struct search_result){0};
        int rc = q.ntargets ? search(&r, b->r, &q, &a, &e) : 0; /* a repository that is not here: nothing found */
        cpu = clock_cpu_ns() - cpu;
        pthread_mutex_lock(&b->lock);
        if (rc) {
            fprintf(stderr, "%s: %s\n", q.text, e.message);
        } else {
            b->embed += r.ms_embed;
            b->lexical += r.ms_lexical;
            b->dense += r.ms_dense;
            b->rank += r.ms_rank;
            b->total += r.ms_total;
            b->cpu += (double)cpu / 1e6;
            b->done++;
            if (!b->quiet && at < b->n)
                print_hits(at, q.text, &r);
        }
        pthread_mutex_unlock(&b->lock);
        arena_release(&a);
    }
    return NULL;
}

static void read_questions(struct bench *b)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        VEC_ROOM(b->question, b->n, b->cap);
        struct question *q = &b->question[b->n++];
        *q = (struct question){.line = mem_str(line)};
        q->text = q->line;
        char *prefix = b->of_repo ? strchr(q->line, '\t') : NULL, *text = prefix ? strchr(prefix + 1, '\t') : NULL;
        if (text) {
            *prefix = *text = 0;
            q->repo = q->line;
            q->prefix = prefix + 1;
            q->text = text + 1;
        }
    }
    free(line);
}

static int targets(struct bench *b, struct store *s, struct repo_row *row, size_t n, struct err *e)
{
    static const char *const name[] = {"worktree", "HEAD", "plain"};
    struct txn *t;
    int rc = store_read(&t, s, e);
    for (size_t i = 0; i < n && !rc && b->ntargets < TARGETS; i++)
        for (int k = 0; k < 3; k++) {
            struct ref_row r;
            if (ref_get(t, row[i].id, name[k], &r, NULL))
                continue;
            b->target[b->ntargets++] = (struct search_target){.repo = &row[i], .view = r.view};
            break;
        }
    if (!rc)
        txn_end(t);
    return rc;
}

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct engine *en = NULL;
    struct bench b = {.times = 1};
    struct repo_row *row = NULL;
    struct err e = {0};
    const char *model = NULL;
    int opt, threads = 1;
    long sketch_from = -1;
    size_t nrows = 0;
    if (argc < 2)
        return fprintf(stderr, "usage: search_run HOME [-m MODEL_FOLDER] [-j THREADS] [-n TIMES] [-q] [-v VIEW]... [-r] [-f CHUNKS] [-s VECTORS]\n"), 2;
    optind = 2;
    while ((opt = getopt(argc, argv, "m:j:n:qv:rf:s:")) != -1) {
        model = opt == 'm' ? optarg : model;
        threads = opt == 'j' ? atoi(optarg) : threads;
        b.times = opt == 'n' ? (size_t)atoi(optarg) : b.times;
        b.chunks = opt == 'f' ? (size_t)atoi(optarg) : b.chunks;
        sketch_from = opt == 's' ? atol(optarg) : sketch_from;
        b.quiet |= opt == 'q';
        b.of_repo |= opt == 'r';
        if (opt == 'v' && b.ntargets < TARGETS)
            b.target[b.ntargets++] = (struct search_target){.view = (uint32_t)atoi(optarg)};
    }
    threads = threads < 1 ? 1 : threads > THREADS ? THREADS : threads;
    pthread_mutex_init(&b.lock, NULL);
    int rc = store_open(&s, argv[1], NULL, &e);
    if (!rc)
        rc = state_repos(s, &row, &nrows, &e);
    if (!rc && !b.ntargets)
        rc = targets(&b, s, row, nrows, &e);
    if (!rc)
        rc = retriever_open(&b.r, s, &e);
    if (!rc && sketch_from >= 0)
        retriever_sketch_from(b.r, (uint32_t)sketch_from);
    if (!rc && model)
        rc = engine_open(&en, &(struct engine_options){.threads = 1}, &e);
    if (!rc && model)
        rc = model_open(&b.model, en, model, &e);
    if (rc)
        return fprintf(stderr, "%s: %s\n", err_name(rc), e.message), 2;
    read_questions(&b);
    if (b.chunks)
        print_signals();
    struct search_request first = {.text = b.n ? b.question[0].text : "", .target = b.target, .ntargets = b.ntargets, .kind = -1, .embedder = b.model};
    struct search_result r;
    struct arena a;
    arena_init(&a);
    search(&r, b.r, &first, &a, &e); /* loads the views: not counted */
    arena_release(&a);
    pthread_t t[THREADS];
    double began = clock_ms();
    for (int i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, worker, &b);
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    double wall = clock_ms() - began, n = b.done ? (double)b.done : 1;
    fprintf(stderr, "%zu searches over %zu targets: CPU %.3f ms; wall %.3f (embed %.3f, lexical %.3f, dense %.3f, rank %.3f); %.1f a second\n",
            b.done, b.ntargets, b.cpu / n, b.total / n, b.embed / n, b.lexical / n, b.dense / n, b.rank / n, n / wall * 1e3);
    for (size_t i = 0; i < b.n; i++)
        free(b.question[i].line);
    free(b.question);
    retriever_close(b.r);
    model_close(b.model);
    engine_close(en);
    state_repos_free(row, nrows);
    store_close(s);
    return 0;
}
