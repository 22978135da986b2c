#include "store/vector_sweep.h"

#include "base/mem.h"
#include "store/vector_inside.h"

#include <roaring/roaring.h>
#include <stdlib.h>

#define WORTH_SHARE 8            /* one dead in so many rows: a segment is written anew */
#define GONE_IN_PLAN (1u << 17)  /* vectors: 18 bytes each in memory. A pass over vechash finds them, 1 s for 10 million */
#define READ_SEGMENTS 8          /* in one new one: the rows of so many full ones are read in its transaction */

struct group { /* neighbours that become one segment, or none */
    uint16_t model;
    uint32_t first, last;        /* first numbers of its first and last segment */
    uint32_t rows, live;
};

struct vector_sweep {
    struct store *s;
    roaring_bitmap_t **live, **gone; /* [nmodels] numbers */
    uint64_t nmodels;
    struct group *group;
    size_t ngroups, cap_groups, at_group;
    struct vechash_key *key;     /* of what goes */
    size_t nkeys, cap_keys, at_key;
    uint64_t ngone;
    bool again;                  /* the plan was full: there is more */
    bool all;                    /* whether it is worth it or not */
};

/* -- the plan -------------------------------------------------------------------------------------------------------- */

/* Every number that a table's rows hold; the model is in front of their keys. An LMDB code. */
static int add_live(struct vector_sweep *v, struct txn *t, enum table table)
{
    MDB_cursor *c;
    MDB_val k, val;
    int code = tab_cursor(t, table, &c);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(c, &k, &val, MDB_NEXT))) {
        uint64_t model = k.mv_size < 2 ? v->nmodels : get_be16(k.mv_data);
        for (size_t i = 0; i + sizeof(uint32_t) <= val.mv_size && model < v->nmodels; i += sizeof(uint32_t)) {
            uint32_t number;
            memcpy(&number, (const char *)val.mv_data + i, sizeof number);
            roaring_bitmap_add(v->live[model], number); /* VECTOR_NONE too: no segment has it */
        }
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

static uint32_t number_of(const struct vector_run *r, uint32_t i)
{
    return r->number ? r->number[i] : r->first + i;
}

static uint32_t count_live(const struct vector_sweep *v, uint16_t model, const struct vector_run *r)
{
    if (!r->number)
        return (uint32_t)roaring_bitmap_range_cardinality(v->live[model], r->first, (uint64_t)r->first + r->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++)
        n += roaring_bitmap_contains(v->live[model], r->number[i]);
    return n;
}

static void add_gone(struct vector_sweep *v, uint16_t model, const struct vector_run *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (!roaring_bitmap_contains(v->live[model], number_of(r, i)))
            roaring_bitmap_add(v->gone[model], number_of(r, i));
}

static int plan_model(struct vector_sweep *v, struct txn *t, uint16_t model, struct err *e)
{
    struct vector_run *run;
    size_t n;
    int rc = vectors_open(t, model, &run, &n, e);
    for (size_t i = 0, end; i < n && !rc; i = end) {
        struct group g = {.model = model, .first = run[i].first};
        uint32_t most = vector_segment_most(run[i].dim);
        for (end = i; end < n; end++) {
            uint32_t live = count_live(v, model, &run[end]);
            if (end > i && (g.live + live > most || g.rows + run[end].n > READ_SEGMENTS * most))
                break;
            g.rows += run[end].n;
            g.live += live;
        }
        g.last = run[end - 1].first;
        uint32_t dead = g.rows - g.live;
        if (end == i + 1 && (v->all ? !dead : (uint64_t)dead * WORTH_SHARE < g.rows))
            continue;
        if (v->ngone && v->ngone + dead > GONE_IN_PLAN) {
            v->again = true;
            break;
        }
        v->ngone += dead;
        for (size_t k = i; k < end && dead; k++)
            add_gone(v, model, &run[k]);
        VEC_ROOM(v->group, v->ngroups, v->cap_groups);
        v->group[v->ngroups++] = g;
    }
    free(run);
    return rc;
}

/* The texts of what goes: vechash leads the other way, so all of it is read. An LMDB code. */
static int find_keys(struct vector_sweep *v, struct txn *t)
{
    MDB_cursor *c;
    MDB_val k, val;
    int code = tab_cursor(t, T_VECHASH, &c);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(c, &k, &val, MDB_NEXT))) {
        uint32_t number;
        if (k.mv_size != sizeof *v->key || val.mv_size != sizeof number || get_be16(k.mv_data) >= v->nmodels)
            continue;
        memcpy(&number, val.mv_data, sizeof number);
        if (!roaring_bitmap_contains(v->gone[get_be16(k.mv_data)], number))
            continue;
        VEC_ROOM(v->key, v->nkeys, v->cap_keys);
        memcpy(&v->key[v->nkeys++], k.mv_data, sizeof *v->key);
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

static void forget_plan(struct vector_sweep *v)
{
    for (uint64_t i = 0; i < v->nmodels; i++) {
        roaring_bitmap_free(v->live[i]);
        roaring_bitmap_free(v->gone[i]);
    }
    free(v->live);
    free(v->gone);
    free(v->group);
    free(v->key);
    *v = (struct vector_sweep){.s = v->s, .all = v->all};
}

static int plan(struct vector_sweep *v, struct err *e)
{
    struct txn *t;
    forget_plan(v);
    int rc = store_read(&t, v->s, e);
    if (rc)
        return rc;
    v->nmodels = meta_get(t, "next.model");
    v->live = mem_zero(v->nmodels + 1, sizeof *v->live);
    v->gone = mem_zero(v->nmodels + 1, sizeof *v->gone);
    for (uint64_t i = 0; i < v->nmodels; i++) {
        v->live[i] = roaring_bitmap_create();
        v->gone[i] = roaring_bitmap_create();
    }
    int code = add_live(v, t, T_VECOF);
    if (!code)
        code = add_live(v, t, T_SAIDVEC);
    rc = txn_err(t, code, e, "looking for vectors in use");
    for (uint64_t i = 0; i < v->nmodels && !rc && !v->again; i++)
        rc = plan_model(v, t, (uint16_t)i, e);
    if (!rc && v->ngone)
        rc = txn_err(t, find_keys(v, t), e, "looking for the texts of vectors");
    txn_end(t);
    return rc;
}

int vector_sweep_open(struct vector_sweep **out, struct store *s, bool all, struct err *e)
{
    struct vector_sweep *v = mem_zero(1, sizeof *v);
    v->s = s;
    v->all = all;
    int rc = plan(v, e);
    if (rc) {
        vector_sweep_close(v);
        v = NULL;
    }
    *out = v;
    return rc;
}

void vector_sweep_close(struct vector_sweep *v)
{
    if (!v)
        return;
    forget_plan(v);
    free(v);
}

/* -- the steps ------------------------------------------------------------------------------------------------------- */

static int drop_keys(struct vector_sweep *v, struct txn *t, uint32_t most)
{
    int code = 0;
    size_t end = v->nkeys - v->at_key < most ? v->nkeys : v->at_key + most;
    for (size_t i = v->at_key; i < end && !code; i++)
        if ((code = tab_del(t, T_VECHASH, val(&v->key[i], sizeof v->key[i]))) == MDB_NOTFOUND)
            code = 0;
    return code;
}

/* Takes the group's segments out of the table, their live rows into a. */
static int take(struct vector_rows *a, const struct vector_sweep *v, struct txn *t, const struct group *g)
{
    MDB_cursor *c;
    uint8_t key[6];
    uint32_t rows = 0;
    put_be16(key, g->model);
    put_be32(key + 2, g->first);
    MDB_val k = val(key, sizeof key), value;
    int code = tab_cursor(t, T_VECTOR, &c);
    if (code)
        return code;
    while (rows < g->rows && !(code = mdb_cursor_get(c, &k, &value, MDB_SET_RANGE))) {
        struct vector_run r;
        if (get_be16(k.mv_data) != g->model || !vector_segment_of(&r, &value) || r.dim != a->dim || (rows += r.n) > g->rows) {
            code = MDB_CORRUPTED;
            break;
        }
        for (uint32_t i = 0; i < r.n; i++) {
            if (!roaring_bitmap_contains(v->live[g->model], number_of(&r, i)) || a->n == g->live)
                continue;
            memcpy(a->q + (size_t)a->n * a->dim, r.q + (size_t)i * a->dim, a->dim);
            a->scale[a->n] = r.scale[i];
            a->number[a->n++] = number_of(&r, i);
        }
        if ((code = mdb_cursor_del(c, 0)))
            break;
        k = val(key, sizeof key); /* the first that is left */
    }
    mdb_cursor_close(c);
    return code;
}

static int rewrite(const struct vector_sweep *v, struct txn *t, const struct group *g, struct err *e)
{
    struct vector_rows a = {0};
    int rc = vector_dim(t, g->model, &a.dim, e);
    if (rc)
        return rc;
    a.q = mem_alloc((size_t)g->live * a.dim + 1);
    a.scale = mem_alloc((g->live + 1) * sizeof *a.scale);
    a.number = mem_alloc((g->live + 1) * sizeof *a.number);
    int code = take(&a, v, t, g);
    if (!code && a.n)
        code = vector_segment_put(t, g->model, &a, 0, a.n);
    free(a.q);
    free(a.scale);
    free(a.number);
    return txn_err(t, code, e, "sweeping vectors");
}

int vector_sweep_step(struct vector_sweep *v, uint32_t most, uint64_t *gone, bool *more, struct err *e)
{
    struct txn *t;
    int rc = 0;
    *more = false;
    if (v->at_key == v->nkeys && v->at_group == v->ngroups && v->again && (rc = plan(v, e)))
        return rc;
    bool keys = v->at_key < v->nkeys;
    if (!keys && v->at_group == v->ngroups)
        return 0;
    if ((rc = store_write(&t, v->s, e)))
        return rc;
    if (keys)
        rc = txn_err(t, drop_keys(v, t, most), e, "sweeping the texts of vectors");
    else
        rc = rewrite(v, t, &v->group[v->at_group], e);
    if (rc) {
        txn_end(t);
        return rc;
    }
    if ((rc = txn_commit(t, e)))
        return rc;
    if (keys) {
        v->at_key = v->nkeys - v->at_key < most ? v->nkeys : v->at_key + most;
    } else {
        const struct group *g = &v->group[v->at_group++];
        *gone += g->rows - g->live;
    }
    *more = v->at_key < v->nkeys || v->at_group < v->ngroups || v->again;
    return 0;
}
