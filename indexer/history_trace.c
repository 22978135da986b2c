/* Lines traced to the commits that wrote them, as `git blame -w -M` does it: pieces of the file go back from commit to commit, and
 * what no parent has stays. */
#include "indexer/history_way.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 200000 /* commits that touched the file, and pieces of it: a trace never runs away */

struct segment {
    uint32_t first, n, then; /* final line, lines, line at the suspect; from 0 */
};
struct segments {
    struct segment *v;
    size_t n, cap;
};

/* A commit that touched the path, with the lines that it may have written. */
struct suspect {
    uint32_t commit, path, time;
    struct segments lines;
};

struct tracing {
    struct way w;
    struct suspect *v;
    size_t n, cap;
    struct traced *out;
    size_t nout, cap_out;
    const uint32_t *ignore;
    size_t nignore;
};

static void add(struct segments *s, uint32_t first, uint32_t n, uint32_t then)
{
    if (!n)
        return;
    if (s->n && s->v[s->n - 1].first + s->v[s->n - 1].n == first && s->v[s->n - 1].then + s->v[s->n - 1].n == then) {
        s->v[s->n - 1].n += n;
        return;
    }
    VEC_ROOM(s->v, s->n, s->cap);
    s->v[s->n++] = (struct segment){first, n, then};
}

static void blame(struct tracing *x, const struct segments *s, uint32_t commit, uint32_t path, bool unfinished)
{
    struct str name = {0};
    if (!path_get(x->w.t, path, &name, NULL))
        name.p = arena_strn(x->w.arena, name.p, name.n);
    for (size_t i = 0; i < s->n; i++) {
        VEC_ROOM(x->out, x->nout, x->cap_out);
        x->out[x->nout++] = (struct traced){.first = s->v[i].first, .n = s->v[i].n, .commit = commit, .path = name, .then = s->v[i].then,
                                            .unfinished = unfinished};
    }
}

/* Lines of (commit, path) are suspected at the next commit that touched it. Takes the list. */
static int suspect(struct tracing *x, uint32_t commit, uint32_t path, struct segments *s, struct err *e)
{
    enum rest rest;
    struct touch touch;
    int rc = s->n ? way_rest(&rest, &commit, &touch, &x->w, path, e) : 0;
    if (!rc && s->n) {
        touch_release(&touch);
        if (rest != REST_TOUCH) {
            blame(x, s, commit, path, rest == REST_PENDING);
        } else {
            struct suspect *to = NULL;
            for (size_t i = 0; i < x->n && !to; i++)
                if (x->v[i].commit == commit && x->v[i].path == path)
                    to = &x->v[i];
            if (!to) {
                VEC_ROOM(x->v, x->n, x->cap);
                to = &x->v[x->n++];
                *to = (struct suspect){commit, path, history_node(&x->w.graph, commit).time, {0}};
            }
            for (size_t i = 0; i < s->n; i++)
                add(&to->lines, s->v[i].first, s->v[i].n, s->v[i].then);
        }
    }
    free(s->v);
    *s = (struct segments){0};
    return rc;
}

/* What of s is outside the hunks goes to *pass, as the parent numbers it; the rest to *keep. */
static void through_hunks(struct segments *pass, struct segments *keep, const struct segments *s, const struct touch_side *t)
{
    for (size_t i = 0; i < s->n; i++) {
        struct segment g = s->v[i];
        uint32_t lo = 0, hi = t->nhunks;
        while (lo < hi) { /* the first hunk that ends behind the beginning */
            uint32_t mid = (lo + hi) / 2;
            if (t->hunk[mid].at + t->hunk[mid].n <= g.then)
                lo = mid + 1;
            else
                hi = mid;
        }
        for (uint32_t k = lo; g.n; k++) {
            const struct touch_hunk *before = k ? &t->hunk[k - 1] : NULL, *h = k < t->nhunks ? &t->hunk[k] : NULL;
            uint32_t at = before ? before->at + before->n : 0, old = before ? before->old_at + before->old_n : 0;
            uint32_t room = h && h->at > g.then ? h->at - g.then : h ? 0 : g.n, n = g.n < room ? g.n : room;
            add(pass, g.first, n, old + (g.then - at));
            g = (struct segment){g.first + n, g.n - n, g.then + n};
            if (!h || !g.n)
                continue;
            uint32_t left = h->at + h->n > g.then ? h->at + h->n - g.then : 0;
            n = g.n < left ? g.n : left;
            add(keep, g.first, n, g.then);
            g = (struct segment){g.first + n, g.n - n, g.then + n};
        }
    }
}

static void through_moves(struct segments *pass, struct segments *keep, const struct segments *s, const struct touch_side *t)
{
    for (size_t i = 0; i < s->n; i++) {
        struct segment g = s->v[i];
        for (uint32_t k = 0; k < t->nmoves && g.n; k++) {
            const struct touch_move *m = &t->move[k];
            if (m->at + m->n <= g.then)
                continue;
            uint32_t n = m->at > g.then ? m->at - g.then : 0;
            n = g.n < n ? g.n : n;
            add(keep, g.first, n, g.then);
            g = (struct segment){g.first + n, g.n - n, g.then + n};
            n = m->at + m->n - g.then;
            n = g.n < n ? g.n : n;
            add(pass, g.first, n, m->old_at + (g.then - m->at));
            g = (struct segment){g.first + n, g.n - n, g.then + n};
        }
        add(keep, g.first, g.n, g.then);
    }
}

