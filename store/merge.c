/* Upkeep of the term segments: small ones are merged by eights within a tier of sizes, so that a word is copied about
 * log8(largest / smallest) times and a query meets few segments; one with many dead cuts is written anew.
 * A cut is dead when its row is gone (cut_drop), never because no view holds it right now: a view may come to hold it while
 * the merge runs, and would find its row without its words. */
#include "store/batch.h"

#include "base/mem.h"

#include <stdlib.h>

#define MERGED_MAX ((size_t)8 << 20) /* bytes: one write of it stays within a write transaction's time */
#define MERGE_AT 8                   /* segments of a tier */
#define INPUTS_MAX 64
#define DEAD_SHARE 4                 /* one in so many cuts: then it is worth looking for */

static const size_t tier_size[] = {64 << 10, 512 << 10, 4 << 20};
#define TIERS (sizeof tier_size / sizeof *tier_size)

/* What is known of a segment outside of transactions. */
struct known {
    uint32_t id, ncuts, live;
    uint32_t *cut;
    size_t size, tier;
};

struct survey {
    struct known *seg;
    size_t n;
    uint64_t cuts, dead; /* dead: as counted when they were dropped */
};

static void survey_release(struct survey *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->seg[i].cut);
    free(v->seg);
}

static int look(struct survey *out, struct store *s, struct err *e)
{
    struct txn *t;
    struct segment *seg;
    size_t n;
    *out = (struct survey){0};
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    if (!(rc = segments_open(t, &seg, &n, e))) {
        out->seg = mem_zero(n + 1, sizeof *out->seg);
        out->n = n;
        for (size_t i = 0; i < n; i++) {
            struct known *k = &out->seg[i];
            *k = (struct known){.id = seg[i].id, .ncuts = seg[i].ncuts, .size = seg[i].size};
            while (k->tier < TIERS && k->size >= tier_size[k->tier])
                k->tier++;
            k->cut = mem_alloc((size_t)k->ncuts * sizeof *k->cut);
            memcpy(k->cut, seg[i].cut, (size_t)k->ncuts * sizeof *k->cut);
            out->cuts += k->ncuts;
        }
        out->dead = meta_get(t, "cuts.dead");
        free(seg);
    }
    txn_end(t);
    return rc;
}

static bool has_row(void *arg, uint32_t cut)
{
    struct record r;
    return !cut_get(arg, cut, &r, NULL);
}

/* Which cuts of a segment stay; live counts them. */
static int judge(struct store *s, struct known *k, bool *stay, bool (*keep)(void *arg, uint32_t cut), void *arg,
                 struct err *e)
{
    struct txn *t = NULL;
    if (!keep) {
        int rc = store_read(&t, s, e);
        if (rc)
            return rc;
    }
    k->live = 0;
    for (uint32_t i = 0; i < k->ncuts; i++) {
        bool yes = keep ? keep(arg, k->cut[i]) : has_row(t, k->cut[i]);
        k->live += yes;
        if (stay)
            stay[i] = yes;
    }
    txn_end(t);
    return 0;
}

/* Segments to merge, as indexes into the survey: a tier that is full, else the one with most dead cuts. */
static int choose(uint32_t *pick, size_t *npick, struct survey *v, struct store *s,
                  bool (*keep)(void *arg, uint32_t cut), void *arg, struct err *e)
{
    *npick = 0;
    for (size_t tier = 0; tier < TIERS; tier++) {
        size_t n = 0, bytes = 0;
        for (size_t i = 0; i < v->n; i++)
            n += v->seg[i].tier == tier;
        if (n < MERGE_AT)
            continue;
        for (size_t i = 0; i < v->n && *npick < INPUTS_MAX; i++) {
            if (v->seg[i].tier != tier || bytes + v->seg[i].size > MERGED_MAX)
                continue;
            bytes += v->seg[i].size;
            pick[(*npick)++] = (uint32_t)i;
        }
        if (*npick > 1)
            return 0;
        *npick = 0;
    }
    if (!v->dead || v->dead * DEAD_SHARE < v->cuts)
        return 0;
    uint32_t best = 0;
    double worst = 1;
    for (size_t i = 0; i < v->n; i++) {
        int rc = judge(s, &v->seg[i], NULL, keep, arg, e);
        if (rc)
            return rc;
        double share = (double)v->seg[i].live / v->seg[i].ncuts;
        if (share < worst) {
            worst = share;
            best = (uint32_t)i;
        }
    }
    if (worst <= 1 - 1.0 / (2 * DEAD_SHARE)) {
        pick[0] = best;
        *npick = 1;
    }
    return 0;
}

