#include "engine/sample/sample.h"

#include "base/mem.h"
#include "kernels/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sampler {
    size_t vocab;
    struct sample_choice *choice; /* [vocab] */
    uint32_t *count;              /* [vocab], all 0 between calls */
    double *other;                /* [vocab], all 0 between calls: q by id */
};

struct sampler *sampler_new(size_t vocab)
{
    struct sampler *s = mem_zero(1, sizeof *s);
    s->vocab = vocab;
    s->choice = mem_zero(vocab, sizeof *s->choice);
    s->count = mem_zero(vocab, sizeof *s->count);
    s->other = mem_zero(vocab, sizeof *s->other);
    return s;
}

void sampler_free(struct sampler *s)
{
    if (!s)
        return;
    free(s->choice);
    free(s->count);
    free(s->other);
    free(s);
}

int sample_check(const struct sample_settings *s, struct err *e)
{
    const struct {
        const char *name;
        float value, least, most;
    } row[] = {
        {"temperature", s->temperature, 0, 100}, {"top_p", s->top_p, 0, 1},         {"min_p", s->min_p, 0, 1},
        {"repetition", s->repetition, 0.01f, 100}, {"presence", s->presence, -100, 100}, {"frequency", s->frequency, -100, 100},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (!(row[i].value >= row[i].least && row[i].value <= row[i].most))
            return err_set(e, ERR_USAGE, "%s is %g, not from %g to %g", row[i].name, (double)row[i].value, (double)row[i].least, (double)row[i].most);
    return 0;
}

/* Likeliest first, of equal ones the lowest id: a total order, so that nothing depends on how it is found. */
static bool before(const struct sample_choice *a, const struct sample_choice *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static int compare(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a);
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct sample_choice *)a)->id, y = ((const struct sample_choice *)b)->id;
    return x < y ? -1 : x > y;
}

/* Moves the k first of the order to the front (Hoare's selection, middle of three as the pivot). */
static void select_first(struct sample_choice *c, size_t n, size_t k)
{
    size_t from = 0, to = n;
    while (to - from > 1) {
        struct sample_choice a = c[from], m = c[from + (to - from) / 2], z = c[to - 1];
        struct sample_choice pivot = before(&a, &m) ? (before(&m, &z) ? m : before(&a, &z) ? z : a) :
                                                      (before(&a, &z) ? a : before(&m, &z) ? z : m);
        size_t i = from, j = to - 1;
        for (;;) {
            while (before(&c[i], &pivot))
                i++;
            while (before(&pivot, &c[j]))
                j--;
            if (i >= j)
                break;
            struct sample_choice swap = c[i];
            c[i++] = c[j];
            c[j--] = swap;
        }
        size_t mid = i; /* all before it stand before the pivot or are it */
        if (mid <= from)
            mid = from + 1;
        if (k <= mid)
            to = mid;
        else
            from = mid;
        if (k == mid)
            return;
    }
}

static void count_history(struct sampler *s, const uint32_t *history, size_t n, int by)
{
    for (size_t i = 0; i < n; i++)
        if (history[i] < s->vocab)
            s->count[history[i]] = by ? s->count[history[i]] + 1 : 0;
}

static bool penalizes(const struct sample_settings *how)
{
    return how->repetition != 1 || how->presence != 0 || how->frequency != 0;
}

static void last_of(const uint32_t **history, size_t *n, const struct sample_settings *how)
{
    if (how->last_n && *n > how->last_n) {
        *history += *n - how->last_n;
        *n = how->last_n;
    }
}

static float scale_of(const struct sample_settings *how)
{
    return how->temperature >= SAMPLE_COLD ? 1 / how->temperature : 0;
}

