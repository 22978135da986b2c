#include "retriever/rows.h"

#include "base/hash.h"

struct dense_rows dense_rows_of(const struct vector_run *run, size_t nruns, uint32_t dim, struct arena *arena)
{
    struct vector_run *mine = arena_alloc(arena, (nruns + 1) * sizeof *mine);
    uint32_t *row = arena_alloc(arena, (nruns + 1) * sizeof *row), end = 0;
    struct dense_rows r = {.run = mine, .row = row};
    for (size_t i = 0; i < nruns; i++) {
        if (run[i].dim != dim || run[i].first < end)
            continue;
        end = vector_run_end(&run[i]);
        mine[r.nruns] = run[i];
        row[r.nruns++] = r.n;
        struct {
            uint32_t first, end, n, pad;
            uint64_t before;
        } k = {run[i].first, end, run[i].n, 0, r.mark};
        r.mark = hash64(&k, sizeof k);
        r.n += run[i].n;
    }
    row[r.nruns] = r.n;
    return r;
}

/* The place of a number in a run's list, which ascends. */
static uint32_t place_in(const struct vector_run *r, uint32_t number)
{
    uint32_t lo = 0, hi = r->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (r->number[mid] < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n && r->number[lo] == number ? lo : ROW_NONE;
}

uint32_t dense_row(const struct dense_rows *r, uint32_t number, size_t *at)
{
    size_t lo = 0, hi = r->nruns;
    if (*at < hi && r->run[*at].first <= number && number < vector_run_end(&r->run[*at]))
        lo = hi = *at; /* most numbers are neighbours of the ones before */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (vector_run_end(&r->run[mid]) <= number)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == r->nruns || number < r->run[lo].first)
        return ROW_NONE;
    *at = lo;
    uint32_t place = r->run[lo].number ? place_in(&r->run[lo], number) : number - r->run[lo].first;
    return place == ROW_NONE ? ROW_NONE : r->row[lo] + place;
}
