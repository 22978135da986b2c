/* Lines traced to the commits that wrote them, as `git blame -w -M` does it: pieces of the file go back from commit to commit, and
 * what no parent has stays. Whether a piece was moved depends on its letters as far as they are still looked for, so the pieces are
 * those of the whole file, split where git splits them; those without a line that was asked about are dropped. */
#include "indexer/history_way.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 200000                 /* commits that touched the file, and pieces of it: a trace never runs away */
#define OPEN_END (1u << 30)              /* lines of a file that was not read: more than any has, and sums stay in 32 bits */
#define MOVE_BYTES ((uint64_t)256 << 20) /* compared for moves in one trace: some seconds. Past it pieces are as they stand */

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

/* The file that was asked about. */
struct final {
    bool tried, there;
    char *text;
    uint32_t n, *start, *letters; /* [n + 1] where line i begins; letters and digits before it */
};

struct tracing {
    struct way w;
    uint32_t from, to;       /* final lines that were asked about */
    uint32_t tip, path;
    struct final final;
    struct suspect *v;
    size_t n, cap;
    struct traced *out;
    size_t nout, cap_out;
    const uint32_t *ignore;
    size_t nignore;
    uint64_t compared;       /* bytes, for moves */
    bool unread;             /* a content was wanted, and is not there or too much */
};

static void add(struct segments *s, const struct tracing *x, uint32_t first, uint32_t n, uint32_t then)
{
    if (!n || first >= x->to || first + n <= x->from)
        return;
    VEC_ROOM(s->v, s->n, s->cap);
    s->v[s->n++] = (struct segment){first, n, then};
}

/* Its lines that were asked about. */
static struct segment clipped(const struct tracing *x, struct segment g)
{
    uint32_t skip = x->from > g.first ? x->from - g.first : 0, end = g.first + g.n < x->to ? g.first + g.n : x->to;
    return (struct segment){g.first + skip, end - g.first - skip, g.then + skip};
}

static void blame(struct tracing *x, const struct segments *s, uint32_t commit, uint32_t path, bool unfinished)
{
    struct str name = {0};
    if (!path_get(x->w.t, path, &name, NULL))
        name.p = arena_strn(x->w.arena, name.p, name.n);
    for (size_t i = 0; i < s->n; i++) {
        struct segment g = clipped(x, s->v[i]);
        VEC_ROOM(x->out, x->nout, x->cap_out);
        x->out[x->nout++] = (struct traced){.first = g.first, .n = g.n, .commit = commit, .path = name, .then = g.then, .unfinished = unfinished};
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
                add(&to->lines, x, s->v[i].first, s->v[i].n, s->v[i].then);
        }
    }
    free(s->v);
    *s = (struct segments){0};
    return rc;
}

/* One side of a touch: from which commit and path its lines may have come. */
struct source {
    const struct touch_side *side;
    uint32_t commit, path;
    struct str old;          /* read when it is needed */
    struct line_index *index;
};

/* What of s is outside the hunks goes to *pass, as the parent numbers it; the rest to *keep. */
static int through_hunks(struct segments *pass, struct segments *keep, struct tracing *x, const struct segments *s, struct source *from,
                         struct err *e)
{
    const struct touch_side *t = from->side;
    (void)e;
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
            add(pass, x, g.first, n, old + (g.then - at));
            g = (struct segment){g.first + n, g.n - n, g.then + n};
            if (!h || !g.n)
                continue;
            uint32_t left = h->at + h->n > g.then ? h->at + h->n - g.then : 0;
            n = g.n < left ? g.n : left;
            add(keep, x, g.first, n, g.then);
            g = (struct segment){g.first + n, g.n - n, g.then + n};
        }
    }
    return 0;
}

/* -- moves ------------------------------------------------------------------------------------------------------------------ */

static void read_final(struct tracing *x)
{
    struct final *f = &x->final;
    struct str s;
    f->tried = true;
    if (way_content(&s, &x->w, x->tip, x->path, NULL))
        return;
    f->text = arena_strn(x->w.arena, s.p, s.n);
    f->n = lines_count(s);
    f->start = arena_alloc(x->w.arena, ((size_t)f->n + 1) * sizeof *f->start);
    f->letters = arena_alloc(x->w.arena, ((size_t)f->n + 1) * sizeof *f->letters);
    f->start[0] = f->letters[0] = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        const char *p = f->text + f->start[i], *nl = memchr(p, '\n', s.n - f->start[i]);
        struct str line = {p, nl ? (size_t)(nl + 1 - p) : s.n - f->start[i]};
        f->start[i + 1] = f->start[i] + (uint32_t)line.n;
        f->letters[i + 1] = f->letters[i] + lines_letters(line);
    }
    f->there = true;
}

static bool has_elsewhere(const struct touch_side *t)
{
    for (uint32_t i = 0; i < t->nhunks; i++)
        if (t->hunk[i].elsewhere)
            return true;
    return false;
}

static bool in_elsewhere(const struct touch_side *t, const struct segment *g)
{
    for (uint32_t i = 0; i < t->nhunks && t->hunk[i].at < g->then + g->n; i++)
        if (t->hunk[i].elsewhere && t->hunk[i].at + t->hunk[i].n > g->then)
            return true;
    return false;
}

