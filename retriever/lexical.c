#include "retriever/lexical.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_K1 1.2f
#define CHUNK_B .75f
#define FILE_K1 1.5f
#define FILE_B .5f
#define NAMES_K1 1.2f
#define NAMES_B .6f
#define NAME_TF 2 /* a name's word counts as this many more */

void universe_init(struct universe *u, struct snapshot *const *snap, size_t nsnaps, const struct segment *seg, size_t nsegs,
                   struct arena *arena)
{
    *u = (struct universe){.snap = snap, .nsnaps = nsnaps, .seg = seg, .nsegs = nsegs};
    u->first = arena_alloc(arena, (nsnaps + 1) * sizeof *u->first);
    for (size_t i = 0; i < nsnaps; i++) {
        u->first[i] = u->ngids;
        u->ngids += snap[i]->ncuts;
    }
    u->first[nsnaps] = u->ngids;
    u->gid = arena_alloc(arena, nsegs * sizeof *u->gid);
    u->chunk0 = arena_alloc(arena, (nsegs + 1) * sizeof *u->chunk0);
    u->where = arena_zero(arena, u->ngids, sizeof *u->where);
    u->where_cut = arena_zero(arena, u->ngids, sizeof *u->where_cut);
    u->file_words = arena_zero(arena, u->ngids, sizeof *u->file_words);
    uint64_t words = 0, symbols = 0;
    for (size_t k = 0; k < nsnaps; k++)
        for (uint32_t c = 0; c < snap[k]->ncuts; c++)
            symbols += snap[k]->cut[c].nsymbols;
    for (size_t i = 0; i < nsegs; i++) {
        const struct segment *s = &seg[i];
        uint32_t *map = arena_alloc(arena, s->ncuts * sizeof *map), *gid = arena_alloc(arena, s->ncuts * sizeof *gid);
        memset(gid, 0xff, s->ncuts * sizeof *gid);
        for (size_t k = 0; k < nsnaps; k++) {
            if (!snapshot_map(snap[k], s, map))
                continue;
            for (uint32_t c = 0; c < s->ncuts; c++)
                if (map[c] != FILE_NONE && gid[c] == FILE_NONE)
                    gid[c] = u->first[k] + map[c];
        }
        for (uint32_t c = 0; c < s->ncuts; c++) {
            if (gid[c] == FILE_NONE)
                continue;
            u->where[gid[c]] = (uint32_t)i;
            u->where_cut[gid[c]] = c;
            u->visible_files++;
            for (uint32_t k = s->first_chunk[c]; k < s->first_chunk[c + 1]; k++)
                u->file_words[gid[c]] += s->chunk_words[k];
            u->visible_chunks += s->first_chunk[c + 1] - s->first_chunk[c];
            words += u->file_words[gid[c]];
        }
        u->gid[i] = gid;
        u->chunk0[i] = u->nchunks;
        u->nchunks += s->nchunks;
    }
    u->chunk0[nsegs] = u->nchunks;
    u->mean_chunk = u->visible_chunks ? (double)words / u->visible_chunks : 1;
    u->mean_symbols = u->ngids && symbols ? (double)symbols / u->ngids : 1;
    u->mean_file = u->visible_files ? (double)words / u->visible_files : 1;
}

struct snapshot *universe_snapshot(const struct universe *u, uint32_t gid, uint32_t *ucut, uint32_t *target)
{
    uint32_t k = 0;
    while (k + 1 < u->nsnaps && u->first[k + 1] <= gid)
        k++;
    *ucut = gid - u->first[k];
    if (target)
        *target = k;
    return u->snap[k];
}

struct visible {
    uint32_t chunk, gid; /* number in the universe */
    uint16_t words;
    uint8_t body, doc, symbol, weight;
};

struct term_list {
    struct visible *v;
    size_t n, cap;
    uint32_t files, naming;
};

static void collect(struct term_list *l, const struct universe *u, uint64_t term, struct posting **scratch, size_t *cap)
{
    for (size_t i = 0; i < u->nsegs; i++) {
        const struct segment *s = &u->seg[i];
        size_t n = segment_postings(s, term, scratch, cap);
        uint32_t last = FILE_NONE, last_named = FILE_NONE;
        for (size_t k = 0; k < n; k++) {
            const struct posting *p = &(*scratch)[k];
            uint32_t gid = u->gid[i][s->chunk_cut[p->chunk]];
            if (gid == FILE_NONE)
                continue;
            VEC_ROOM(l->v, l->n, l->cap);
            l->v[l->n++] = (struct visible){u->chunk0[i] + p->chunk, gid, s->chunk_words[p->chunk],
                                            p->body, p->doc, p->symbol, p->weight};
            l->files += gid != last;
            if (p->symbol) {
                l->naming += gid != last_named;
                last_named = gid;
            }
            last = gid;
        }
    }
}

