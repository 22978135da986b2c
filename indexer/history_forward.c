/* What a commit changed, where it stands now: the way from the tip back to the commit, then its lines forward through it. */
#include "indexer/history_way.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 3000 /* commits that touched the file between the tip and the one that is looked for */

struct place {
    uint32_t commit, path, time, after; /* after: index of the place that led here, + 1; 0: the tip */
    unsigned side;                      /* of that place's touch */
    bool open;
};

struct forward {
    struct way w;
    struct place *v;
    size_t n, cap;
};

static int go(struct forward *x, uint32_t commit, uint32_t path, uint32_t after, unsigned side, struct err *e)
{
    enum rest rest;
    struct touch t;
    int rc = commit && path ? way_rest(&rest, &commit, &t, &x->w, path, e) : 0;
    if (rc || !commit || !path)
        return rc;
    touch_release(&t);
    if (rest != REST_TOUCH)
        return 0;
    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].commit == commit && x->v[i].path == path)
            return 0;
    VEC_ROOM(x->v, x->n, x->cap);
    x->v[x->n++] = (struct place){commit, path, history_node(&x->w.graph, commit).time, after, side, true};
    return 0;
}

static struct place *newest(struct forward *x)
{
    struct place *best = NULL;
    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].open && (!best || x->v[i].time > best->time))
            best = &x->v[i];
    return best;
}

/* The place of the commit, SIZE_MAX when the way does not lead there. */
static int find(size_t *at, struct forward *x, uint32_t commit, struct err *e)
{
    uint32_t parent[HISTORY_PARENTS];
    struct place *p;
    *at = SIZE_MAX;
    while ((p = newest(x)) && x->n < PLACES_MAX) {
        struct place here = *p;
        size_t index = (size_t)(p - x->v);
        enum rest rest;
        struct touch t;
        p->open = false;
        if (here.commit == commit) {
            *at = index;
            return 0;
        }
        uint32_t c = here.commit;
        int rc = way_rest(&rest, &c, &t, &x->w, here.path, e);
        size_t np = way_parents(&x->w, here.commit, parent);
        for (unsigned k = 0; k < t.nsides && k < np && !rc; k++)
            if (t.side[k].how == TOUCH_HERE || t.side[k].how == TOUCH_RENAMED)
                rc = go(x, parent[k], t.side[k].how == TOUCH_HERE ? here.path : t.side[k].from, (uint32_t)index + 1, k, e);
        touch_release(&t);
        if (rc)
            return rc;
    }
    return 0;
}

/* [from, to) of the old side, as the new side has it: what was replaced becomes what replaced it. */
static void forward(uint32_t *from, uint32_t *to, const struct touch_side *s)
{
    int64_t a = *from, b = *to, da = 0, db = 0;
    for (uint32_t i = 0; i < s->nhunks; i++) {
        const struct touch_hunk *h = &s->hunk[i];
        int64_t start = h->old_at, end = (int64_t)h->old_at + h->old_n;
        if (end <= a)
            da = (int64_t)h->at + h->n - end;
        else if (start <= a) /* it begins inside */
            da = (int64_t)h->at - a;
        if (end <= b && (end < b || !h->old_n || start < b))
            db = (int64_t)h->at + h->n - end;
        else if (start < b)
            db = (int64_t)h->at + h->n - b;
    }
    a += da, b += db;
    *from = (uint32_t)(a < 0 ? 0 : a);
    *to = (uint32_t)(b < a ? a : b);
}

/* All the way up, a touch at a time. */
static int up(uint32_t *from, uint32_t *to, struct forward *x, size_t at, struct err *e)
{
    int rc = 0;
    for (const struct place *p = &x->v[at]; p->after && !rc && *from < *to; p = &x->v[p->after - 1]) {
        const struct place *next = &x->v[p->after - 1];
        enum rest rest;
        struct touch t;
        uint32_t c = next->commit;
        if ((rc = way_rest(&rest, &c, &t, &x->w, next->path, e)))
            return rc;
        if (p->side < t.nsides)
            forward(from, to, &t.side[p->side]);
        touch_release(&t);
    }
    return rc;
}

int history_lines_of(uint32_t *first, uint32_t *last, struct store *s, const struct trace_request *q, uint32_t commit, struct err *e)
{
    struct forward x = {0};
    struct arena arena;
    struct touch t = {0};
    size_t at = SIZE_MAX;
    uint32_t best = 0;
    enum rest rest;
    arena_init(&arena);
    *first = *last = 0;
    int rc = way_open(&x.w, s, q->repo, &arena, e);
    if (!rc)
        rc = go(&x, commit_find(x.w.t, &q->tip), path_find(x.w.t, str_of(q->path)), 0, 0, e);
    if (!rc)
        rc = find(&at, &x, commit, e);
    if (rc || at == SIZE_MAX)
        goto out;
    if ((rc = way_rest(&rest, &commit, &t, &x.w, x.v[at].path, e)))
        goto out;
    bool made = !t.nsides || t.side[0].how == TOUCH_ABSENT || t.side[0].how == TOUCH_UNSOUGHT;
    if (made) {
        *first = 1;
        *last = UINT32_MAX; /* it made the file */
    }
    for (uint32_t i = 0; !made && i < t.side[0].nhunks && !rc; i++) {
        uint32_t from = t.side[0].hunk[i].at, to = from + t.side[0].hunk[i].n;
        rc = up(&from, &to, &x, at, e);
        if (!rc && to > from && to - from > best && t.side[0].hunk[i].n) {
            best = to - from;
            *first = from + 1;
            *last = to;
        }
    }
out:
    if (!rc && !*first)
        rc = err_set(e, ERR_NOT_FOUND, "nothing of it is there any more");
    touch_release(&t);
    free(x.v);
    way_close(&x.w);
    arena_release(&arena);
    return rc;
}
