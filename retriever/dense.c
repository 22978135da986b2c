#include "retriever/dense.h"

#include "base/mem.h"
#include "kernels/quant.h"
#include "kernels/scan.h"

#include <stdlib.h>
#include <string.h>

#define PICK_SHARE 3 /* fewer than one row in so many is asked about: each on its own costs less than the pass over all */

static bool chunks_known(const struct dense_map *m, const struct snapshot *s, uint32_t ucut)
{
    return s->cut[ucut].nchunks && m->chunk[m->chunk0[ucut]] != VECTOR_NONE; /* the first chunk is embedded wherever any is */
}

/* Looks up what has no number yet. */
static void look_up(struct dense_map *m, const struct snapshot *s, struct txn *t)
{
    size_t n;
    for (uint32_t i = 0; i < s->ncuts; i++) {
        const void *v = chunks_known(m, s, i) ? NULL : vecof_get(t, m->model, s->cut[i].cut, 0, &n);
        if (v && n == s->cut[i].nchunks)
            memcpy(m->chunk + m->chunk0[i], v, n * sizeof *m->chunk);
    }
    for (uint32_t i = 0; i < s->nfiles; i++) {
        bool wanted = m->card[i] == VECTOR_NONE && s->file[i].cut != CUT_NONE;
        const void *v = wanted ? vecof_get(t, m->model, s->file[i].cut, vecof_card(s->file[i].path), &n) : NULL;
        if (v && n == 1)
            memcpy(&m->card[i], v, sizeof *m->card);
    }
}

static void *copy_of(const void *p, size_t n)
{
    void *q = mem_alloc(n);
    if (n)
        memcpy(q, p, n);
    return q;
}

