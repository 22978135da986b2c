/* Modules: the directories that hold the code. The largest is parted again and again into its directories, until no part is much of
 * the whole; a flat directory that holds most of the code is parted into its largest files. */
#include "retriever/tour_graph.h"

#define PARTS_WANTED 16      /* no more is parted from there on */
#define PART_SHARE 8         /* what is less than 1/8 of the code is not parted further */
#define FLAT_SHARE 2         /* files right in one directory that are half of the code are modules themselves … */
#define FLAT_FILES 24        /* … the largest of them */
#define MODULES_LISTED 14
#define USES_LISTED 5

bool tour_is_code(const struct tour_work *w, uint32_t file)
{
    const struct snap_file *f = &w->s->file[file];
    return f->ucut != FILE_NONE && w->role[file] == ROLE_MAIN && f->is.doc < .5f && f->is.config < .5f && tour_inside(w, file);
}

static struct str component(struct str path, size_t at) /* "a/b/c.c", 2 → "b"; of a file right there: empty */
{
    struct str rest = str_from(path, at), first = str_until(rest, "/");
    return first.n == rest.n ? (struct str){"", 0} : first;
}

static void recount(struct tour_graph *g, const struct tour_work *w)
{
    for (unsigned k = 0; k < g->nmods; k++)
        g->mod[k].nfiles = g->mod[k].lines = 0;
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        if (g->module[i] == MODULE_NONE)
            continue;
        g->mod[g->module[i]].nfiles++;
        g->mod[g->module[i]].lines += w->s->cut[w->s->file[i].ucut].lines;
    }
}

/* Parts module k into the directories right below it; what lies in none of them stays. False where there is none, or no room. */
static bool part_directories(struct tour_graph *g, const struct tour_work *w, unsigned k)
{
    struct tour_mod *m = &g->mod[k];
    struct str last = {"", 0};
    unsigned parts = 0;
    if (m->direct || m->file)
        return false;
    for (int pass = 0; pass < 2; pass++) {
        last = (struct str){"", 0};
        unsigned to = k;
        for (uint32_t i = 0; i < w->s->nfiles; i++) {
            if (g->module[i] != k)
                continue;
            struct str path = w->s->file[i].path, c = component(path, m->dir.n);
            if (!c.n)
                continue;
            if (!str_same(c, last)) {
                last = c;
                parts += !pass;
                if (pass) {
                    to = g->nmods++;
                    g->mod[to] = (struct tour_mod){.dir = str_upto(path, m->dir.n + c.n + 1), .hub = UINT32_MAX};
                }
            }
            if (pass)
                g->module[i] = (uint8_t)to;
        }
        if (!pass && (!parts || g->nmods + parts > MODULES_MAX))
            return false;
    }
    m->direct = true;
    recount(g, w);
    return true;
}

static bool part_files(struct tour_graph *g, const struct tour_work *w, unsigned k)
{
    struct tour_mod *m = &g->mod[k];
    bool mixed = false;
    if (m->file || m->rest || m->nfiles < 4)
        return false;
    for (uint32_t i = 0; i < w->s->nfiles && !m->direct; i++) /* a directory that could not be parted has others below it */
        mixed |= g->module[i] == k && component(w->s->file[i].path, m->dir.n).n > 0;
    if (mixed)
        return false;
    unsigned most = FLAT_FILES < m->nfiles ? FLAT_FILES : m->nfiles;
    for (unsigned n = 0; n < most && g->nmods < MODULES_MAX; n++) {
        uint32_t best = FILE_NONE;
        for (uint32_t i = 0; i < w->s->nfiles; i++)
            if (g->module[i] == k && (best == FILE_NONE || w->s->cut[w->s->file[i].ucut].lines > w->s->cut[w->s->file[best].ucut].lines))
                best = i;
        if (best == FILE_NONE)
            break;
        g->module[best] = (uint8_t)g->nmods;
        g->mod[g->nmods++] = (struct tour_mod){.dir = w->s->file[best].path, .file = true, .hub = UINT32_MAX};
    }
    m->direct = m->rest = true;
    recount(g, w);
    return true;
}

static unsigned alive(const struct tour_graph *g)
{
    unsigned n = 0;
    for (unsigned k = 0; k < g->nmods; k++)
        n += g->mod[k].nfiles > 0;
    return n;
}

