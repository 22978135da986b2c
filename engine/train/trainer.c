#include "engine/train/trainer.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "engine/train/checkpoint.h"
#include "engine/train/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct trainer {
    struct decoder *d;
    struct trainer_options o;
    const struct example *x;
    size_t n;
    struct lora *l;         /* one of the two */
    struct full *f;
    float *value, *gradient; /* its */
    size_t count;
    struct gradient *g;
    float *m, *v;           /* [count] */
    uint64_t step, epoch, next;
    uint8_t course[16];
    size_t *order;          /* [n]: of this turn */
    uint64_t ordered;       /* which turn that is + 1 */
    struct example *pack;   /* [max_sequences] */
};

struct drawn {
    uint64_t key;
    size_t i;
};

static int by_key(const void *a, const void *b)
{
    const struct drawn *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : x->i < y->i ? -1 : x->i > y->i;
}

/* The order of a turn: texts by a number drawn for each. */
static void order(struct trainer *t, uint64_t epoch)
{
    if (t->ordered == epoch + 1)
        return;
    struct drawn *v = mem_alloc(t->n * sizeof *v);
    uint64_t stream = random_bits(t->o.seed, epoch);
    for (size_t i = 0; i < t->n; i++)
        v[i] = (struct drawn){random_bits(stream, i), i};
    qsort(v, t->n, sizeof *v, by_key);
    for (size_t i = 0; i < t->n; i++)
        t->order[i] = v[i].i;
    free(v);
    t->ordered = epoch + 1;
}

struct cursor {
    uint64_t epoch, next;
};

static const struct example *at(struct trainer *t, const struct cursor *c)
{
    order(t, c->epoch);
    return &t->x[t->order[c->next]];
}

static void advance(const struct trainer *t, struct cursor *c)
{
    if (++c->next == t->n) {
        c->next = 0;
        c->epoch++;
    }
}

static uint32_t pages_of(const struct example *x)
{
    return (x->n - 1 + DECODER_PAGE - 1) / DECODER_PAGE;
}

/* The next texts that the decoder takes at once, of at most `rows` rows. */
static size_t take(struct trainer *t, struct cursor *c, uint32_t rows)
{
    struct decoder_info info;
    decoder_info(t->d, &info);
    uint32_t pages = info.pages_free;
    size_t n = 0;
    rows = rows < info.max_rows ? rows : info.max_rows;
    while (n < info.max_sequences) {
        const struct example *x = at(t, c);
        if (n > 0 && (x->n - 1 > rows || pages_of(x) > pages))
            break;
        t->pack[n++] = *x;
        rows -= x->n - 1 < rows ? x->n - 1 : rows;
        pages -= pages_of(x) < pages ? pages_of(x) : pages;
        advance(t, c);
        if (rows == 0)
            break;
    }
    return n;
}

/* How far a step goes from c on, and what it holds. */
static void measure(struct trainer *t, struct cursor *c, struct trained *out)
{
    do {
        const struct example *x = at(t, c);
        out->rows += x->n - 1;
        out->learned += x->n - x->learn;
        advance(t, c);
    } while (c->next != 0 && out->rows + at(t, c)->n - 1 <= t->o.step_rows);
}

int trainer_step(struct trainer *t, struct trained *out, struct err *e)
{
    struct cursor from = {t->epoch, t->next}, to = from;
    struct trained s = {.step = t->step + 1, .rate = adamw_rate(&t->o.adamw, t->step)};
    int rc = 0;
    measure(t, &to, &s);
    memset(t->gradient, 0, t->count * sizeof *t->gradient);
    for (uint32_t left = s.rows; left && !rc;) {
        size_t n = take(t, &from, left);
        rc = gradient_add(t->g, t->pack, n, 1.0 / s.learned, &s.loss, e);
        for (size_t i = 0; i < n; i++)
            left -= t->pack[i].n - 1;
    }
    if (rc)
        return rc;
    s.loss /= s.learned;
    s.norm = adamw_norm(t->gradient, t->count);
    if (!isfinite(s.loss) || !isfinite(s.norm))
        return err_set(e, ERR_LIMIT, "step %llu: a loss of %g with a gradient of norm %g", (unsigned long long)s.step, s.loss, s.norm);
    adamw_step(t->value, t->m, t->v, t->gradient, t->count, s.norm, t->step, &t->o.adamw);
    if (t->f)
        full_put(t->f);
    t->step = s.step;
    t->epoch = s.epoch = to.epoch;
    t->next = to.next;
    if (out)
        *out = s;
    return 0;
}

/* All that decides how training goes, but for the model. */
static void course_of(uint8_t out[16], const struct trainer_options *o, const struct example *x, size_t n)
{
    struct buf b = BUF_INIT;
    const struct lora_options *l = &o->lora;
    const struct adamw_options *a = &o->adamw;
    buf_addf(&b, "%d %u %a %d %u|%a %a %a %a %a %a %llu %llu %a|%u %llu|", o->full != NULL, l->rank, (double)l->alpha, l->rslora, l->targets, a->rate,
             a->beta1, a->beta2, a->eps, a->decay, a->clip, (unsigned long long)a->warmup, (unsigned long long)a->steps, a->least, o->step_rows,
             (unsigned long long)o->seed);
    for (size_t i = 0; i < n; i++) {
        buf_addf(&b, "%u %u ", x[i].n, x[i].learn);
        buf_add(&b, x[i].token, x[i].n * sizeof *x[i].token);
    }
    struct hash128 h = hash128(b.data, b.len);
    memcpy(out, &h, 16);
    buf_release(&b);
}

