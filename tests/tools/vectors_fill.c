/* Gives every chunk and card of a home a vector without embedding it, for load tests of search:
 *   vectors_fill HOME MODEL_FOLDER
 * The vectors are random, of unit length and the same in every run. They cost a search what real ones cost and mean nothing.
 * The daemon of that home must not run. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "kernels/quant.h"
#include "store/vector.h"
#include "store/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_A_WRITE 4096

struct want {
    uint32_t cut, n;
    uint64_t variant;
};

struct fill {
    struct txn *t;
    uint32_t *view; /* every view of the home */
    size_t nviews, view_cap;
    struct want *want;
    size_t n, cap;
    uint16_t model;
    uint32_t dim;
    uint64_t made, chunks; /* chunks: of all distinct contents that had none */
};

static int add_view(void *arg, const struct view_head *h)
{
    struct fill *f = arg;
    VEC_ROOM(f->view, f->nviews, f->view_cap);
    f->view[f->nviews++] = h->id;
    return 0;
}

static int add_file(void *arg, const struct occ *o)
{
    struct fill *f = arg;
    struct record r;
    size_t n;
    if (o->cut == CUT_NONE || cut_get(f->t, o->cut, &r, NULL) || !r.head->nchunks)
        return 0;
    if (!vecof_get(f->t, f->model, o->cut, 0, &n)) {
        VEC_ROOM(f->want, f->n, f->cap);
        f->want[f->n++] = (struct want){o->cut, r.head->nchunks, 0};
    }
    if (!vecof_get(f->t, f->model, o->cut, vecof_card(o->path), &n)) {
        VEC_ROOM(f->want, f->n, f->cap);
        f->want[f->n++] = (struct want){o->cut, 1, vecof_card(o->path)};
    }
    return 0;
}

static int by_cut(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    if (x->cut != y->cut)
        return x->cut < y->cut ? -1 : 1;
    return x->variant < y->variant ? -1 : x->variant > y->variant;
}

static int list_wants(struct fill *f, struct store *s, struct err *e)
{
    int rc = store_read(&f->t, s, e);
    if (!rc)
        rc = views_each(f->t, add_view, f, e);
    for (size_t i = 0; i < f->nviews && !rc; i++)
        rc = occ_each(f->t, f->view[i], (struct str){"", 0}, add_file, f, e);
    txn_end(f->t);
    size_t n = 0;
    if (f->n)
        qsort(f->want, f->n, sizeof *f->want, by_cut);
    for (size_t i = 0; i < f->n; i++)
        if (!i || by_cut(&f->want[i], &f->want[i - 1])) {
            f->chunks += f->want[i].variant ? 0 : f->want[i].n;
            f->want[n++] = f->want[i];
        }
    f->n = n;
    return rc;
}

/* The sum of four uniform numbers is near enough to a normal one: the direction is near enough to uniform. */
static void random_unit(float *v, uint32_t dim, uint64_t seed)
{
    float sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        uint64_t h = hash64_seed(&i, sizeof i, seed);
        v[i] = 0;
        for (int k = 0; k < 4; k++)
            v[i] += (float)(int16_t)(h >> 16 * k);
        sum += v[i] * v[i];
    }
    for (uint32_t i = 0; i < dim; i++)
        v[i] /= sqrtf(sum);
}

/* The next wants, in one transaction. */
static int fill_some(struct fill *f, size_t *at, struct txn *t, struct err *e)
{
    size_t end = *at, n = 0;
    for (; end < f->n && (n == 0 || n + f->want[end].n <= TEXTS_A_WRITE); end++)
        n += f->want[end].n;
    struct hash128 *hash = mem_alloc(n * sizeof *hash);
    int8_t *q = mem_alloc(n * f->dim);
    float *scale = mem_alloc(n * sizeof *scale), *v = mem_alloc(f->dim * sizeof *v);
    uint32_t *number = mem_alloc(n * sizeof *number);
    size_t k = 0;
    for (size_t i = *at; i < end; i++)
        for (uint32_t c = 0; c < f->want[i].n; c++, k++) {
            struct { uint64_t cut, chunk, variant; } key = {f->want[i].cut, c, f->want[i].variant};
            hash[k] = hash128(&key, sizeof key);
            random_unit(v, f->dim, hash[k].lo);
            scale[k] = quant_row(q + k * f->dim, v, f->dim);
        }
    int rc = vector_put(t, f->model, hash, q, scale, n, number, e);
    k = 0;
    for (size_t i = *at; i < end && !rc; k += f->want[i++].n)
        rc = vecof_put(t, f->model, f->want[i].cut, f->want[i].variant, number + k, f->want[i].n, e);
    free(hash);
    free(q);
    free(scale);
    free(v);
    free(number);
    f->made += n;
    *at = end;
    return rc;
}

static int fill(struct fill *f, struct store *s, const struct model_info *info, struct err *e)
{
    struct txn *t;
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    rc = vector_model(t, info->hash, info->dim, &f->model, e);
    if (rc)
        txn_end(t);
    if (rc || (rc = txn_commit(t, e)) || (rc = list_wants(f, s, e)))
        return rc;
    f->dim = info->dim;
    for (size_t at = 0; at < f->n && !rc;) {
        if ((rc = store_write(&t, s, e)))
            break;
        rc = fill_some(f, &at, t, e);
        txn_bump(t);
        if (rc)
            txn_end(t);
        else
            rc = txn_commit(t, e);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct engine *en = NULL;
    struct model *m = NULL;
    struct fill f = {0};
    struct err e = {0};
    if (argc != 3)
        return fprintf(stderr, "usage: vectors_fill HOME MODEL_FOLDER\n"), 2;
    double began = clock_ms();
    int rc = store_open(&s, argv[1], NULL, &e);
    if (!rc)
        rc = engine_open(&en, &(struct engine_options){.threads = 1}, &e);
    if (!rc)
        rc = model_open(&m, en, argv[2], &e); /* only for its hash: that is what the store keys vectors by */
    if (!rc)
        rc = fill(&f, s, model_info(m), &e);
    if (rc)
        fprintf(stderr, "%s: %s\n", err_name(rc), e.message);
    else
        printf("%llu vectors of %llu chunks in %.1f s\n", (unsigned long long)f.made, (unsigned long long)f.chunks,
               (clock_ms() - began) / 1e3);
    free(f.want);
    free(f.view);
    model_close(m);
    engine_close(en);
    store_close(s);
    return rc ? 2 : 0;
}
