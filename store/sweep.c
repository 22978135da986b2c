#include "store/sweep.h"

#include "base/mem.h"
#include "store/history.h"
#include "store/vector_inside.h"
#include "store/vector_sweep.h"

#include <roaring/roaring.h>
#include <stdlib.h>

/* Of one write transaction, which may take 50 ms. A content is about five pages, another row one at worst. Measured with
 * test_sweep's 50,000 contents on a disk: 4 ms for 300 of them, at most 7. */
#define CUTS_IN_STEP 300
#define ROWS_IN_STEP 1500

#define NOTED "sweep.noted" /* when; seconds */
#define SOON "sweep.soon"

enum kind { CUTS, CARDS, KINDS };
static const char *const noted_as[KINDS] = {"sweep.cuts", "sweep.cards"};

struct sweep {
    struct store *s;
    int64_t now, grace;
    bool early;                            /* the last note is younger than the grace: only commits, which have times of their own */
    roaring_bitmap_t *dead[KINDS];         /* cut ids; card_id of cards */
    roaring_bitmap_t *due[KINDS];          /* of those, what was noted in time */
    uint32_t *cut;
    struct vecof_key *card;
    size_t ncuts, cut_at, ncards, cap_cards, card_at;
    struct history_sweep *history;         /* NULL: not begun */
    struct vector_sweep *vectors;
    enum { DROP_CUTS, DROP_CARDS, DROP_COMMITS, DROP_VECTORS, NOTE, DONE } stage;
};

/* -- what is dead -------------------------------------------------------------------------------------------------- */

/* A card's name in a bitmap. Where two meet, a dead one stays a while or goes without grace: no harm either way. */
static uint32_t card_id(uint32_t cut, uint64_t variant)
{
    struct {
        uint64_t variant;
        uint32_t cut, pad;
    } k = {variant, cut, 0};
    return (uint32_t)hash64(&k, sizeof k);
}

struct live {
    struct txn *t;
    roaring_bitmap_t *of[KINDS];
    struct err *e;
};

static int add_row(void *arg, const struct occ *o)
{
    struct live *l = arg;
    if (o->cut == CUT_NONE)
        return 0;
    roaring_bitmap_add(l->of[CUTS], o->cut);
    roaring_bitmap_add(l->of[CARDS], card_id(o->cut, vecof_card(o->path)));
    return 0;
}

static int add_view(void *arg, const struct view_head *h)
{
    struct live *l = arg;
    return occ_rows(l->t, h->id, add_row, l, l->e);
}

static int add_cut(void *arg, uint32_t cut)
{
    roaring_bitmap_add(arg, cut);
    return 0;
}

static roaring_bitmap_t *noted_read(struct txn *t, enum kind kind)
{
    MDB_val v;
    roaring_bitmap_t *b = NULL;
    if (!tab_get(t, T_META, val(noted_as[kind], strlen(noted_as[kind])), &v))
        b = roaring_bitmap_portable_deserialize_safe(v.mv_data, v.mv_size);
    return b ? b : roaring_bitmap_create();
}

/* Cards whose content is to go leave with it, or, where it stays for another path, by themselves. */
static int find_cards(struct sweep *w, struct txn *t, const struct live *l, const roaring_bitmap_t *noted)
{
    MDB_cursor *c;
    MDB_val k, v;
    int code = tab_cursor(t, T_VECOF, &c);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        struct vecof_key key;
        if (k.mv_size != sizeof key)
            continue;
        memcpy(&key, k.mv_data, sizeof key);
        uint32_t cut = get_be32(key.byte + 2);
        uint64_t variant = get_be64(key.byte + 6);
        uint32_t id = card_id(cut, variant);
        if (!variant || roaring_bitmap_contains(l->of[CARDS], id))
            continue;
        roaring_bitmap_add(w->dead[CARDS], id);
        if (w->grace > 0 && !roaring_bitmap_contains(noted, id))
            continue;
        roaring_bitmap_add(w->due[CARDS], id);
        VEC_ROOM(w->card, w->ncards, w->cap_cards);
        w->card[w->ncards++] = key;
    }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int look(struct sweep *w, struct txn *t, struct err *e)
{
    struct live l = {t, {roaring_bitmap_create(), roaring_bitmap_create()}, e};
    roaring_bitmap_t *noted = noted_read(t, CARDS);
    int rc = views_each(t, add_view, &l, e);
    if (!rc)
        rc = cuts_each(t, add_cut, w->dead[CUTS], e);
    if (!rc)
        rc = txn_err(t, find_cards(w, t, &l, noted), e, "looking for what is dead");
    roaring_bitmap_free(noted);
    roaring_bitmap_andnot_inplace(w->dead[CUTS], l.of[CUTS]);
    for (int i = 0; i < KINDS; i++)
        roaring_bitmap_free(l.of[i]);
    if (rc)
        return rc;
    roaring_bitmap_overwrite(w->due[CUTS], w->dead[CUTS]);
    if (w->grace > 0) { /* what is due: dead then, dead now */
        noted = noted_read(t, CUTS);
        roaring_bitmap_and_inplace(w->due[CUTS], noted);
        roaring_bitmap_free(noted);
    }
    w->ncuts = roaring_bitmap_get_cardinality(w->due[CUTS]);
    w->cut = mem_zero(w->ncuts + 1, sizeof *w->cut);
    roaring_bitmap_to_uint32_array(w->due[CUTS], w->cut);
    return 0;
}

