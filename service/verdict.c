#include "service/verdict.h"

#include "base/mem.h"
#include "engine/train/corpus.h"
#include "engine/train/random.h"
#include "service/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct row {
    enum corpus_kind kind;
    bool held;
    int texts;
    double tokens, base, tuned;
};
struct rows {
    struct row *v;
    size_t n;
};

static int kind_of(const char *name)
{
    int k = 0;
    while (k < CORPUS_KIND_COUNT && (!name || strcmp(corpus_kind_name((enum corpus_kind)k), name)))
        k++;
    return k;
}

static int read_rows(struct rows *out, const json_t *rows, struct err *e)
{
    size_t i;
    json_t *r;
    out->v = mem_zero(json_array_size(rows) + 1, sizeof *out->v);
    json_array_foreach(rows, i, r) {
        int kind = kind_of(json_string_value(json_array_get(r, 0)));
        struct row x = {(enum corpus_kind)kind, json_is_true(json_array_get(r, 1)), (int)json_integer_value(json_array_get(r, 2)),
                        (double)json_integer_value(json_array_get(r, 3)), json_number_value(json_array_get(r, 4)), json_number_value(json_array_get(r, 5))};
        if (kind == CORPUS_KIND_COUNT || x.texts < 1 || !isfinite(x.base) || !isfinite(x.tuned))
            return err_set(e, ERR_FORMAT, "measured record %zu is none", i);
        if (x.tokens > 0)
            out->v[out->n++] = x;
    }
    return 0;
}

static struct rows some(const struct rows *all, bool (*wanted)(const struct row *r, const void *arg), const void *arg)
{
    struct rows out = {mem_alloc((all->n + 1) * sizeof *out.v), 0};
    for (size_t i = 0; i < all->n; i++)
        if (wanted(&all->v[i], arg))
            out.v[out.n++] = all->v[i];
    return out;
}

/* -- perplexity --------------------------------------------------------------------------------------------------------------- */

static bool held_text(const struct row *r, const void *arg)
{
    return r->held && r->texts == 1;
}

struct sums {
    double base, tuned, tokens;
};

static struct sums sum(const struct row *v, const size_t *pick, size_t n)
{
    struct sums s = {0};
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &v[pick ? pick[i] : i];
        s.base += r->base;
        s.tuned += r->tuned;
        s.tokens += r->tokens;
    }
    return s;
}

static double perplexity_ratio(const void *rows, const size_t *pick, size_t n)
{
    const struct row *v = rows;
    struct sums s = sum(v, pick, n);
    return exp((s.base - s.tuned) / s.tokens);
}

/* -- choices ------------------------------------------------------------------------------------------------------------------ */

static bool of_kind(const struct row *r, const void *arg)
{
    return r->held && r->texts > 1 && r->kind == *(const enum corpus_kind *)arg;
}

static double score_of(enum corpus_kind kind, double rank)
{
    return kind == CORPUS_DEFINITION ? 1 / rank : rank <= 1;
}

static double gain(const void *rows, const size_t *pick, size_t n)
{
    const struct row *v = rows;
    double all = 0;
    for (size_t i = 0; i < n; i++)
        all += score_of(v[pick[i]].kind, v[pick[i]].tuned) - score_of(v[pick[i]].kind, v[pick[i]].base);
    return all / (double)n;
}

/* -- writing ------------------------------------------------------------------------------------------------------------------ */

struct asked_row {
    bool answerable, refused[2]; /* without and with the adapter, here and below */
    double cited[2], right[2];
};
struct asked_list {
    struct asked_row *v;
    size_t n;
};

static int read_asked(struct asked_list *out, const json_t *asked, struct err *e)
{
    size_t i;
    json_t *r;
    out->v = mem_zero(json_array_size(asked) + 1, sizeof *out->v);
    json_array_foreach(asked, i, r) {
        struct asked_row *x = &out->v[out->n++];
        x->answerable = json_is_true(json_array_get(r, 0));
        for (int side = 0; side < 2; side++) {
            const json_t *said = json_array_get(r, 1 + (size_t)side);
            x->cited[side] = json_number_value(json_array_get(said, 0));
            x->right[side] = json_number_value(json_array_get(said, 1));
            x->refused[side] = json_is_true(json_array_get(said, 2));
            if (json_array_size(said) != 3 || !(x->right[side] >= 0 && x->right[side] <= x->cited[side] && x->right[side] <= 1))
                return err_set(e, ERR_FORMAT, "answered question %zu is none", i);
        }
    }
    return 0;
}

enum score { PRECISION, RECALL, DECLINING };

