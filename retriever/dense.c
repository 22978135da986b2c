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

int dense_scores(float **chunk, float **card, const struct universe *u, struct dense_map *const *map, const float *query,
                 uint32_t dim, uint16_t model, struct txn *t, struct arena *arena, struct err *e)
{
    struct vector_run *run = NULL;
    size_t nruns = 0;
    float *all = NULL;
    int8_t *q = arena_alloc(arena, dim);
    int rc = vectors_open(t, model, &run, &nruns, e);
    if (rc)
        goto out;
    uint32_t total = 0;
    for (size_t i = 0; i < nruns; i++)
        total = run[i].first + run[i].n > total ? run[i].first + run[i].n : total;
    all = mem_zero(total, sizeof *all);
    float scale = quant_row(q, query, dim);
    for (size_t i = 0; i < nruns; i++)
        if (run[i].dim == dim)
            scan_scores(run[i].q, run[i].scale, run[i].n, dim, q, scale, all + run[i].first);
    *chunk = arena_zero(arena, u->nchunks, sizeof **chunk);
    *card = arena_zero(arena, u->ngids, sizeof **card);
    for (size_t k = 0; k < u->nsnaps; k++) {
        const struct snapshot *s = u->snap[k];
        for (uint32_t i = 0; i < s->ncuts; i++) {
            uint32_t gid = u->first[k] + i;
            if (s->cut[i].nchunks) {
                float *to = *chunk + universe_chunk(u, gid, 0);
                for (uint32_t n = 0; n < s->cut[i].nchunks; n++) {
                    uint32_t number = map[k]->chunk[map[k]->chunk0[i] + n];
                    to[n] = number < total ? all[number] : 0;
                }
            }
            for (uint32_t n = 0; n < s->cut[i].nfiles; n++) {
                uint32_t number = map[k]->card[s->by_cut[s->cut[i].file + n]];
                if (number < total && all[number] > (*card)[gid])
                    (*card)[gid] = all[number];
            }
        }
    }
out:
    free(all);
    free(run);
    return rc;
}
