#include "service/history_view.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COMMITS_WEIGHED 300   /* newest commits of a part that say who knows it */
#define HALF_LIFE (365.0 * 86400) /* seconds after which what somebody did here counts half */
#define PEOPLE 5
#define NEAR_PATHS 3

/* -- a path that is not there ---------------------------------------------------------------------------------------------- */

static unsigned distance(struct str a, struct str b)
{
    unsigned row[65];
    if (a.n > 64 || b.n > 64)
        return 64;
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned was = row[j], best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = was;
        }
    }
    return row[b.n];
}

struct near {
    struct str name;
    struct {
        char *path;
        unsigned d;
    } best[NEAR_PATHS];
    struct arena *arena;
};

static int look(void *arg, const struct occ *o)
{
    struct near *x = arg;
    unsigned d = distance(x->name, path_base(o->path)), most = x->name.n > 8 ? 3 : x->name.n > 4 ? 2 : 1;
    if (d > most)
        return 0;
    for (int i = 0; i < NEAR_PATHS; i++)
        if (!x->best[i].path || d < x->best[i].d) {
            memmove(&x->best[i + 1], &x->best[i], (size_t)(NEAR_PATHS - 1 - i) * sizeof *x->best);
            x->best[i].path = arena_strn(x->arena, o->path.p, o->path.n);
            x->best[i].d = d;
            break;
        }
    return 0;
}

static int not_there(struct store *s, const struct history_question *q, struct arena *arena, struct err *e)
{
    struct near x = {.name = path_base(str_of(q->path)), .arena = arena};
    struct txn *t;
    if (!store_read(&t, s, NULL)) {
        occ_each(t, q->view, (struct str){"", 0}, look, &x, NULL);
        txn_end(t);
    }
    err_set(e, ERR_NOT_FOUND, "%s: no such file in %s", q->path, q->repo->name);
    if (x.best[0].path)
        err_hint(e, "near it: %s%s%s%s%s", x.best[0].path, x.best[1].path ? ", " : "", x.best[1].path ? x.best[1].path : "",
                 x.best[2].path ? ", " : "", x.best[2].path ? x.best[2].path : "");
    return ERR_NOT_FOUND;
}

/* -- lines ---------------------------------------------------------------------------------------------------------------- */

/* Pieces of the file as it is now, each traced through the commit that it stands on. */
static int trace_lines(struct history_answer *out, struct store *s, const struct history_question *q, const struct history_now *now,
                       struct trace_request tr, struct arena *arena, struct err *e)
{
    size_t cap = 0;
    struct traced *v = NULL;
    int rc = 0;
    for (size_t i = 0; i < now->n && !rc; i++) {
        struct now_piece p = now->piece[i];
        uint32_t from = p.first > q->first ? p.first : q->first, to = p.first + p.n - 1 < q->last ? p.first + p.n - 1 : q->last;
        if (from > to)
            continue;
        if (!p.then) {
            VEC_ROOM(v, out->nlines, cap);
            v[out->nlines++] = (struct traced){.first = from, .n = to - from + 1, .path = str_of(q->path), .then = from};
            continue;
        }
        struct trace t;
        tr.first = p.then + (from - p.first);
        tr.last = tr.first + (to - from);
        rc = history_trace(&t, s, &tr, arena, e);
        for (size_t k = 0; k < t.n && !rc; k++) {
            VEC_ROOM(v, out->nlines, cap);
            v[out->nlines] = t.line[k];
            v[out->nlines++].first = from + (t.line[k].first - tr.first);
            out->unfinished |= t.line[k].unfinished;
        }
    }
    out->line = arena_alloc(arena, (out->nlines + 1) * sizeof *out->line);
    if (out->nlines)
        memcpy(out->line, v, out->nlines * sizeof *v);
    free(v);
    return rc;
}

static void load(struct history_commit *c, struct txn *t, uint32_t commit, struct arena *arena)
{
    if (!commit || commit_get(t, commit, &c->row, NULL))
        return;
    struct str *text[] = {&c->row.author, &c->row.mail, &c->row.message};
    for (size_t i = 0; i < 3; i++)
        text[i]->p = arena_strn(arena, text[i]->p, text[i]->n);
    c->found = true;
}

/* The commit of most of the asked lines: the reason why they are there. */
static void choose_reason(struct history_answer *out)
{
    uint32_t best = 0;
    out->reason = -1;
    for (size_t i = 0; i < out->nlines; i++) {
        uint32_t n = 0;
        for (size_t k = 0; k < out->nlines; k++)
            n += out->line[k].commit == out->line[i].commit ? out->line[k].n : 0;
        if (out->by[i].found && n > best) {
            best = n;
            out->reason = (int)i;
        }
    }
}

