/* The order to read in: what it is, where it begins, what that calls, what everything uses, one stop in each main module, how a test
 * uses it, how to change it. Every stop says why. */
#define _GNU_SOURCE /* memmem */
#include "retriever/tour_graph.h"

#include <ctype.h>
#include <strings.h>

#define STOPS_MAX 16
#define STOPS_KEPT 2       /* of them, for a test and how to change it */
#define ENTRY_STOPS 3
#define ENTRY_LINES 4      /* a shorter file only calls another, which is an entry point too, or found from it */
#define HUB_TYPES 3
#define HUB_FUNCTIONS 3
#define HUB_USES 4         /* fewer uses make nothing central */
#define HUB_LINES 4        /* a shorter type explains nothing … */
#define HUB_FUNCTION_LINES 8 /* … nor does a shorter function */
#define TAKEN_TYPES 2      /* of a function that everything uses */
#define MODULE_STOPS 5
#define SAME_FILE 2        /* stops in one file */
#define SMALL_FILE 40      /* lines: an entry point so short only hands on */
#define DOCUMENT_DEPTH 2   /* directories below which a page is about some part */
#define TESTS_MAX 4000     /* test files that are looked at */

struct reading {
    struct tour_work *w;
    struct tour_graph *g;
    uint64_t modules;      /* that have a stop */
    size_t most;           /* stops, for now */
};

static bool taken(const struct reading *r, uint32_t file, uint32_t symbol)
{
    unsigned same = 0;
    for (size_t i = 0; i < r->w->nstops; i++) {
        const struct raw_stop *s = &r->w->stop[i];
        if (s->file != file)
            continue;
        if (s->symbol == symbol || symbol == RECORD_NONE)
            return true;
        same++;
    }
    return same >= SAME_FILE;
}

static struct str name_of(struct tour_work *w, uint32_t file, uint32_t symbol)
{
    struct record r;
    if (!tour_record(&r, w, file) || symbol >= r.head->nsymbols)
        return (struct str){"", 0};
    struct str s = record_str(&r, r.symbol[symbol].name, r.symbol[symbol].name_len);
    return (struct str){tour_text(w, s), s.n};
}

static bool stop(struct reading *r, uint32_t file, uint32_t symbol, uint32_t first, uint32_t last, const char *reason)
{
    struct tour_work *w = r->w;
    struct record rec;
    if (w->nstops >= r->most || file == FILE_NONE || taken(r, file, symbol) || !tour_record(&rec, w, file))
        return false;
    if (symbol < rec.head->nsymbols) {
        first = rec.symbol[symbol].start_line;
        last = rec.symbol[symbol].end_line;
    }
    uint32_t cite = tour_cite(w, file, symbol, first, last);
    if (cite == CITE_NONE)
        return false;
    if (!w->stop)
        w->stop = arena_zero(w->arena, STOPS_MAX, sizeof *w->stop);
    w->stop[w->nstops++] = (struct raw_stop){cite, file, symbol, reason};
    if (r->g->module[file] != MODULE_NONE)
        r->modules |= 1ull << r->g->module[file];
    return true;
}

/* -- files that speak to people ------------------------------------------------------------------------------------------- */

static uint32_t find_document(struct reading *r, const char *const *names)
{ /* in the root, or one directory below it, as .github/ and docs/ are; docs/src/ as well */
    uint32_t best = FILE_NONE;
    for (uint32_t i = 0; i < r->w->s->nfiles; i++) {
        struct str path = r->w->s->file[i].path, base = path_base(path);
        unsigned depth = 0;
        for (size_t k = r->w->prefix.n; k < path.n; k++)
            depth += path.p[k] == '/';
        if (depth > DOCUMENT_DEPTH || !tour_inside(r->w, i) || r->w->s->file[i].cut == CUT_NONE || r->w->role[i] == ROLE_VENDORED || r->w->role[i] == ROLE_TEST)
            continue;
        for (const char *const *n = names; *n; n++) {
            size_t len = strlen(*n);
            if (base.n < len || strncasecmp(base.p, *n, len) || (base.n > len && base.p[len] != '.' && base.p[len] != '/'))
                continue;
            if (best == FILE_NONE || path.n < r->w->s->file[best].path.n)
                best = i;
        }
    }
    return best;
}

