#include "retriever/rank.h"

#include "retriever/exact.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* -- candidates ------------------------------------------------------------------------------------------------------- */

/* Which terms stand in the path of which file. */
static void mark_paths(struct ranking *r, struct arena *arena)
{
    const struct universe *u = r->u;
    uint32_t total = 0;
    r->path0 = arena_alloc(arena, (u->nsnaps + 1) * sizeof *r->path0);
    for (size_t k = 0; k < u->nsnaps; k++) {
        r->path0[k] = total;
        total += u->snap[k]->nfiles;
    }
    r->path0[u->nsnaps] = total;
    r->stem_mask = arena_zero(arena, total, sizeof *r->stem_mask);
    r->dir_mask = arena_zero(arena, total, sizeof *r->dir_mask);
    r->row = arena_alloc(arena, total * sizeof *r->row);
    memset(r->row, 0xff, total * sizeof *r->row);
    for (size_t k = 0; k < u->nsnaps; k++)
        for (unsigned i = 0; i < r->q->nterms; i++) {
            size_t n;
            const struct path_index *p = snapshot_path(u->snap[k], r->q->term[i].term, &n);
            for (size_t j = 0; j < n; j++) {
                const struct path_word *w = &u->snap[k]->path_word[p[j].word];
                if (w->role == PATH_STEM)
                    r->stem_mask[r->path0[k] + p[j].file] |= 1ull << i;
                else if (w->depth < 3) /* the last three directories name it; those above name the project */
                    r->dir_mask[r->path0[k] + p[j].file] |= 1ull << i;
            }
        }
}

bool occurrence_passes(const struct search_request *q, const struct snap_file *f)
{
    if (q->path_prefix) {
        size_t n = strlen(q->path_prefix);
        while (n > 0 && q->path_prefix[n - 1] == '/')
            n--;
        if (f->path.n < n || memcmp(f->path.p, q->path_prefix, n) || (n && f->path.n > n && f->path.p[n] != '/'))
            return false;
    }
    if (q->language && (!f->language || strncmp(f->language, q->language, LANGUAGE_NAME_MAX)))
        return false;
    return true;
}

float nature_blame(const struct file_nature *is)
{
    return is->test + is->example + is->doc + is->config + is->generated + is->vendored + is->declaration + is->script + is->older +
           is->foreign;
}

/* The occurrence that is shown of a content with several paths: the one that is most like source, then the shortest. */
static uint32_t best_occurrence(const struct search_request *q, const struct snapshot *s, const struct snap_cut *c)
{
    uint32_t best = FILE_NONE;
    for (uint32_t i = 0; i < c->nfiles; i++) {
        uint32_t number = s->by_cut[c->file + i];
        const struct snap_file *f = &s->file[number], *b = best == FILE_NONE ? NULL : &s->file[best];
        if (!occurrence_passes(q, f))
            continue;
        if (!b || nature_blame(&f->is) < nature_blame(&b->is) || (nature_blame(&f->is) == nature_blame(&b->is) && f->path.n < b->path.n))
            best = number;
    }
    return best;
}

struct early {
    float score;
    uint32_t gid, number;
};

static int early_order(const void *a, const void *b)
{
    const struct early *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->gid < y->gid ? -1 : x->gid > y->gid;
}

