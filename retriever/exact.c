#include "retriever/exact.h"

#include "base/mem.h"
#include "retriever/exact_plan.h"
#include "retriever/exact_scan.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROUND 32
#define LARGEST_ROUND 1024 /* contents looked at before it is asked whether there are enough */

struct place {
    float blame;
    uint32_t target, file, job;
};

struct find {
    const struct universe *u;
    const struct search_request *q;
    struct txn *t;
    struct arena *arena;
    struct plan *plan;
    struct scan scan;
    struct pattern *show; /* whose matches are listed, or NULL */
    struct scan_job *job;
    size_t njobs, cap;
    uint64_t blind_left;  /* bytes that may still be read, where the index cannot tell which contents may hold it */
    uint32_t unread;      /* contents that were not */
};

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->blame != y->blame)
        return x->blame < y->blame ? -1 : 1;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

/* One line with any of the pieces is a match. */
static int show_any(struct find *f, const struct str *literal, size_t n, struct err *e)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        buf_adds(&b, i ? "|" : "");
        for (size_t k = 0; k < literal[i].n; k++) {
            unsigned char c = (unsigned char)literal[i].p[k];
            bool word = c >= 0x80 || c == '\n' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
            buf_adds(&b, word ? "" : "\\");
            buf_addc(&b, (char)c);
        }
    }
    int rc = pattern_new(&f->show, (struct str){b.data, b.len}, false, e);
    buf_release(&b);
    return rc;
}

/* literal: used as long as f. */
static int prepare(struct find *f, const struct str *literal, size_t n, bool show, struct err *e)
{
    int rc = 0;
    n = n < SCAN_MUST ? n : SCAN_MUST;
    if (show && !n) {
        struct str text = str_of(f->q->text);
        if ((rc = pattern_new(&f->show, text, false, e)) != 0)
            return rc;
        f->plan = plan_regex(text, f->arena);
    } else if (show) {
        rc = n > 1 ? show_any(f, literal, n, e) : pattern_new(&f->show, literal[0], true, e);
    }
    for (size_t i = 0; i < n; i++)
        f->plan = plan_and(f->plan, plan_literal(literal[i], f->arena), f->arena);
    f->blind_left = !n || f->plan ? UINT64_MAX : f->q->blind_bytes ? f->q->blind_bytes : SEARCH_BLIND_BYTES;
    f->scan = (struct scan){.stop = f->q->stop, .show = f->show, .must = literal, .nmust = show && n == 1 ? 0 : n};
    return rc;
}

static void release(struct find *f)
{
    pattern_free(f->show);
    for (size_t i = 0; i < f->njobs; i++)
        scan_job_release(&f->job[i]);
    free(f->job);
}

/* Whether the index lets a content hold it; one that the index does not know may. */
static bool may_hold(const struct find *f, uint32_t gid, uint32_t cut)
{
    const struct universe *u = f->u;
    if (!f->plan || !u->nsegs)
        return true;
    const struct segment *s = &u->seg[u->where[gid]];
    uint32_t at = u->where_cut[gid];
    return at >= s->ncuts || s->cut[at] != cut || plan_passes(f->plan, segment_grams(s, at));
}

static void count_left_out(struct search_unsearched *l, const struct find *f, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->nfiles; i++) {
        const struct snap_file *x = &s->file[i];
        if (!occurrence_passes(f->q, x))
            continue;
        if (x->ucut == FILE_NONE)
            l->unread += !(x->flags & (OCC_SUBMODULE | OCC_SYMLINK | OCC_DELETED));
        else
            l->binary += (s->cut[x->ucut].flags & RECORD_BINARY) != 0;
    }
}