/* All allowed tokens with their logits after penalties and temperature; returns how many, or a negative code. */
static int collect(struct sampler *s, size_t *n, const float *logits, const uint32_t *allowed, const struct sample_settings *how,
                   struct err *e)
{
    float scale = scale_of(how);
    *n = 0;
    for (size_t i = 0; i < s->vocab; i++) {
        float x = draw_penalized(logits[i], s->count[i], how->repetition, how->presence, how->frequency);
        if (isnan(x) || x == INFINITY)
            return err_set(e, ERR_FORMAT, "the model's logit of token %zu is %s", i, isnan(x) ? "not a number" : "infinite");
        if (x == -INFINITY || (allowed && !(allowed[i / 32] >> (i % 32) & 1)))
            continue;
        s->choice[(*n)++] = (struct sample_choice){.id = (uint32_t)i, .logit = scale > 0 ? x * scale : x};
    }
    return *n ? 0 : err_set(e, ERR_UNSUPPORTED, "no token is allowed here");
}

static uint64_t weigh(struct sample_choice *c, size_t n, float most)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].weight = draw_weight(c[i].logit, most);
    return sum;
}

/* The shortest beginning of the order that weighs `want`. Only as much is sorted as that takes: those within 4, 8, 16 … of the
 * likeliest, e⁻⁴ being what a second choice usually has. */
static size_t nucleus(struct sample_choice *c, size_t n, float most, uint64_t want)
{
    size_t sorted = 0;
    uint64_t mass = 0;
    for (float width = 4; sorted < n; width = width < 64 ? width * 2 : INFINITY) {
        size_t end = sorted;
        for (size_t i = sorted; i < n; i++)
            if (c[i].logit > most - width || width == INFINITY) {
                struct sample_choice swap = c[end];
                c[end++] = c[i];
                c[i] = swap;
            }
        qsort(c + sorted, end - sorted, sizeof *c, compare);
        for (; sorted < end; sorted++) {
            mass += c[sorted].weight;
            if (mass >= want)
                return sorted + 1;
        }
    }
    return n;
}

/* A share in units of 2^-32; 0: all. */
static uint32_t share_of(float top_p)
{
    double units = (double)top_p * 0x1p32;
    return top_p >= 1 ? 0 : units < 1 ? 1 : (uint32_t)units;
}

static uint64_t least_of(float min_p)
{
    double units = (double)min_p * (double)((uint64_t)1 << DRAW_BITS);
    return units < 1 ? 1 : (uint64_t)units;
}

int sample_dist(struct sampler *s, struct sample_dist *out, const float *logits, const uint32_t *allowed, const uint32_t *history,
                size_t nhistory, const struct sample_settings *how, struct err *e)
{
    size_t n, kept = 0;
    bool penalties = penalizes(how);
    last_of(&history, &nhistory, how);
    if (penalties)
        count_history(s, history, nhistory, 1);
    int rc = collect(s, &n, logits, allowed, how, e);
    if (penalties)
        count_history(s, history, nhistory, 0);
    if (rc)
        return rc;
    struct sample_choice *c = s->choice, best = c[0];
    for (size_t i = 1; i < n; i++)
        if (before(&c[i], &best))
            best = c[i];
    if (how->temperature < SAMPLE_COLD) {
        c[0] = (struct sample_choice){best.id, best.logit, 1};
        *out = (struct sample_dist){c, 1, 1};
        return 0;
    }
    bool ordered = how->top_k && how->top_k < n;
    if (ordered) {
        select_first(c, n, how->top_k);
        n = how->top_k;
    }
    uint64_t sum = weigh(c, n, best.logit);
    uint32_t share = share_of(how->top_p);
    if (share) {
        n = nucleus(c, n, best.logit, draw_share(sum, share));
        ordered = true;
    }
    uint64_t least = least_of(how->min_p);
    sum = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].weight >= least) {
            sum += c[i].weight;
            c[kept++] = c[i];
        }
    if (ordered)
        qsort(c, kept, sizeof *c, by_id);
    *out = (struct sample_dist){c, kept, sum};
    return 0;
}

/* Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011). */
static void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        memcpy(c, next, sizeof next);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* In units of 2^-64; the last eleven bits are 0. */
static uint64_t uniform(uint64_t seed, uint64_t position, enum sample_lane lane)
{
    uint32_t c[4] = {(uint32_t)position, (uint32_t)(position >> 32), (uint32_t)lane, 0};
    philox(c, (uint32_t)seed, (uint32_t)(seed >> 32));
    return ((uint64_t)c[1] << 32 | c[0]) >> 11 << 11;
}

