/* One step: everything is checked before anything changes, then room is made, the pass runs, and what it read is kept. */
#include "engine/run/decoder_inside.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int check_part(const struct decoder *d, const struct step_part *p, struct err *e)
{
    const struct sequence *s = p->s;
    if (s->d != d || p->n == 0 || p->want > p->n)
        return err_set(e, ERR_USAGE, "%u logits of %u tokens in a step", p->want, p->n);
    if (p->n > d->o.context || s->length > d->o.context - p->n)
        return err_set(e, ERR_LIMIT, "%u tokens and %u more: the context holds %u", s->length, p->n, d->o.context);
    for (uint32_t i = 0; i < p->n; i++)
        if (p->token[i] >= d->w.k.vocab)
            return err_set(e, ERR_USAGE, "token %u of a vocabulary of %u", p->token[i], d->w.k.vocab);
    return 0;
}

static int check(const struct decoder *d, const struct step_part *part, size_t n, struct err *e)
{
    size_t rows = 0;
    if (n == 0 || n > d->o.max_sequences)
        return err_set(e, ERR_USAGE, "a step of %zu sequences; at most %u", n, d->o.max_sequences);
    for (size_t i = 0; i < n; i++) {
        int rc = check_part(d, &part[i], e);
        if (rc)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (part[j].s == part[i].s)
                return err_set(e, ERR_USAGE, "a sequence twice in one step");
        rows += part[i].n;
    }
    if (rows > d->o.max_rows)
        return err_set(e, ERR_USAGE, "a step of %zu rows; at most %u", rows, d->o.max_rows);
    uint32_t more = decoder_short_of(d, part, n);
    if (more)
        return err_set(e, ERR_BUSY, "%u pages are missing for a step", more);
    return 0;
}

uint32_t decoder_short_of(const struct decoder *d, const struct step_part *part, size_t n)
{
    uint32_t most = 0;
    for (int i = 0; i < d->stores; i++) {
        const struct store *s = &d->store[i];
        uint32_t need = 0;
        for (size_t j = 0; j < n; j++)
            need += s->kind->short_of(s, &part[j].s->held[i], part[j].s->state, part[j].s->length - part[j].s->state + part[j].n);
        if (need > s->free_count && need - s->free_count > most)
            most = need - s->free_count;
    }
    return most;
}

static void make_room(struct decoder *d, struct sequence *s, uint32_t n)
{
    for (int i = 0; i < d->stores; i++)
        d->store[i].kind->append(&d->store[i], &s->held[i], s->state, n);
}

static void settle(struct decoder *d, struct sequence *s, uint32_t n)
{
    s->state += n;
    for (int i = 0; i < d->stores; i++)
        d->store[i].kind->settle(&d->store[i], &s->held[i], s->state);
}

/* y and x: rows of all spans, one after the other. */
static void add_spans(void *arg, struct mat *y, const struct mat *x, const struct linear *w, const struct rows *r)
{
    const struct decoder *d = arg;
    if (r != &d->pass.rows) /* of some rows alone: logits, experts */
        return;
    for (uint32_t i = 0; i < d->spans; i++) {
        const struct adapt_span *s = &d->span[i];
        uint32_t used[2] = {s->n, 1};
        struct rows some = {.used = used, .max_rows = s->n, .max_sequences = 1, .longest = s->n};
        struct mat to = *y, from = *x;
        to.data = (float *)y->data + (size_t)s->first * y->stride;
        from.data = (float *)x->data + (size_t)s->first * x->stride;
        if (s->adapt)
            s->adapt->add(s->adapt->arg, &to, &from, w, &some);
    }
}

/* The sequence's rows are the next of the step. */
static void span(struct decoder *d, const struct sequence *s, uint32_t n)
{
    struct adapt_span *last = d->spans ? &d->span[d->spans - 1] : NULL;
    if (last && last->adapt == s->adapt)
        last->n += n;
    else
        d->span[d->spans++] = (struct adapt_span){s->adapt, last ? last->first + last->n : 0, n};
    if (s->adapt)
        d->pass.adapt = &d->adapt;
}

