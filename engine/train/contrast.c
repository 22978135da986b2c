#include "engine/train/contrast.h"

#include "base/mem.h"
#include "engine/train/adamw.h"
#include "engine/train/random.h"
#include "kernels/quant.h"
#include "kernels/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16        /* sums of a product side by side: what a compiler keeps in registers, in one order on every machine */
#define LOOK_STEPS 8    /* steps between two looks at go_on */
#define CLIP 1.0        /* of the gradient's norm */
#define WARMUP_SHARE 20 /* one step in so many */

struct pick { /* what a question is taught with in this round */
    uint32_t *near;      /* [answers of all questions] the nearest piece of each answering file; NONE where it has none */
    uint32_t *hard;      /* [questions, hard] pieces of other files, nearest first; NONE where there are fewer */
};
#define NONE UINT32_MAX

struct learner {
    const struct contrast_set *s;
    const struct contrast_options *o;
    struct query_map *map;
    float *m, *v, *gradient; /* [dim·dim + dim] moments */
    struct pick pick;
    uint32_t *taught, ntaught; /* questions that have an answer with pieces */
    float *turned;           /* [batch, dim] q' */
    float *norm;             /* [batch] of q + W·q + b */
    float *doc;              /* [batch + hard, dim] documents at work */
    uint32_t *docfile;       /* [batch] */
    uint64_t step, steps;
    double loss;             /* of this epoch so far */
};

static float product(const float *a, const float *b, uint32_t n)
{
    float lane[LANES] = {0}, sum = 0;
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t k = 0; k < LANES; k++)
            lane[k] += a[i + k] * b[i + k];
    for (uint32_t k = 0; k < LANES; k++)
        sum += lane[k];
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(float *to, float share, const float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] += share * x[i];
}

/* out: [dim] of unit length; returns the length before. */
static float turn(float *out, const struct query_map *m, const float *q)
{
    float norm = 0;
    for (uint32_t i = 0; i < m->dim; i++)
        out[i] = q[i] + m->bias[i] + product(m->weight + (size_t)i * m->dim, q, m->dim);
    norm = sqrtf(product(out, out, m->dim));
    for (uint32_t i = 0; i < m->dim && norm > 0; i++)
        out[i] /= norm;
    return norm;
}

static void piece(float *out, const struct contrast_set *s, uint32_t n)
{
    const int8_t *q = s->q + (size_t)n * s->dim;
    for (uint32_t i = 0; i < s->dim; i++)
        out[i] = s->scale[n] * (float)q[i];
}

static bool answers(const struct contrast_set *s, uint32_t question, uint32_t file)
{
    for (uint32_t a = s->first[question]; a < s->first[question + 1]; a++)
        if (s->answer[a] == file)
            return true;
    return false;
}

/* -- mining ------------------------------------------------------------------------------------------------------------------- */

struct mined { /* of one question: the nearest piece of each file */
    float *best;     /* [files] */
    uint32_t *at;    /* [files] */
};

static void mine_one(struct learner *l, uint32_t question, const float *score, struct mined *w)
{
    const struct contrast_set *s = l->s;
    uint32_t *hard = l->pick.hard + (size_t)question * l->o->hard, n = 0;
    for (uint32_t f = 0; f < s->files; f++)
        w->at[f] = NONE;
    for (uint32_t p = 0; p < s->pieces; p++) {
        uint32_t f = s->file[p];
        if (w->at[f] == NONE || score[p] > w->best[f]) {
            w->best[f] = score[p];
            w->at[f] = p;
        }
    }
    for (uint32_t a = s->first[question]; a < s->first[question + 1]; a++)
        l->pick.near[a] = w->at[s->answer[a]];
    for (uint32_t f = 0; f < s->files; f++) {
        if (w->at[f] == NONE || (n == l->o->hard && !(w->best[f] > w->best[s->file[hard[n - 1]]])) || answers(s, question, f))
            continue;
        uint32_t at = n < l->o->hard ? n++ : n - 1;
        for (; at && w->best[s->file[hard[at - 1]]] < w->best[f]; at--)
            hard[at] = hard[at - 1];
        hard[at] = w->at[f];
    }
    for (; n < l->o->hard; n++)
        hard[n] = NONE;
}