static void document(struct reading *r, const char *const *names, const char *reason)
{
    uint32_t f = find_document(r, names);
    if (f != FILE_NONE)
        stop(r, f, RECORD_NONE, 1, r->w->s->cut[r->w->s->file[f].ucut].lines, reason);
}

/* -- where it begins ------------------------------------------------------------------------------------------------------- */

/* The one most worth reading first: what is called like the repository, then what brings in most of the code. */
static double entry_worth(const struct reading *r, const struct raw_entry *x)
{
    const struct snap_file *f = &r->w->s->file[x->file];
    struct str repo = str_of(r->w->l.target->repo->name), name = path_base(str_of(x->name));
    double v = f->nimports + (x->symbol != RECORD_NONE ? 3 : 0);
    if (str_fold_equal(repo, name) || str_fold_equal(repo, str_of(x->name)))
        v += 20;
    if (!strcmp(x->kind, "program"))
        v += 10;
    if (!strcmp(x->kind, "main"))
        v += 2;
    if (r->g->module[x->file] == MODULE_NONE)
        v -= 50;
    for (size_t k = 0; k < f->path.n; k++)
        v -= f->path.p[k] == '/';
    return v;
}

static const char *entry_reason(struct tour_work *w, const struct raw_entry *x)
{
    if (x->declared == CITE_NONE)
        return "a main function: the program begins here";
    struct str manifest = w->s->file[x->declared_file].path;
    const struct part *p = &w->cites.v[x->declared - 1];
    return x->implicit ? arena_fmt(w->arena, "entry point of the %s `%s` (%.*s:%u) by convention", x->kind, x->name, (int)manifest.n, manifest.p, p->first)
                       : arena_fmt(w->arena, "declared entry point of the %s `%s` in %.*s:%u", x->kind, x->name, (int)manifest.n, manifest.p, p->first);
}

/* What a short entry file hands on to. */
static void handed_on(struct reading *r, uint32_t file)
{
    const struct snap_file *f = &r->w->s->file[file];
    if (f->ucut == FILE_NONE || r->w->s->cut[f->ucut].lines > SMALL_FILE || !f->nimports)
        return;
    uint32_t best = FILE_NONE;
    for (uint32_t i = 0; i < f->nimports; i++) {
        uint32_t to = r->w->s->edge[f->import + i];
        if (tour_is_code(r->w, to) && (best == FILE_NONE || r->w->s->cut[r->w->s->file[to].ucut].lines > r->w->s->cut[r->w->s->file[best].ucut].lines))
            best = to;
    }
    if (best != FILE_NONE)
        stop(r, best, RECORD_NONE, 1, r->w->s->cut[r->w->s->file[best].ucut].lines,
             arena_fmt(r->w->arena, "%.*s is short and hands on to it", (int)f->path.n, f->path.p));
}

/* The longest definition in another file that an entry calls. */
static void called(struct reading *r, const struct raw_entry *x)
{
    struct places calls = {0};
    struct place def = {.file = x->file, .cut = r->w->s->file[x->file].cut, .symbol = x->symbol}, *best = NULL;
    if (x->symbol == RECORD_NONE)
        return;
    lookup_callees(&calls, &r->w->l, &def, 64);
    for (size_t i = 0; i < calls.n; i++) {
        struct place *p = &calls.v[i];
        if (tour_is_code(r->w, p->file) && !taken(r, p->file, p->symbol) && (!best || p->end_line - p->line > best->end_line - best->line))
            best = p;
    }
    if (best && best->end_line - best->line >= HUB_LINES)
        stop(r, best->file, best->symbol, best->line, best->end_line,
             arena_fmt(r->w->arena, "the largest part of what `%s` calls", tour_text(r->w, name_of(r->w, x->file, x->symbol))));
    places_release(&calls);
}

static uint32_t lines_in(const struct reading *r, uint32_t file)
{
    return r->w->s->cut[r->w->s->file[file].ucut].lines;
}

