/* Vectors by number and by row: what a sweep leaves is scanned as it was before, in rows without gaps. */
#include "retriever/dense.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIM 384
#define FILES 60
#define CHUNKS 3 /* of a file; its vectors are numbers CHUNKS * file …, but for the last file's, which are the first's */
#define VECTORS (FILES * CHUNKS)
#define RUN 40   /* vectors */

struct world {
    int8_t *q;                  /* [VECTORS, DIM] */
    float scale[VECTORS], query[DIM];
    struct snapshot snap, *snaps[1];
    struct dense_map map, *maps[1];
    struct segment seg;
    struct universe u;
    struct arena arena;
    uint32_t first_chunk[FILES + 1], zero[FILES + 1], identity[FILES + 1], chunk0[FILES + 1], chunk[VECTORS], card[FILES];
    struct snap_cut cut[FILES];
};

static bool stays(uint32_t file)
{
    return file % 3 != 1 && !(file > 20 && file < 40); /* here and there, and whole runs */
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    arena_init(&w->arena);
    w->q = aligned_alloc(64, (size_t)VECTORS * DIM);
    srand(5);
    for (size_t i = 0; i < (size_t)VECTORS * DIM; i++)
        w->q[i] = (int8_t)(rand() % 255 - 127);
    for (int i = 0; i < DIM; i++)
        w->query[i] = (float)(rand() % 200 - 100) / 1000;
    for (uint32_t i = 0; i < VECTORS; i++) {
        w->scale[i] = .0001f * (float)(i % 7 + 1);
        w->chunk[i] = i;
    }
    for (uint32_t c = 0; c < CHUNKS; c++)
        w->chunk[(FILES - 1) * CHUNKS + c] = c; /* one text, two files */
    for (uint32_t i = 0; i < FILES; i++) {
        w->cut[i] = (struct snap_cut){.cut = i, .file = i, .nfiles = 1, .nchunks = CHUNKS};
        w->first_chunk[i] = w->chunk0[i] = i * CHUNKS;
        w->identity[i] = i;
        w->card[i] = i % 5 ? VECTOR_NONE : i * CHUNKS + 1;
    }
    w->first_chunk[FILES] = w->chunk0[FILES] = VECTORS;
    w->snap = (struct snapshot){.cut = w->cut, .ncuts = FILES, .nfiles = FILES, .nchunks = VECTORS, .by_cut = w->identity};
    w->snaps[0] = &w->snap;
    w->map = (struct dense_map){.refs = 1, .chunk0 = w->chunk0, .chunk = w->chunk, .card = w->card};
    w->maps[0] = &w->map;
    w->seg = (struct segment){.first_chunk = w->first_chunk, .ncuts = FILES};
    static const uint32_t first[2] = {0, FILES}, none[1];
    w->u = (struct universe){.snap = w->snaps, .nsnaps = 1, .first = first, .ngids = FILES, .seg = &w->seg, .nsegs = 1, .chunk0 = none,
                             .where = w->zero, .where_cut = w->identity, .nchunks = VECTORS};
}

static void world_release(struct world *w)
{
    arena_release(&w->arena);
    free(w->q);
}

/* Runs of what stays (swept) or of all. */
static size_t runs(struct vector_run *run, struct world *w, bool swept)
{
    size_t n = 0;
    for (uint32_t from = 0; from < VECTORS; from += RUN) {
        uint32_t end = from + RUN < VECTORS ? from + RUN : VECTORS, m = 0;
        int8_t *q = arena_alloc(&w->arena, (size_t)RUN * DIM + 64);
        q += (64 - (uintptr_t)q % 64) % 64;
        float *scale = arena_alloc(&w->arena, RUN * sizeof *scale);
        uint32_t *number = arena_alloc(&w->arena, RUN * sizeof *number);
        for (uint32_t i = from; i < end; i++) {
            if (swept && !stays(i / CHUNKS))
                continue;
            memcpy(q + (size_t)m * DIM, w->q + (size_t)i * DIM, DIM);
            scale[m] = w->scale[i];
            number[m++] = i;
        }
        if (m)
            run[n++] = (struct vector_run){q, scale, swept && number[m - 1] - number[0] != m - 1 ? number : NULL, number[0], m, DIM};
    }
    return n;
}