static int check(const struct decoder *d, const struct example *x, size_t n, const struct adamw_options *a, struct err *e)
{
    struct decoder_info info;
    decoder_info(d, &info);
    if (n == 0)
        return err_set(e, ERR_USAGE, "there is no text to learn from");
    for (size_t i = 0; i < n; i++)
        if (x[i].n < 2 || x[i].learn < 1 || x[i].learn >= x[i].n || x[i].n - 1 > info.max_rows || x[i].n - 1 > info.context || pages_of(&x[i]) > info.pages)
            return err_set(e, ERR_USAGE, "text %zu has %u tokens and is learned from token %u on; %u fit", i, x[i].n, x[i].learn,
                           info.max_rows < info.context ? info.max_rows : info.context);
    if (!(a->rate > 0) || !(a->beta1 >= 0 && a->beta1 < 1) || !(a->beta2 >= 0 && a->beta2 < 1) || !(a->eps > 0) || !(a->decay >= 0) ||
        !(a->clip >= 0) || !(a->least >= 0 && a->least <= 1) || a->warmup > a->steps)
        return err_set(e, ERR_USAGE, "a rate of %g, betas of %g and %g, eps %g, decay %g, clip %g, %llu of %llu steps to warm up", a->rate,
                       a->beta1, a->beta2, a->eps, a->decay, a->clip, (unsigned long long)a->warmup, (unsigned long long)a->steps);
    return 0;
}

static int open_lora(struct trainer *t, struct err *e)
{
    int rc = lora_new(&t->l, t->d, &t->o.lora, e);
    if (!rc)
        rc = gradient_new(&t->g, t->d, t->l, t->o.policy, e);
    if (rc)
        return rc;
    lora_draw(t->l, t->o.seed);
    t->value = t->l->value;
    t->gradient = t->l->gradient;
    t->count = t->l->count;
    return 0;
}

static int open_full(struct trainer *t, struct err *e)
{
    int rc = full_new(&t->f, t->d, t->o.full, e);
    if (!rc)
        rc = gradient_new_full(&t->g, t->d, t->f, t->o.policy, e);
    if (rc)
        return rc;
    t->value = t->f->value;
    t->gradient = t->f->gradient;
    t->count = t->f->count;
    return 0;
}

int trainer_new(struct trainer **out, struct decoder *d, const struct example *x, size_t n, const struct trainer_options *o, struct err *e)
{
    int rc = check(d, x, n, &o->adamw, e);
    if (rc)
        return rc;
    struct trainer *t = mem_zero(1, sizeof *t);
    *t = (struct trainer){.d = d, .o = *o, .x = x, .n = n};
    t->o.step_rows = o->step_rows ? o->step_rows : d->o.max_rows;
    rc = o->full ? open_full(t, e) : open_lora(t, e);
    if (rc) {
        trainer_free(t);
        return rc;
    }
    t->m = mem_zero(t->count, sizeof *t->m);
    t->v = mem_zero(t->count, sizeof *t->v);
    t->order = mem_alloc(n * sizeof *t->order);
    t->pack = mem_alloc(d->o.max_sequences * sizeof *t->pack);
    course_of(t->course, &t->o, x, n);
    t->o.full = NULL; /* borrowed no longer */
    *out = t;
    return 0;
}

void trainer_free(struct trainer *t)
{
    if (t == NULL)
        return;
    gradient_free(t->g);
    lora_free(t->l);
    full_free(t->f);
    free(t->m);
    free(t->v);
    free(t->order);
    free(t->pack);
    free(t);
}

uint64_t trainer_steps(const struct trainer *t)
{
    return t->step;
}

const struct lora *trainer_lora(const struct trainer *t)
{
    return t->l;
}

const struct full *trainer_full(const struct trainer *t)
{
    return t->f;
}

int trainer_save(const struct trainer *t, const char *path, struct err *e)
{
    struct checkpoint c = {.seed = t->o.seed, .step = t->step, .epoch = t->epoch, .next = t->next, .count = t->count,
                           .value = (const uint8_t *)t->value, .m = (const uint8_t *)t->m, .v = (const uint8_t *)t->v};
    struct buf b = BUF_INIT;
    memcpy(c.base, t->o.base, sizeof c.base);
    memcpy(c.course, t->course, sizeof c.course);
    checkpoint_write(&b, &c);
    int rc = file_write(path, b.data, b.len, 0600, e);
    buf_release(&b);
    return rc;
}

int trainer_load(struct trainer *t, const char *path, struct err *e)
{
    struct checkpoint c;
    struct buf b = BUF_INIT;
    size_t bytes = t->count * sizeof(float);
    if (!file_exists(path))
        return err_set(e, ERR_NOT_FOUND, "%s: no such checkpoint", path);
    int rc = file_read(&b, path, CHECKPOINT_HEAD + 3 * CHECKPOINT_MAX * sizeof(float) + 16, e);
    if (!rc)
        rc = checkpoint_read(&c, b.data, b.len, e);
    if (!rc && memcmp(c.base, t->o.base, sizeof c.base))
        rc = err_set(e, ERR_USAGE, "%s: a checkpoint of training over another model", path);
    else if (!rc && (c.seed != t->o.seed || memcmp(c.course, t->course, sizeof c.course) || c.count != t->count || c.next >= t->n))
        rc = err_set(e, ERR_USAGE, "%s: a checkpoint of training with other options or texts", path);
    if (!rc) {
        memcpy(t->value, c.value, bytes);
        memcpy(t->m, c.m, bytes);
        memcpy(t->v, c.v, bytes);
        t->step = c.step;
        t->epoch = c.epoch;
        t->next = c.next;
        if (t->f)
            full_put(t->f);
    }
    buf_release(&b);
    return rc;
}