static void entries(struct reading *r)
{
    bool declared = false; /* then a main function that no manifest names is a tool beside it */
    for (size_t i = 0; i < r->w->nentries; i++)
        declared |= r->w->entry[i].role == ROLE_MAIN && r->w->entry[i].declared != CITE_NONE && strcmp(r->w->entry[i].kind, "plugin");
    for (int n = 0; n < ENTRY_STOPS; n++) {
        const struct raw_entry *best = NULL;
        for (size_t i = 0; i < r->w->nentries; i++) {
            const struct raw_entry *x = &r->w->entry[i];
            if (x->role != ROLE_MAIN || x->at == CITE_NONE || x->file == FILE_NONE || taken(r, x->file, RECORD_NONE) || !tour_is_code(r->w, x->file))
                continue;
            if (lines_in(r, x->file) < ENTRY_LINES || !strcmp(x->kind, "plugin") || (declared && !strcmp(x->kind, "main")))
                continue;
            if (!best || entry_worth(r, x) > entry_worth(r, best))
                best = x;
        }
        if (!best || !stop(r, best->file, best->symbol, 1, r->w->s->cut[r->w->s->file[best->file].ucut].lines, entry_reason(r->w, best)))
            return;
        if (!n) {
            handed_on(r, best->file);
            called(r, best);
        }
    }
}

/* -- what everything uses -------------------------------------------------------------------------------------------------- */

static const char *used_reason(struct reading *r, const char *what, const struct tour_def *d)
{
    if (!d->uses)
        return NULL;
    int users = __builtin_popcountll(d->users);
    if (users)
        return arena_fmt(r->w->arena, "%s: %u use%s from other files, in %d other module%s", what, d->uses, d->uses == 1 ? "" : "s", users, users == 1 ? "" : "s");
    return arena_fmt(r->w->arena, "%s: %u use%s from other files", what, d->uses, d->uses == 1 ? "" : "s");
}

/* Types that a function's own lines name, most used first. */
static void types_of(struct reading *r, const struct tour_def *f)
{
    struct record rec;
    const char *name = tour_text(r->w, name_of(r->w, f->file, f->symbol));
    for (int n = 0; n < TAKEN_TYPES; n++) {
        uint32_t best = UINT32_MAX;
        if (!tour_record(&rec, r->w, f->file))
            return;
        for (uint32_t i = 0; i < rec.head->nrefs; i++) {
            const struct record_ref *x = &rec.ref[i];
            if (x->symbol != f->symbol || x->kind != REF_TYPE)
                continue;
            uint32_t d = tour_resolve_ref(r->g, r->w, f->file, record_str(&rec, x->name, x->name_len), REF_TYPE, STR(""));
            if (d == UINT32_MAX || !tour_is_type(r->g->def[d].kind) || r->g->def[d].lines < HUB_LINES || taken(r, r->g->def[d].file, r->g->def[d].symbol))
                continue;
            if (best == UINT32_MAX || r->g->def[d].uses > r->g->def[best].uses)
                best = d;
        }
        if (best == UINT32_MAX || !stop(r, r->g->def[best].file, r->g->def[best].symbol, 1, 1, arena_fmt(r->w->arena, "a type that `%s` works on", name)))
            return;
    }
}

static void hubs(struct reading *r, bool types, int most)
{
    for (int n = 0; n < most; n++) {
        const struct tour_def *best = NULL;
        for (size_t i = 0; i < r->g->ndefs; i++) {
            const struct tour_def *d = &r->g->def[i];
            if ((!types && d->lines < HUB_FUNCTION_LINES) || r->w->s->file[d->file].is.foreign > .5f)
                continue;
            bool right = types ? tour_is_type(d->kind) : d->kind == SYMBOL_FUNCTION || d->kind == SYMBOL_METHOD;
            if (!right || d->uses < HUB_USES || d->lines < HUB_LINES || (best && tour_worth(d) <= tour_worth(best)) || taken(r, d->file, d->symbol))
                continue;
            best = d;
        }
        if (!best || !stop(r, best->file, best->symbol, 1, 1, used_reason(r, types ? n ? "a type that much uses" : "the most used type"
                                                                             : n ? "a function that much calls" : "the most called function", best)))
            return;
        if (!types && !n)
            types_of(r, best);
    }
}

static void modules(struct reading *r)
{
    for (int n = 0; n < MODULE_STOPS; n++) {
        struct tour_mod *best = NULL;
        for (unsigned k = 0; k < r->g->nmods; k++) {
            struct tour_mod *m = &r->g->mod[k];
            if (m->nfiles && m->hub != UINT32_MAX && !(r->modules >> k & 1) && (!best || m->weight > best->weight))
                best = m;
        }
        if (!best)
            return;
        const struct tour_def *d = &r->g->def[best->hub];
        r->modules |= 1ull << (best - r->g->mod);
        const char *reason = used_reason(r, arena_fmt(r->w->arena, "what is used most of %.*s", (int)best->dir.n, best->dir.p), d);
        stop(r, d->file, d->symbol, 1, 1, reason ? reason : arena_fmt(r->w->arena, "the largest definition of %.*s", (int)best->dir.n, best->dir.p));
    }
}