struct dense_map *dense_map_load(const struct snapshot *s, uint16_t model, const struct dense_map *before, struct txn *t)
{
    struct dense_map *m = mem_zero(1, sizeof *m);
    size_t chunks = s->nchunks * sizeof *m->chunk, cards = s->nfiles * sizeof *m->card;
    *m = (struct dense_map){.refs = 1, .model = model, .stamp = vecof_stamp(t)};
    if (before && before->model == model) {
        m->chunk0 = copy_of(before->chunk0, (s->ncuts + 1) * sizeof *m->chunk0);
        m->chunk = copy_of(before->chunk, chunks);
        m->card = copy_of(before->card, cards);
    } else {
        m->chunk0 = mem_alloc((s->ncuts + 1) * sizeof *m->chunk0);
        m->chunk = mem_alloc(chunks);
        m->card = mem_alloc(cards);
        memset(m->chunk, 0xff, chunks);
        memset(m->card, 0xff, cards);
        m->chunk0[0] = 0;
        for (uint32_t i = 0; i < s->ncuts; i++)
            m->chunk0[i + 1] = m->chunk0[i] + s->cut[i].nchunks;
    }
    look_up(m, s, t);
    return m;
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

/* -- owners --------------------------------------------------------------------------------------------------------------- */

static size_t words_of(const struct dense_rows *rows)
{
    return rows->n / 64 + 1;
}

static bool is_set(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

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

uint64_t dense_stamp(struct dense_map *const *map, size_t n)
{
    uint64_t stamp = 0;
    for (size_t i = 0; i < n; i++)
        stamp = map[i]->stamp > stamp ? map[i]->stamp : stamp;
    return stamp;
}

struct dense_owners *dense_owners_new(const struct universe *u, struct dense_map *const *map, uint16_t model, const struct dense_rows *rows)
{
    struct dense_owners *o = mem_zero(1, sizeof *o);
    struct owning w = {.o = o, .rows = rows};
    *o = (struct dense_owners){.refs = 1, .model = model, .mark = rows->mark, .stamp = dense_stamp(map, u->nsnaps)};
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
    o->owned = mem_zero(words_of(rows), sizeof *o->owned);
    for (uint32_t i = 0; i < rows->n; i++)
        if (o->owner[i] != FILE_NONE) {
            o->owned[i / 64] |= 1ull << i % 64;
            o->nowned++;
        }
    return o;
}

void dense_owners_drop(struct dense_owners *o)
{
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(o->owner);
    free(o->owned);
    free(o->more);
    free(o);
}

/* -- scan ----------------------------------------------------------------------------------------------------------------- */

static void offer(struct dense *d, uint32_t row, uint32_t owner)
{
    float cosine = d->all[row], *file = &d->file[owner & ~DENSE_CARD];
    if (!(owner & DENSE_CARD) && cosine > d->best && (!d->exact || is_set(d->exact, row)))
        d->best = cosine;
    if (cosine > DENSE_NEAR && cosine > *file)
        *file = cosine;
}

/* Offers every score above least. */
static void offer_all(struct dense *d, const struct dense_owners *owners, float least)
{
    for (uint32_t at = 0; at < d->rows.n; at++)
        if (d->all[at] > least && owners->owner[at] != FILE_NONE)
            offer(d, at, owners->owner[at]);
    for (uint32_t i = 0; i < owners->nmore; i++)
        if (d->all[owners->more[i].row] > least)
            offer(d, owners->more[i].row, owners->more[i].owner);
}

/* The exact cosines of some rows, a bit each. */
static void pick(struct dense *d, const uint64_t *some)
{
    const struct dense_rows *rows = &d->rows;
    uint32_t most = 0;
    for (size_t i = 0; i < rows->nruns; i++)
        most = rows->run[i].n > most ? rows->run[i].n : most;
    uint32_t *place = mem_alloc((most + 1) * sizeof *place);
    float *score = mem_alloc((most + 1) * sizeof *score);
    for (size_t i = 0; i < rows->nruns; i++) {
        const struct vector_run *r = &rows->run[i];
        struct scan_rows all = {r->q, r->scale, r->n, r->dim, 0};
        uint32_t first = rows->row[i], end = rows->row[i + 1], n = 0;
        for (uint32_t at = first; at < end; at = (at / 64 + 1) * 64)
            for (uint64_t left = some[at / 64] >> at % 64; left; left &= left - 1) {
                uint32_t row = at + (uint32_t)__builtin_ctzll(left);
                if (row < end)
                    place[n++] = row - first;
            }
        scan_pick(scan_find(NULL), &all, place, n, d->query, d->scale, score);
        for (uint32_t k = 0; k < n; k++)
            d->all[first + place[k]] = score[k];
    }
    free(place);
    free(score);
}

/* The rows that the signs say most of, `wanted` of the owned ones and those of like score: a bit each. Without branches, which random
 * signs would send the wrong way every second time: that took longer than the signs themselves. */
#define BINS 2048 /* of scores from 0 to 1 */
#define SAMPLE 4  /* one row in so many is counted */
static uint64_t *best_of(const struct dense *d, const uint64_t *owned, uint32_t wanted, struct arena *arena)
{
    uint32_t bin[BINS] = {0}, least = BINS, n = d->rows.n;
    uint64_t *best = arena_zero(arena, words_of(&d->rows), sizeof *best);
    for (uint32_t i = 0; i < n; i += SAMPLE) {
        int at = (int)(d->all[i] * BINS);
        at = at < 0 ? 0 : at > BINS - 1 ? BINS - 1 : at;
        bin[at] += is_set(owned, i);
    }
    for (uint32_t sum = 0; least > 1 && sum < wanted / SAMPLE; least--) /* what is in the first bin is of no interest */
        sum += bin[least - 1];
    float bar = (float)least / BINS;
    for (uint32_t from = 0; from < n; from += 64) {
        uint64_t word = 0;
        for (uint32_t i = 0; i < 64 && from + i < n; i++)
            word |= (uint64_t)(d->all[from + i] >= bar) << i;
        best[from / 64] = word & owned[from / 64];
    }
    return best;
}

/* What the signs say of all rows, and the cosines of those that it says most of. */
static void scan_sketch(struct dense *d, const struct dense_owners *owners, const struct sketch *s, uint32_t dim, struct arena *arena)
{
    uint32_t wanted = owners->nowned / SKETCH_SHARE;
    scan_signs(scan_find(NULL), s->bits, s->factor, d->rows.n, dim, d->query, d->scale, d->all);
    d->exact = best_of(d, owners->owned, wanted < SKETCH_LEAST ? SKETCH_LEAST : wanted, arena);
    d->want = arena_zero(arena, words_of(&d->rows), sizeof *d->want);
    pick(d, d->exact);
}

void dense_scan(struct dense *out, struct joint *joint, const struct universe *u, struct dense_map *const *map,
                const struct dense_owners *owners, const struct sketch *sketch, const struct dense_rows *rows, const float *query,
                uint32_t dim, struct arena *arena)
{
    struct dense d = {.map = map, .rows = *rows};
    d.all = arena_alloc(arena, (rows->n + 1) * sizeof *d.all);
    d.file = arena_zero(arena, u->ngids, sizeof *d.file);
    d.chunk = arena_alloc(arena, (u->nchunks + 1) * sizeof *d.chunk);
    d.card = arena_alloc(arena, (u->ngids + 1) * sizeof *d.card);
    int8_t *q = arena_alloc(arena, dim);
    d.scale = quant_row(q, query, dim);
    d.query = q;
    if (sketch) {
        scan_sketch(&d, owners, sketch, dim, arena);
    } else if (owners->nowned < rows->n / PICK_SHARE) {
        memset(d.all, 0, rows->n * sizeof *d.all);
        pick(&d, owners->owned);
    } else {
        joint_scan(joint, rows, q, d.scale, d.all);
    }
    offer_all(&d, owners, DENSE_NEAR);
    if (d.best <= 0) /* nothing is near: the nearest is wanted all the same */
        offer_all(&d, owners, 0);
    *out = d;
}

static void want(struct dense *d, uint32_t number, size_t *at)
{
    uint32_t row = number == VECTOR_NONE ? ROW_NONE : dense_row(&d->rows, number, at);
    if (row != ROW_NONE && !is_set(d->exact, row))
        d->want[row / 64] |= 1ull << row % 64;
}

void dense_want(struct dense *d, const struct universe *u, uint32_t target, uint32_t ucut)
{
    const struct snapshot *s = u->snap[target];
    const struct dense_map *m = d->map[target];
    size_t at = 0;
    for (uint32_t n = 0; d->exact && n < s->cut[ucut].nchunks; n++)
        want(d, m->chunk[m->chunk0[ucut] + n], &at);
    for (uint32_t n = 0; d->exact && n < s->cut[ucut].nfiles; n++)
        want(d, m->card[s->by_cut[s->cut[ucut].file + n]], &at);
}

void dense_settle(struct dense *d)
{
    if (!d->exact)
        return;
    pick(d, d->want);
    for (size_t i = 0; i < words_of(&d->rows); i++)
        d->exact[i] |= d->want[i];
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