/* A cheap score of every file that shows any sign, to choose the candidates from. */
static void choose_files(struct ranking *r, struct arena *arena)
{
    const struct universe *u = r->u;
    const struct lexical *lex = r->lex;
    float max_chunk = 1e-6f, max_file = 1e-6f, max_symbol = 1e-6f, max_idf = 1e-6f;
    for (uint32_t gid = 0; gid < u->ngids; gid++) {
        if (lex->file[gid].best_chunk > max_chunk)
            max_chunk = lex->file[gid].best_chunk;
        if (lex->file[gid].bm25 > max_file)
            max_file = lex->file[gid].bm25;
        if (lex->file[gid].symbol > max_symbol)
            max_symbol = lex->file[gid].symbol;
    }
    for (unsigned i = 0; i < r->q->nterms; i++)
        max_idf += r->q->term[i].joined ? 0 : r->q->term[i].file_idf;
    float *extra = arena_zero(arena, u->ngids, sizeof *extra);
    for (size_t i = 0; i < r->ndefs; i++)
        if (r->def[i].quality > extra[r->def[i].gid])
            extra[r->def[i].gid] = r->def[i].quality;
    for (uint32_t gid = 0; gid < u->ngids && r->dense; gid++) {
        const struct segment *s = &u->seg[u->where[gid]];
        uint32_t c = u->where_cut[gid], base = u->chunk0[u->where[gid]];
        float best = r->card ? r->card[gid] : 0;
        for (uint32_t k = s->first_chunk[c]; k < s->first_chunk[c + 1]; k++)
            if (r->dense[base + k] > best)
                best = r->dense[base + k];
        extra[gid] += best > .15f ? best : 0;
    }
    struct early *e = mem_alloc(u->ngids * sizeof *e);
    uint32_t n = 0;
    for (size_t k = 0; k < u->nsnaps; k++)
        for (uint32_t ucut = 0; ucut < u->snap[k]->ncuts; ucut++) {
            uint32_t gid = u->first[k] + ucut;
            const struct snap_cut *c = &u->snap[k]->cut[ucut];
            const struct file_score *f = &lex->file[gid];
            float path = 0;
            for (uint32_t i = 0; i < c->nfiles; i++) {
                uint32_t at = r->path0[k] + u->snap[k]->by_cut[c->file + i];
                uint64_t mask = r->stem_mask[at];
                float sum = 0;
                for (uint64_t m = mask; m; m &= m - 1)
                    sum += r->q->term[__builtin_ctzll(m)].file_idf;
                path = sum > path ? sum : path;
            }
            if (!c->nchunks || (!f->mask && path <= 0 && extra[gid] <= 0))
                continue;
            uint32_t number = best_occurrence(r->request, u->snap[k], c);
            if (number == FILE_NONE)
                continue;
            float score = f->best_chunk / max_chunk + f->bm25 / max_file + .5f * f->symbol / max_symbol +
                          path / max_idf + extra[gid];
            const struct file_nature *is = &u->snap[k]->file[number].is;
            score *= 1 - .5f * (is->test > is->doc ? is->test : is->doc);
            e[n++] = (struct early){score, gid, number};
        }
    qsort(e, n, sizeof *e, early_order);
    r->nfiles = n < RANK_FILES ? n : RANK_FILES;
    r->file = arena_zero(arena, r->nfiles, sizeof *r->file);
    for (uint32_t i = 0; i < r->nfiles; i++) {
        struct rank_file *f = &r->file[i];
        f->gid = e[i].gid;
        f->number = e[i].number;
        f->snap = universe_snapshot(u, f->gid, &f->ucut, &f->target);
        f->file = &f->snap->file[f->number];
        f->cut = &f->snap->cut[f->ucut];
        f->stem_mask = r->stem_mask[r->path0[f->target] + f->number];
        f->dir_mask = r->dir_mask[r->path0[f->target] + f->number];
        f->value = arena_zero(arena, signal_count(), sizeof *f->value);
    }
    free(e);
}

static size_t first_def(const struct ranking *r, uint32_t gid)
{
    size_t lo = 0, hi = r->ndefs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (r->def[mid].gid < gid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void choose_chunks(struct ranking *r, struct arena *arena)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < r->nfiles; i++)
        most += r->file[i].cut->nchunks;
    r->chunk = arena_zero(arena, most, sizeof *r->chunk);
    for (uint32_t i = 0; i < r->nfiles; i++) {
        struct rank_file *f = &r->file[i];
        size_t def = first_def(r, f->gid);
        f->chunk = r->nchunks;
        for (uint32_t n = 0; n < f->cut->nchunks; n++) {
            struct rank_chunk *c = &r->chunk[r->nchunks];
            *c = (struct rank_chunk){.file = i, .n = n, .def_symbol = RECORD_NONE};
            for (size_t d = def; d < r->ndefs && r->def[d].gid == f->gid; d++)
                if (r->def[d].chunk == n && r->def[d].quality > c->def) {
                    c->def = r->def[d].quality;
                    c->def_symbol = r->def[d].symbol;
                }
            uint32_t at = universe_chunk(r->u, f->gid, n);
            bool last = n + 1 == f->cut->nchunks && r->nchunks == f->chunk;
            if (r->lex->chunk[at].bm25 <= 0 && c->def <= 0 && (!r->dense || r->dense[at] < .15f) && !last)
                continue;
            c->value = arena_zero(arena, signal_count(), sizeof *c->value);
            r->nchunks++;
        }
        f->nchunks = r->nchunks - f->chunk;
    }
}

