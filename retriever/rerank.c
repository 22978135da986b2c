#include "retriever/rerank.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* Of the model's opinion in the new order. Small rerankers are worse than good ranking on code as often as better, so none is
 * followed alone: with a half, what words and definitions put far in front stays in front of what the model alone likes. */
#define RERANK_WEIGHT .5
#define FIRST 4 /* read before anything is known of the speed */
#define NEXT 8

static const char *text_of(const struct search_hit *h, struct arena *arena)
{
    return arena_fmt(arena, "%.*s%s%s\n%.*s", (int)h->path.n, h->path.p, h->crumb && *h->crumb ? " " : "", h->crumb ? h->crumb : "",
                     (int)h->snippet.n, h->snippet.p);
}

/* How many were read in time. */
static size_t read_hits(const struct search_result *out, float *score, struct model *m, const char *question, double budget_ms,
                        const volatile bool *stop, struct arena *arena)
{
    size_t most = out->n < RERANK_HITS ? out->n : RERANK_HITS, n = 0;
    double began = clock_ms();
    while (n < most) {
        const char *text[NEXT];
        size_t k = n ? NEXT : FIRST;
        k = k < most - n ? k : most - n;
        double spent = clock_ms() - began, fit = n ? (budget_ms - spent) * (double)n / spent : (double)k;
        if (fit < 1)
            break;
        k = fit < (double)k ? (size_t)fit : k;
        for (size_t i = 0; i < k; i++)
            text[i] = text_of(&out->hit[n + i], arena);
        if (model_rerank(m, question, text, k, score + n, stop, NULL))
            return 0;
        n += k;
    }
    return n;
}

static int best_first(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

void rerank_hits(struct search_result *out, struct model *m, const char *question, double budget_ms, const volatile bool *stop,
                 struct arena *arena)
{
    float score[RERANK_HITS];
    double began = clock_ms(), least, most, top, bottom;
    size_t n = read_hits(out, score, m, question, budget_ms, stop, arena);
    out->reranked = n > 1 ? (uint32_t)n : 0;
    out->ms_rerank = clock_ms() - began;
    if (n < 2)
        return;
    least = most = score[0];
    for (size_t i = 1; i < n; i++) {
        least = fmin(least, score[i]);
        most = fmax(most, score[i]);
    }
    top = out->hit[0].score;
    bottom = out->hit[n - 1].score;
    for (size_t i = 0; i < n; i++) { /* both in [0, 1], then in the scores' own range: the rest stays below */
        struct search_hit *h = &out->hit[i];
        double says = most > least ? (score[i] - least) / (most - least) : 1, had = top > bottom ? (h->score - bottom) / (top - bottom) : 1;
        double now = bottom + (top - bottom) * ((1 - RERANK_WEIGHT) * had + RERANK_WEIGHT * says);
        h->rerank = now - h->score;
        h->score = now;
    }
    qsort(out->hit, n, sizeof *out->hit, best_first);
}
