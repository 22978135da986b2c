#include "store/sweep.h"

#include "base/mem.h"
#include "store/internal.h"
#include "store/vector.h"

#include <roaring/roaring.h>
#include <stdlib.h>

#define DROPS_IN_TXN 300 /* about five pages each, 10 to 20 ms: far from what a write transaction may take */

/* -- what is dead -------------------------------------------------------------------------------------------------- */

static int add_row(void *arg, const struct occ *o)
{
    if (o->cut != CUT_NONE)
        roaring_bitmap_add(arg, o->cut);
    return 0;
}

struct views {
    struct txn *t;
    roaring_bitmap_t *live;
    struct err *e;
};

static int add_view(void *arg, const struct view_head *h)
{
    struct views *v = arg;
    return occ_rows(v->t, h->id, add_row, v->live, v->e);
}

static int add_cut(void *arg, uint32_t cut)
{
    roaring_bitmap_add(arg, cut);
    return 0;
}

static roaring_bitmap_t *noted_read(struct txn *t)
{
    MDB_val v;
    if (tab_get(t, T_META, val("sweep.cuts", 10), &v))
        return roaring_bitmap_create();
    roaring_bitmap_t *b = roaring_bitmap_portable_deserialize_safe(v.mv_data, v.mv_size);
    return b ? b : roaring_bitmap_create();
}

static int look(roaring_bitmap_t **dead, roaring_bitmap_t **noted, uint64_t *since, struct store *s, struct err *e)
{
    struct txn *t;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    struct views v = {t, roaring_bitmap_create(), e};
    *dead = roaring_bitmap_create();
    *noted = noted_read(t);
    *since = meta_get(t, "sweep.noted");
    if (!(rc = views_each(t, add_view, &v, e)))
        rc = cuts_each(t, add_cut, *dead, e);
    if (!rc)
        roaring_bitmap_andnot_inplace(*dead, v.live);
    roaring_bitmap_free(v.live);
    txn_end(t);
    return rc;
}

/* -- dropping ------------------------------------------------------------------------------------------------------- */

static int drop_some(struct store *s, const uint32_t *cut, uint32_t n, struct err *e)
{
    struct txn *t;
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < n && !rc; i++)
        if (!(rc = vecof_drop(t, cut[i], e)) && (rc = cut_drop(t, cut[i], e)) == ERR_NOT_FOUND)
            rc = 0;
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

static int note(struct store *s, const roaring_bitmap_t *dead, int64_t now, struct err *e)
{
    struct txn *t;
    size_t n = roaring_bitmap_portable_size_in_bytes(dead);
    void *to;
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    int code = tab_reserve(t, T_META, val("sweep.cuts", 10), n, 0, &to);
    if (!code)
        roaring_bitmap_portable_serialize(dead, to);
    if (!code)
        code = meta_put(t, "sweep.noted", (uint64_t)now);
    if (!code)
        return txn_commit(t, e);
    rc = txn_err(t, code, e, "noting what to sweep");
    txn_end(t);
    return rc;
}

int sweep_cuts(struct swept *out, struct store *s, int64_t now, int64_t grace, uint32_t most, struct err *e)
{
    roaring_bitmap_t *dead = NULL, *noted = NULL;
    uint32_t *cut = NULL;
    uint64_t since = 0;
    *out = (struct swept){0};
    int rc = look(&dead, &noted, &since, s, e);
    if (rc)
        goto out;
    bool early = grace > 0 && since && now >= (int64_t)since && now - (int64_t)since < grace; /* a clock set back: note anew */
    if (early)
        goto out;
    if (grace > 0)
        roaring_bitmap_and_inplace(noted, dead); /* what is due: dead then, dead now */
    else
        roaring_bitmap_overwrite(noted, dead);
    uint32_t due = (uint32_t)roaring_bitmap_get_cardinality(noted);
    cut = mem_zero(due + 1, sizeof *cut);
    roaring_bitmap_to_uint32_array(noted, cut);
    uint32_t n = due < most ? due : most;
    for (uint32_t i = 0; i < n && !rc; i += DROPS_IN_TXN) {
        uint32_t some = n - i < DROPS_IN_TXN ? n - i : DROPS_IN_TXN;
        if (!(rc = drop_some(s, cut + i, some, e)))
            out->cuts += some;
    }
    out->more = !rc && due > n;
    if (!rc && !out->more) { /* until then the old note stays: the next call goes on with it */
        roaring_bitmap_andnot_inplace(dead, noted);
        if (since || !roaring_bitmap_is_empty(dead))
            rc = note(s, dead, now, e);
    }
out:
    free(cut);
    if (dead)
        roaring_bitmap_free(dead);
    if (noted)
        roaring_bitmap_free(noted);
    return rc;
}
