#include "retriever/asked/vectors.h"

#include "base/hash.h"
#include "base/mem.h"
#include "retriever/dense.h"

#include <stdlib.h>
#include <string.h>

#define OID 20

struct piece {
    uint32_t number;      /* of its vector */
    uint8_t oid[OID];
};
struct pieces {
    struct piece *v;
    size_t n, cap;
};

static void add(struct pieces *p, uint32_t number, const struct oid *o)
{
    if (number == VECTOR_NONE)
        return;
    VEC_ROOM(p->v, p->n, p->cap);
    p->v[p->n].number = number;
    memcpy(p->v[p->n++].oid, o->byte, OID);
}

static void of_snapshot(struct pieces *p, const struct snapshot *s, const struct dense_map *m)
{
    for (uint32_t f = 0; f < s->nfiles; f++) {
        const struct snap_file *file = &s->file[f];
        uint32_t ucut = file->ucut;
        if (ucut == FILE_NONE)
            continue;
        for (uint32_t c = 0; c < s->cut[ucut].nchunks; c++)
            add(p, m->chunk[m->chunk0[ucut] + c], &file->oid);
        add(p, m->card[f], &file->oid);
    }
}

static int by_content(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int c = memcmp(x->oid, y->oid, OID);
    return c ? c : (x->number > y->number) - (x->number < y->number);
}

/* Each once; of too many those of some files, drawn by their contents. */
static void sift(struct pieces *p)
{
    size_t kept = 0;
    qsort(p->v, p->n, sizeof *p->v, by_content);
    for (size_t i = 0; i < p->n; i++)
        if (!i || by_content(&p->v[i], &p->v[i - 1]))
            p->v[kept++] = p->v[i];
    p->n = kept;
    uint64_t share = kept > VECTORS_MOST ? kept / VECTORS_MOST + 1 : 1;
    kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (share == 1 || hash64(p->v[i].oid, OID) % share == 0)
            p->v[kept++] = p->v[i];
    p->n = kept;
}

static void copy(struct content_vectors *out, const struct pieces *p, const struct dense_rows *rows)
{
    size_t at = 0;
    out->q = mem_alloc(p->n * out->dim + 1);
    out->scale = mem_alloc((p->n + 1) * sizeof *out->scale);
    out->content = mem_alloc((p->n + 1) * sizeof *out->content);
    out->oid = mem_alloc((p->n + 1) * sizeof *out->oid);
    for (size_t i = 0; i < p->n; i++) {
        uint32_t row = dense_row(rows, p->v[i].number, &at);
        if (row == ROW_NONE)
            continue;
        const struct vector_run *run = &rows->run[at];
        size_t in = row - rows->row[at];
        if (!out->contents || memcmp(out->oid[out->contents - 1], p->v[i].oid, OID))
            memcpy(out->oid[out->contents++], p->v[i].oid, OID);
        memcpy(out->q + (size_t)out->n * out->dim, run->q + in * out->dim, out->dim);
        out->scale[out->n] = run->scale[in];
        out->content[out->n++] = out->contents - 1;
    }
}

static int read_all(struct content_vectors *out, struct snapshot *const *snap, size_t n, struct txn *t, const struct model_info *model, struct err *e)
{
    uint16_t number;
    struct vector_run *run = NULL;
    struct pieces p = {0};
    size_t nruns = 0;
    struct arena arena;
    arena_init(&arena);
    int rc = vector_model(t, model->hash, model->dim, &number, NULL) ? 0 : vectors_open(t, number, &run, &nruns, e);
    for (size_t i = 0; i < n && nruns && !rc; i++) {
        struct dense_map *m = dense_map_load(snap[i], number, NULL, t);
        of_snapshot(&p, snap[i], m);
        dense_map_drop(m);
    }
    if (p.n && !rc) {
        struct dense_rows rows = dense_rows_of(run, nruns, model->dim, &arena);
        sift(&p);
        copy(out, &p, &rows);
    }
    free(p.v);
    free(run);
    arena_release(&arena);
    return rc;
}

int content_vectors_read(struct content_vectors *out, struct retriever *r, const struct search_target *target, size_t ntargets,
                         const struct model_info *model, struct err *e)
{
    struct snapshot **snap = mem_zero(ntargets + 1, sizeof *snap);
    struct txn *t = NULL;
    size_t n = 0;
    int rc = 0;
    *out = (struct content_vectors){.dim = model->dim};
    for (; n < ntargets && !rc; n++)
        rc = retriever_snapshot(&snap[n], r, &target[n], e);
    if (!rc && !(rc = retriever_read(&t, r, target, ntargets, e))) {
        rc = read_all(out, snap, n, t, model, e);
        txn_end(t);
    }
    if (!rc && !out->n) {
        rc = err_set(e, ERR_NOT_FOUND, "nothing here is embedded with %s", model->name);
        err_hint(e, "codeask index embeds it");
    }
    for (size_t i = 0; i < n; i++)
        snapshot_drop(snap[i]);
    free(snap);
    return rc;
}

void content_vectors_release(struct content_vectors *v)
{
    free(v->q);
    free(v->scale);
    free(v->content);
    free(v->oid);
    *v = (struct content_vectors){0};
}

static int by_oid(const void *a, const void *b)
{
    return memcmp(a, b, OID);
}

uint32_t content_number(const struct content_vectors *v, const uint8_t oid[20])
{
    const uint8_t(*at)[OID] = v->contents ? bsearch(oid, v->oid, v->contents, sizeof *v->oid, by_oid) : NULL;
    return at ? (uint32_t)(at - (const uint8_t(*)[OID])v->oid) : UINT32_MAX;
}
