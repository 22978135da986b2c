/* What the kernels of all instruction sets share: choosing, and the heap of the best. */
#include "kernels/cpu/scan.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct scan *first_there(const char *isa)
{
    for (const struct scan *const *s = scans; *s; s++)
        if ((!isa || !strcmp((*s)->name, isa)) && (*s)->there())
            return *s;
    return NULL;
}

const struct scan *scan_find(const char *isa)
{
    /* The machine is asked once: its answer is an instruction that a virtual one takes 10 us for, and a search asks a hundred times. */
    static _Atomic(const struct scan *) best;
    if (isa)
        return first_there(isa);
    const struct scan *s = atomic_load_explicit(&best, memory_order_relaxed); /* rows of a constant table: nothing else to see */
    if (!s)
        atomic_store_explicit(&best, s = first_there(NULL), memory_order_relaxed);
    return s;
}

const char *scan_name(const struct scan *s)
{
    return s->name;
}

static bool worse(struct scan_hit a, struct scan_hit b)
{
    return a.score < b.score || (a.score == b.score && a.number > b.number);
}

void scan_top_push(struct scan_top *t, struct scan_hit h)
{
    struct scan_hit *v = t->hit;
    if (t->n < t->k) {
        uint32_t i = t->n++;
        for (; i && worse(h, v[(i - 1) / 2]); i = (i - 1) / 2)
            v[i] = v[(i - 1) / 2];
        v[i] = h;
        return;
    }
    if (!worse(v[0], h))
        return;
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && worse(v[child + 1], v[child]))
            child++;
        if (!worse(v[child], h))
            break;
        v[i] = v[child];
    }
    v[i] = h;
}

static int best_first(const void *a, const void *b)
{
    const struct scan_hit *x = a, *y = b;
    return worse(*y, *x) ? -1 : worse(*x, *y);
}

void scan_top_sort(struct scan_top *t)
{
    if (t->n)
        qsort(t->hit, t->n, sizeof *t->hit, best_first);
}

void scan_topk(const struct scan *s, const struct scan_rows *r, const uint64_t *candidates, const struct scan_queries *q,
               struct scan_top *top)
{
    s->topk(r, candidates, q, top);
}

void scan_scores(const struct scan_rows *r, const struct scan_queries *q, float *const *out)
{
    scan_find(NULL)->scores(r, q, out);
}

void scan_pick(const struct scan *s, const struct scan_rows *r, const uint32_t *number, size_t n, const int8_t *query, float qscale,
               float *out)
{
    s->pick(r, number, n, &(struct scan_queries){query, &qscale, 1}, out);
}