int sweep_open(struct sweep **out, struct store *s, int64_t now, int64_t grace, struct err *e)
{
    struct sweep *w = mem_zero(1, sizeof *w);
    struct txn *t;
    *w = (struct sweep){.s = s, .now = now, .grace = grace};
    for (int i = 0; i < KINDS; i++) {
        w->dead[i] = roaring_bitmap_create();
        w->due[i] = roaring_bitmap_create();
    }
    int rc = store_read(&t, s, e);
    if (rc)
        goto out;
    int64_t since = (int64_t)meta_get(t, NOTED);
    if (meta_get(t, SOON))
        w->grace = 0;
    w->early = w->grace > 0 && since && now >= since && now - since < grace; /* a clock set back: note anew */
    if (!w->early)
        rc = look(w, t, e);
    txn_end(t);
out:
    if (rc) {
        sweep_close(w);
        w = NULL;
    }
    *out = w;
    return rc;
}

void sweep_close(struct sweep *w)
{
    if (!w)
        return;
    for (int i = 0; i < KINDS; i++) {
        roaring_bitmap_free(w->dead[i]);
        roaring_bitmap_free(w->due[i]);
    }
    history_sweep_close(w->history);
    vector_sweep_close(w->vectors);
    free(w->cut);
    free(w->card);
    free(w);
}

/* -- dropping ------------------------------------------------------------------------------------------------------- */

static size_t until(size_t at, size_t n, size_t most)
{
    return n - at < most ? n : at + most;
}

static int drop_cuts(struct sweep *w, struct txn *t, size_t end, struct err *e)
{
    int rc = 0;
    for (size_t i = w->cut_at; i < end && !rc; i++)
        if (!(rc = vecof_drop(t, w->cut[i], e)) && (rc = cut_drop(t, w->cut[i], e)) == ERR_NOT_FOUND)
            rc = 0;
    return rc;
}

static int drop_cards(struct sweep *w, struct txn *t, size_t end, struct err *e)
{
    int code = 0;
    for (size_t i = w->card_at; i < end && !code; i++)
        if ((code = tab_del(t, T_VECOF, val(&w->card[i], sizeof w->card[i]))) == MDB_NOTFOUND)
            code = 0; /* gone with its content */
    return txn_err(t, code, e, "sweeping cards");
}

static int note_kind(struct sweep *w, struct txn *t, enum kind kind)
{
    void *to;
    roaring_bitmap_t *b = w->dead[kind];
    roaring_bitmap_andnot_inplace(b, w->due[kind]);
    int code = tab_reserve(t, T_META, val(noted_as[kind], strlen(noted_as[kind])), roaring_bitmap_portable_size_in_bytes(b), 0, &to);
    if (!code)
        roaring_bitmap_portable_serialize(b, to);
    return code;
}

/* The end of a pass: until then the old note stays, and another plan goes on with it. */
static int note(struct sweep *w, struct txn *t, struct err *e)
{
    int code = meta_put(t, NOTED, (uint64_t)w->now);
    for (enum kind k = 0; k < KINDS && !code; k++)
        code = note_kind(w, t, k);
    if (!code && (code = tab_del(t, T_META, val(SOON, strlen(SOON)))) == MDB_NOTFOUND)
        code = 0;
    return txn_err(t, code, e, "noting what to sweep");
}

/* The steps of this file: one write transaction, and only when that is in, the plan moves on. */
static int step_here(struct sweep *w, struct swept *sum, struct err *e)
{
    struct txn *t;
    size_t cut = until(w->cut_at, w->ncuts, CUTS_IN_STEP), card = until(w->card_at, w->ncards, ROWS_IN_STEP);
    int rc = store_write(&t, w->s, e);
    if (rc)
        return rc;
    rc = w->stage == DROP_CUTS ? drop_cuts(w, t, cut, e) : w->stage == DROP_CARDS ? drop_cards(w, t, card, e) : note(w, t, e);
    if (rc) {
        txn_end(t);
        return rc;
    }
    if ((rc = txn_commit(t, e)))
        return rc;
    if (w->stage == DROP_CUTS) {
        sum->cuts += cut - w->cut_at;
        w->cut_at = cut;
    } else if (w->stage == DROP_CARDS) {
        sum->cards += card - w->card_at;
        w->card_at = card;
    } else {
        w->stage = DONE;
    }
    return 0;
}

static int step_commits(struct sweep *w, struct err *e)
{
    bool more = false;
    int rc = w->history ? 0 : history_sweep_open(&w->history, w->s, w->now, w->grace, e);
    if (!rc && !(rc = history_sweep_step(w->history, ROWS_IN_STEP, &more, e)) && !more)
        w->stage = w->early ? DONE : DROP_VECTORS;
    return rc;
}

static int step_vectors(struct sweep *w, struct swept *sum, struct err *e)
{
    bool more = false;
    int rc = w->vectors ? 0 : vector_sweep_open(&w->vectors, w->s, false, e);
    if (!rc && !(rc = vector_sweep_step(w->vectors, ROWS_IN_STEP, &sum->vectors, &more, e)) && !more)
        w->stage = NOTE;
    return rc;
}

int sweep_step(struct sweep *w, struct swept *sum, bool *more, struct err *e)
{
    if (w->stage == DROP_CUTS && w->cut_at == w->ncuts)
        w->stage = DROP_CARDS;
    if (w->stage == DROP_CARDS && w->card_at == w->ncards)
        w->stage = DROP_COMMITS;
    int rc = 0;
    if (w->stage == DROP_COMMITS)
        rc = step_commits(w, e);
    else if (w->stage == DROP_VECTORS)
        rc = step_vectors(w, sum, e);
    else if (w->stage != DONE)
        rc = step_here(w, sum, e);
    *more = !rc && w->stage != DONE;
    return rc;
}

int sweep_soon(struct txn *t, struct err *e)
{
    int rc = txn_writes(t, e);
    return rc ? rc : txn_err(t, meta_put(t, SOON, 1), e, "noting what to sweep");
}
