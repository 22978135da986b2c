#include "retriever/dense.h"

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

struct dense_owners *dense_owners_new(const struct universe *u, struct dense_map *const *map, uint16_t model, uint32_t vectors)
{
    struct dense_owners *o = mem_zero(1, sizeof *o);
    size_t cap = 0, n = 0;
    *o = (struct dense_owners){.refs = 1, .model = model, .vectors = vectors};
    o->owner = mem_alloc(vectors * sizeof *o->owner);
    memset(o->owner, 0xff, vectors * sizeof *o->owner);
    for (size_t k = 0; k < u->nsnaps; k++) {
        const struct snapshot *s = u->snap[k];
        for (uint32_t i = 0; i < s->ncuts; i++) {
            uint32_t gid = u->first[k] + i, nchunks = s->cut[i].nchunks;
            for (uint32_t c = 0; c < nchunks + s->cut[i].nfiles; c++) {
                bool card = c >= nchunks;
                uint32_t number = card ? map[k]->card[s->by_cut[s->cut[i].file + c - nchunks]] : map[k]->chunk[map[k]->chunk0[i] + c];
                uint32_t owner = card ? gid | DENSE_CARD : gid;
                if (number >= vectors || o->owner[number] == owner)
                    continue;
                if (o->owner[number] == FILE_NONE) {
                    o->owner[number] = owner;
                    continue;
                }
                VEC_ROOM(o->more, n, cap);
                o->more[n++] = (struct dense_owner){number, owner};
            }
        }
    }
    o->nmore = (uint32_t)n;
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

static void offer(struct dense *d, float cosine, uint32_t owner)
{
    if (!(owner & DENSE_CARD) && cosine > d->best)
        d->best = cosine;
    float *file = &d->file[owner & ~DENSE_CARD];
    if (cosine > DENSE_NEAR && cosine > *file)
        *file = cosine;
}

/* A run with gaps: a sweep took vectors out of it. */
static void scan_gaps(struct dense *d, const struct vector_run *r, const int8_t *q, float scale, struct arena *arena)
{
    float *score = arena_alloc(arena, r->n * sizeof *score);
    scan_scores(r->q, r->scale, r->n, r->dim, q, scale, score);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->number[i] < d->vectors)
            d->all[r->number[i]] = score[i];
}

void dense_scan(struct dense *out, const struct universe *u, struct dense_map *const *map, const struct dense_owners *owners,
                const struct vector_run *run, size_t nruns, const float *query, uint32_t dim, struct arena *arena)
{
    struct dense d = {.map = map, .vectors = owners->vectors};
    d.all = arena_alloc(arena, (owners->vectors + 1) * sizeof *d.all);
    d.file = arena_zero(arena, u->ngids, sizeof *d.file);
    d.chunk = arena_alloc(arena, (u->nchunks + 1) * sizeof *d.chunk);
    d.card = arena_alloc(arena, (u->ngids + 1) * sizeof *d.card);
    int8_t *q = arena_alloc(arena, dim);
    float scale = quant_row(q, query, dim);
    uint32_t at = 0;
    for (size_t i = 0; i < nruns; i++) {
        uint32_t end = vector_run_end(&run[i]);
        if (run[i].dim != dim || run[i].first < at || end > owners->vectors)
            continue;
        memset(d.all + at, 0, (end - at) * sizeof *d.all);
        if (run[i].number)
            scan_gaps(&d, &run[i], q, scale, arena);
        else
            scan_scores(run[i].q, run[i].scale, run[i].n, dim, q, scale, d.all + run[i].first);
        /* while these scores are in the cache; most are no sign of anything */
        for (at = run[i].first; at < end; at++)
            if ((d.all[at] > d.best || d.all[at] > DENSE_NEAR) && owners->owner[at] != FILE_NONE)
                offer(&d, d.all[at], owners->owner[at]);
    }
    memset(d.all + at, 0, (owners->vectors - at) * sizeof *d.all);
    for (uint32_t i = 0; i < owners->nmore; i++)
        offer(&d, d.all[owners->more[i].number], owners->more[i].owner);
    *out = d;
}

void dense_of_file(struct dense *d, const struct universe *u, uint32_t gid, uint32_t target, uint32_t ucut)
{
    const struct snapshot *s = u->snap[target];
    const struct dense_map *m = d->map[target];
    const struct snap_cut *c = &s->cut[ucut];
    float *to = d->chunk + universe_chunk(u, gid, 0);
    for (uint32_t n = 0; n < c->nchunks; n++) {
        uint32_t number = m->chunk[m->chunk0[ucut] + n];
        to[n] = number < d->vectors ? d->all[number] : 0;
    }
    d->card[gid] = 0;
    for (uint32_t n = 0; n < c->nfiles; n++) {
        uint32_t number = m->card[s->by_cut[c->file + n]];
        if (number < d->vectors && d->all[number] > d->card[gid])
            d->card[gid] = d->all[number];
    }
}