static struct place *candidates(struct find *f, size_t *n)
{
    struct place *place = NULL;
    size_t cap = 0;
    *n = 0;
    for (size_t k = 0; k < f->u->nsnaps; k++) {
        const struct snapshot *s = f->u->snap[k];
        for (uint32_t i = 0; i < s->ncuts; i++) {
            const struct snap_cut *c = &s->cut[i];
            if (c->flags & RECORD_BINARY || !may_hold(f, f->u->first[k] + i, c->cut))
                continue;
            bool any = false;
            for (uint32_t o = 0; o < c->nfiles; o++) {
                uint32_t number = s->by_cut[c->file + o];
                if (!occurrence_passes(f->q, &s->file[number]))
                    continue;
                VEC_ROOM(place, *n, cap);
                place[(*n)++] = (struct place){nature_blame(&s->file[number].is), (uint32_t)k, number, (uint32_t)f->njobs};
                any = true;
            }
            if (any) {
                VEC_ROOM(f->job, f->njobs, f->cap);
                f->job[f->njobs++] = (struct scan_job){.cut = c->cut};
            }
        }
    }
    if (*n)
        qsort(place, *n, sizeof *place, place_order);
    return place;
}

/* Looks at what the jobs' contents hold; those past blind_left hold nothing, and are counted. */
static int look(struct find *f, struct scan_job *job, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct record r;
        if (!f->blind_left) {
            f->unread += (uint32_t)(n - i);
            n = i;
            break;
        }
        int rc = cut_packed(f->t, job[i].cut, &job[i].packed, e);
        if (rc || (rc = cut_get(f->t, job[i].cut, &r, e)) != 0)
            return rc;
        job[i].secret = r.secret;
        job[i].nsecrets = r.head->nsecrets;
        if (f->blind_left != UINT64_MAX)
            f->blind_left -= r.head->source_bytes < f->blind_left ? r.head->source_bytes : f->blind_left;
    }
    scan_run(&f->scan, job, n);
    for (size_t i = 0; i < n; i++)
        if (job[i].code && job[i].code != ERR_LIMIT)
            return err_set(e, job[i].code, "a text of the index is damaged (%u)", job[i].cut);
    return f->q->stop && *f->q->stop ? err_set(e, ERR_CANCELED, "canceled") : 0;
}

/* Jobs in the order in which their first places come; place[].job follows. */
static void order_jobs(struct find *f, struct place *place, size_t n)
{
    uint32_t *to = mem_alloc((f->njobs + 1) * sizeof *to), next = 0;
    struct scan_job *job = mem_alloc((f->njobs + 1) * sizeof *job);
    memset(to, 0xff, f->njobs * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        uint32_t *j = &to[place[i].job];
        if (*j == UINT32_MAX) {
            *j = next;
            job[next++] = f->job[place[i].job];
        }
        place[i].job = *j;
    }
    free(to);
    free(f->job);
    f->job = job;
}

static bool of_kind(const struct find *f, const struct scan_job *j, uint32_t line)
{
    struct record r;
    if (f->q->kind < 0)
        return true;
    if (cut_get(f->t, j->cut, &r, NULL))
        return false;
    for (uint32_t i = 0; i < r.head->nsymbols; i++)
        if (r.symbol[i].kind == f->q->kind && r.symbol[i].start_line <= line && line <= r.symbol[i].end_line)
            return true;
    return false;
}

static int refuse(const struct find *f, struct str path, struct err *e)
{
    int rc = err_set(e, ERR_LIMIT, "the expression backtracks too much, in %.*s for one", (int)(path.n < 200 ? path.n : 200), path.p);
    err_hint(e, "make its repeats more specific ([^,]* rather than .*), or name a --path");
    return rc;
}

/* The matches of one place; false when there are enough. */
static bool take(struct exact_result *out, size_t *cap, const struct find *f, const struct place *at, uint32_t limit)
{
    const struct scan_job *j = &f->job[at->job];
    for (uint32_t i = 0; i < j->n; i++) {
        if (!of_kind(f, j, j->match[i].line))
            continue;
        if (out->n == limit) {
            out->truncated = true;
            return false;
        }
        VEC_ROOM(out->match, out->n, *cap);
        out->match[out->n++] = (struct exact_match){at->target, at->file, j->match[i].line, j->match[i].end_line,
                                                    {j->bytes.data + j->match[i].at, j->match[i].n}};
        if (f->q->unique_files)
            break;
    }
    return true;
}

