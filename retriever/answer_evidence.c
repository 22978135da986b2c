/* Whether the searched views hold an answer at all. Document frequencies are counted in these views alone. */
#include "retriever/answer_parts.h"

#include "base/mem.h"
#include "retriever/markdown.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOOKED_AT 5 /* hits */

/* Visible chunks that hold a term. */
static uint32_t frequency(struct lookup *l, uint64_t term, uint32_t *const *map)
{
    uint32_t df = 0;
    for (size_t s = 0; s < l->nsegs; s++) {
        size_t n = segment_postings(&l->seg[s], term, &l->post, &l->post_cap);
        for (size_t i = 0; i < n; i++)
            df += map[s][l->seg[s].chunk_cut[l->post[i].chunk]] != FILE_NONE;
    }
    return df;
}

/* Bits of the question's terms in a text. */
static uint64_t terms_of(struct str text, const struct query *q)
{
    struct words w;
    struct word x;
    uint64_t mask = 0;
    words_init(&w, text.p, text.n);
    while (words_next(&w, &x)) {
        char stem[WORD_MAX + 1];
        if (x.len > WORD_MAX)
            continue;
        memcpy(stem, x.text, x.len);
        uint64_t term = term_of(TERM_WORD, stem, word_stem(stem, x.len));
        for (unsigned i = 0; i < q->nterms; i++)
            if (q->term[i].term == term)
                mask |= 1ull << i;
    }
    return mask;
}

static double share(uint64_t mask, const double *idf, unsigned n)
{
    double have = 0, all = 0;
    for (unsigned i = 0; i < n; i++) {
        all += idf[i];
        have += mask >> i & 1 ? idf[i] : 0;
    }
    return all > 0 ? have / all : 0;
}

void evidence_measure(struct evidence *out, struct answer_work *w)
{
    struct lookup *l = w->l;
    const struct query *q = w->query;
    double idf[QUERY_TERMS] = {0}, chunks = 0, rarest = -1;
    uint32_t **map = arena_zero(w->arena, l->nsegs ? l->nsegs : 1, sizeof *map);
    struct buf unknown = BUF_INIT;
    uint64_t rare = 0, known = 0;
    *out = (struct evidence){.from = w->result->evidence};
    for (size_t t = 0; t < l->ntargets; t++)
        chunks += (double)l->snap[t]->nchunks;
    for (size_t s = 0; s < l->nsegs; s++) {
        map[s] = arena_alloc(w->arena, (l->seg[s].ncuts + 1) * sizeof **map);
        uint32_t *one = arena_alloc(w->arena, (l->seg[s].ncuts + 1) * sizeof *one);
        for (size_t t = 0; t < l->ntargets; t++) {
            snapshot_map(l->snap[t], &l->seg[s], t ? one : map[s]);
            for (uint32_t i = 0; t && i < l->seg[s].ncuts; i++)
                map[s][i] = map[s][i] == FILE_NONE ? one[i] : map[s][i];
        }
    }
    for (unsigned i = 0; i < q->nterms; i++) {
        const struct query_term *t = &q->term[i];
        if (t->joined || t->whole)
            continue;
        uint32_t df = frequency(l, t->term, map);
        idf[i] = log(1 + (chunks + .5) / (df + .5));
        out->words++;
        out->unknown += !df;
        known |= df ? 1ull << i : 0;
        if (!df) {
            if (unknown.len)
                buf_adds(&unknown, ", ");
            md_code(&unknown, (struct str){t->text, t->len});
        }
        if (idf[i] > rarest) {
            rarest = idf[i];
            rare = 1ull << i;
        }
    }
    uint64_t any = 0, names_any = 0;
    for (size_t h = 0; h < w->result->n && h < LOOKED_AT; h++) {
        const struct search_hit *hit = &w->result->hit[h];
        uint64_t path = terms_of(hit->path, q);
        uint64_t names = path | terms_of(str_of(hit->crumb), q) | terms_of(str_of(hit->symbol_name), q);
        uint64_t mask = names | terms_of(hit->snippet, q);
        out->best_chunk = fmax(out->best_chunk, share(mask, idf, q->nterms));
        out->best_names = fmax(out->best_names, share(names, idf, q->nterms));
        if (!h) {
            out->top_chunk = share(mask, idf, q->nterms);
            out->top_names = share(names, idf, q->nterms);
        }
        any |= mask;
        names_any |= names;
    }
    out->together = share(any, idf, q->nterms);
    out->rarest = (any & rare) != 0;
    out->rarest_named = (names_any & rare) != 0;
    out->unknown_share = 1 - share(known, idf, q->nterms);
    out->top_score = w->result->n ? w->result->hit[0].score : 0;
    out->n = w->result->n;
    w->unknown = unknown.len ? arena_strn(w->arena, unknown.data, unknown.len) : NULL;
    buf_release(&unknown);
}

double evidence_probability(const struct evidence *v)
{
    /* not fitted yet */
    double z = -4 + 5 * v->best_chunk + 2 * v->best_names - 3 * v->unknown_share + 2 * v->from.dense;
    return 1 / (1 + exp(-z));
}
