#define _GNU_SOURCE /* memmem */
#include "retriever/tour_graph.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

#define ONE_LINE_WORTH .1 /* an alias, a type parameter */
#define LINES_WORTH 30   /* of a definition: what is longer explains no more to begin with */
#define FOREIGN_LOSS .7  /* of a module that is all for another platform */
#define REST_WORTH .1    /* what is left of a flat directory stands behind its files */
#define LINE_BYTES 4096  /* no person wrote a longer line; what is called on in it is not looked for */
#define NAME_BYTES 2     /* a name of one letter is a type parameter, or everybody's `t` */
#define SAME_NAME_MAX 64 /* definitions of one name that are looked at: a name with more says nothing */

bool tour_is_type(uint8_t kind)
{
    return kind == SYMBOL_CLASS || kind == SYMBOL_STRUCT || kind == SYMBOL_INTERFACE || kind == SYMBOL_ENUM || kind == SYMBOL_TYPE;
}

static bool counts(uint8_t kind)
{
    return tour_is_type(kind) || kind == SYMBOL_FUNCTION || kind == SYMBOL_METHOD || kind == SYMBOL_MACRO || kind == SYMBOL_CONSTANT ||
           kind == SYMBOL_MODULE;
}

static int by_name(const void *a, const void *b)
{
    const struct tour_def *x = a, *y = b;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

static const char *family(const char *language)
{
    static const char *const same[][2] = {{"cpp", "c"}, {"cuda", "c"}, {"typescript", "javascript"}, {"tsx", "javascript"}, {"kotlin", "java"},
                                          {"scala", "java"}, {"ocaml_interface", "ocaml"}};
    for (size_t i = 0; language && i < sizeof same / sizeof *same; i++)
        if (!strncmp(language, same[i][0], LANGUAGE_NAME_MAX))
            return same[i][1];
    return language ? language : "";
}

/* `struct strbuf;` and the like: C names a type that is defined elsewhere. */
static bool declares_alone(const char *language, const struct record_symbol *x)
{
    return (x->kind == SYMBOL_STRUCT || x->kind == SYMBOL_CLASS || x->kind == SYMBOL_ENUM) && x->start_line == x->end_line &&
           !strcmp(family(language), "c");
}

static void collect(struct tour_graph *g, struct tour_work *w)
{
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        struct record r;
        if (g->module[i] == MODULE_NONE || !tour_record(&r, w, i))
            continue;
        for (uint32_t k = 0; k < r.head->nsymbols; k++) {
            const struct record_symbol *x = &r.symbol[k];
            if (!counts(x->kind) || x->name_len < NAME_BYTES || declares_alone(w->s->file[i].language, x))
                continue;
            VEC_ROOM(g->def, g->ndefs, g->cap);
            g->def[g->ndefs++] = (struct tour_def){.name = hash64(r.strings + x->name, x->name_len), .file = i, .symbol = k, .kind = x->kind,
                                                   .module = g->module[i], .lines = x->end_line - x->start_line + 1};
            g->mod[g->module[i]].ndefs++;
        }
    }
    if (g->ndefs)
        qsort(g->def, g->ndefs, sizeof *g->def, by_name);
}

static struct str folder(struct str path)
{
    return str_upto(path, path.n - path_base(path).n);
}

static struct str stem(const struct snap_file *f)
{
    return (struct str){f->path.p + f->stem, f->stem_len};
}

/* Whether a file imports another, or the header beside it. */
static bool imports(const struct snapshot *s, uint32_t from, uint32_t to)
{
    const struct snap_file *f = &s->file[from];
    for (uint32_t i = 0; i < f->nimports; i++) {
        uint32_t x = s->edge[f->import + i];
        if (x == to || (str_same(stem(&s->file[x]), stem(&s->file[to])) && str_same(folder(s->file[x].path), folder(s->file[to].path))))
            return true;
    }
    return false;
}

static bool plain_word(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < 'a' || name.p[i] > 'z')
            return false;
    return true;
}

/* The lines of the file that is being read, taken only when one is wanted. */
struct source {
    uint32_t file;
    struct str text;
    uint32_t *start;   /* [n + 1] heap */
    uint32_t n;
};