/* The questions as the map has them now, SCAN_QUERIES_MAX at once over all pieces. */
static void mine(struct learner *l)
{
    const struct contrast_set *s = l->s;
    float *y = mem_alloc(s->dim * sizeof *y), *score[SCAN_QUERIES_MAX], scale[SCAN_QUERIES_MAX];
    int8_t *q = mem_alloc((size_t)SCAN_QUERIES_MAX * s->dim);
    struct mined w = {mem_alloc((size_t)s->files * sizeof *w.best), mem_alloc((size_t)s->files * sizeof *w.at)};
    struct scan_rows rows = {s->q, s->scale, s->pieces, s->dim, 0};
    for (int k = 0; k < SCAN_QUERIES_MAX; k++)
        score[k] = mem_alloc(((size_t)s->pieces + 1) * sizeof **score);
    for (uint32_t at = 0; at < s->questions; at += SCAN_QUERIES_MAX) {
        uint32_t n = s->questions - at < SCAN_QUERIES_MAX ? s->questions - at : SCAN_QUERIES_MAX;
        for (uint32_t k = 0; k < n; k++) {
            turn(y, l->map, s->question + (size_t)(at + k) * s->dim);
            scale[k] = quant_row(q + (size_t)k * s->dim, y, s->dim);
        }
        scan_scores(&rows, &(struct scan_queries){q, scale, n}, score);
        for (uint32_t k = 0; k < n; k++)
            mine_one(l, at + k, score[k], &w);
    }
    for (int k = 0; k < SCAN_QUERIES_MAX; k++)
        free(score[k]);
    free(w.best);
    free(w.at);
    free(q);
    free(y);
}

/* -- a step ------------------------------------------------------------------------------------------------------------------- */

/* One of its answers, drawn; every question that is taught has one with a piece. */
static uint32_t drawn_answer(const struct learner *l, uint32_t question, uint64_t draw)
{
    const struct contrast_set *s = l->s;
    uint32_t from = s->first[question], n = s->first[question + 1] - from, at = (uint32_t)(random_bits(draw, question) % n);
    while (l->pick.near[from + at] == NONE)
        at = (at + 1) % n;
    return from + at;
}

/* The loss of one question of the batch, and what it adds to the gradient. */
static double one(struct learner *l, uint32_t i, uint32_t question, uint32_t batch)
{
    const struct contrast_set *s = l->s;
    const uint32_t *hard = l->pick.hard + (size_t)question * l->o->hard;
    const float *turned = l->turned + (size_t)i * s->dim, *q = s->question + (size_t)question * s->dim;
    uint32_t n = batch;
    float *logit = mem_alloc((batch + l->o->hard) * sizeof *logit), *back = mem_zero(s->dim, sizeof *back);
    for (uint32_t h = 0; h < l->o->hard && hard[h] != NONE; h++)
        piece(l->doc + (size_t)n++ * s->dim, s, hard[h]);
    double most = -INFINITY, sum = 0;
    for (uint32_t j = 0; j < n; j++) {
        bool too = j < batch && j != i && answers(s, question, l->docfile[j]);
        logit[j] = too ? -INFINITY : product(turned, l->doc + (size_t)j * s->dim, s->dim) / (float)l->o->temperature;
        most = logit[j] > most ? logit[j] : most;
    }
    for (uint32_t j = 0; j < n; j++)
        sum += exp(logit[j] - most);
    double loss = most + log(sum) - logit[i];
    for (uint32_t j = 0; j < n; j++) {
        float share = (float)(exp(logit[j] - most) / sum) - (j == i);
        if (share != 0)
            add(back, share / (float)l->o->temperature, l->doc + (size_t)j * s->dim, s->dim);
    }
    /* through the length: d(y/‖y‖) = (I − q'q'ᵀ)/‖y‖ */
    add(back, -product(back, turned, s->dim), turned, s->dim);
    float scale = l->norm[i] > 0 ? 1 / (l->norm[i] * (float)batch) : 0;
    for (uint32_t r = 0; r < s->dim; r++)
        add(l->gradient + (size_t)r * s->dim, scale * back[r], q, s->dim);
    add(l->gradient + (size_t)s->dim * s->dim, scale, back, s->dim);
    free(logit);
    free(back);
    return loss;
}

