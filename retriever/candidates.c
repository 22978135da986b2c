/* Which files are ranked at all: a cheap score of every file that shows any sign, and the best RANK_FILES of them. */
#include "retriever/rank.h"

#include "base/hash.h"
#include "base/mem.h"
#include "retriever/exact.h"

#include <stdlib.h>
#include <string.h>

/* Which terms stand in the path of which file; path: [ngids] the most idf that one occurrence of a file shows. */
static void mark_paths(struct ranking *r, float *path, struct arena *arena)
{
    const struct universe *u = r->u;
    uint32_t total = 0;
    r->path0 = arena_alloc(arena, (u->nsnaps + 1) * sizeof *r->path0);
    for (size_t k = 0; k < u->nsnaps; k++) {
        r->path0[k] = total;
        total += u->snap[k]->nfiles;
    }
    r->path0[u->nsnaps] = total;
    r->stem_mask = arena_zero(arena, total, sizeof *r->stem_mask);
    r->dir_mask = arena_zero(arena, total, sizeof *r->dir_mask);
    r->row = arena_alloc(arena, total * sizeof *r->row);
    memset(r->row, 0xff, total * sizeof *r->row);
    for (size_t k = 0; k < u->nsnaps; k++)
        for (unsigned i = 0; i < r->q->nterms; i++) {
            size_t n;
            const struct path_index *p = snapshot_path(u->snap[k], r->q->term[i].term, &n);
            for (size_t j = 0; j < n; j++) {
                const struct path_word *w = &u->snap[k]->path_word[p[j].word];
                if (w->role != PATH_STEM) {
                    if (w->depth < 3) /* the last three directories name it; those above name the project */
                        r->dir_mask[r->path0[k] + p[j].file] |= 1ull << i;
                    continue;
                }
                uint64_t *mask = &r->stem_mask[r->path0[k] + p[j].file];
                *mask |= 1ull << i;
                uint32_t ucut = u->snap[k]->file[p[j].file].ucut;
                if (ucut == FILE_NONE)
                    continue;
                float sum = 0; /* grows with every term: the last one is the file's */
                for (uint64_t m = *mask; m; m &= m - 1)
                    sum += r->q->term[__builtin_ctzll(m)].file_idf;
                float *most = &path[u->first[k] + ucut];
                *most = sum > *most ? sum : *most;
            }
        }
}

bool occurrence_passes(const struct search_request *q, const struct snap_file *f)
{
    if (q->path_prefix) {
        size_t n = strlen(q->path_prefix);
        while (n > 0 && q->path_prefix[n - 1] == '/')
            n--;
        if (f->path.n < n || memcmp(f->path.p, q->path_prefix, n) || (n && f->path.n > n && f->path.p[n] != '/'))
            return false;
    }
    if (q->language && (!f->language || strncmp(f->language, q->language, LANGUAGE_NAME_MAX)))
        return false;
    return true;
}

/* The shown occurrence among those that pass the filters, as choose_shown in universe.c has it without any. */
static uint32_t best_occurrence(const struct search_request *q, const struct snapshot *s, const struct snap_cut *c)
{
    uint32_t best = FILE_NONE;
    for (uint32_t i = 0; i < c->nfiles; i++) {
        uint32_t number = s->by_cut[c->file + i];
        const struct snap_file *f = &s->file[number], *b = best == FILE_NONE ? NULL : &s->file[best];
        if (!occurrence_passes(q, f))
            continue;
        if (!b || nature_blame(&f->is) < nature_blame(&b->is) || (nature_blame(&f->is) == nature_blame(&b->is) && f->path.n < b->path.n))
            best = number;
    }
    return best;
}

struct early {
    float score;
    uint32_t gid, at, number; /* at: the gid whose snapshot shows it; gid: the one that its cut belongs to */
};

static int early_order(const void *a, const void *b)
{
    const struct early *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->gid < y->gid ? -1 : x->gid > y->gid;
}

/* The best so far, a heap with the worst in front: 30k files may show a sign, and sorting them all took 1.5 ms. */
struct choice {
    struct early e[RANK_FILES];
    uint32_t n;
};