static float idf(double n, double df)
{
    return (float)log(1 + (n - df + .5) / (df + .5));
}

static void score_term(struct lexical *out, const struct universe *u, const struct query_term *t, unsigned number,
                       const struct term_list *l)
{
    uint32_t bit = number < 32 ? 1u << number : 0;
    float chunk_mean = (float)u->mean_chunk, file_mean = (float)u->mean_file;
    for (size_t i = 0; i < l->n;) {
        uint32_t gid = l->v[i].gid;
        struct file_score *f = &out->file[gid];
        float body = 0, weight = 0;
        for (; i < l->n && l->v[i].gid == gid; i++) {
            const struct visible *v = &l->v[i];
            struct chunk_score *c = &out->chunk[v->chunk];
            float tf = (float)(v->body + v->doc + NAME_TF * v->symbol);
            float norm = CHUNK_K1 * (1 - CHUNK_B + CHUNK_B * (float)v->words / chunk_mean);
            c->bm25 += t->weight * t->idf * tf * (CHUNK_K1 + 1) / (tf + norm);
            c->mask |= bit;
            if (v->symbol)
                c->symbol_mask |= bit;
            body += v->body;
            weight += .1f * v->weight;
        }
        float norm = FILE_K1 * (1 - FILE_B + FILE_B * (float)u->file_words[gid] / file_mean);
        f->bm25 += t->weight * t->file_idf * body * (FILE_K1 + 1) / (body + norm);
        f->mask |= 1ull << number;
        if (weight > 0) {
            uint32_t ucut;
            const struct snapshot *s = universe_snapshot(u, gid, &ucut, NULL);
            float size = 1 - NAMES_B + NAMES_B * (float)s->cut[ucut].nsymbols / (float)u->mean_symbols;
            f->symbol += t->weight * t->symbol_idf * weight * (NAMES_K1 + 1) / (weight + NAMES_K1 * size);
            f->symbol_mask |= 1ull << number;
        }
    }
}

/* Best coverage of the question by the names of one chunk, and sums over chunks, once all terms are in. */
static void finish_files(struct lexical *out, const struct universe *u, const struct query *q)
{
    for (uint32_t gid = 0; gid < u->ngids; gid++) {
        struct file_score *f = &out->file[gid];
        if (!f->mask)
            continue;
        const struct segment *s = &u->seg[u->where[gid]];
        uint32_t c = u->where_cut[gid], base = u->chunk0[u->where[gid]];
        for (uint32_t k = s->first_chunk[c]; k < s->first_chunk[c + 1]; k++) {
            const struct chunk_score *x = &out->chunk[base + k];
            if (x->bm25 <= 0)
                continue;
            f->sum_chunk += x->bm25;
            if (x->bm25 > f->best_chunk)
                f->best_chunk = x->bm25;
            float cover = 0;
            for (uint32_t m = x->symbol_mask; m; m &= m - 1)
                if (!q->term[__builtin_ctz(m)].joined && !q->term[__builtin_ctz(m)].whole)
                    cover += q->term[__builtin_ctz(m)].idf;
            if (cover > f->symbol_cover)
                f->symbol_cover = cover;
        }
        f->symbol_cover = q->total_idf > 0 ? f->symbol_cover / q->total_idf : 0;
    }
}

void lexical_run(struct lexical *out, const struct universe *u, struct query *q, struct arena *arena)
{
    out->chunk = arena_zero(arena, u->nchunks, sizeof *out->chunk);
    out->file = arena_zero(arena, u->ngids, sizeof *out->file);
    struct posting *scratch = NULL;
    size_t cap = 0;
    struct term_list l = {0};
    q->total_idf = 0;
    for (unsigned i = 0; i < q->nterms; i++) {
        struct query_term *t = &q->term[i];
        l.n = l.files = l.naming = 0;
        collect(&l, u, t->term, &scratch, &cap);
        t->df = (uint32_t)l.n;
        t->idf = idf(u->visible_chunks, (double)l.n);
        t->file_idf = idf(u->visible_files, l.files);
        t->symbol_idf = idf(u->visible_files, l.naming);
        if (!t->joined && !t->whole)
            q->total_idf += t->idf;
        score_term(out, u, t, i, &l);
    }
    finish_files(out, u, q);
    free(l.v);
    free(scratch);
}