double sample_uniform(uint64_t seed, uint64_t position, enum sample_lane lane)
{
    return (double)(uniform(seed, position, lane) >> 11) * 0x1p-53;
}

uint32_t sample_draw(const struct sample_dist *d, uint64_t seed, uint64_t position)
{
    uint64_t at = draw_scaled(d->sum, uniform(seed, position, LANE_DRAW)), mass = 0;
    size_t i = 0;
    while (i + 1 < d->n && (mass += d->choice[i].weight) <= at)
        i++;
    return d->choice[i].id;
}

/* Distinct tokens of history and ahead with their counts. */
static bool list_said(struct sampler *s, struct draw_batch *b, struct draw_row *r, const uint32_t *token, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (token[i] >= s->vocab || !s->count[token[i]])
            continue;
        if (b->nsaid == DRAW_SAID_MAX)
            return false;
        b->said[b->nsaid++] = (struct draw_said){token[i], s->count[token[i]]};
        r->said++;
        s->count[token[i]] = 0;
    }
    return true;
}

bool sample_on_device(struct sampler *s, struct draw_batch *out, size_t vocab, const uint32_t *history, size_t nhistory,
                      const uint32_t *ahead, size_t nahead, const struct sample_settings *how, uint64_t position)
{
    struct draw_row r = {.vocab = (uint32_t)vocab, .first = out->nsaid, .repetition = how->repetition, .presence = how->presence,
                         .frequency = how->frequency, .scale = scale_of(how), .top_k = how->top_k, .top_p = share_of(how->top_p),
                         .least = least_of(how->min_p), .uniform = uniform(how->seed, position, LANE_DRAW)};
    bool fits = vocab <= DRAW_VOCAB_MAX;
    if (penalizes(how)) {
        size_t both = nhistory + nahead, most = how->last_n && how->last_n < both ? how->last_n : both;
        size_t of_ahead = nahead < most ? nahead : most, of_history = most - of_ahead;
        count_history(s, history + nhistory - of_history, of_history, 1);
        count_history(s, ahead + nahead - of_ahead, of_ahead, 1);
        fits = fits && list_said(s, out, &r, history + nhistory - of_history, of_history) &&
               list_said(s, out, &r, ahead + nahead - of_ahead, of_ahead);
        count_history(s, history + nhistory - of_history, of_history, 0);
        count_history(s, ahead + nahead - of_ahead, of_ahead, 0);
    }
    if (!fits) {
        out->nsaid = r.first;
        r = (struct draw_row){0};
    }
    out->row[out->rows++] = r;
    return fits;
}

static double mass_of(const struct sample_dist *d, uint32_t id)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->choice[i].id == id)
            return sample_p(d, i);
    return 0;
}

bool sample_verify(struct sampler *s, uint32_t *token, const struct sample_dist *p, const struct sample_dist *q, uint32_t draft,
                   uint64_t seed, uint64_t position)
{
    if (!q) {
        *token = sample_draw(p, seed, position);
        return *token == draft;
    }
    double pd = mass_of(p, draft), qd = mass_of(q, draft);
    if (sample_uniform(seed, position, LANE_ACCEPT) * qd < pd) {
        *token = draft;
        return true;
    }
    double sum = 0, u;
    for (size_t i = 0; i < q->n; i++)
        s->other[q->choice[i].id] = sample_p(q, i);
    for (size_t i = 0; i < p->n; i++)
        sum += fmax(0, sample_p(p, i) - s->other[p->choice[i].id]);
    u = sample_uniform(seed, position, LANE_RESIDUAL) * sum;
    *token = p->choice[0].id;
    for (size_t i = 0; i < p->n; i++) {
        double left = fmax(0, sample_p(p, i) - s->other[p->choice[i].id]);
        if (left > 0)
            *token = p->choice[i].id;
        if (left > 0 && u < left)
            break;
        u -= left;
    }
    for (size_t i = 0; i < q->n; i++)
        s->other[q->choice[i].id] = 0;
    return false;
}
