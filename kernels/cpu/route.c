/* Reference: the choice of experts, and the sum of what they said. */
#include "kernels/cpu/decode.h"

#include <math.h>
#include <string.h>

static void softmax(double *p, uint32_t n)
{
    double max = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        max = fmax(max, p[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += p[i] = exp(p[i] - max);
    for (uint32_t i = 0; i < n; i++)
        p[i] /= sum;
}

/* Index of the greatest of n; the first of equals. */
static uint32_t best(const double *x, uint32_t n)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[at])
            at = i;
    return at;
}

/* choice: experts outside of the best groups become -∞. */
static void limit_groups(double *choice, const struct route *how)
{
    double good[EXPERTS_MAX];
    uint32_t size = how->experts / how->groups;
    for (uint32_t g = 0; g < how->groups; g++) {
        double *x = choice + (size_t)g * size;
        uint32_t first = best(x, size);
        good[g] = x[first];
        if (!how->group_max) {
            double second = -INFINITY;
            for (uint32_t i = 0; i < size; i++)
                if (i != first)
                    second = fmax(second, x[i]);
            good[g] += second;
        }
    }
    bool keep[EXPERTS_MAX] = {0};
    for (uint32_t i = 0; i < how->top_groups; i++) {
        uint32_t g = best(good, how->groups);
        keep[g] = true;
        good[g] = -INFINITY;
    }
    for (uint32_t e = 0; e < how->experts; e++)
        if (!keep[e / size])
            choice[e] = -INFINITY;
}

static void choose(uint32_t *expert, float *weight, const float *logits, const struct route *how)
{
    double score[EXPERTS_MAX], choice[EXPERTS_MAX], chosen[EXPERTS_USED_MAX], sum = 0;
    for (uint32_t e = 0; e < how->experts; e++)
        score[e] = how->kind == ROUTE_SIGMOID ? 1 / (1 + exp(-(double)logits[e])) : logits[e];
    if (how->kind == ROUTE_SOFTMAX)
        softmax(score, how->experts);
    for (uint32_t e = 0; e < how->experts; e++)
        choice[e] = score[e] + (how->bias ? how->bias[e] : 0);
    if (how->groups)
        limit_groups(choice, how);
    for (uint32_t j = 0; j < how->used; j++) {
        expert[j] = best(choice, how->experts);
        chosen[j] = score[expert[j]];
        choice[expert[j]] = -INFINITY;
    }
    if (how->kind == ROUTE_LATE)
        softmax(chosen, how->used);
    for (uint32_t j = 0; j < how->used; j++)
        sum += chosen[j];
    for (uint32_t j = 0; j < how->used; j++)
        weight[j] = (float)(chosen[j] / (how->normalise ? sum + 1e-20 : 1) * how->scale);
}

void scalar_choose(uint32_t *of_row, float *weight, const struct mat *logits, const struct route *how, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++)
        choose(of_row + (size_t)i * how->used, weight + (size_t)i * how->used, mat_row(logits, i), how);
}

void scalar_sort(struct slots *s, const struct route *how, uint32_t rows)
{
    uint32_t n = rows * how->used, next[EXPERTS_MAX];
    memset(s->group, 0, (how->experts + 1) * sizeof *s->group);
    for (uint32_t i = 0; i < n; i++)
        s->group[s->of_row[i] + 1]++;
    for (uint32_t e = 0; e < how->experts; e++) {
        next[e] = s->group[e];
        s->group[e + 1] += s->group[e];
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = next[s->of_row[i]]++;
        s->from[slot] = i / how->used;
        s->of_row[i] = slot;
    }
}

void scalar_combine(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct slots *s, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++)
        for (uint32_t j = 0; j < s->used; j++) {
            size_t at = (size_t)i * s->used + j;
            const float *from = mat_row(x, s->of_row[at]);
            float *to = mat_row(y, i), weight = s->weight[at];
            for (uint32_t c = 0; c < y->cols; c++)
                to[c] += weight * from[c];
        }
}