/* Of rows of one sort: answerable ones, or those that are not. */
static double written_score(enum score what, const struct asked_row *v, const size_t *pick, size_t n, int side)
{
    double got = 0, of = 0;
    for (size_t i = 0; i < n; i++) {
        const struct asked_row *r = &v[pick ? pick[i] : i];
        got += what == DECLINING ? r->refused[side] && r->cited[side] == 0 : r->right[side];
        of += what == PRECISION ? r->cited[side] : 1;
    }
    return of > 0 ? got / of : 0; /* who names nothing has no precision */
}

static double precision_gain(const void *rows, const size_t *pick, size_t n)
{
    return written_score(PRECISION, rows, pick, n, 1) - written_score(PRECISION, rows, pick, n, 0);
}

static double recall_gain(const void *rows, const size_t *pick, size_t n)
{
    return written_score(RECALL, rows, pick, n, 1) - written_score(RECALL, rows, pick, n, 0);
}

static double declining_gain(const void *rows, const size_t *pick, size_t n)
{
    return written_score(DECLINING, rows, pick, n, 1) - written_score(DECLINING, rows, pick, n, 0);
}

/* -- leak --------------------------------------------------------------------------------------------------------------------- */

static bool a_text(const struct row *r, const void *arg)
{
    return r->texts == 1;
}

/* How much more of its loss a held-out record lost than a learned one of the same kind: mean over the kinds that have both. */
static double leak_of(const void *rows, const size_t *pick, size_t n)
{
    const struct row *v = rows;
    struct sums s[CORPUS_KIND_COUNT][2] = {0};
    double all = 0, kinds = 0;
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &v[pick[i]];
        s[r->kind][r->held].base += r->base;
        s[r->kind][r->held].tuned += r->tuned;
    }
    for (int k = 0; k < CORPUS_KIND_COUNT; k++)
        if (s[k][0].base > 0 && s[k][1].base > 0) {
            all += s[k][0].tuned / s[k][0].base - s[k][1].tuned / s[k][1].base;
            kinds++;
        }
    return kinds > 0 ? all / kinds : 0;
}

/* -- the report --------------------------------------------------------------------------------------------------------------- */

struct judging {
    struct rows rows;
    struct asked_list asked;
    json_t *report, *why;
    uint64_t seed;
    bool promote;
};

static void refuse(struct judging *j, const char *fmt, double a, double b)
{
    char text[300];
    snprintf(text, sizeof text, fmt, a, b);
    json_array_append_new(j->why, json_string(text));
    j->promote = false;
}

static void judge_perplexity(struct judging *j)
{
    struct rows r = some(&j->rows, held_text, NULL);
    struct sums s = sum(r.v, NULL, r.n);
    if (r.n < VERDICT_TEXTS_LEAST || s.tokens <= 0) {
        refuse(j, "%.0f held-out texts are too few to measure by", (double)r.n, 0);
        json_object_set_new(j->report, "perplexity", json_null());
    } else {
        struct figure f = bootstrap(r.v, r.n, perplexity_ratio, j->seed);
        double base = exp(s.base / s.tokens), tuned = exp(s.tuned / s.tokens);
        json_object_set_new(j->report, "perplexity", json_pack("{sI, sI, sf, sf, so}", "records", (json_int_t)r.n, "tokens", (json_int_t)s.tokens, "base", base,
                                                               "tuned", tuned, "ratio", figure_json(&f)));
        if (!(f.low > 1))
            refuse(j, "held-out perplexity is not surely better: %.4g, and %.4g before", tuned, base);
    }
    free(r.v);
}

static void judge_choice(struct judging *j, enum corpus_kind kind, const char *name, const char *worse)
{
    struct rows r = some(&j->rows, of_kind, &kind);
    double base = 0, tuned = 0;
    for (size_t i = 0; i < r.n; i++) {
        base += score_of(kind, r.v[i].base) / (double)r.n;
        tuned += score_of(kind, r.v[i].tuned) / (double)r.n;
    }
    if (r.n) {
        struct figure f = bootstrap(r.v, r.n, gain, random_bits(j->seed, (uint64_t)kind + 1));
        json_object_set_new(j->report, name, json_pack("{sI, sf, sf, so}", "questions", (json_int_t)r.n, "base", base, "tuned", tuned, "gain", figure_json(&f)));
        if (f.high < 0 || tuned - base < -VERDICT_WORSE)
            refuse(j, worse, tuned, base);
    } else {
        json_object_set_new(j->report, name, json_null());
    }
    free(r.v);
}

