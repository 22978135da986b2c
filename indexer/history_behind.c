/* The commits behind a file or a range of its lines: not only who wrote the lines that are there, but what stood there before. */
#include "indexer/history_way.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 20000 /* commits that touched the file: a list for people ends long before */

struct place {
    uint32_t commit, path, time, from, to; /* lines [from, to) */
};

struct behind {
    struct way w;
    struct place *v;
    size_t n, cap;
    struct touching *out;
    size_t nout, cap_out, most;
};

static int go(struct behind *x, uint32_t commit, uint32_t path, uint32_t from, uint32_t to, struct err *e)
{
    enum rest rest;
    struct touch t;
    if (!commit || !path || from >= to)
        return 0;
    int rc = way_rest(&rest, &commit, &t, &x->w, path, e);
    if (rc)
        return rc;
    touch_release(&t);
    if (rest != REST_TOUCH)
        return 0;
    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].commit == commit && x->v[i].path == path) {
            x->v[i].from = from < x->v[i].from ? from : x->v[i].from;
            x->v[i].to = to > x->v[i].to ? to : x->v[i].to;
            return 0;
        }
    VEC_ROOM(x->v, x->n, x->cap);
    x->v[x->n++] = (struct place){commit, path, history_node(&x->w.graph, commit).time, from, to};
    return 0;
}

/* The range as the parent has it: what is in a hunk becomes all that the hunk replaced. */
static void back(uint32_t *from, uint32_t *to, const struct touch_side *s, const struct place *p, struct touching *did)
{
    uint32_t at = 0, old = 0;
    bool first = false, last = false;
    *from = *to = 0;
    for (uint32_t i = 0; i <= s->nhunks && !last; i++) {
        const struct touch_hunk *h = i < s->nhunks ? &s->hunk[i] : NULL;
        uint32_t end = h ? h->at : UINT32_MAX;
        if (!first && p->from < end) { /* in the lines before the hunk */
            *from = old + (p->from - at);
            first = true;
        }
        if (p->to <= end) {
            *to = p->to == UINT32_MAX ? UINT32_MAX : old + (p->to - at);
            last = true;
            break;
        }
        if (!h)
            break;
        if (!first && p->from < h->at + h->n) {
            *from = h->old_at;
            first = true;
        }
        if (first && p->from < h->at + h->n + !h->n) {
            uint32_t lo = p->from > h->at ? p->from : h->at, hi = p->to < h->at + h->n ? p->to : h->at + h->n;
            did->added += hi > lo ? hi - lo : 0;
            did->removed += h->old_n;
        }
        at = h->at + h->n;
        old = h->old_at + h->old_n;
        if (p->to <= at) {
            *to = old;
            last = true;
        }
    }
}

static int record(struct behind *x, const struct place *p, struct touching did, struct err *e)
{
    struct str name;
    int rc = path_get(x->w.t, p->path, &name, e);
    if (rc)
        return rc;
    did.commit = p->commit;
    did.path = (struct str){arena_strn(x->w.arena, name.p, name.n), name.n};
    VEC_ROOM(x->out, x->nout, x->cap_out);
    x->out[x->nout++] = did;
    return 0;
}

static int visit(struct behind *x, const struct place *p, struct err *e)
{
    enum rest rest;
    struct touch t;
    uint32_t commit = p->commit, parent[HISTORY_PARENTS];
    int rc = way_rest(&rest, &commit, &t, &x->w, p->path, e);
    if (rc)
        return rc;
    size_t np = way_parents(&x->w, p->commit, parent);
    bool whole = p->to == UINT32_MAX && !p->from, changed = t.kind == TOUCH_ADDED;
    struct touching did = {0};
    for (unsigned k = 0; k < t.nsides && k < np && !rc; k++) {
        const struct touch_side *s = &t.side[k];
        uint32_t from = p->from, to = p->to;
        if (s->how == TOUCH_ABSENT || s->how == TOUCH_UNSOUGHT)
            continue;
        struct touching here = {0};
        if (s->how == TOUCH_HERE || s->how == TOUCH_RENAMED)
            back(&from, &to, s, p, &here);
        if (!k)
            did = here;
        changed |= here.added || here.removed || (whole && np < 2) || s->how == TOUCH_HERE_UNREAD;
        if (s->how == TOUCH_RENAMED || s->how == TOUCH_RENAMED_UNREAD)
            changed &= t.side[k].nhunks > 0 || whole; /* a plain rename says nothing about lines */
        rc = go(x, parent[k], s->how == TOUCH_HERE || s->how == TOUCH_HERE_UNREAD ? p->path : s->from, whole ? 0 : from, whole ? UINT32_MAX : to, e);
    }
    if (!rc && changed && np < 2)
        rc = record(x, p, did, e);
    touch_release(&t);
    return rc;
}

int history_behind(struct touching **out, size_t *n, struct store *s, const struct trace_request *q, size_t most, struct arena *arena,
                   struct err *e)
{
    struct behind x = {.most = most};
    *out = NULL;
    *n = 0;
    int rc = way_open(&x.w, s, q->repo, arena, e);
    if (!rc)
        rc = go(&x, commit_find(x.w.t, &q->tip), path_find(x.w.t, str_of(q->path)), q->last ? q->first - 1 : 0, q->last ? q->last : UINT32_MAX, e);
    for (unsigned steps = 0; x.n && x.nout < most && steps < STEPS_MAX && !rc; steps++) {
        size_t next = 0;
        for (size_t i = 1; i < x.n; i++)
            if (x.v[i].time > x.v[next].time || (x.v[i].time == x.v[next].time && x.v[i].commit > x.v[next].commit))
                next = i;
        struct place p = x.v[next];
        x.v[next] = x.v[--x.n];
        bool passed = false;
        for (size_t i = 0; i < q->nignore && !passed; i++)
            passed = commit_find(x.w.t, &q->ignore[i]) == p.commit;
        size_t before = x.nout;
        rc = visit(&x, &p, e);
        if (passed)
            x.nout = before;
    }
    if (!rc && x.nout) {
        *out = arena_alloc(arena, x.nout * sizeof **out);
        memcpy(*out, x.out, x.nout * sizeof **out);
        *n = x.nout;
    }
    free(x.v);
    free(x.out);
    way_close(&x.w);
    return rc;
}
