#define _GNU_SOURCE /* strcasestr */
#include "retriever/commits.h"

#include "base/mem.h"
#include "base/words.h"
#include "kernels/quant.h"
#include "kernels/scan.h"
#include "retriever/query.h"
#include "retriever/rows.h"
#include "store/vector.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BM25_K 1.2
#define BM25_B 0.6
#define CANDIDATES 60       /* whose messages are read */
#define COVERAGE_LEAST 0.5  /* of the question's words, by rarity: below it a commit is about something else */
#define PATHS_LOOKED_AT 200 /* of one commit */
#define SUBJECT_GAIN 0.25   /* words of the subject say what a commit is about */
#define NEAR_LEAST 0.4      /* cosine from which a message is a candidate whatever its words */
#define NEAR_GAIN 1.0       /* of a cosine of 1 over all words of the question: as much again */

/* -- what is asked ---------------------------------------------------------------------------------------------------------- */

/* Beginnings of questions, and words that say so wherever they stand. */
static const char *const begins[] = {"why ", "when did", "when was", "when were", "when has", "who ", "since when", "how come", "what was the reason", NULL};
static const char *const inside[] = {"reason for", "reason why", "reasons for", "why did", "why was", "why were", "why is", "why are", "why does", "why do we",
                                     "since when", "when did", "who wrote", "who added", "who changed", "who introduced", "who removed", "which commit",
                                     "what changed", "history of", NULL};

bool commits_wanted(const char *question)
{
    while (isspace((unsigned char)*question))
        question++;
    for (const char *const *b = begins; *b; b++)
        if (!strncasecmp(question, *b, strlen(*b)))
            return true;
    for (const char *const *w = inside; *w; w++)
        if (strcasestr(question, *w))
            return true;
    return false;
}

/* Words that ask, not what is asked about; stemmed. */
static bool asks(const char *word)
{
    static const char *const list[] = {"why", "when", "who", "whi", "reason", "commit", "chang", "start", "becam", "ever", "introduc", "wrote", "written",
                                       "author", "histori", "come", "since", "made", "happen", NULL};
    char stem[WORD_MAX + 1];
    size_t n = strlen(word);
    memcpy(stem, word, n + 1);
    stem[word_stem(stem, n)] = 0;
    for (const char *const *w = list; *w; w++)
        if (!strcmp(*w, stem) || !strcmp(*w, word))
            return true;
    return false;
}

/* -- scoring ---------------------------------------------------------------------------------------------------------------- */

struct scoring {
    const struct history_graph *g;
    const struct history_reach *reach;
    float *score;           /* [most] sum of BM25 */
    float *covered;         /* [most] sum of idf */
    float *near;            /* [most] cosine with the question; NULL: no vectors */
    float average;
    struct said *v;         /* postings of one term that are in reach */
    size_t n, cap;
};

static int in_reach(void *arg, const struct said *s)
{
    struct scoring *x = arg;
    if (!history_reaches(x->reach, s->commit) || (x->n && x->v[x->n - 1].commit == s->commit))
        return 0;
    VEC_ROOM(x->v, x->n, x->cap);
    x->v[x->n++] = *s;
    return 0;
}

static int score_term(struct scoring *x, float *total, struct txn *t, const struct query_term *q, struct err *e)
{
    x->n = 0;
    int rc = said_each(t, q->term, in_reach, x, e);
    if (rc)
        return rc;
    float all = (float)x->reach->n, idf = logf(1 + (all - (float)x->n + .5f) / ((float)x->n + .5f));
    *total += idf;
    for (size_t i = 0; i < x->n; i++) {
        uint32_t c = x->v[i].commit;
        float tf = (float)x->v[i].count, words = (float)history_node(x->g, c).words;
        x->score[c] += idf * tf * (float)(BM25_K + 1) / (tf + (float)BM25_K * (float)(1 - BM25_B + BM25_B * words / x->average));
        x->covered[c] += idf;
    }
    return 0;
}