/* The old content with its index. False when it is not there. */
static bool read_source(struct source *from, struct tracing *x)
{
    if (from->index)
        return true;
    if (way_content(&from->old, &x->w, from->commit, from->path, NULL))
        return false;
    from->index = line_index_new(from->old);
    return true;
}

/* The best run of the piece that stands in old goes, then it is the turn of what is before and behind it. */
static int move_piece(struct segments *pass, struct segments *keep, struct tracing *x, struct segment g, struct source *from, struct err *e)
{
    const struct final *f = &x->final;
    struct moved m = {0};
    int rc = 0;
    while (g.n && g.first < x->to && g.first + g.n > x->from && f->letters[g.first + g.n] - f->letters[g.first] >= MOVE_LETTERS &&
           in_elsewhere(from->side, &g)) {
        struct str piece = {f->text + f->start[g.first], f->start[g.first + g.n] - f->start[g.first]};
        if (x->compared > MOVE_BYTES || !read_source(from, x)) {
            x->unread = true;
            break;
        }
        x->compared += piece.n;
        if (!line_index_holds(from->index, piece))
            break;
        x->compared += from->old.n;
        if ((rc = lines_moved(&m, from->old, piece, e)) || !m.n)
            break;
        if ((rc = move_piece(pass, keep, x, (struct segment){g.first, m.at, g.then}, from, e)))
            return rc;
        add(pass, x, g.first + m.at, m.n, m.from);
        m.at += m.n;
        g = (struct segment){g.first + m.at, g.n - m.at, g.then + m.at};
    }
    add(keep, x, g.first, g.n, g.then);
    return rc;
}

static int through_moves(struct segments *pass, struct segments *keep, struct tracing *x, const struct segments *s, struct source *from,
                         struct err *e)
{
    bool may = has_elsewhere(from->side);
    int rc = 0;
    if (may && !x->final.tried)
        read_final(x);
    x->unread |= may && !x->final.there;
    for (size_t i = 0; i < s->n && !rc; i++) {
        struct segment g = s->v[i];
        if (may && x->final.there && g.first < x->final.n) {
            g.n = g.n < x->final.n - g.first ? g.n : x->final.n - g.first;
            rc = move_piece(pass, keep, x, g, from, e);
        } else {
            add(keep, x, g.first, g.n, g.then);
        }
    }
    return rc;
}

/* Of a commit that is passed over: a changed line was the one at the same place of what it replaced. */
static int through_change(struct segments *pass, struct segments *keep, struct tracing *x, const struct segments *s, struct source *from,
                          struct err *e)
{
    const struct touch_side *t = from->side;
    (void)e;
    for (size_t i = 0; i < s->n; i++) {
        struct segment g = clipped(x, s->v[i]);
        for (uint32_t k = 0; k < g.n; k++) {
            uint32_t line = g.then + k;
            const struct touch_hunk *in = NULL;
            for (uint32_t h = 0; h < t->nhunks && !in; h++)
                if (line >= t->hunk[h].at && line < t->hunk[h].at + t->hunk[h].n)
                    in = &t->hunk[h];
            if (in && in->old_n)
                add(pass, x, g.first + k, 1, in->old_at + (uint32_t)((uint64_t)(line - in->at) * in->old_n / in->n));
            else
                add(keep, x, g.first + k, 1, line);
        }
    }
    return 0;
}

typedef int (*pass_fn)(struct segments *pass, struct segments *keep, struct tracing *x, const struct segments *s, struct source *from,
                       struct err *e);

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
        struct source from = {side, parent[k], side->how == TOUCH_HERE ? at->path : side->from, {0}, NULL};
        rc = fn(&pass, &keep, x, s, &from, e);
        line_index_free(from.index);
        free(s->v);
        *s = keep;
        if (rc)
            free(pass.v);
        else
            rc = suspect(x, from.commit, from.path, &pass, e);
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
    if (rc)
        return rc;
    x->unread = way_unread(&t);
    if (!(rc = hand_on(x, &at->lines, at, &t, through_hunks, e)) && !(rc = hand_on(x, &at->lines, at, &t, through_moves, e)) &&
        is_ignored(x, at->commit))
        rc = hand_on(x, &at->lines, at, &t, through_change, e);
    if (!rc)
        blame(x, &at->lines, at->commit, at->path, x->unread);
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
    x.tip = out->tip;
    x.path = path_find(x.w.t, str_of(q->path));
    x.from = q->first - 1;
    x.to = q->last;
    if (!x.tip || !x.path) {
        rc = err_set(e, ERR_NOT_FOUND, "%s has no history yet", q->path);
        goto out;
    }
    for (size_t i = 0; i < q->nignore; i++)
        ignore[i] = commit_find(x.w.t, &q->ignore[i]);
    x.ignore = ignore;
    x.nignore = q->nignore;
    add(&all, &x, 0, OPEN_END, 0);
    rc = suspect(&x, x.tip, x.path, &all, e);
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