/* -- how it is used -------------------------------------------------------------------------------------------------------- */

static bool is_case(const struct record *r, uint32_t symbol)
{
    if (symbol >= r->head->nsymbols)
        return false;
    uint8_t kind = r->symbol[symbol].kind;
    return kind == SYMBOL_TEST || kind == SYMBOL_FUNCTION || kind == SYMBOL_METHOD || kind == SYMBOL_CLASS;
}

/* What a stop is about: its symbol, or of a whole file what others use most of it. */
static uint32_t spoken_of(const struct reading *r, const struct raw_stop *s)
{
    const struct tour_def *best = NULL;
    for (size_t i = 0; i < r->g->ndefs && s->symbol == RECORD_NONE; i++)
        if (r->g->def[i].file == s->file && (!best || tour_worth(&r->g->def[i]) > tour_worth(best)))
            best = &r->g->def[i];
    return best ? best->symbol : s->symbol;
}

/* The test that names most of the stops. */
static void a_test(struct reading *r)
{
    uint32_t best = FILE_NONE, best_symbol = RECORD_NONE, best_line = 1, looked = 0;
    unsigned most = 0;
    struct str name[STOPS_MAX];
    const char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < r->w->nstops; i++)
        if ((name[n] = name_of(r->w, r->w->stop[i].file, spoken_of(r, &r->w->stop[i]))).n > 2 && !str_is(name[n], "main"))
            n++;
    for (uint32_t i = 0; i < r->w->s->nfiles && n && looked < TESTS_MAX; i++) {
        struct record rec;
        uint32_t seen = 0, symbol = RECORD_NONE, line = 1;
        const char *it = NULL;
        if (r->w->role[i] != ROLE_TEST || !tour_record(&rec, r->w, i))
            continue;
        looked++;
        for (uint32_t k = 0; k < rec.head->nrefs; k++)
            for (size_t j = 0; j < n; j++)
                if (!(seen >> j & 1) && str_same(record_str(&rec, rec.ref[k].name, rec.ref[k].name_len), name[j])) {
                    if (!seen || (symbol == RECORD_NONE && is_case(&rec, rec.ref[k].symbol))) {
                        symbol = is_case(&rec, rec.ref[k].symbol) ? rec.ref[k].symbol : RECORD_NONE;
                        line = rec.ref[k].line;
                        it = name[j].p;
                    }
                    seen |= 1u << j;
                }
        unsigned count = (unsigned)__builtin_popcount(seen);
        if (count > most) {
            most = count;
            best = i;
            best_symbol = symbol;
            best_line = line;
            first = it;
        }
    }
    if (best == FILE_NONE)
        return;
    const char *reason = most > 1 ? arena_fmt(r->w->arena, "a test that uses `%s` and %u other%s of these: how it is meant to be called", first, most - 1, most == 2 ? "" : "s")
                                  : arena_fmt(r->w->arena, "a test that uses `%s`: how it is meant to be called", first);
    stop(r, best, best_symbol, best_line, best_line, reason);
}

void tour_reading(struct tour_work *w, struct tour_graph *g)
{
    static const char *const design[] = {"ARCHITECTURE", "DESIGN", "OVERVIEW", "INTERNALS", NULL};
    static const char *const change[] = {"CONTRIBUTING", "HACKING", "DEVELOPMENT", "DEVELOPERS", NULL};
    struct reading r = {w, g, 0, STOPS_MAX - STOPS_KEPT};
    if (w->about_cite != CITE_NONE) {
        const struct part *p = &w->cites.v[w->about_cite - 1];
        uint32_t f = snapshot_file(w->s, p->hit->path);
        if (f != FILE_NONE)
            stop(&r, f, RECORD_NONE, p->first, p->last, "says what it is");
    }
    document(&r, design, "says how it is built");
    entries(&r);
    hubs(&r, true, HUB_TYPES);
    hubs(&r, false, HUB_FUNCTIONS);
    modules(&r);
    r.most = STOPS_MAX;
    a_test(&r);
    document(&r, change, "says how to change it");
}