/* -- people --------------------------------------------------------------------------------------------------------------- */

static int by_share(const void *a, const void *b)
{
    const struct history_person *x = a, *y = b;
    return x->share > y->share ? -1 : x->share < y->share;
}

/* Who knows this part: each commit counts by the lines that it added, slowly growing, and less the older it is. */
static void weigh(struct history_answer *out, const struct history_commit *c, size_t n, struct arena *arena)
{
    double all = 0, newest = 0;
    out->person = arena_zero(arena, n + 1, sizeof *out->person);
    for (size_t i = 0; i < n; i++)
        newest = c[i].found && (double)c[i].row.time > newest ? (double)c[i].row.time : newest;
    for (size_t i = 0; i < n; i++) {
        struct history_person *p = out->person, *end = p + out->npeople;
        if (!c[i].found)
            continue;
        while (p < end && !str_same(p->mail, c[i].row.mail) && !str_same(p->name, c[i].row.author))
            p++;
        if (p == end) {
            *p = (struct history_person){.name = c[i].row.author, .mail = c[i].row.mail};
            out->npeople++;
        }
        double age = newest - (double)c[i].row.time, w = (1 + log2(1 + c[i].touch.added)) * exp2(-age / HALF_LIFE);
        p->share += w;
        p->commits++;
        p->last = c[i].row.time > p->last ? c[i].row.time : p->last;
        all += w;
    }
    for (size_t i = 0; i < out->npeople; i++)
        out->person[i].share /= all > 0 ? all : 1;
    qsort(out->person, out->npeople, sizeof *out->person, by_share);
    out->npeople = out->npeople < PEOPLE ? out->npeople : PEOPLE;
}

/* -- the whole ------------------------------------------------------------------------------------------------------------- */

static int list_commits(struct history_answer *out, struct store *s, const struct history_question *q, const struct trace_request *tr,
                        struct arena *arena, struct err *e)
{
    struct touching *v;
    size_t n;
    struct txn *t;
    int rc = history_behind(&v, &n, s, tr, q->people && q->limit < COMMITS_WEIGHED ? COMMITS_WEIGHED : q->limit, arena, e);
    if (rc || (rc = store_read(&t, s, e)))
        return rc;
    out->commit = arena_zero(arena, n + 1, sizeof *out->commit);
    for (size_t i = 0; i < n; i++) {
        out->commit[i].touch = v[i];
        load(&out->commit[i], t, v[i].commit, arena);
    }
    out->by = arena_zero(arena, out->nlines + 1, sizeof *out->by);
    for (size_t i = 0; i < out->nlines; i++)
        load(&out->by[i], t, out->line[i].commit, arena);
    txn_end(t);
    out->ncommits = n < q->limit ? n : q->limit;
    if (q->people)
        weigh(out, out->commit, n, arena);
    choose_reason(out);
    return 0;
}

int history_answer(struct history_answer *out, struct store *s, struct history_question *q, struct arena *arena, struct err *e)
{
    struct history_now now;
    struct trace_request tr = {.repo = q->repo, .tip = q->tip, .path = q->path};
    struct oid *ignore = NULL;
    *out = (struct history_answer){.reason = -1};
    int rc = history_now(&now, s, q->repo, q->view, q->base, str_of(q->path), arena, e);
    if (rc == ERR_NOT_FOUND)
        return not_there(s, q, arena, e);
    if (rc)
        return rc;
    if (q->last && q->last > now.lines) {
        err_set(e, ERR_USAGE, "%s has %u line%s, not %u", q->path, now.lines, now.lines == 1 ? "" : "s", q->last);
        return ERR_USAGE;
    }
    out->lines = now.lines;
    out->dirty = now.dirty;
    out->untracked = now.untracked;
    out->first = q->first;
    out->last = q->last;
    history_ignored(&ignore, &tr.nignore, q->repo, &q->tip);
    tr.ignore = ignore;
    if (q->last)
        rc = trace_lines(out, s, q, &now, tr, arena, e);
    for (size_t i = 0; i < now.n; i++) { /* what was asked, as the commit numbers it */
        struct now_piece p = now.piece[i];
        uint32_t from = p.first > q->first ? p.first : q->first, to = p.first + p.n - 1 < q->last ? p.first + p.n - 1 : q->last;
        if (!p.then || from > to)
            continue;
        tr.first = tr.first ? tr.first : p.then + (from - p.first);
        tr.last = p.then + (to - p.first);
    }
    if (!rc && !now.untracked && (tr.last || !q->last))
        rc = list_commits(out, s, q, &tr, arena, e);
    else if (!rc)
        out->by = arena_zero(arena, out->nlines + 1, sizeof *out->by);
    free(ignore);
    return rc;
}