void tour_modules(struct tour_graph *g, struct tour_work *w)
{
    bool stuck[MODULES_MAX] = {false};
    g->module = arena_alloc(w->arena, w->s->nfiles + 1);
    g->mod[0] = (struct tour_mod){.dir = w->prefix, .hub = UINT32_MAX};
    g->nmods = 1;
    for (uint32_t i = 0; i < w->s->nfiles; i++)
        g->module[i] = tour_is_code(w, i) ? 0 : MODULE_NONE;
    recount(g, w);
    g->lines = g->mod[0].lines;
    for (;;) {
        unsigned best = MODULES_MAX;
        for (unsigned k = 0; k < g->nmods; k++)
            if (!stuck[k] && g->mod[k].nfiles && (best == MODULES_MAX || g->mod[k].lines > g->mod[best].lines))
                best = k;
        if (best == MODULES_MAX || (alive(g) > 1 && (alive(g) >= PARTS_WANTED || g->mod[best].lines < g->lines / PART_SHARE)))
            return;
        if (part_directories(g, w, best))
            continue;
        stuck[best] = true;
        if (g->mod[best].lines > g->lines / FLAT_SHARE)
            part_files(g, w, best);
    }
}

/* -- as they are listed ---------------------------------------------------------------------------------------------------- */

static const char *path_of(struct tour_work *w, const struct tour_mod *m)
{
    return m->dir.n ? tour_text(w, m->dir) : "./";
}

static void list_uses(struct raw_module *x, struct tour_work *w, const struct tour_graph *g, unsigned from)
{
    bool done[MODULES_MAX] = {false};
    x->use = arena_zero(w->arena, USES_LISTED, sizeof *x->use);
    x->use_at = arena_zero(w->arena, USES_LISTED, sizeof *x->use_at);
    while (x->m.nuses < USES_LISTED) {
        unsigned best = MODULES_MAX;
        for (unsigned k = 0; k < g->nmods; k++)
            if (k != from && !done[k] && g->edge[from][k].count && (best == MODULES_MAX || g->edge[from][k].count > g->edge[from][best].count))
                best = k;
        if (best == MODULES_MAX)
            return;
        const struct tour_edge *e = &g->edge[from][best];
        done[best] = true;
        x->use[x->m.nuses] = (struct tour_use){.path = path_of(w, &g->mod[best]), .count = e->count};
        x->use_at[x->m.nuses++] = tour_cite(w, e->file, RECORD_NONE, e->line, e->line);
    }
}

/* Where a module is cited: what others use most of it, else its largest file. */
static uint32_t cite_module(struct tour_work *w, const struct tour_graph *g, unsigned k)
{
    if (g->mod[k].hub != UINT32_MAX) {
        const struct tour_def *d = &g->def[g->mod[k].hub];
        struct record r;
        if (tour_record(&r, w, d->file))
            return tour_cite(w, d->file, d->symbol, r.symbol[d->symbol].start_line, r.symbol[d->symbol].end_line);
    }
    uint32_t best = FILE_NONE;
    for (uint32_t i = 0; i < w->s->nfiles; i++)
        if (g->module[i] == k && (best == FILE_NONE || w->s->cut[w->s->file[i].ucut].lines > w->s->cut[w->s->file[best].ucut].lines))
            best = i;
    return tour_cite(w, best, RECORD_NONE, 1, 1);
}

void tour_list_modules(struct tour_work *w, const struct tour_graph *g)
{
    bool done[MODULES_MAX] = {false};
    w->module = arena_zero(w->arena, MODULES_LISTED, sizeof *w->module);
    for (;;) {
        unsigned best = MODULES_MAX;
        for (unsigned k = 0; k < g->nmods; k++)
            if (g->mod[k].nfiles && !done[k] && (best == MODULES_MAX || g->mod[k].weight > g->mod[best].weight))
                best = k;
        if (best == MODULES_MAX)
            return;
        done[best] = true;
        if (w->nmodules == MODULES_LISTED) {
            w->out->other_modules++;
            continue;
        }
        const struct tour_mod *m = &g->mod[best];
        struct raw_module *x = &w->module[w->nmodules++];
        x->m = (struct tour_module){.path = path_of(w, m), .files_only = m->direct, .rest = m->rest, .files = m->nfiles, .lines = m->lines,
                                    .definitions = m->ndefs, .used = m->used, .users = m->users};
        x->hub = cite_module(w, g, best);
        list_uses(x, w, g, best);
    }
}