static void choose(struct choice *c, struct early e)
{
    uint32_t i = 0;
    if (c->n < RANK_FILES) {
        for (i = c->n++; i && early_order(&e, &c->e[(i - 1) / 2]) > 0; i = (i - 1) / 2)
            c->e[i] = c->e[(i - 1) / 2];
        c->e[i] = e;
        return;
    }
    if (early_order(&e, &c->e[0]) >= 0)
        return;
    for (uint32_t child; (child = 2 * i + 1) < c->n; i = child) {
        if (child + 1 < c->n && early_order(&c->e[child + 1], &c->e[child]) > 0)
            child++;
        if (early_order(&c->e[child], &e) <= 0)
            break;
        c->e[i] = c->e[child];
    }
    c->e[i] = e;
}

/* All that may hold what was quoted. Their texts are read from the best on, until enough hold it: `"with"` stands in most files, and
 * reading all of them took a quarter of a second. A round reads what is missing if all of it holds, but not so few that its threads
 * are not worth starting. */
#define ROUND_LEAST 32
struct quoting {
    struct early *e;
    size_t n, cap;
};

static int choose_holders(struct choice *c, struct quoting *l, struct exact_quoted *quoted, struct err *err)
{
    uint32_t gid[RANK_FILES];
    bool holds[RANK_FILES];
    int rc = 0;
    if (l->n)
        qsort(l->e, l->n, sizeof *l->e, early_order);
    for (size_t at = 0, n; at < l->n && c->n < RANK_FILES && !rc; at += n) {
        n = RANK_FILES - c->n > ROUND_LEAST ? RANK_FILES - c->n : ROUND_LEAST;
        n = l->n - at < n ? l->n - at : n;
        for (size_t i = 0; i < n; i++)
            gid[i] = l->e[at + i].gid;
        rc = exact_quoted_look(holds, quoted, gid, n, err);
        for (size_t i = 0; i < n && c->n < RANK_FILES; i++)
            if (holds[i])
                c->e[c->n++] = l->e[at + i];
    }
    free(l->e);
    return rc;
}

/* Every sign of a file, each as a share of the most that this question finds. */
struct signs {
    float chunk, file, symbol, path;
    float *extra; /* [ngids] definitions and vectors */
};

static struct signs find_signs(const struct ranking *r, struct arena *arena)
{
    const struct universe *u = r->u;
    struct signs m = {1e-6f, 1e-6f, 1e-6f, 1e-6f, arena_zero(arena, u->ngids, sizeof *m.extra)};
    for (uint32_t i = 0; i < r->lex->ntouched; i++) {
        const struct file_score *f = &r->lex->file[r->lex->touched[i]];
        m.chunk = f->best_chunk > m.chunk ? f->best_chunk : m.chunk;
        m.file = f->bm25 > m.file ? f->bm25 : m.file;
        m.symbol = f->symbol > m.symbol ? f->symbol : m.symbol;
    }
    for (unsigned i = 0; i < r->q->nterms; i++)
        m.path += r->q->term[i].joined ? 0 : r->q->term[i].file_idf;
    for (size_t i = 0; i < r->ndefs; i++)
        if (r->def[i].quality > m.extra[r->def[i].gid])
            m.extra[r->def[i].gid] = r->def[i].quality;
    for (uint32_t gid = 0; gid < u->ngids && r->near; gid++)
        m.extra[gid] += r->near->file[gid];
    return m;
}

/* What the files are weighed for. */
struct weighing {
    const struct ranking *r;
    struct signs m;
    float *path;           /* [ngids] */
    struct choice *c;
    struct quoting quoting; /* instead of c, where something was quoted */
};

