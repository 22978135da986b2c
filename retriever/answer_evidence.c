/* Whether the searched views hold an answer at all. Document frequencies are counted in these views alone. */
#include "retriever/answer_parts.h"

#include "base/mem.h"
#include "retriever/markdown.h"
#include "store/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOOKED_AT 5 /* hits */
#define CALIBRATED "all-MiniLM-L6-v2" /* the model whose cosines by_vectors() was fitted on */

/* The postings of the question's terms over the visible chunks. */
struct field {
    uint32_t **map;    /* [nsegs][ncuts] ucut or FILE_NONE */
    uint64_t **chunk;  /* [nsegs][nchunks] terms held */
    uint64_t **file;   /* [nsegs][ncuts] */
};

/* Marks bit in all visible chunks that hold a term; returns their number. */
static uint32_t mark(struct lookup *l, struct field *f, uint64_t term, uint64_t bit)
{
    uint32_t df = 0;
    for (size_t s = 0; s < l->nsegs; s++) {
        size_t n = segment_postings(&l->seg[s], term, &l->post, &l->post_cap);
        for (size_t i = 0; i < n; i++) {
            uint32_t chunk = l->post[i].chunk, cut = l->seg[s].chunk_cut[chunk];
            if (f->map[s][cut] == FILE_NONE)
                continue;
            f->chunk[s][chunk] |= bit;
            f->file[s][cut] |= bit;
            df++;
        }
    }
    return df;
}

static void open_field(struct field *f, struct lookup *l)
{
    struct arena *a = l->arena;
    size_t n = l->nsegs ? l->nsegs : 1;
    *f = (struct field){arena_zero(a, n, sizeof *f->map), arena_zero(a, n, sizeof *f->chunk), arena_zero(a, n, sizeof *f->file)};
    for (size_t s = 0; s < l->nsegs; s++) {
        const struct segment *g = &l->seg[s];
        uint32_t *one = arena_alloc(a, (g->ncuts + 1) * sizeof *one);
        f->map[s] = arena_alloc(a, (g->ncuts + 1) * sizeof **f->map);
        f->chunk[s] = arena_zero(a, g->nchunks + 1, sizeof **f->chunk);
        f->file[s] = arena_zero(a, g->ncuts + 1, sizeof **f->file);
        for (size_t t = 0; t < l->ntargets; t++) {
            snapshot_map(l->snap[t], g, t ? one : f->map[s]);
            for (uint32_t i = 0; t && i < g->ncuts; i++)
                f->map[s][i] = f->map[s][i] == FILE_NONE ? one[i] : f->map[s][i];
        }
    }
}

/* What of the question a text holds: bits of its terms, and of the pairs of neighbouring terms that stand near each other. */
struct held {
    uint64_t terms, pairs; /* pairs: bit i for the terms i and after[i] */
};

#define NEAR 3 /* words apart */