static double step(struct learner *l, const uint32_t *question, uint32_t n, const struct adamw_options *a)
{
    const struct contrast_set *s = l->s;
    size_t values = (size_t)s->dim * s->dim + s->dim;
    uint64_t draw = random_bits(l->o->seed, 1000 + l->step);
    double loss = 0;
    memset(l->gradient, 0, values * sizeof *l->gradient);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = drawn_answer(l, question[i], draw);
        l->norm[i] = turn(l->turned + (size_t)i * s->dim, l->map, s->question + (size_t)question[i] * s->dim);
        l->docfile[i] = s->answer[at];
        piece(l->doc + (size_t)i * s->dim, s, l->pick.near[at]);
    }
    for (uint32_t i = 0; i < n; i++)
        loss += one(l, i, question[i], n);
    double norm = adamw_norm(l->gradient, values);
    if (isfinite(loss) && isfinite(norm))
        adamw_step(l->map->weight, l->m, l->v, l->gradient, values, norm, l->step, a);
    l->step++;
    return loss;
}

/* An order of the questions, drawn for each epoch. */
static void shuffle(uint32_t *v, uint32_t n, uint64_t stream)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = (uint32_t)(random_bits(stream, i) % i), t = v[i - 1];
        v[i - 1] = v[k];
        v[k] = t;
    }
}

static int epoch(struct learner *l, uint32_t number, const struct adamw_options *a, struct err *e)
{
    double sum = 0;
    shuffle(l->taught, l->ntaught, random_bits(l->o->seed, number));
    for (uint32_t at = 0; at < l->ntaught; at += l->o->batch) {
        uint32_t n = l->ntaught - at < l->o->batch ? l->ntaught - at : l->o->batch;
        double loss = step(l, l->taught + at, n, a);
        if (!isfinite(loss))
            return err_set(e, ERR_INTERNAL, "the loss is no number at step %llu", (unsigned long long)l->step);
        sum += loss;
        if (l->o->go_on && (l->step % LOOK_STEPS == 0 || at + n == l->ntaught) && !l->o->go_on(l->o->arg, l->step, l->steps, loss / n))
            return err_set(e, ERR_CANCELED, "canceled");
    }
    l->loss = sum / l->ntaught;
    return 0;
}

static void choose_taught(struct learner *l)
{
    const struct contrast_set *s = l->s;
    for (uint32_t i = 0; i < s->questions; i++) {
        bool any = false;
        for (uint32_t a = s->first[i]; a < s->first[i + 1]; a++)
            any |= l->pick.near[a] != NONE;
        if (any)
            l->taught[l->ntaught++] = i;
    }
}

int contrast_learn(struct query_map **out, double *loss, const struct contrast_set *s, const struct contrast_options *o, struct err *e)
{
    size_t values = (size_t)s->dim * s->dim + s->dim, docs = o->batch + o->hard;
    struct learner l = {.s = s, .o = o, .map = query_map_new(s->dim), .m = mem_zero(values, sizeof(float)), .v = mem_zero(values, sizeof(float)),
                        .gradient = mem_alloc(values * sizeof(float))};
    l.pick.near = mem_alloc(((size_t)s->first[s->questions] + 1) * sizeof(uint32_t));
    l.pick.hard = mem_alloc(((size_t)s->questions * o->hard + 1) * sizeof(uint32_t));
    l.taught = mem_alloc(((size_t)s->questions + 1) * sizeof(uint32_t));
    l.turned = mem_alloc(o->batch * (size_t)s->dim * sizeof(float));
    l.norm = mem_alloc(o->batch * sizeof(float));
    l.doc = mem_alloc(docs * s->dim * sizeof(float));
    l.docfile = mem_alloc(o->batch * sizeof(uint32_t));
    int rc = 0;
    for (uint32_t r = 0; r < o->rounds && !rc; r++) {
        mine(&l);
        if (!r) {
            choose_taught(&l);
            l.steps = (uint64_t)o->rounds * o->epochs * ((l.ntaught + o->batch - 1) / o->batch);
        }
        struct adamw_options a = {.rate = o->rate, .beta1 = .9, .beta2 = .999, .eps = 1e-8, .decay = o->decay, .clip = CLIP,
                                  .warmup = l.steps / WARMUP_SHARE, .steps = l.steps, .least = 0};
        if (!l.ntaught)
            rc = err_set(e, ERR_NOT_FOUND, "no question has an answer that is embedded");
        for (uint32_t k = 0; k < o->epochs && !rc; k++)
            rc = epoch(&l, r * o->epochs + k, &a, e);
    }
    if (loss)
        *loss = l.loss;
    free(l.m);
    free(l.v);
    free(l.gradient);
    free(l.pick.near);
    free(l.pick.hard);
    free(l.taught);
    free(l.turned);
    free(l.norm);
    free(l.doc);
    free(l.docfile);
    if (rc)
        query_map_drop(l.map);
    else
        *out = l.map;
    return rc;
}