static struct str line_of(struct source *src, struct tour_work *w, uint32_t file, uint32_t line)
{
    uint32_t first;
    if (src->file != file) {
        size_t cap = 0, n = 0;
        free(src->start);
        *src = (struct source){.file = file};
        if (lookup_bytes(&src->text, &first, &w->l, w->s->file[file].cut, 0, UINT32_MAX, NULL))
            src->text = (struct str){"", 0};
        for (size_t at = 0; at <= src->text.n;) {
            VEC_ROOM(src->start, n, cap);
            src->start[n++] = (uint32_t)at;
            at += str_until(str_from(src->text, at), "\n").n + 1;
        }
        VEC_ROOM(src->start, n, cap);
        src->start[n] = (uint32_t)src->text.n + 1;
        src->n = (uint32_t)n;
    }
    if (!line || line > src->n)
        return (struct str){"", 0};
    return (struct str){src->text.p + src->start[line - 1], src->start[line] - src->start[line - 1] - 1};
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* What a name is called on in a line: "store" of "store.open(x)", "?" of "f().open(x)"; empty for "open(x)". */
static struct str receiver_of(struct str line, struct str name)
{
    if (line.n > LINE_BYTES)
        return STR("?");
    for (size_t i = 0; i + name.n <= line.n; i++) {
        if (memcmp(line.p + i, name.p, name.n) || (i + name.n < line.n && is_name(line.p[i + name.n])) || (i && is_name(line.p[i - 1])))
            continue;
        size_t end = i;
        while (end && strchr(".:>-?!&", line.p[end - 1]))
            end--;
        if (end == i || (i - end == 1 && line.p[end] != '.'))
            return (struct str){"", 0};
        size_t at = end;
        while (at && is_name(line.p[at - 1]))
            at--;
        return at < end ? (struct str){line.p + at, end - at} : STR("?");
    }
    return (struct str){"", 0};
}

/* "Add", "Dispose": as plain as words get where methods begin with a capital. */
static bool capital_word(struct str name)
{
    return name.n > 1 && *name.p >= 'A' && *name.p <= 'Z' && plain_word(str_from(name, 1));
}

/* Whether a call of a plain word can mean this definition of another file: items.append(x) says nothing about one's own append,
 * store.append(x) does where the type, the file or its directory is called Store. */
static bool can_mean(struct tour_work *w, const struct tour_def *d, struct str receiver)
{
    struct record r;
    if (!receiver.n)
        return d->kind != SYMBOL_METHOD;
    struct str dir = folder(w->s->file[d->file].path);
    if (str_fold_equal(receiver, stem(&w->s->file[d->file])) || (dir.n && str_fold_equal(receiver, path_base(str_upto(dir, dir.n - 1)))))
        return true;
    if (!tour_record(&r, w, d->file) || r.symbol[d->symbol].parent == RECORD_NONE)
        return false;
    const struct record_symbol *up = &r.symbol[r.symbol[d->symbol].parent];
    return str_fold_equal(receiver, record_str(&r, up->name, up->name_len));
}

static size_t first_named(const struct tour_graph *g, uint64_t key)
{
    size_t lo = 0, hi = g->ndefs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (g->def[mid].name < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool is_defined(const struct tour_graph *g, struct str name)
{
    uint64_t key = hash64(name.p, name.n);
    size_t at = first_named(g, key);
    return at < g->ndefs && g->def[at].name == key;
}

uint32_t tour_resolve_ref(const struct tour_graph *g, struct tour_work *w, uint32_t from, struct str name, enum ref_kind kind, struct str receiver)
{
    uint64_t key = hash64(name.p, name.n);
    size_t lo = first_named(g, key);
    uint32_t best = UINT32_MAX, elsewhere = 0;
    int best_rank = 0;
    const char *mine = family(w->s->file[from].language);
    for (size_t i = lo, n = 0; i < g->ndefs && g->def[i].name == key; i++, n++) {
        const struct tour_def *d = &g->def[i];
        const struct snap_file *f = &w->s->file[d->file];
        if (n == SAME_NAME_MAX)
            return best_rank >= 3 ? best : UINT32_MAX;
        if (strcmp(family(f->language), mine) || (kind != REF_CALL && !tour_is_type(d->kind) && d->kind != SYMBOL_MODULE))
            continue;
        bool meant = d->file == from || kind != REF_CALL ||
                     !(plain_word(name) || (d->kind == SYMBOL_METHOD && capital_word(name))) || can_mean(w, d, receiver);
        int rank = !meant ? 0 : d->file == from ? 4 : imports(w->s, from, d->file) ? 3 : str_same(folder(f->path), folder(w->s->file[from].path)) ? 2 : 1;
        if (!rank)
            continue;
        elsewhere += rank == 1 && (best == UINT32_MAX || g->def[best].file != d->file);
        if (rank > best_rank) {
            best = (uint32_t)i;
            best_rank = rank;
        }
    }
    return best_rank == 1 && elsewhere > 1 ? UINT32_MAX : best;
}

/* The line in which a file names another: of the import whose target ends in the other's name. */
static uint32_t import_line(struct tour_work *w, uint32_t from, uint32_t to)
{
    struct record r;
    struct str want = stem(&w->s->file[to]);
    uint32_t first = 1;
    if (!tour_record(&r, w, from))
        return 1;
    for (uint32_t i = 0; i < r.head->nrefs; i++) {
        const struct record_ref *x = &r.ref[i];
        if (x->kind != REF_IMPORT && x->kind != REF_EXPORT)
            continue;
        char name[256];
        size_t n = x->name_len < sizeof name - 1 ? x->name_len : sizeof name - 1;
        memcpy(name, r.strings + x->name, n);
        name[n] = 0;
        if (first == 1)
            first = x->line;
        if (want.n && want.n < sizeof name && memmem(name, n, want.p, want.n))
            return x->line;
    }
    return first;
}

static void note_edge(struct tour_graph *g, uint8_t from, uint8_t to, uint32_t file, uint32_t line)
{
    struct tour_edge *e = &g->edge[from][to];
    if (!e->count++ && line) {
        e->file = file;
        e->line = line;
    }
}

static void read_uses(struct tour_graph *g, struct tour_work *w)
{
    struct source src = {.file = FILE_NONE};
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        struct record r;
        uint8_t from = g->module[i];
        if (from == MODULE_NONE || !tour_record(&r, w, i))
            continue;
        for (uint32_t k = 0; k < r.head->nrefs; k++) {
            const struct record_ref *x = &r.ref[k];
            if (x->kind == REF_IMPORT || x->kind == REF_EXPORT)
                continue;
            struct str name = record_str(&r, x->name, x->name_len), receiver = {"", 0};
            if (x->kind == REF_CALL && (plain_word(name) || capital_word(name)) && is_defined(g, name))
                receiver = receiver_of(line_of(&src, w, i, x->line), name);
            uint32_t d = tour_resolve_ref(g, w, i, name, x->kind, receiver);
            if (d == UINT32_MAX || g->def[d].file == i)
                continue;
            g->def[d].uses++;
            if (g->def[d].module == from)
                continue;
            g->def[d].users |= 1ull << from;
            note_edge(g, from, g->def[d].module, i, x->line);
        }
    }
    free(src.start);
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        const struct snap_file *f = &w->s->file[i];
        for (uint32_t k = 0; g->module[i] != MODULE_NONE && k < f->nimports; k++) {
            uint32_t to = w->s->edge[f->import + k];
            if (g->module[to] == MODULE_NONE || g->module[to] == g->module[i])
                continue;
            struct tour_edge *e = &g->edge[g->module[i]][g->module[to]];
            note_edge(g, g->module[i], g->module[to], i, e->count ? 0 : import_line(w, i, to));
        }
    }
}

double tour_worth(const struct tour_def *d)
{
    double lines = d->lines < LINES_WORTH ? d->lines : LINES_WORTH;
    double kind = d->lines == 1 ? ONE_LINE_WORTH : tour_is_type(d->kind) ? 2 : 1;
    return (1 + __builtin_popcountll(d->users)) * (double)d->uses * kind * (1 + lines / LINES_WORTH);
}

static void weigh(struct tour_graph *g, const struct tour_work *w)
{
    uint64_t all = 1;
    for (unsigned a = 0; a < g->nmods; a++)
        for (unsigned b = 0; b < g->nmods; b++) {
            g->mod[b].used += g->edge[a][b].count;
            g->mod[b].users += g->edge[a][b].count > 0;
            all += g->edge[a][b].count;
        }
    for (size_t i = 0; i < g->ndefs; i++) {
        struct tour_mod *m = &g->mod[g->def[i].module];
        const struct tour_def *d = &g->def[i], *h = m->hub != UINT32_MAX ? &g->def[m->hub] : NULL;
        if (d->kind == SYMBOL_MACRO || d->kind == SYMBOL_CONSTANT || d->kind == SYMBOL_MODULE)
            continue;
        if (!h || tour_worth(d) > tour_worth(h) || (tour_worth(d) == tour_worth(h) && d->lines > h->lines))
            m->hub = (uint32_t)i;
    }
    uint32_t foreign[MODULES_MAX] = {0}; /* lines for another platform than the asker's */
    for (uint32_t i = 0; i < w->s->nfiles; i++)
        if (g->module[i] != MODULE_NONE && w->s->file[i].is.foreign > .5f)
            foreign[g->module[i]] += w->s->cut[w->s->file[i].ucut].lines;
    for (unsigned k = 0; k < g->nmods; k++)
        g->mod[k].weight = (g->mod[k].rest ? REST_WORTH : 1) * ((double)g->mod[k].lines / (g->lines ? g->lines : 1) + (double)g->mod[k].used / (double)all) *
                           (1 - FOREIGN_LOSS * foreign[k] / (g->mod[k].lines ? g->mod[k].lines : 1));
}

void tour_graph(struct tour_graph *g, struct tour_work *w)
{
    g->edge = mem_zero(MODULES_MAX, sizeof *g->edge);
    for (unsigned a = 0; a < MODULES_MAX; a++)
        for (unsigned b = 0; b < MODULES_MAX; b++)
            g->edge[a][b].file = FILE_NONE;
    collect(g, w);
    read_uses(g, w);
    weigh(g, w);
}

void tour_graph_release(struct tour_graph *g)
{
    free(g->def);
    free(g->edge);
}
