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

struct visible {
    uint32_t chunk, gid; /* numbers in the universe */
    uint16_t words;
    uint8_t body, doc, symbol, weight;
};

/* The visible postings of one term in one segment. All are found first and then scored by segment and by term: what a segment's
 * postings add up to stays in the first cache, where scoring by term walks over 4 MB of scores for every one of them. */
struct postings {
    struct visible *v;
    size_t n;
};

struct reading {
    const struct universe *u;
    struct arena *arena; /* of the postings: memory of malloc's that large would be new pages for every search */
    struct posting *raw;
    size_t raw_cap;
};

/* to: [nsegs] */
static void collect(struct postings *to, struct reading *l, struct query_term *t, uint32_t *files, uint32_t *naming)
{
    const struct universe *u = l->u;
    *files = *naming = t->df = 0;
    for (size_t i = 0; i < u->nsegs; i++) {
        const struct segment *s = &u->seg[i];
        const uint32_t *gids = u->gid[i], base = u->chunk0[i];
        uint32_t last = FILE_NONE, last_named = FILE_NONE;
        size_t n = segment_postings(s, t->term, &l->raw, &l->raw_cap);
        struct visible *v = to[i].v = n ? arena_alloc(l->arena, n * sizeof *v) : NULL;
        for (size_t k = 0; k < n; k++) {
            const struct posting *p = &l->raw[k];
            uint32_t gid = gids[s->chunk_cut[p->chunk]];
            if (gid == FILE_NONE)
                continue;
            *v++ = (struct visible){base + p->chunk, gid, s->chunk_words[p->chunk], p->body, p->doc, p->symbol, p->weight};
            *files += gid != last;
            if (p->symbol) {
                *naming += gid != last_named;
                last_named = gid;
            }
            last = gid;
        }
        to[i].n = n ? (size_t)(v - to[i].v) : 0;
        t->df += (uint32_t)to[i].n;
    }
}

static float idf(double n, double df)
{
    return (float)log(1 + (n - df + .5) / (df + .5));
}

static void score_term(struct lexical *out, const struct universe *u, const struct query_term *t, unsigned number,
                       const struct visible *v, const struct visible *end)
{
    uint32_t bit = number < 32 ? 1u << number : 0;
    /* k1 (1 - b + b words / mean) as base + words · slope: one division a posting instead of two */
    const float chunk_base = CHUNK_K1 * (1 - CHUNK_B), chunk_slope = CHUNK_K1 * CHUNK_B / (float)u->mean_chunk;
    const float file_base = FILE_K1 * (1 - FILE_B), file_slope = FILE_K1 * FILE_B / (float)u->mean_file;
    const float chunk_most = t->weight * t->idf * (CHUNK_K1 + 1), file_most = t->weight * t->file_idf * (FILE_K1 + 1);
    while (v < end) {
        uint32_t gid = v->gid;
        struct file_score *f = &out->file[gid];
        float body = 0, weight = 0;
        for (; v < end && v->gid == gid; v++) {
            struct chunk_score *c = &out->chunk[v->chunk];
            float tf = (float)(v->body + v->doc + NAME_TF * v->symbol);
            c->bm25 += chunk_most * tf / (tf + chunk_base + chunk_slope * (float)v->words);
            c->mask |= bit;
            if (v->symbol)
                c->symbol_mask |= bit;
            body += v->body;
            weight += .1f * v->weight;
        }
        f->bm25 += file_most * body / (body + file_base + file_slope * (float)u->file_words[gid]);
        if (!f->mask)
            out->touched[out->ntouched++] = gid;
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

/* Best coverage of the question by the names of one chunk, and sums over chunks, once all terms of a segment are in. */
static void finish_files(struct lexical *out, const struct universe *u, const struct query *q, uint32_t from)
{
    for (uint32_t i = from; i < out->ntouched; i++) {
        uint32_t gid = out->touched[i];
        struct file_score *f = &out->file[gid];
        const struct segment *s = &u->seg[u->where[gid]];
        uint32_t c = u->where_cut[gid];
        const struct chunk_score *x = out->chunk + u->chunk0[u->where[gid]] + s->first_chunk[c];
        const struct chunk_score *end = x + (s->first_chunk[c + 1] - s->first_chunk[c]);
        float sum = 0, best = 0;
        for (; x < end; x++) {
            if (x->bm25 <= 0)
                continue;
            sum += x->bm25;
            best = x->bm25 > best ? x->bm25 : best;
            float cover = 0;
            for (uint32_t m = x->symbol_mask; m; m &= m - 1)
                if (!q->term[__builtin_ctz(m)].joined && !q->term[__builtin_ctz(m)].whole)
                    cover += q->term[__builtin_ctz(m)].idf;
            if (cover > f->symbol_cover)
                f->symbol_cover = cover;
        }
        f->sum_chunk = sum;
        f->best_chunk = best;
        f->symbol_cover = q->total_idf > 0 ? f->symbol_cover / q->total_idf : 0;
    }
}

void lexical_run(struct lexical *out, const struct universe *u, struct query *q, struct arena *arena)
{
    out->chunk = arena_zero(arena, u->nchunks, sizeof *out->chunk);
    out->file = arena_zero(arena, u->ngids, sizeof *out->file);
    out->touched = arena_alloc(arena, (u->ngids + 1) * sizeof *out->touched);
    out->ntouched = 0;
    struct reading l = {.u = u, .arena = arena};
    struct postings *found = arena_alloc(arena, (q->nterms * u->nsegs + 1) * sizeof *found);
    q->total_idf = 0;
    for (unsigned i = 0; i < q->nterms; i++) {
        struct query_term *t = &q->term[i];
        uint32_t files, naming;
        collect(found + i * u->nsegs, &l, t, &files, &naming);
        t->idf = idf(u->visible_chunks, t->df);
        t->file_idf = idf(u->visible_files, files);
        t->symbol_idf = idf(u->visible_files, naming);
        if (!t->joined && !t->whole)
            q->total_idf += t->idf;
    }
    free(l.raw);
    for (size_t s = 0; s < u->nsegs; s++) {
        uint32_t from = out->ntouched;
        for (unsigned i = 0; i < q->nterms; i++) {
            const struct postings *p = &found[i * u->nsegs + s];
            score_term(out, u, &q->term[i], i, p->v, p->v + p->n);
        }
        finish_files(out, u, q, from);
    }
}