/* -- the merge itself --------------------------------------------------------------------------------------------- */
struct input {
    struct segment seg;
    void *bytes;
    bool *stay;         /* [ncuts] */
    uint32_t *to_cut;   /* [ncuts] index in the merged segment, UINT32_MAX when dropped */
    uint32_t *to_chunk; /* [ncuts] ordinal of the cut's first chunk there */
    uint32_t at;        /* next term or name */
};

struct from {
    uint32_t cut, input, index;
};

static int by_cut(const void *a, const void *b)
{
    uint32_t x = ((const struct from *)a)->cut, y = ((const struct from *)b)->cut;
    return x < y ? -1 : x > y;
}

static int by_chunk(const void *a, const void *b)
{
    uint32_t x = ((const struct posting *)a)->chunk, y = ((const struct posting *)b)->chunk;
    return x < y ? -1 : x > y;
}

static int by_hit(const void *a, const void *b)
{
    const struct name_hit *x = a, *y = b;
    if (x->cut != y->cut)
        return x->cut < y->cut ? -1 : 1;
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

static void merge_terms(struct segment_out *o, struct input *in, size_t n)
{
    struct posting *scratch = NULL, *all = NULL;
    size_t cap = 0, all_cap = 0;
    for (;;) {
        uint64_t least = UINT64_MAX;
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            if (in[i].at == in[i].seg.nterms)
                continue;
            uint64_t term = segment_term(&in[i].seg, in[i].at);
            if (!any || term < least)
                least = term;
            any = true;
        }
        if (!any)
            break;
        size_t m = 0;
        bool sorted = true;
        for (size_t i = 0; i < n; i++) {
            struct input *x = &in[i];
            if (x->at == x->seg.nterms || segment_term(&x->seg, x->at) != least)
                continue;
            size_t got = segment_postings_at(&x->seg, x->at++, &scratch, &cap);
            for (size_t k = 0; k < got; k++) {
                uint32_t cut = x->seg.chunk_cut[scratch[k].chunk];
                if (x->to_cut[cut] == UINT32_MAX)
                    continue;
                VEC_ROOM(all, m, all_cap);
                all[m] = scratch[k];
                all[m].chunk = x->to_chunk[cut] + scratch[k].chunk - x->seg.first_chunk[cut];
                sorted &= !m || all[m - 1].chunk < all[m].chunk;
                m++;
            }
        }
        if (!sorted)
            qsort(all, m, sizeof *all, by_chunk);
        if (m)
            segment_add_term(o, least, all, m);
    }
    free(scratch);
    free(all);
}

static void merge_names(struct segment_out *o, struct input *in, size_t n)
{
    struct name_hit *scratch = NULL, *all = NULL;
    size_t cap = 0, all_cap = 0;
    for (size_t i = 0; i < n; i++)
        in[i].at = 0;
    for (;;) {
        struct str least = {0};
        for (size_t i = 0; i < n; i++) {
            if (in[i].at == in[i].seg.nnames)
                continue;
            struct str name = segment_name(&in[i].seg, in[i].at);
            if (!least.p || str_cmp(name, least) < 0)
                least = name;
        }
        if (!least.p)
            break;
        size_t m = 0;
        bool sorted = true;
        for (size_t i = 0; i < n; i++) {
            struct input *x = &in[i];
            if (x->at == x->seg.nnames || str_cmp(segment_name(&x->seg, x->at), least))
                continue;
            size_t got = segment_name_hits(&x->seg, x->at++, &scratch, &cap);
            for (size_t k = 0; k < got; k++) {
                if (x->to_cut[scratch[k].cut] == UINT32_MAX)
                    continue;
                VEC_ROOM(all, m, all_cap);
                all[m] = (struct name_hit){x->to_cut[scratch[k].cut], scratch[k].symbol};
                sorted &= !m || by_hit(&all[m - 1], &all[m]) < 0;
                m++;
            }
        }
        if (!sorted)
            qsort(all, m, sizeof *all, by_hit);
        if (m)
            segment_add_name(o, least, all, m);
    }
    free(scratch);
    free(all);
}