static void hold(struct held *out, struct str text, const struct query *q, const int *after)
{
    struct words w;
    struct word x;
    uint32_t at = 1, seen[QUERY_TERMS] = {0}; /* position of the last occurrence */
    words_init(&w, text.p, text.n);
    while (words_next(&w, &x)) {
        char stem[WORD_MAX + 1];
        if (x.len > WORD_MAX)
            continue;
        at += x.kind == WORD_PART;
        memcpy(stem, x.text, x.len);
        uint64_t term = term_of(TERM_WORD, stem, word_stem(stem, x.len));
        for (unsigned i = 0; i < q->nterms; i++)
            if (q->term[i].term == term) {
                out->terms |= 1ull << i;
                seen[i] = at;
            }
        for (unsigned i = 0; i < q->nterms; i++)
            if (after[i] >= 0 && seen[i] && seen[after[i]] && (seen[i] == at || seen[after[i]] == at) &&
                seen[i] + NEAR >= seen[after[i]] && seen[after[i]] + NEAR >= seen[i])
                out->pairs |= 1ull << i;
    }
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

#define SAMPLE 64

/* About how much of the views has a vector of the request's model: of every so manieth content that has chunks. */
static double embedded_share(const struct answer_work *w)
{
    struct lookup *l = w->l;
    const struct model_info *info = w->request->embedder ? model_info(w->request->embedder) : NULL;
    uint16_t model;
    unsigned seen = 0, have = 0;
    if (!info || !w->result->dense_used || vector_model(l->t, info->hash, info->dim, &model, NULL))
        return 0;
    for (size_t t = 0; t < l->ntargets; t++) {
        const struct snapshot *s = l->snap[t];
        uint32_t step = s->ncuts / SAMPLE + 1;
        for (uint32_t i = 0; i < s->ncuts; i += step) {
            size_t n;
            if (!s->cut[i].nchunks)
                continue;
            seen++;
            have += vecof_get(l->t, model, s->cut[i].cut, 0, &n) != NULL;
        }
    }
    return seen ? (double)have / seen : 0;
}

static double best_share(const uint64_t *mask, uint32_t n, const double *idf, unsigned nterms)
{
    double best = 0;
    uint64_t before = 0; /* neighbours are often alike, and most hold nothing */
    for (uint32_t i = 0; i < n; i++)
        if (mask[i] && mask[i] != before) {
            best = fmax(best, share(mask[i], idf, nterms));
            before = mask[i];
        }
    return best;
}

void evidence_measure(struct evidence *out, struct answer_work *w)
{
    struct lookup *l = w->l;
    const struct query *q = w->query;
    double idf[QUERY_TERMS] = {0}, pair_idf[QUERY_TERMS] = {0}, chunks = 0;
    int after[QUERY_TERMS], last = -1;
    struct field field;
    struct buf unknown = BUF_INIT;
    *out = (struct evidence){.from = w->result->evidence};
    for (size_t t = 0; t < l->ntargets; t++)
        chunks += (double)l->snap[t]->nchunks;
    open_field(&field, l);
    for (unsigned i = 0; i < q->nterms; i++) {
        const struct query_term *t = &q->term[i];
        after[i] = -1;
        if (t->whole && !t->joined) {
            out->wholes++;
            out->wholes_unknown += !mark(l, &field, t->term, 0);
        }
        if (t->joined || t->whole)
            continue;
        uint32_t df = mark(l, &field, t->term, 1ull << i);
        idf[i] = log(1 + (chunks + .5) / (df + .5));
        out->words++;
        out->unknown += !df;
        if (!df) {
            if (unknown.len)
                buf_adds(&unknown, ", ");
            md_code(&unknown, (struct str){t->text, t->len});
        }
        if (last >= 0) {
            after[last] = (int)i;
            pair_idf[last] = idf[last] + idf[i];
        }
        last = (int)i;
    }
    for (size_t s = 0; s < l->nsegs; s++) {
        out->any_chunk = fmax(out->any_chunk, best_share(field.chunk[s], l->seg[s].nchunks, idf, q->nterms));
        out->any_file = fmax(out->any_file, best_share(field.file[s], l->seg[s].ncuts, idf, q->nterms));
    }
    uint64_t pairs_any = 0;
    for (size_t h = 0; h < w->result->n && h < LOOKED_AT; h++) {
        const struct search_hit *hit = &w->result->hit[h];
        struct held names = {0};
        hold(&names, hit->path, q, after);
        hold(&names, str_of(hit->crumb), q, after);
        hold(&names, str_of(hit->symbol_name), q, after);
        struct held all = names;
        hold(&all, hit->snippet, q, after);
        double in_chunk = share(all.terms, idf, q->nterms), in_names = share(names.terms, idf, q->nterms);
        double in_pairs = share(all.pairs, pair_idf, q->nterms);
        out->best_chunk = fmax(out->best_chunk, in_chunk);
        out->best_names = fmax(out->best_names, in_names);
        out->best_pairs = fmax(out->best_pairs, in_pairs);
        if (!h) {
            out->top_chunk = in_chunk;
            out->top_names = in_names;
        }
        pairs_any |= all.pairs;
    }
    out->pairs = share(pairs_any, pair_idf, q->nterms);
    out->symbol_like = q->symbol_like;
    out->embedded = embedded_share(w);
    out->known_model = w->request->embedder && !strcmp(model_info(w->request->embedder)->name, CALIBRATED);
    w->unknown = unknown.len ? arena_strn(w->arena, unknown.data, unknown.len) : NULL;
    buf_release(&unknown);
}

/* Two logistic models, fitted with balanced classes (L2 .01) on half of the yardstick's repositories, every second one by
 * name: their annotated questions against those of tests/bench/refusal.json about things that they do not have. The constants
 * are shifted so that .5 refuses 92% of the latter by words, 96% with vectors. tests/bench/refusal.py measures both halves. */
static double by_words(const struct evidence *v)
{
    return -7.68 + 3.8 * v->any_chunk + 2.05 * v->any_file + 1.4 * v->best_chunk + 1.32 * v->top_chunk + 3.66 * v->top_names +
           1.8 * v->best_names + 3.33 * v->best_pairs + 3.97 * v->pairs - 1.58 * v->wholes_unknown + .475 * v->words -
           .25 * v->unknown - (v->symbol_like ? 1.26 : 0);
}

static double by_vectors(const struct evidence *v)
{
    return -9.89 + 10.08 * v->from.dense + 2.04 * v->any_chunk + 1.9 * v->any_file + 1.4 * v->best_chunk + 1.13 * v->top_chunk +
           3.01 * v->top_names + 1.42 * v->best_names + 2.22 * v->best_pairs + 2.66 * v->pairs - 1.23 * v->wholes_unknown +
           .35 * v->words - .39 * v->unknown - (v->symbol_like ? .54 : 0);
}

#define MOSTLY .95 /* embedded: before, the best cosine may be of a chunk that has no vector yet */

double evidence_probability(const struct evidence *v)
{
    double z = by_words(v);
    if (v->known_model && v->embedded >= MOSTLY)
        z = by_vectors(v);
    else if (v->known_model && v->embedded > 0)
        z = fmax(z, by_vectors(v));
    return 1 / (1 + exp(-z));
}
