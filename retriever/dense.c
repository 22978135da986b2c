#include "retriever/dense.h"

#include "base/hash.h"
#include "base/mem.h"
#include "kernels/quant.h"
#include "kernels/scan.h"

#include <stdlib.h>
#include <string.h>

int dense_map_load(struct dense_map **out, const struct snapshot *s, uint16_t model, uint32_t vectors, struct txn *t, struct err *e)
{
    struct dense_map *m = mem_zero(1, sizeof *m);
    *m = (struct dense_map){.refs = 1, .model = model, .vectors = vectors};
    m->chunk0 = mem_alloc((s->ncuts + 1) * sizeof *m->chunk0);
    m->chunk = mem_alloc(s->nchunks * sizeof *m->chunk);
    m->card = mem_alloc(s->nfiles * sizeof *m->card);
    memset(m->chunk, 0xff, s->nchunks * sizeof *m->chunk);
    memset(m->card, 0xff, s->nfiles * sizeof *m->card);
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->ncuts; i++) {
        size_t n = 0;
        const void *v = vecof_get(t, model, s->cut[i].cut, 0, &n);
        m->chunk0[i] = at;
        if (v && n == s->cut[i].nchunks)
            memcpy(m->chunk + at, v, n * sizeof *m->chunk);
        at += s->cut[i].nchunks;
    }
    m->chunk0[s->ncuts] = at;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        size_t n = 0;
        const void *v = s->file[i].cut == CUT_NONE ? NULL : vecof_get(t, model, s->file[i].cut, vecof_card(s->file[i].path), &n);
        if (v && n == 1)
            memcpy(&m->card[i], v, sizeof *m->card);
        m->known += m->card[i] != VECTOR_NONE;
    }
    for (uint32_t i = 0; i < at; i++)
        m->known += m->chunk[i] != VECTOR_NONE;
    *out = m;
    return 0;
}

void dense_map_drop(struct dense_map *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(m->chunk0);
    free(m->chunk);
    free(m->card);
    free(m);
}

size_t dense_map_bytes(const struct dense_map *m, const struct snapshot *s)
{
    return ((size_t)s->ncuts + m->chunk0[s->ncuts] + s->nfiles) * sizeof(uint32_t);
}

/* -- rows --------------------------------------------------------------------------------------------------------------- */

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

/* -- owners --------------------------------------------------------------------------------------------------------------- */

struct owning {
    struct dense_owners *o;
    const struct dense_rows *rows;
    size_t at, cap;
};

static void own(struct owning *w, uint32_t number, uint32_t owner)
{
    struct dense_owners *o = w->o;
    uint32_t row = number == VECTOR_NONE ? ROW_NONE : dense_row(w->rows, number, &w->at);
    if (row == ROW_NONE || o->owner[row] == owner)
        return;
    if (o->owner[row] == FILE_NONE) {
        o->owner[row] = owner;
        return;
    }
    VEC_ROOM(o->more, o->nmore, w->cap);
    o->more[o->nmore++] = (struct dense_owner){row, owner};
}

struct dense_owners *dense_owners_new(const struct universe *u, struct dense_map *const *map, uint16_t model, const struct dense_rows *rows)
{
    struct dense_owners *o = mem_zero(1, sizeof *o);
    struct owning w = {.o = o, .rows = rows};
    *o = (struct dense_owners){.refs = 1, .model = model, .mark = rows->mark};
    o->owner = mem_alloc(rows->n * sizeof *o->owner);
    memset(o->owner, 0xff, rows->n * sizeof *o->owner);
    for (size_t k = 0; k < u->nsnaps; k++) {
        const struct snapshot *s = u->snap[k];
        for (uint32_t i = 0; i < s->ncuts; i++) {
            uint32_t gid = u->first[k] + i;
            for (uint32_t c = 0; c < s->cut[i].nchunks; c++)
                own(&w, map[k]->chunk[map[k]->chunk0[i] + c], gid);
            for (uint32_t c = 0; c < s->cut[i].nfiles; c++)
                own(&w, map[k]->card[s->by_cut[s->cut[i].file + c]], gid | DENSE_CARD);
        }
    }
    return o;
}

void dense_owners_drop(struct dense_owners *o)
{
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(o->owner);
    free(o->more);
    free(o);
}

/* -- scan ----------------------------------------------------------------------------------------------------------------- */

static void offer(struct dense *d, float cosine, uint32_t owner)
{
    if (!(owner & DENSE_CARD) && cosine > d->best)
        d->best = cosine;
    float *file = &d->file[owner & ~DENSE_CARD];
    if (cosine > DENSE_NEAR && cosine > *file)
        *file = cosine;
}

void dense_scan(struct dense *out, const struct universe *u, struct dense_map *const *map, const struct dense_owners *owners,
                const struct dense_rows *rows, const float *query, uint32_t dim, struct arena *arena)
{
    struct dense d = {.map = map, .rows = *rows};
    d.all = arena_alloc(arena, (rows->n + 1) * sizeof *d.all);
    d.file = arena_zero(arena, u->ngids, sizeof *d.file);
    d.chunk = arena_alloc(arena, (u->nchunks + 1) * sizeof *d.chunk);
    d.card = arena_alloc(arena, (u->ngids + 1) * sizeof *d.card);
    int8_t *q = arena_alloc(arena, dim);
    float scale = quant_row(q, query, dim);
    for (size_t i = 0; i < rows->nruns; i++) {
        const struct vector_run *run = &rows->run[i];
        scan_scores(run->q, run->scale, run->n, dim, q, scale, d.all + rows->row[i]);
        /* while these scores are in the cache; most are no sign of anything */
        for (uint32_t at = rows->row[i]; at < rows->row[i + 1]; at++)
            if ((d.all[at] > d.best || d.all[at] > DENSE_NEAR) && owners->owner[at] != FILE_NONE)
                offer(&d, d.all[at], owners->owner[at]);
    }
    for (uint32_t i = 0; i < owners->nmore; i++)
        offer(&d, d.all[owners->more[i].row], owners->more[i].owner);
    *out = d;
}

static float cosine_of(const struct dense *d, uint32_t number, size_t *at)
{
    uint32_t row = number == VECTOR_NONE ? ROW_NONE : dense_row(&d->rows, number, at);
    return row == ROW_NONE ? 0 : d->all[row];
}

void dense_of_file(struct dense *d, const struct universe *u, uint32_t gid, uint32_t target, uint32_t ucut)
{
    const struct snapshot *s = u->snap[target];
    const struct dense_map *m = d->map[target];
    const struct snap_cut *c = &s->cut[ucut];
    float *to = d->chunk + universe_chunk(u, gid, 0);
    size_t at = 0;
    for (uint32_t n = 0; n < c->nchunks; n++)
        to[n] = cosine_of(d, m->chunk[m->chunk0[ucut] + n], &at);
    d->card[gid] = 0;
    for (uint32_t n = 0; n < c->nfiles; n++) {
        float cosine = cosine_of(d, m->card[s->by_cut[c->file + n]], &at);
        if (cosine > d->card[gid])
            d->card[gid] = cosine;
    }
}