/* The cuts of all inputs that stay, ascending by id, with their places in the merged segment. */
static int merge(struct buf *out, struct input *in, size_t n, struct err *e)
{
    size_t total = 0, m = 0;
    for (size_t i = 0; i < n; i++)
        total += in[i].seg.ncuts;
    struct from *from = mem_alloc((total + 1) * sizeof *from);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < in[i].seg.ncuts; k++) {
            in[i].to_cut[k] = UINT32_MAX;
            if (in[i].stay[k])
                from[m++] = (struct from){in[i].seg.cut[k], (uint32_t)i, k};
        }
    }
    if (m)
        qsort(from, m, sizeof *from, by_cut);
    uint32_t *cut = mem_alloc((m + 1) * sizeof *cut), *first = mem_alloc((m + 1) * sizeof *first);
    first[0] = 0;
    for (size_t i = 0; i < m; i++) {
        struct input *x = &in[from[i].input];
        uint32_t k = from[i].index;
        cut[i] = from[i].cut;
        x->to_cut[k] = (uint32_t)i;
        x->to_chunk[k] = first[i];
        first[i + 1] = first[i] + x->seg.first_chunk[k + 1] - x->seg.first_chunk[k];
    }
    uint16_t *words = mem_alloc(((size_t)first[m] + 1) * sizeof *words);
    for (size_t i = 0; i < m; i++)
        memcpy(words + first[i], in[from[i].input].seg.chunk_words + in[from[i].input].seg.first_chunk[from[i].index],
               (first[i + 1] - first[i]) * sizeof *words);
    struct segment_out o = {0};
    int rc = 0;
    merge_terms(&o, in, n);
    merge_names(&o, in, n);
    for (size_t i = 0; i < m; i++)
        segment_add_grams(&o, segment_grams(&in[from[i].input].seg, from[i].index));
    buf_clear(out);
    if (o.nterms)
        rc = segment_finish(&o, out, (uint32_t)m, cut, first, words, e);
    segment_out_release(&o);
    free(from);
    free(cut);
    free(first);
    free(words);
    return rc;
}

static int load(struct input *in, struct store *s, const struct known *k, struct err *e)
{
    struct txn *t;
    MDB_val v;
    uint8_t key[4];
    put_be32(key, k->id);
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = txn_err(t, tab_get(t, T_SEGMENT, val(key, 4), &v), e, "reading a segment");
    if (!rc) {
        in->bytes = mem_alloc(v.mv_size);
        memcpy(in->bytes, v.mv_data, v.mv_size);
        rc = segment_open(&in->seg, k->id, in->bytes, v.mv_size, e);
        in->to_cut = mem_alloc((k->ncuts + 1) * sizeof *in->to_cut);
        in->to_chunk = mem_alloc((k->ncuts + 1) * sizeof *in->to_chunk);
        in->stay = mem_alloc(k->ncuts + 1);
    }
    txn_end(t);
    return rc;
}

static int swap(struct store *s, const struct input *in, size_t n, const struct buf *merged, uint64_t dropped,
                struct err *e)
{
    struct txn *t;
    int rc = store_write(&t, s, e), code = 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !code; i++) {
        uint8_t key[4];
        put_be32(key, in[i].seg.id);
        code = tab_del(t, T_SEGMENT, val(key, 4));
    }
    uint64_t dead = meta_get(t, "cuts.dead");
    if (!code)
        code = meta_put(t, "cuts.dead", dead > dropped ? dead - dropped : 0);
    rc = txn_err(t, code, e, "replacing segments");
    if (!rc && merged->len)
        rc = segment_put(t, merged->data, merged->len, 0, e);
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

/* Puts one segment in the place of those that are picked, of what of them stays. */
static int merge_picked(struct store *s, struct survey *v, const uint32_t *pick, size_t n, bool (*keep)(void *arg, uint32_t cut), void *arg,
                        struct err *e)
{
    struct buf merged = BUF_INIT;
    struct input *in = mem_zero(n + 1, sizeof *in);
    uint64_t dropped = 0;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = load(&in[i], s, &v->seg[pick[i]], e);
        if (!rc)
            rc = judge(s, &v->seg[pick[i]], in[i].stay, keep, arg, e);
        dropped += v->seg[pick[i]].ncuts - v->seg[pick[i]].live;
    }
    if (!rc)
        rc = merge(&merged, in, n, e);
    if (!rc)
        rc = swap(s, in, n, &merged, dropped, e);
    for (size_t i = 0; i < n; i++) {
        free(in[i].bytes);
        free(in[i].stay);
        free(in[i].to_cut);
        free(in[i].to_chunk);
    }
    free(in);
    buf_release(&merged);
    return rc;
}

int segments_merge(struct store *s, bool (*keep)(void *arg, uint32_t cut), void *arg, bool *did, struct err *e)
{
    struct survey v;
    uint32_t pick[INPUTS_MAX];
    size_t n = 0;
    *did = false;
    int rc = look(&v, s, e);
    if (rc)
        return rc;
    rc = choose(pick, &n, &v, s, keep, arg, e);
    if (!rc && n)
        rc = merge_picked(s, &v, pick, n, keep, arg, e);
    *did = !rc && n;
    survey_release(&v);
    return rc;
}

int segments_clean(struct store *s, struct err *e)
{
    struct survey v;
    int rc = look(&v, s, e);
    for (uint32_t i = 0; i < v.n && !rc; i++) {
        rc = judge(s, &v.seg[i], NULL, NULL, NULL, e);
        if (!rc && v.seg[i].live < v.seg[i].ncuts)
            rc = merge_picked(s, &v, &i, 1, NULL, NULL, e);
    }
    survey_release(&v);
    return rc;
}