/* Of a commit that is passed over: a changed line was the one at the same place of what it replaced. */
static void through_change(struct segments *pass, struct segments *keep, const struct segments *s, const struct touch_side *t)
{
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < s->v[i].n; k++) {
            uint32_t line = s->v[i].then + k;
            const struct touch_hunk *in = NULL;
            for (uint32_t h = 0; h < t->nhunks && !in; h++)
                if (line >= t->hunk[h].at && line < t->hunk[h].at + t->hunk[h].n)
                    in = &t->hunk[h];
            if (in && in->old_n)
                add(pass, s->v[i].first + k, 1, in->old_at + (uint32_t)((uint64_t)(line - in->at) * in->old_n / in->n));
            else
                add(keep, s->v[i].first + k, 1, line);
        }
}

typedef void (*pass_fn)(struct segments *pass, struct segments *keep, const struct segments *s, const struct touch_side *t);

/* Hands to parents what fn says, side by side; what none takes stays in s. */
static int hand_on(struct tracing *x, struct segments *s, const struct suspect *at, const struct touch *t, pass_fn fn, struct err *e)
{
    uint32_t parent[HISTORY_PARENTS];
    size_t np = way_parents(&x->w, at->commit, parent);
    int rc = 0;
    for (unsigned k = 0; k < t->nsides && k < np && s->n && !rc; k++) {
        const struct touch_side *side = &t->side[k];
        struct segments pass = {0}, keep = {0};
        if ((side->how != TOUCH_HERE && side->how != TOUCH_RENAMED) || !parent[k])
            continue;
        fn(&pass, &keep, s, side);
        free(s->v);
        *s = keep;
        rc = suspect(x, parent[k], side->how == TOUCH_HERE ? at->path : side->from, &pass, e);
    }
    return rc;
}

static bool is_ignored(const struct tracing *x, uint32_t commit)
{
    for (size_t i = 0; i < x->nignore; i++)
        if (x->ignore[i] == commit)
            return true;
    return false;
}

static int examine(struct tracing *x, struct suspect *at, struct err *e)
{
    enum rest rest;
    struct touch t;
    uint32_t commit = at->commit;
    int rc = way_rest(&rest, &commit, &t, &x->w, at->path, e);
    bool unread = false;
    if (rc)
        return rc;
    for (unsigned k = 0; k < t.nsides; k++)
        unread |= t.side[k].how == TOUCH_HERE_UNREAD || t.side[k].how == TOUCH_RENAMED_UNREAD;
    if (!(rc = hand_on(x, &at->lines, at, &t, through_hunks, e)) && !(rc = hand_on(x, &at->lines, at, &t, through_moves, e)) &&
        is_ignored(x, at->commit))
        rc = hand_on(x, &at->lines, at, &t, through_change, e);
    if (!rc)
        blame(x, &at->lines, at->commit, at->path, unread);
    touch_release(&t);
    return rc;
}

static int by_line(const void *a, const void *b)
{
    const struct traced *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

static void finish(struct trace *out, struct tracing *x)
{
    qsort(x->out, x->nout, sizeof *x->out, by_line);
    out->line = arena_alloc(x->w.arena, (x->nout + 1) * sizeof *out->line);
    for (size_t i = 0; i < x->nout; i++) {
        struct traced t = x->out[i], *last = out->n ? &out->line[out->n - 1] : NULL;
        t.first++, t.then++;
        if (last && last->commit == t.commit && last->first + last->n == t.first && last->then + last->n == t.then &&
            last->path.n == t.path.n && !memcmp(last->path.p, t.path.p, t.path.n))
            last->n += t.n;
        else
            out->line[out->n++] = t;
    }
}

int history_trace(struct trace *out, struct store *s, const struct trace_request *q, struct arena *arena, struct err *e)
{
    struct tracing x = {0};
    struct segments all = {0};
    *out = (struct trace){0};
    uint32_t *ignore = arena_zero(arena, q->nignore + 1, sizeof *ignore);
    int rc = way_open(&x.w, s, q->repo, arena, e);
    if (rc)
        goto out;
    out->tip = commit_find(x.w.t, &q->tip);
    uint32_t path = path_find(x.w.t, str_of(q->path));
    if (!out->tip || !path) {
        rc = err_set(e, ERR_NOT_FOUND, "%s has no history yet", q->path);
        goto out;
    }
    for (size_t i = 0; i < q->nignore; i++)
        ignore[i] = commit_find(x.w.t, &q->ignore[i]);
    x.ignore = ignore;
    x.nignore = q->nignore;
    add(&all, q->first - 1, q->last - q->first + 1, q->first - 1);
    rc = suspect(&x, out->tip, path, &all, e);
    for (unsigned steps = 0; x.n && !rc; steps++) {
        size_t next = 0;
        for (size_t i = 1; i < x.n; i++) /* the newest: then all lines of a commit come together */
            if (x.v[i].time > x.v[next].time)
                next = i;
        struct suspect at = x.v[next];
        x.v[next] = x.v[--x.n];
        if (steps < STEPS_MAX)
            rc = examine(&x, &at, e);
        else
            blame(&x, &at.lines, at.commit, at.path, true);
        free(at.lines.v);
    }
    if (!rc)
        finish(out, &x);
out:
    for (size_t i = 0; i < x.n; i++)
        free(x.v[i].lines.v);
    free(x.v);
    free(x.out);
    free(all.v);
    way_close(&x.w);
    return rc;
}
