#include "store/disk.h"

#include "store/segment.h"
#include "store/vector_inside.h"

#include <roaring/roaring.h>
#include <stdlib.h>

struct walk {
    struct txn *t;
    uint32_t repo;
    uint64_t rows, chunks;
    roaring_bitmap_t *cuts, *number; /* number: of one model's vectors */
    struct repo_disk *out;
    struct err *e;
};

static int add_row(void *arg, const struct occ *o)
{
    struct walk *w = arg;
    w->rows++;
    if (o->cut != CUT_NONE)
        roaring_bitmap_add(w->cuts, o->cut);
    return 0;
}

static int add_view(void *arg, const struct view_head *h)
{
    struct walk *w = arg;
    return h->repo == w->repo ? occ_rows(w->t, h->id, add_row, w, w->e) : 0;
}

static bool add_cut(uint32_t cut, void *arg)
{
    struct walk *w = arg;
    struct record r;
    struct str packed;
    if (cut_get(w->t, cut, &r, NULL))
        return true;
    w->chunks += r.head->nchunks;
    w->out->contents += r.head->size;
    if (!cut_packed(w->t, cut, &packed, NULL))
        w->out->contents += packed.n;
    return true;
}

static int add_vectors(struct walk *w, uint16_t model)
{
    MDB_cursor *c;
    uint8_t from[2];
    put_be16(from, model);
    MDB_val k = val(from, sizeof from), v;
    uint32_t dim;
    int rc = vector_dim(w->t, model, &dim, w->e);
    if (rc || (rc = txn_err(w->t, tab_cursor(w->t, T_VECOF, &c), w->e, "vecof")))
        return rc;
    roaring_bitmap_clear(w->number);
    for (int code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (k.mv_size != sizeof(struct vecof_key) || get_be16(k.mv_data) != model)
            break;
        if (!roaring_bitmap_contains(w->cuts, get_be32((const uint8_t *)k.mv_data + 2)))
            continue;
        for (size_t i = 0; i + sizeof(uint32_t) <= v.mv_size; i += sizeof(uint32_t)) {
            uint32_t number;
            memcpy(&number, (const char *)v.mv_data + i, sizeof number);
            if (number != VECTOR_NONE)
                roaring_bitmap_add(w->number, number);
        }
    }
    mdb_cursor_close(c);
    w->out->vectors += roaring_bitmap_get_cardinality(w->number) * (dim + sizeof(float));
    return 0;
}

/* Of a table's pages. */
static uint64_t share(struct txn *t, enum table table, uint64_t of, uint64_t all)
{
    MDB_stat st;
    if (!all || mdb_stat(t->m, t->s->table[table], &st))
        return 0;
    uint64_t bytes = st.ms_psize * (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages);
    return (uint64_t)((double)bytes * (double)(of < all ? of : all) / (double)all);
}

int repo_disk(struct repo_disk *out, struct txn *t, uint32_t repo, struct err *e)
{
    struct walk w = {.t = t, .repo = repo, .cuts = roaring_bitmap_create(), .number = roaring_bitmap_create(), .out = out, .e = e};
    struct segment *seg = NULL;
    size_t nsegs = 0;
    uint64_t chunks = 0;
    MDB_stat occ;
    *out = (struct repo_disk){0};
    int rc = views_each(t, add_view, &w, e);
    if (!rc)
        rc = segments_open(t, &seg, &nsegs, e);
    if (!rc)
        rc = txn_err(t, mdb_stat(t->m, t->s->table[T_OCC], &occ), e, "counting rows");
    if (rc)
        goto out;
    roaring_iterate(w.cuts, add_cut, &w);
    for (size_t i = 0; i < nsegs; i++)
        chunks += seg[i].nchunks;
    out->words = share(t, T_SEGMENT, w.chunks, chunks);
    out->paths = share(t, T_OCC, w.rows, occ.ms_entries);
    for (uint64_t m = 0; m < meta_get(t, "next.model") && !rc; m++)
        rc = add_vectors(&w, (uint16_t)m);
out:
    free(seg);
    roaring_bitmap_free(w.cuts);
    roaring_bitmap_free(w.number);
    return rc;
}