static void begin_spans(struct decoder *d)
{
    d->spans = 0;
    d->adapt = (struct pass_adapt){add_spans, d};
    d->pass.adapt = NULL;
}

/* Reads again what a roll back could not keep. In small steps where it is little, so that the same bytes come out. */
#define AGAIN_EXACT 64
static int catch_up(struct decoder *d, struct sequence *s, struct err *e)
{
    int rc = 0;
    while (s->state < s->length && !rc) {
        uint32_t left = s->length - s->state, exact = d->w.backend->exact_rows;
        uint32_t most = left <= AGAIN_EXACT && exact < d->o.max_rows ? exact : d->o.max_rows;
        uint32_t n = left < most ? left : most;
        make_room(d, s, n);
        begin_spans(d);
        span(d, s, n);
        struct pass_part p = {s->token + s->state, n, s->state, s->held};
        pass_run(&d->pass, &p, 1);
        rc = d->w.backend->sync(d->queue, e);
        if (!rc)
            settle(d, s, n);
    }
    return rc;
}

static void remember(struct sequence *s, const uint32_t *token, uint32_t n)
{
    while (s->cap < s->length + n) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->token = mem_grow(s->token, s->cap, sizeof *s->token);
    }
    memcpy(s->token + s->length, token, n * sizeof *token);
    s->length += n;
}

/* Rows of the step whose logits are wanted; how many they are. */
static uint32_t wanted(uint32_t *row, const struct step_part *part, size_t n)
{
    uint32_t at = 0, count = 0;
    for (size_t i = 0; i < n; at += part[i++].n)
        for (uint32_t j = part[i].n - part[i].want; j < part[i].n; j++)
            row[count++] = at + j;
    return count;
}

/* Makes room for the parts, which are as the pass wants them then. */
static int make_ready(struct decoder *d, struct pass_part *parts, const struct step_part *part, size_t n, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = catch_up(d, part[i].s, e);
    begin_spans(d);
    for (size_t i = 0; i < n && !rc; i++) {
        struct sequence *s = part[i].s;
        make_room(d, s, part[i].n);
        parts[i] = (struct pass_part){part[i].token, part[i].n, s->state, s->held};
        span(d, s, part[i].n);
    }
    return rc;
}

static int run(struct decoder *d, const struct step_part *part, size_t n, struct err *e)
{
    struct pass_part *parts = mem_zero(n, sizeof *parts);
    int rc = make_ready(d, parts, part, n, e);
    if (!rc)
        pass_run(&d->pass, parts, (uint32_t)n);
    free(parts);
    return rc;
}

/* Of a step that only writes, or verifies a few guesses: such are recorded. NULL: it is not. */
static const struct graph *graph_of(const struct decoder *d, const struct step_part *part, size_t n)
{
    uint32_t rows = 0, longest = 1;
    for (size_t i = 0; i < n; i++) {
        if (part[i].want != part[i].n || part[i].s->adapt)
            return NULL;
        rows += part[i].n;
        longest = part[i].n > longest ? part[i].n : longest;
    }
    return pass_graph(&d->pass, rows, longest);
}

static int play(struct decoder *d, const struct graph *g, const struct step_part *part, size_t n, struct draw_batch *draw, float *logits,
                struct err *e)
{
    struct pass_part parts[PASS_LOGIT_ROWS];
    int rc = make_ready(d, parts, part, n, e);
    return rc ? rc : pass_play(&d->pass, g, parts, (uint32_t)n, draw, logits, e);
}

static void keep(struct decoder *d, const struct step_part *part, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        settle(d, part[i].s, part[i].n);
        remember(part[i].s, part[i].token, part[i].n);
    }
}

int decoder_step(struct decoder *d, const struct step_part *part, size_t n, float *logits, struct err *e)
{
    return decoder_step_draw(d, part, n, NULL, logits, e);
}