static int gather(struct exact_result *out, struct find *f, const struct place *place, size_t nplaces, struct err *e)
{
    uint32_t limit = f->q->limit ? f->q->limit : 10, given_up = 0;
    size_t done = 0, round = FIRST_ROUND, cap = 0;
    int rc = 0;
    bool more = true;
    f->scan.limit = f->q->kind >= 0 ? UINT32_MAX - 1 : f->q->unique_files ? 1 : limit;
    for (size_t i = 0; i < nplaces && more && !rc; i++) {
        if (place[i].job >= done) {
            size_t n = f->njobs - done < round ? f->njobs - done : round;
            rc = look(f, f->job + done, n, e);
            done += n;
            round = round * 4 < LARGEST_ROUND ? round * 4 : LARGEST_ROUND;
        }
        const struct snapshot *s = f->u->snap[place[i].target];
        if (!rc && f->job[place[i].job].code == ERR_LIMIT) {
            out->left_out.given_up++;
            if (++given_up > EXACT_GIVEN_UP)
                rc = refuse(f, s->file[place[i].file].path, e);
        }
        more = !rc && take(out, &cap, f, &place[i], limit);
    }
    for (size_t i = 0; i < nplaces && !rc && given_up && !out->n; i++)
        if (f->job[place[i].job].code == ERR_LIMIT)
            rc = refuse(f, f->u->snap[place[i].target]->file[place[i].file].path, e);
    return rc;
}

int exact_find(struct exact_result *out, const struct universe *u, const struct search_request *q, const struct str *literal,
               size_t nliterals, struct txn *t, struct arena *arena, struct err *e)
{
    struct find f = {.u = u, .q = q, .t = t, .arena = arena};
    struct place *place = NULL;
    size_t nplaces = 0;
    *out = (struct exact_result){0};
    int rc = prepare(&f, literal, nliterals, true, e);
    if (!rc) {
        place = candidates(&f, &nplaces);
        order_jobs(&f, place, nplaces);
        rc = gather(out, &f, place, nplaces, e);
    }
    out->left_out.blind = f.unread;
    for (size_t k = 0; k < u->nsnaps && !rc; k++)
        count_left_out(&out->left_out, &f, u->snap[k]);
    struct exact_match *m = arena_alloc(arena, (out->n + 1) * sizeof *m);
    for (size_t i = 0; i < out->n; i++) { /* the snippets are the jobs' */
        m[i] = out->match[i];
        m[i].snippet.p = arena_strn(arena, m[i].snippet.p, m[i].snippet.n);
    }
    free(out->match);
    out->match = m;
    out->n = rc ? 0 : out->n;
    free(place);
    release(&f);
    return rc;
}

struct exact_quoted {
    struct find f;
};

int exact_quoted_new(struct exact_quoted **out, const struct universe *u, const struct search_request *q, const struct str *literal,
                     size_t nliterals, struct txn *t, struct texts *large, struct arena *arena, struct err *e)
{
    struct exact_quoted *x = mem_zero(1, sizeof *x);
    x->f = (struct find){.u = u, .q = q, .t = t, .arena = arena};
    int rc = prepare(&x->f, literal, nliterals, false, e);
    x->f.scan.large = large;
    if (rc) {
        exact_quoted_free(x);
        x = NULL;
    }
    *out = x;
    return rc;
}

void exact_quoted_free(struct exact_quoted *x)
{
    if (x)
        release(&x->f);
    free(x);
}

uint32_t exact_quoted_unread(const struct exact_quoted *x)
{
    return x->f.unread;
}

static uint32_t cut_of(const struct universe *u, uint32_t gid)
{
    uint32_t ucut;
    const struct snapshot *s = universe_snapshot(u, gid, &ucut, NULL);
    return s->cut[ucut].cut;
}

bool exact_quoted_may(const struct exact_quoted *x, uint32_t gid)
{
    return may_hold(&x->f, gid, cut_of(x->f.u, gid));
}

int exact_quoted_look(bool *holds, struct exact_quoted *x, const uint32_t *gid, size_t n, struct err *e)
{
    struct scan_job *job = mem_zero(n + 1, sizeof *job);
    for (size_t i = 0; i < n; i++)
        job[i].cut = cut_of(x->f.u, gid[i]);
    int rc = look(&x->f, job, n, e);
    for (size_t i = 0; i < n; i++) {
        holds[i] = !rc && job[i].n > 0;
        scan_job_release(&job[i]);
    }
    free(job);
    return rc;
}