static float average_words(const struct history_graph *g, const struct history_reach *r)
{
    double sum = 0;
    for (uint32_t c = 1; c < r->most; c++)
        if (history_reaches(r, c))
            sum += history_node(g, c).words;
    return r->n && sum > 0 ? (float)(sum / r->n) : 1;
}

/* -- messages ---------------------------------------------------------------------------------------------------------------- */

static struct str trimmed(struct str s)
{
    while (s.n && isspace((unsigned char)s.p[0]))
        s.p++, s.n--;
    while (s.n && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool has_term(struct str text, uint64_t term)
{
    struct words w;
    struct word one;
    words_init(&w, text.p, text.n);
    while (words_next(&w, &one)) {
        char stem[WORD_MAX + 1];
        if (one.len > WORD_MAX)
            continue;
        memcpy(stem, one.text, one.len);
        if (term_of(TERM_WORD, stem, word_stem(stem, one.len)) == term)
            return true;
    }
    return false;
}

static bool read_hit(struct commit_hit *h, struct txn *t, struct arena *arena)
{
    struct commit_row row;
    if (commit_get(t, h->commit, &row, NULL))
        return false;
    struct str m = trimmed((struct str){arena_strn(arena, row.message.p, row.message.n), row.message.n});
    const char *nl = memchr(m.p, '\n', m.n);
    h->subject = trimmed((struct str){m.p, nl ? (size_t)(nl - m.p) : m.n});
    h->body = trimmed((struct str){m.p + h->subject.n, m.n - h->subject.n});
    h->author = (struct str){arena_strn(arena, row.author.p, row.author.n), row.author.n};
    h->oid = row.oid;
    h->time = row.time;
    h->offset = row.offset;
    h->npaths = row.npaths < PATHS_LOOKED_AT ? row.npaths : PATHS_LOOKED_AT;
    h->path = arena_alloc(arena, (h->npaths + 1) * sizeof *h->path);
    for (uint32_t i = 0; i < h->npaths; i++)
        h->path[i] = commit_path(&row, i);
    return true;
}

static int by_score(const void *a, const void *b)
{
    const struct commit_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->time > y->time ? -1 : x->time < y->time;
}

/* -- vectors ---------------------------------------------------------------------------------------------------------------- */

struct nearness {
    struct scoring *x;
    const struct dense_rows *rows;
    const float *cosine;     /* [rows] */
    size_t at;               /* where the last one stood */
};

static int take_cosine(void *arg, uint32_t commit, uint32_t number)
{
    struct nearness *n = arg;
    uint32_t row = number != VECTOR_NONE && history_reaches(n->x->reach, commit) ? dense_row(n->rows, number, &n->at) : ROW_NONE;
    if (row != ROW_NONE)
        n->x->near[commit] = n->cosine[row];
    return 0;
}

/* query: [dim] fp32, unit length. Without vectors of the model near stays NULL: no error. */
static int scan_messages(struct scoring *x, struct txn *t, const struct model_info *m, const float *query, struct arena *arena, struct err *e)
{
    struct vector_run *run = NULL;
    size_t nruns = 0;
    uint8_t space[32];
    uint16_t number;
    said_space(space, m->hash);
    if (vector_model(t, space, m->dim, &number, NULL))
        return 0;
    int rc = vectors_open(t, number, &run, &nruns, e);
    if (rc)
        return rc;
    struct dense_rows rows = dense_rows_of(run, nruns, m->dim, arena);
    float *cosine = mem_alloc(((size_t)rows.n + 1) * sizeof *cosine);
    struct nearness n = {.x = x, .rows = &rows, .cosine = cosine};
    int8_t *q = arena_alloc(arena, m->dim);
    float scale = quant_row(q, query, m->dim);
    for (size_t i = 0; i < rows.nruns; i++) {
        struct scan_rows of = {rows.run[i].q, rows.run[i].scale, rows.run[i].n, m->dim, 0};
        scan_scores(&of, &(struct scan_queries){q, &scale, 1}, &(float *){cosine + rows.row[i]});
    }
    x->near = mem_zero((size_t)x->reach->most + 1, sizeof *x->near);
    rc = saidvec_each(t, number, take_cosine, &n, e);
    free(cosine);
    free(run);
    return rc;
}

/* The commits that cover most of the question, best first; merges say again what their branch said, so they come behind. */
static size_t choose(struct commit_hit *hit, const struct scoring *x, float total)
{
    size_t n = 0;
    for (uint32_t c = 1; c < x->reach->most; c++) {
        double coverage = total > 0 ? x->covered[c] / total : 0, near = x->near && x->near[c] > 0 ? x->near[c] : 0;
        if (coverage < COVERAGE_LEAST && near < NEAR_LEAST)
            continue;
        double score = coverage + NEAR_GAIN * near + .1 * x->score[c] / (1 + x->score[c]) - (history_node(x->g, c).parent[1] ? .3 : 0);
        size_t at = n < CANDIDATES ? n++ : n - 1;
        if (at == CANDIDATES - 1 && n == CANDIDATES && hit[at].commit && hit[at].score >= score)
            continue;
        for (; at && hit[at - 1].score < score; at--)
            hit[at] = hit[at - 1];
        hit[at] = (struct commit_hit){.commit = c, .score = score, .coverage = coverage, .near = near};
    }
    return n;
}

static int score_all(struct commit_hit **out, size_t *n, struct txn *t, const struct query *q, const struct commits_query *asked,
                     struct arena *arena, struct err *e)
{
    struct history_graph g = {0};
    struct history_reach reach = {0};
    struct scoring x = {.g = &g, .reach = &reach};
    float total = 0;
    const struct query_term *used[QUERY_TERMS];
    size_t nused = 0;
    int rc = history_graph_open(&g, t, e);
    if (rc)
        return rc;
    history_reach_init(&reach, &g);
    history_reach_add(&reach, &g, commit_find(t, asked->tip));
    x.average = average_words(&g, &reach);
    x.score = mem_zero(reach.most + 1, sizeof *x.score);
    x.covered = mem_zero(reach.most + 1, sizeof *x.covered);
    for (unsigned i = 0; i < q->nterms && !rc && reach.n; i++) {
        const struct query_term *w = &q->term[i];
        if (w->joined || w->weight < 1 || asks(w->text))
            continue;
        used[nused++] = w;
        rc = score_term(&x, &total, t, w, e);
    }
    if (!rc && asked->vector)
        rc = scan_messages(&x, t, asked->model, asked->vector, arena, e);
    struct commit_hit *hit = arena_zero(arena, CANDIDATES + 1, sizeof *hit);
    size_t most = rc ? 0 : choose(hit, &x, total);
    for (size_t i = 0; i < most; i++) {
        if (!read_hit(&hit[i], t, arena))
            continue;
        size_t said = 0;
        for (size_t k = 0; k < nused; k++)
            said += has_term(hit[i].subject, used[k]->term);
        hit[i].score += nused ? SUBJECT_GAIN * (double)said / (double)nused : 0;
        hit[*n] = hit[i];
        ++*n;
    }
    qsort(hit, *n, sizeof *hit, by_score);
    *out = hit;
    free(x.score);
    free(x.covered);
    free(x.near);
    free(x.v);
    history_reach_release(&reach);
    history_graph_close(&g);
    return rc;
}

const float *commits_vector(struct model *m, const char *question, struct arena *arena)
{
    if (!m)
        return NULL;
    float *v = arena_alloc(arena, model_info(m)->dim * sizeof *v);
    return model_embed(m, EMBED_QUERY, &question, 1, PRIORITY_QUERY, v, NULL, NULL, NULL) ? NULL : v;
}

int commits_search(struct commit_hit **out, size_t *n, struct store *s, const struct commits_query *asked, struct arena *arena, struct err *e)
{
    struct query q;
    struct txn *t;
    *out = NULL;
    *n = 0;
    query_parse(&q, str_of(asked->question), arena);
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = score_all(out, n, t, &q, asked, arena, e);
    txn_end(t);
    *n = *n < asked->most ? *n : asked->most;
    return rc;
}
