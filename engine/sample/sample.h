/* From logits to a token: a chain of pure functions. In this order: mask, penalties, temperature, top-k, top-p, min-p, then
 * one draw. Nothing is remembered between calls: the same logits, history, settings and position give the same token,
 * whatever else was in the batch.
 *
 * Not thread-safe: one sampler belongs to one thread at a time (it is scratch). */
#ifndef CODEASK_ENGINE_SAMPLE_SAMPLE_H
#define CODEASK_ENGINE_SAMPLE_SAMPLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_COLD 1e-4f /* below it logits / temperature leave what a float holds well; all but the likeliest have no weight */

struct sample_settings {
    float temperature;          /* below SAMPLE_COLD: greedy */
    uint32_t top_k;             /* 0: all */
    float top_p;                /* 1: all */
    float min_p;                /* of the likeliest one's probability; 0: all */
    float repetition;           /* divides positive, multiplies negative logits of what was said; 1: none */
    float presence, frequency;  /* subtracted once, and for each time; 0: none */
    uint32_t last_n;            /* tokens of the history that penalties look at; 0: all */
    uint64_t seed;
};
#define SAMPLE_GREEDY ((struct sample_settings){.top_p = 1, .repetition = 1})

/* ERR_USAGE names the setting that is out of range. */
int sample_check(const struct sample_settings *s, struct err *e);

struct sample_choice {
    uint32_t id;
    float logit;     /* after penalties and temperature */
    uint64_t weight; /* kernels/draw.h: devices that draw do so with the same numbers */
};
/* What may be drawn, by id. What is 28 below the likeliest is not among it. */
struct sample_dist {
    struct sample_choice *choice; /* [n], borrowed from the sampler until its next call */
    size_t n;
    uint64_t sum;                 /* of the weights */
};
static inline double sample_p(const struct sample_dist *d, size_t i) /* of the i-th choice: they sum to 1 */
{
    return (double)d->choice[i].weight / (double)d->sum;
}

struct sampler;
struct sampler *sampler_new(size_t vocab);
void sampler_free(struct sampler *s); /* accepts NULL */

/* The same draw on a device, where the logits lie: appends what it wants of a row's position behind history and then ahead (guesses
 * that the row stands behind). vocab: tokens there are, of a row of logits that may be wider. false: the batch has no room for what
 * was said, and the row is drawn by the host. The token is what sample_dist without a mask and sample_draw give. */
struct draw_batch;
bool sample_on_device(struct sampler *s, struct draw_batch *out, size_t vocab, const uint32_t *history, size_t nhistory,
                      const uint32_t *ahead, size_t nahead, const struct sample_settings *how, uint64_t position);

/* logits: [vocab]. allowed: a bit for each id, least significant first, or NULL: all. ERR_FORMAT: a logit is NaN or +inf;
 * ERR_UNSUPPORTED: nothing is allowed. Where it is greedy the one likeliest is left, of equal ones the lowest id. */
int sample_dist(struct sampler *s, struct sample_dist *out, const float *logits, const uint32_t *allowed, const uint32_t *history,
                size_t nhistory, const struct sample_settings *how, struct err *e);

/* [0, 1), by Philox4x32-10 of (seed, position, lane): position is the token's index in its sequence. */
enum sample_lane { LANE_DRAW, LANE_ACCEPT, LANE_RESIDUAL, LANE_DRAFT };
double sample_uniform(uint64_t seed, uint64_t position, enum sample_lane lane);

uint32_t sample_draw(const struct sample_dist *d, uint64_t seed, uint64_t position);

/* Speculation: what stands at position where draft was proposed; true: the draft. p is what the model itself says.
 * Without q (drafts that are not drawn: looked up, forced) the token is exactly the one that sample_draw gives.
 * With q (the distribution that draft was drawn from with LANE_DRAFT) drafts are kept as often as the distribution allows:
 * with min(1, p/q), else one of max(0, p − q). Either way the result is distributed as p. p and q are of two samplers. */
bool sample_verify(struct sampler *s, uint32_t *token, const struct sample_dist *p, const struct sample_dist *q, uint32_t draft,
                   uint64_t seed, uint64_t position);

#endif
