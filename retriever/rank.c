#include "retriever/rank.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* -- candidates ------------------------------------------------------------------------------------------------------- */

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
    r->chunk = arena_alloc(arena, most * sizeof *r->chunk);
    float *value = arena_alloc(arena, most * signal_count() * sizeof *value);
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
            if (!r->quoted && r->lex->chunk[at].bm25 <= 0 && c->def <= 0 && (!r->dense || r->dense[at] < .15f) && !last)
                continue;
            c->value = value + r->nchunks * signal_count();
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

static void sum_chunks(struct ranking *r)
{
    for (size_t s = 0; signals[s].name; s++)
        for (uint32_t i = 0; i < r->nchunks && signals[s].level == SIGNAL_CHUNK; i++)
            r->chunk[i].part += signals[s].weight * r->chunk[i].value[s];
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
            c->score = (c->part + f->part) * f->factor;
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

/* of one file */
static int chunk_order(const void *a, const void *b)
{
    const struct rank_chunk *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
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

/* -- best first ------------------------------------------------------------------------------------------------------- */

static bool comes_before(const struct ranking *r, uint32_t a, uint32_t b)
{
    float x = r->file[a].next, y = r->file[b].next;
    return x != y ? x > y : a < b;
}

static void sift_down(struct ranking *r, uint32_t i)
{
    uint32_t moving = r->heap[i];
    for (uint32_t child; (child = 2 * i + 1) < r->nheap; i = child) {
        if (child + 1 < r->nheap && comes_before(r, r->heap[child + 1], r->heap[child]))
            child++;
        if (!comes_before(r, r->heap[child], moving))
            break;
        r->heap[i] = r->heap[child];
    }
    r->heap[i] = moving;
}

static void order_chunks(struct ranking *r, struct arena *arena)
{
    r->heap = arena_alloc(arena, (r->nfiles + 1) * sizeof *r->heap);
    for (uint32_t i = 0; i < r->nfiles; i++) {
        r->file[i].next = r->file[i].first_score;
        r->file[i].repeat = 1;
        if (r->file[i].next > 0)
            r->heap[r->nheap++] = i;
    }
    for (uint32_t i = r->nheap / 2; i-- > 0;)
        sift_down(r, i);
}

const struct rank_chunk *rank_next(struct ranking *r)
{
    if (!r->nheap)
        return NULL;
    struct rank_file *f = &r->file[r->heap[0]];
    struct rank_chunk *c = &r->chunk[f->chunk];
    if (!f->taken)
        qsort(c, f->nchunks, sizeof *c, chunk_order);
    c += f->taken++;
    c->repeat = f->repeat;
    c->score = f->next;
    f->repeat *= REPEAT;
    bool more = f->taken < f->nchunks && !r->request->unique_files;
    f->next = more ? c[1].score * f->repeat : 0;
    if (f->next <= 0)
        r->heap[0] = r->heap[--r->nheap];
    if (r->nheap)
        sift_down(r, 0);
    return c;
}

int rank(struct ranking *r, struct arena *arena, struct err *e)
{
    int rc = choose_files(r, arena, e);
    if (rc)
        return rc;
    choose_chunks(r, arena);
    for (size_t s = 0; signals[s].name; s++)
        if (signals[s].level != SIGNAL_LATE)
            fill(r, s);
    sum_chunks(r);
    sum_up(r);
    order_files(r);
    for (size_t s = 0; signals[s].name; s++)
        if (signals[s].level == SIGNAL_LATE)
            fill(r, s);
    sum_up(r);
    order_chunks(r, arena);
    return 0;
}