/* -- scores ----------------------------------------------------------------------------------------------------------- */

static void fill(struct ranking *r, size_t s)
{
    const struct signal *sig = &signals[s];
    float max = 0;
    bool chunks = sig->level == SIGNAL_CHUNK;
    uint32_t n = chunks ? r->nchunks : r->nfiles;
    for (uint32_t i = 0; i < n; i++) {
        float *v = chunks ? &r->chunk[i].value[s] : &r->file[i].value[s];
        *v = sig->value(r, chunks ? &r->file[r->chunk[i].file] : &r->file[i], chunks ? &r->chunk[i] : NULL);
        max = *v > max ? *v : max;
    }
    for (uint32_t i = 0; i < n && sig->scaled && max > 0; i++)
        *(chunks ? &r->chunk[i].value[s] : &r->file[i].value[s]) /= max;
}

static void sum_up(struct ranking *r)
{
    for (uint32_t i = 0; i < r->nfiles; i++) {
        struct rank_file *f = &r->file[i];
        f->part = 0;
        f->factor = 1;
        for (size_t s = 0; signals[s].name; s++)
            if (signals[s].level == SIGNAL_FACTOR)
                f->factor *= f->value[s];
            else if (signals[s].level != SIGNAL_CHUNK)
                f->part += signals[s].weight * f->value[s];
        f->first_score = 0;
        for (uint32_t k = 0; k < f->nchunks; k++) {
            struct rank_chunk *c = &r->chunk[f->chunk + k];
            float part = 0;
            for (size_t s = 0; signals[s].name; s++)
                if (signals[s].level == SIGNAL_CHUNK)
                    part += signals[s].weight * c->value[s];
            c->score = (part + f->part) * f->factor;
            f->first_score = c->score > f->first_score ? c->score : f->first_score;
        }
    }
}

static int file_order(const void *a, const void *b)
{
    const struct rank_file *x = a, *y = b;
    if (x->first_score != y->first_score)
        return x->first_score > y->first_score ? -1 : 1;
    return x->gid < y->gid ? -1 : x->gid > y->gid;
}

static int chunk_order(const void *a, const void *b)
{
    const struct rank_chunk *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static void order_files(struct ranking *r)
{
    qsort(r->file, r->nfiles, sizeof *r->file, file_order);
    for (uint32_t i = 0; i < r->nfiles; i++) {
        r->row[r->path0[r->file[i].target] + r->file[i].number] = i;
        for (uint32_t k = 0; k < r->file[i].nchunks; k++)
            r->chunk[r->file[i].chunk + k].file = i;
    }
}

void rank(struct ranking *r, struct arena *arena)
{
    mark_paths(r, arena);
    choose_files(r, arena);
    choose_chunks(r, arena);
    for (size_t s = 0; signals[s].name; s++)
        if (signals[s].level != SIGNAL_LATE)
            fill(r, s);
    sum_up(r);
    order_files(r);
    for (size_t s = 0; signals[s].name; s++)
        if (signals[s].level == SIGNAL_LATE)
            fill(r, s);
    sum_up(r);
    /* the order inside each file first, then each next chunk of a file counts less; chunk rows move after this, so the
     * files' rows are no longer contiguous */
    for (uint32_t i = 0; i < r->nfiles; i++) {
        struct rank_chunk *c = &r->chunk[r->file[i].chunk];
        qsort(c, r->file[i].nchunks, sizeof *c, chunk_order);
        float decay = 1;
        for (uint32_t k = 0; k < r->file[i].nchunks; k++, decay *= REPEAT)
            c[k].score = r->request->unique_files && k ? -1 : c[k].score * decay;
    }
    qsort(r->chunk, r->nchunks, sizeof *r->chunk, chunk_order);
    while (r->nchunks && r->chunk[r->nchunks - 1].score <= 0)
        r->nchunks--;
}