static void weigh(struct weighing *w, uint32_t gid, uint32_t at)
{
    const struct ranking *r = w->r;
    const struct signs *m = &w->m;
    const float *path = w->path;
    const struct universe *u = r->u;
    const struct file_score *f = &r->lex->file[gid];
    struct shown shown = u->shown[at];
    if (r->quoted ? !exact_quoted_may(r->quoted, gid) : !f->mask && path[at] <= 0 && m->extra[gid] <= 0)
        return;
    if (r->request->path_prefix || r->request->language || at != gid) {
        uint32_t ucut;
        const struct snapshot *s = universe_snapshot(u, at, &ucut, NULL);
        if ((shown.number = best_occurrence(r->request, s, &s->cut[ucut])) == FILE_NONE)
            return;
        shown.worth = nature_worth(&s->file[shown.number].is);
    }
    float score = f->best_chunk / m->chunk + f->bm25 / m->file + .5f * f->symbol / m->symbol + path[at] / m->path + m->extra[gid];
    struct early e = {score * shown.worth, gid, at, shown.number};
    if (!r->quoted) {
        choose(w->c, e);
        return;
    }
    VEC_ROOM(w->quoting.e, w->quoting.n, w->quoting.cap);
    w->quoting.e[w->quoting.n++] = e;
}

/* The cut belongs to another target, whose occurrences the filters may all refuse: then this target's stand for it. */
static void weigh_twin(struct weighing *w, const uint32_t pair[2])
{
    uint32_t ucut;
    const struct snapshot *s = universe_snapshot(w->r->u, pair[1], &ucut, NULL);
    if (best_occurrence(w->r->request, s, &s->cut[ucut]) == FILE_NONE)
        weigh(w, pair[1], pair[0]);
}

int choose_files(struct ranking *r, struct arena *arena, struct err *e)
{
    const struct universe *u = r->u;
    struct weighing w = {.r = r, .path = arena_zero(arena, u->ngids, sizeof *w.path)};
    mark_paths(r, w.path, arena);
    w.m = find_signs(r, arena);
    struct choice *c = w.c = arena_alloc(arena, sizeof *c);
    uint8_t *twin = u->ntwins ? arena_zero(arena, u->ngids, 1) : NULL;
    c->n = 0;
    for (uint32_t i = 0; i < u->ntwins; i++)
        twin[u->twin[2 * i]] = 1;
    for (size_t k = 0; k < u->nsnaps; k++)
        for (uint32_t ucut = 0; ucut < u->snap[k]->ncuts; ucut++)
            if (u->snap[k]->cut[ucut].nchunks && !(twin && twin[u->first[k] + ucut]))
                weigh(&w, u->first[k] + ucut, u->first[k] + ucut);
    if (r->request->path_prefix || r->request->language)
        for (uint32_t i = 0; i < u->ntwins; i++)
            weigh_twin(&w, &u->twin[2 * i]);
    int rc = r->quoted ? choose_holders(c, &w.quoting, r->quoted, e) : 0;
    if (rc)
        return rc;
    qsort(c->e, c->n, sizeof *c->e, early_order);
    r->nfiles = c->n;
    r->file = arena_zero(arena, r->nfiles, sizeof *r->file);
    float *value = arena_zero(arena, (size_t)r->nfiles * signal_count(), sizeof *value);
    for (uint32_t i = 0; i < r->nfiles; i++) {
        struct rank_file *f = &r->file[i];
        f->gid = c->e[i].gid;
        f->number = c->e[i].number;
        f->snap = universe_snapshot(u, c->e[i].at, &f->ucut, &f->target);
        f->file = &f->snap->file[f->number];
        f->cut = &f->snap->cut[f->ucut];
        f->stem_mask = r->stem_mask[r->path0[f->target] + f->number];
        f->dir_mask = r->dir_mask[r->path0[f->target] + f->number];
        f->name = hash64(f->file->path.p + f->file->stem, f->file->path.n - f->file->stem);
        f->value = value + i * signal_count();
        if (r->near)
            dense_want(r->near, u, f->target, f->ucut);
    }
    if (r->near)
        dense_settle(r->near);
    for (uint32_t i = 0; i < r->nfiles && r->near; i++)
        dense_of_file(r->near, u, r->file[i].gid, r->file[i].target, r->file[i].ucut);
    return 0;
}
