#include "service/verdict_retrieval.h"

#include "base/mem.h"
#include "engine/train/random.h"
#include "service/bootstrap.h"

#include <stdlib.h>

/* One figure of a question, or the sum of several. */
struct pair {
    double base, tuned;
};

static struct pair sum(const struct pair *v, const size_t *pick, size_t n)
{
    struct pair s = {0};
    for (size_t i = 0; i < n; i++) {
        s.base += v[pick[i]].base;
        s.tuned += v[pick[i]].tuned;
    }
    return s;
}

static double gain(const void *pairs, const size_t *pick, size_t n)
{
    struct pair s = sum(pairs, pick, n);
    return (s.tuned - s.base) / (double)n;
}

static double ratio(const void *pairs, const size_t *pick, size_t n)
{
    struct pair s = sum(pairs, pick, n);
    return s.tuned / s.base;
}

struct judging {
    json_t *why;
    bool promote;
};

static void refuse(struct judging *j, const char *fmt, const char *what, double a, double b)
{
    char text[300];
    snprintf(text, sizeof text, fmt, what, a, b);
    json_array_append_new(j->why, json_string(text));
    j->promote = false;
}

struct compared {
    double base, tuned;
    struct figure gain;
};

static json_t *compare(struct compared *out, const struct retrieval_row *row, size_t n, bool by_mrr, uint64_t seed)
{
    struct pair *v = mem_alloc((n + 1) * sizeof *v), s = {0};
    for (size_t i = 0; i < n; i++) {
        v[i] = by_mrr ? (struct pair){row[i].base.reciprocal, row[i].tuned.reciprocal} : (struct pair){row[i].base.ndcg, row[i].tuned.ndcg};
        s.base += v[i].base;
        s.tuned += v[i].tuned;
    }
    struct figure times = bootstrap(v, n, ratio, seed);
    *out = (struct compared){s.base / (double)n, s.tuned / (double)n, bootstrap(v, n, gain, seed)};
    free(v);
    return json_pack("{sI, sf, sf, so, so}", "questions", (json_int_t)n, "base", out->base, "tuned", out->tuned, "ratio",
                     s.base > 0 ? figure_json(&times) : json_null(), "gain", figure_json(&out->gain));
}

static void judge_kind(struct judging *j, json_t *kinds, const struct retrieval_row *row, size_t n, enum corpus_kind kind, uint64_t seed)
{
    struct retrieval_row *v = mem_alloc((n + 1) * sizeof *v);
    struct compared by_mrr, by_ndcg;
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (row[i].kind == kind)
            v[m++] = row[i];
    if (m) {
        json_t *first = compare(&by_mrr, v, m, true, random_bits(seed, 2 * (uint64_t)kind)), *second = compare(&by_ndcg, v, m, false, random_bits(seed, 2 * (uint64_t)kind + 1));
        json_object_set_new(kinds, corpus_kind_name(kind), json_pack("{so, so}", "mrr", first, "ndcg", second));
        if (by_mrr.gain.high < 0 || by_mrr.tuned - by_mrr.base < -RETRIEVAL_WORSE)
            refuse(j, "questions of the kind \"%s\" find their files worse: %.3f, and %.3f before", corpus_kind_name(kind), by_mrr.tuned, by_mrr.base);
    }
    free(v);
}

void verdict_retrieval(json_t **report, const struct retrieval_row *row, size_t n, uint64_t shared, uint64_t seed)
{
    struct judging j = {json_array(), true};
    json_t *kinds = json_object();
    *report = json_object();
    if (n) {
        struct compared by_mrr, by_ndcg;
        json_object_set_new(*report, "mrr", compare(&by_mrr, row, n, true, seed));
        json_object_set_new(*report, "ndcg", compare(&by_ndcg, row, n, false, random_bits(seed, 1000)));
        if (!(by_mrr.gain.low > 0))
            refuse(&j, "%s are not surely found better: MRR %.4g, and %.4g before", "held-out questions' files", by_mrr.tuned, by_mrr.base);
        if (by_ndcg.gain.high < 0)
            refuse(&j, "%s are ranked worse: NDCG %.4g, and %.4g before", "held-out questions' files", by_ndcg.tuned, by_ndcg.base);
    }
    for (int k = 0; k < CORPUS_KIND_COUNT; k++)
        judge_kind(&j, kinds, row, n, (enum corpus_kind)k, seed);
    if (n < RETRIEVAL_LEAST)
        refuse(&j, "%s questions are too few to measure by: %.0f, and %.0f are the least", "held-out", (double)n, RETRIEVAL_LEAST);
    if (shared)
        refuse(&j, "%s that it is measured by were learned: %.0f", "records", (double)shared, 0);
    json_object_set_new(*report, "kinds", kinds);
    json_object_set_new(*report, "shared", json_integer((json_int_t)shared));
    json_object_set_new(*report, "promote", json_boolean(j.promote));
    json_object_set_new(*report, "why", j.why);
}