static json_t *judge_score(struct judging *j, const struct asked_list *some, enum score what)
{
    static const struct {
        double (*gain)(const void *, const size_t *, size_t);
        const char *worse;
    } how[] = {[PRECISION] = {precision_gain, "fewer of the sources that its answers name are right: %.3f, and %.3f before"},
               [RECALL] = {recall_gain, "fewer of its answers name the right source: %.3f, and %.3f before"},
               [DECLINING] = {declining_gain, "it answers more of what the sources do not say: %.3f are declined, and %.3f before"}};
    double base = written_score(what, some->v, NULL, some->n, 0), tuned = written_score(what, some->v, NULL, some->n, 1);
    struct figure f = bootstrap(some->v, some->n, how[what].gain, random_bits(j->seed, 200 + (uint64_t)what));
    if (f.high < 0 || tuned - base < -VERDICT_SAID_WORSE)
        refuse(j, how[what].worse, tuned, base);
    return json_pack("{sI, sf, sf, so}", "questions", (json_int_t)some->n, "base", base, "tuned", tuned, "gain", figure_json(&f));
}

/* By what it wrote: a model that ranks well may still write something else. */
static void judge_writing(struct judging *j)
{
    json_t *citation = json_null(), *declining = json_null();
    for (int answerable = 0; answerable < 2; answerable++) {
        struct asked_list some = {mem_alloc((j->asked.n + 1) * sizeof *some.v), 0};
        for (size_t i = 0; i < j->asked.n; i++)
            if (j->asked.v[i].answerable == answerable)
                some.v[some.n++] = j->asked.v[i];
        if (some.n && answerable)
            citation = json_pack("{sI, so, so}", "questions", (json_int_t)some.n, "precision", judge_score(j, &some, PRECISION), "recall", judge_score(j, &some, RECALL));
        else if (some.n)
            declining = judge_score(j, &some, DECLINING);
        free(some.v);
    }
    json_object_set_new(j->report, "citation", citation);
    json_object_set_new(j->report, "declining", declining);
}

static void judge_leak(struct judging *j, uint64_t shared)
{
    struct rows r = some(&j->rows, a_text, NULL);
    struct figure f = r.n ? bootstrap(r.v, r.n, leak_of, random_bits(j->seed, 100)) : (struct figure){0};
    json_object_set_new(j->report, "leak", figure_json(&f));
    json_object_set_new(j->report, "shared", json_integer((json_int_t)shared));
    if (shared)
        refuse(j, "%.0f records that it is measured by were learned", (double)shared, 0);
    else if (f.low > VERDICT_LEAK)
        refuse(j, "its loss fell by %.0f %% more on what was held out than on what was learned: it has seen what it is measured by", 100 * f.value, 0);
    free(r.v);
}

static void list_kinds(struct judging *j)
{
    json_t *kinds = json_object();
    for (int k = 0; k < CORPUS_KIND_COUNT; k++) {
        struct sums s = {0};
        double n = 0;
        for (size_t i = 0; i < j->rows.n; i++) {
            const struct row *r = &j->rows.v[i];
            if (r->kind != (enum corpus_kind)k || !r->held || r->texts > 1)
                continue;
            s.base += r->base;
            s.tuned += r->tuned;
            s.tokens += r->tokens;
            n++;
        }
        if (n > 0)
            json_object_set_new(kinds, corpus_kind_name((enum corpus_kind)k), json_pack("{sI, sf, sf}", "records", (json_int_t)n, "base", exp(s.base / s.tokens),
                                                                                        "tuned", exp(s.tuned / s.tokens)));
    }
    json_object_set_new(j->report, "kinds", kinds);
}

int verdict(json_t **report, const json_t *rows, const json_t *asked, uint64_t shared, uint64_t seed, struct err *e)
{
    struct judging j = {.report = json_object(), .why = json_array(), .seed = seed, .promote = true};
    int rc = read_rows(&j.rows, rows, e);
    if (!rc)
        rc = read_asked(&j.asked, asked, e);
    if (!rc) {
        judge_perplexity(&j);
        judge_choice(&j, CORPUS_DEFINITION, "definition", "the right definition is ranked worse: %.3f, and %.3f before");
        judge_choice(&j, CORPUS_CITE, "cite", "sources are cited worse: %.3f are right, and %.3f before");
        judge_choice(&j, CORPUS_UNANSWERABLE, "refusal", "it refuses worse: %.3f are right, and %.3f before");
        judge_writing(&j);
        judge_leak(&j, shared);
        list_kinds(&j);
        json_object_set_new(j.report, "promote", json_boolean(j.promote));
        json_object_set_new(j.report, "why", json_incref(j.why));
        *report = json_incref(j.report);
    }
    json_decref(j.report);
    json_decref(j.why);
    free(j.rows.v);
    free(j.asked.v);
    return rc;
}