static void rows_of_numbers(void **state)
{
    struct world w;
    struct vector_run all[VECTORS], left[VECTORS];
    world_init(&w);
    size_t nall = runs(all, &w, false), nleft = runs(left, &w, true);
    struct dense_rows a = dense_rows_of(all, nall, DIM, &w.arena), b = dense_rows_of(left, nleft, DIM, &w.arena);
    struct dense_rows again = dense_rows_of(left, nleft, DIM, &w.arena), other = dense_rows_of(left, nleft, DIM * 2, &w.arena);
    assert_int_equal(a.n, VECTORS);
    assert_true(a.mark != b.mark && b.mark == again.mark);
    assert_int_equal(other.n, 0);
    for (size_t hint = 0; hint <= nleft; hint++) { /* whatever the hint */
        uint32_t next = 0;
        for (uint32_t i = 0; i < VECTORS + 5; i++) {
            size_t at = hint, at_all = hint;
            uint32_t row = dense_row(&b, i, &at);
            assert_int_equal(dense_row(&a, i, &at_all), i < VECTORS ? i : ROW_NONE);
            if (i < VECTORS && stays(i / CHUNKS))
                assert_int_equal(row, next++);
            else
                assert_int_equal(row, ROW_NONE);
        }
        assert_int_equal(b.n, next);
    }
    world_release(&w);
}

/* The files that are wanted have the cosines of a whole scan where signs chose among the vectors. */
static void check_signs(const struct dense *whole, struct world *w, const struct dense_owners *o, const struct dense_rows *rows,
                        struct joint *joint)
{
    struct sketch *s = sketch_new(NULL, 0, rows, DIM);
    struct dense d;
    dense_scan(&d, joint, &w->u, w->maps, o, s, rows, w->query, DIM, &w->arena);
    assert_true(d.best == whole->best);
    memset(d.exact, 0, (rows->n / 64 + 1) * sizeof *d.exact); /* as if none had been among the best */
    for (uint32_t i = 0; i < rows->n; i++)
        d.all[i] = 9;
    for (uint32_t i = 0; i < FILES; i += 2)
        dense_want(&d, &w->u, 0, i);
    dense_settle(&d);
    for (uint32_t i = 0; i < FILES; i += 2) {
        dense_of_file(&d, &w->u, i, 0, i);
        assert_memory_equal(d.chunk + i * CHUNKS, whole->chunk + i * CHUNKS, CHUNKS * sizeof *d.chunk);
        assert_true(d.card[i] == whole->card[i]);
    }
    sketch_drop(s);
}

/* A file that stays has the cosines that it had. */
static void scanned_after_a_sweep(void **state)
{
    struct world w;
    struct vector_run run[VECTORS];
    struct dense d[2];
    struct joint joint;
    joint_init(&joint);
    world_init(&w);
    for (int swept = 0; swept < 2; swept++) {
        size_t n = runs(run, &w, swept);
        struct dense_rows rows = dense_rows_of(run, n, DIM, &w.arena);
        struct dense_owners *o = dense_owners_new(&w.u, w.maps, 0, &rows);
        if (!swept) /* texts of two files, and cards whose text is a chunk's */
            assert_int_equal(o->nmore, CHUNKS + FILES / 5);
        assert_int_equal(rows.n < VECTORS, swept);
        dense_scan(&d[swept], &joint, &w.u, w.maps, o, NULL, &rows, w.query, DIM, &w.arena);
        for (uint32_t i = 0; i < FILES; i++)
            dense_of_file(&d[swept], &w.u, i, 0, i);
        check_signs(&d[swept], &w, o, &rows, &joint);
        dense_owners_drop(o);
    }
    for (uint32_t i = 0; i < FILES; i++) {
        bool there = stays(i) || i == FILES - 1; /* the last has the first's text */
        for (uint32_t c = 0; c < CHUNKS; c++)
            assert_true(d[1].chunk[i * CHUNKS + c] == (there ? d[0].chunk[i * CHUNKS + c] : 0));
        assert_true(d[1].card[i] == (stays(i) ? d[0].card[i] : 0));
        assert_true(d[1].file[i] == (there ? d[0].file[i] : 0));
    }
    assert_true(d[0].chunk[5] != 0 && d[0].best > 0);
    joint_release(&joint);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_numbers),
        cmocka_unit_test(scanned_after_a_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