static int check_draw(const struct decoder *d, const struct step_part *part, size_t n, const struct draw_batch *draw, struct err *e)
{
    uint32_t want = 0;
    if (!draw)
        return 0;
    for (size_t i = 0; i < n; i++)
        want += part[i].want;
    if (!d->w.backend->draw || want > PASS_LOGIT_ROWS || want != draw->rows)
        return err_set(e, ERR_USAGE, "%u rows are to be drawn of %u wanted", draw->rows, want);
    return 0;
}

int decoder_step_draw(struct decoder *d, const struct step_part *part, size_t n, struct draw_batch *draw, float *logits, struct err *e)
{
    int rc = check(d, part, n, e);
    if (!rc)
        rc = check_draw(d, part, n, draw, e);
    if (rc)
        return rc;
    const struct graph *g = graph_of(d, part, n);
    if (g) {
        rc = play(d, g, part, n, draw, logits, e);
        if (!rc)
            keep(d, part, n);
        return rc;
    }
    uint32_t *row = mem_alloc(d->o.max_rows * sizeof *row), count = wanted(row, part, n);
    rc = run(d, part, n, e);
    if (!rc && count)
        rc = pass_logits(&d->pass, row, count, draw, logits, e);
    else if (!rc)
        rc = d->w.backend->sync(d->queue, e);
    if (!rc)
        keep(d, part, n);
    free(row);
    return rc;
}

/* Sequences that fit one step together, from `at` on; their lengths in part. */
static size_t fitting(const struct decoder *d, struct step_part *part, const uint32_t *offset, size_t at, size_t n)
{
    struct decoder_info info;
    size_t count = 0, rows = 0, pages = 0;
    decoder_info(d, &info);
    while (at + count < n && d->alive + count < d->o.max_sequences) {
        uint32_t length = offset[at + count + 1] - offset[at + count];
        pages += (length + DECODER_PAGE - 1) / DECODER_PAGE;
        if (count && (rows + length > d->o.max_rows || pages > info.pages_free))
            break;
        part[count++].n = length;
        rows += length;
    }
    return count;
}

/* One text may be longer than a step: all but its last rows are read ahead. */
static int pool_some(struct decoder *d, struct step_part *part, size_t count, const uint32_t *token, enum pooling how, float *out, struct err *e)
{
    int rc = 0;
    size_t made = 0;
    for (; made < count && !rc; made++) {
        rc = sequence_new(&part[made].s, d, e);
        if (rc)
            break;
        part[made].token = token;
        part[made].want = 0;
        token += part[made].n;
    }
    while (!rc && part[0].n > d->o.max_rows) {
        struct step_part ahead = {part[0].s, part[0].token, d->o.max_rows, 0};
        rc = decoder_step(d, &ahead, 1, NULL, e);
        part[0].token += ahead.n;
        part[0].n -= ahead.n;
    }
    if (!rc)
        rc = check(d, part, count, e);
    if (!rc)
        rc = run(d, part, count, e);
    if (!rc)
        rc = pass_pool(&d->pass, (uint32_t)count, how, out, e);
    for (size_t i = 0; i < made; i++)
        sequence_free(part[i].s);
    return rc;
}

static int pool_all(struct decoder *d, const uint32_t *token, const uint32_t *offset, size_t n, enum pooling how, float *out, struct err *e)
{
    struct step_part *part = mem_zero(d->o.max_sequences, sizeof *part);
    int rc = 0;
    for (size_t at = 0; at < n && !rc;) {
        size_t count = fitting(d, part, offset, at, n);
        if (count == 0)
            rc = err_set(e, ERR_BUSY, "%u sequences are alive", d->alive);
        else
            rc = pool_some(d, part, count, token + offset[at], how, out + at * d->w.k.hidden, e);
        at += count;
    }
    free(part);
    return rc;
}

int decoder_embed(struct decoder *d, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    return pool_all(d, token, offset, n, d->w.k.pooling, out, e);
}

int decoder_last(struct decoder *d, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    return pool_all(d, token, offset, n, POOL_LAST_AS_IS, out, e);
}
