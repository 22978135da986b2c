/* Entry points and commands: what the manifests declare, nearest to the root first, then main functions that none declares. */
#include "retriever/tour_inside.h"

#include "base/mem.h"

#include <stdlib.h>

#define MANIFESTS_MAX 600 /* read for one tour; trpc, with an example for everything, has 80 */
#define ENTRIES_MAX 3000
#define COMMANDS_MAX 3000

static bool has_file(void *arg, struct str path)
{
    const struct tour_work *w = arg;
    return snapshot_file(w->s, path) != FILE_NONE;
}

static void files_below(void *arg, struct str dir, bool (*each)(void *each_arg, struct str path), void *each_arg)
{
    const struct tour_work *w = arg;
    uint32_t lo = 0, hi = w->s->nfiles; /* files are in path order */
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        struct str p = w->s->file[mid].path;
        size_t n = p.n < dir.n ? p.n : dir.n;
        int c = n ? memcmp(p.p, dir.p, n) : 0;
        if (c < 0 || (!c && p.n < dir.n))
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < w->s->nfiles; lo++) {
        struct str p = w->s->file[lo].path;
        if (p.n < dir.n || (dir.n && memcmp(p.p, dir.p, dir.n)) || !each(each_arg, p))
            return;
    }
}

struct found {
    uint32_t file;
    unsigned depth;
    const struct manifest_format *format;
};

static int nearest(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

static struct found *find_manifests(size_t *n, struct tour_work *w)
{
    struct found *v = NULL;
    size_t cap = 0;
    *n = 0;
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        const struct manifest_format *f = tour_inside(w, i) ? manifest_format_of(w->s->file[i].path) : NULL;
        if (!f)
            continue;
        struct found x = {i, w->role[i] * 100u, f}; /* those of the code itself before those of examples */
        for (size_t k = 0; k < w->s->file[i].path.n; k++)
            x.depth += w->s->file[i].path.p[k] == '/';
        VEC_ROOM(v, *n, cap);
        v[(*n)++] = x;
    }
    if (*n)
        qsort(v, *n, sizeof *v, nearest);
    return v;
}

static const char *kind_name(enum declared_kind k)
{
    return k == DECLARED_PROGRAM ? "program" : k == DECLARED_LIBRARY ? "library" : "plugin";
}

/* Variants of one entry (its import, its require, its types) are one row with several targets. */
static struct raw_entry *same_entry(struct tour_work *w, size_t from, const struct declared *d)
{
    for (size_t i = from; i < w->nentries; i++)
        if (!strcmp(w->entry[i].kind, kind_name(d->kind)) && strlen(w->entry[i].name) == d->name.n &&
            !memcmp(w->entry[i].name, d->name.p, d->name.n))
            return &w->entry[i];
    return NULL;
}

static void add_target(struct tour_work *w, struct raw_entry *x, struct str target)
{
    for (size_t i = 0; i < x->ntargets; i++)
        if (strlen(x->target[i]) == target.n && !memcmp(x->target[i], target.p, target.n))
            return;
    const char **v = arena_alloc(w->arena, (x->ntargets + 1) * sizeof *v);
    if (x->ntargets)
        memcpy(v, x->target, x->ntargets * sizeof *v);
    v[x->ntargets++] = tour_text(w, target);
    x->target = v;
}

static void add_entry(struct tour_work *w, const struct manifest *m, const struct manifest_format *f, uint32_t file, size_t from,
                      const struct declared *d)
{
    struct raw_entry *x = same_entry(w, from, d);
    if (!x) {
        if (w->nentries == ENTRIES_MAX)
            return;
        VEC_ROOM(w->entry, w->nentries, w->entries_cap);
        x = &w->entry[w->nentries++];
        *x = (struct raw_entry){.kind = kind_name(d->kind), .name = tour_text(w, d->name), .format = f->name, .implicit = d->implicit,
                                .role = d->test ? ROLE_TEST : w->role[file], .declared_file = file, .file = FILE_NONE, .symbol = RECORD_NONE};
        x->declared = tour_cite(w, file, RECORD_NONE, d->line, d->end_line);
    }
    if (d->target.n)
        add_target(w, x, d->target);
    if (x->at == CITE_NONE) {
        struct record r;
        x->file = tour_resolve(&x->symbol, w, m, d);
        if (x->file != FILE_NONE && x->role == ROLE_MAIN) /* a build file in the root declares the tests' programs, too */
            x->role = w->role[x->file];
        if (x->file != FILE_NONE && tour_record(&r, w, x->file)) {
            const struct record_symbol *s = x->symbol < r.head->nsymbols ? &r.symbol[x->symbol] : NULL;
            x->at = tour_cite(w, x->file, x->symbol, s ? s->start_line : 1, s ? s->end_line : 1);
        }
    }
}

static void add_command(struct tour_work *w, const struct manifest *m, uint32_t file, const struct declared *d)
{
    if (w->ncommands == COMMANDS_MAX)
        return;
    VEC_ROOM(w->command, w->ncommands, w->commands_cap);
    struct raw_command *x = &w->command[w->ncommands++];
    *x = (struct raw_command){.purpose = d->purpose, .role = w->role[file] == ROLE_TOOL ? ROLE_MAIN : w->role[file], .typed = tour_text(w, d->name), .runs = tour_text(w, d->target),
                              .implicit = d->implicit, .at = tour_cite(w, file, RECORD_NONE, d->line, d->end_line)};
    x->directory = w->role[file] == ROLE_TOOL ? "" : tour_text(w, m->dir); /* workflows run in the root */
}

/* -- main functions -------------------------------------------------------------------------------------------------------- */

/* Languages in which a function of this name is where a program begins, whoever calls it. */
static const char *main_of(const char *language)
{
    static const char *const rows[][2] = {{"c", "main"}, {"cpp", "main"}, {"cuda", "main"}, {"go", "main"}, {"rust", "main"}, {"java", "main"},
                                          {"kotlin", "main"}, {"scala", "main"}, {"zig", "main"}, {"haskell", "main"}, {"csharp", "Main"}};
    for (size_t i = 0; language && i < sizeof rows / sizeof *rows; i++)
        if (!strncmp(language, rows[i][0], LANGUAGE_NAME_MAX))
            return rows[i][1];
    return NULL;
}

/* What the program of a main function is called: its file, or its directory where the file's name says nothing. */
static const char *main_name(const struct tour_work *w, uint32_t file, bool go)
{
    const struct snap_file *f = &w->s->file[file];
    struct str stem = {f->path.p + f->stem, f->stem_len}, dir = str_upto(f->path, f->stem ? f->stem - 1u : 0);
    if (!go && !str_is(stem, "main") && !str_is(stem, "Main") && !str_is(stem, "Program"))
        return arena_strn(w->arena, stem.p, stem.n);
    struct str name = dir.n ? path_base(dir) : str_of(w->l.target->repo->name);
    return arena_strn(w->arena, name.p, name.n);
}

struct ranked {
    size_t entry;
    uint32_t imports;
};

static int most_imports(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->imports != y->imports)
        return x->imports > y->imports ? -1 : 1;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* What brings in most comes first: the others are often a file's own test. */
static void order_mains(struct tour_work *w, size_t from)
{
    size_t n = w->nentries - from;
    struct ranked *v = mem_alloc((n + 1) * sizeof *v);
    struct raw_entry *sorted = mem_alloc((n + 1) * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct ranked){from + i, w->s->file[w->entry[from + i].file].nimports};
    qsort(v, n, sizeof *v, most_imports);
    for (size_t i = 0; i < n; i++)
        sorted[i] = w->entry[v[i].entry];
    if (n)
        memcpy(w->entry + from, sorted, n * sizeof *sorted);
    free(v);
    free(sorted);
}

static void add_mains(struct tour_work *w)
{
    size_t declared = w->nentries;
    for (uint32_t i = 0; i < w->s->nfiles && w->nentries < ENTRIES_MAX; i++) {
        const struct snap_file *f = &w->s->file[i];
        const char *name = f->ucut != FILE_NONE && tour_inside(w, i) ? main_of(f->language) : NULL;
        struct record r;
        bool known = false;
        for (size_t k = 0; k < declared && name && !known; k++)
            known = w->entry[k].file == i && strcmp(w->entry[k].kind, "plugin");
        if (name && !strcmp(f->language, "rust") && f->stem_len == 5 && !memcmp(f->path.p + f->stem, "build", 5))
            continue; /* Cargo's build script */
        if (!name || known || !tour_record(&r, w, i))
            continue;
        uint32_t symbol = tour_symbol(w, i, str_of(name));
        if (symbol == RECORD_NONE || (r.symbol[symbol].kind != SYMBOL_FUNCTION && r.symbol[symbol].kind != SYMBOL_METHOD))
            continue;
        bool go = !strcmp(f->language, "go");
        uint32_t at = tour_cite(w, i, symbol, r.symbol[symbol].start_line, r.symbol[symbol].end_line);
        if (at == CITE_NONE)
            continue;
        VEC_ROOM(w->entry, w->nentries, w->entries_cap);
        struct raw_entry *x = &w->entry[w->nentries++];
        *x = (struct raw_entry){.kind = go ? "program" : "main", .name = main_name(w, i, go), .format = go ? "Go" : NULL, .role = w->role[i],
                                .implicit = go, .at = at, .file = i, .symbol = symbol, .declared_file = FILE_NONE};
        add_target(w, x, go ? str_upto(f->path, f->stem) : f->path);
    }
    order_mains(w, declared);
}

/* -- all of them ---------------------------------------------------------------------------------------------------------- */

int tour_entries(struct tour_work *w, struct err *e)
{
    size_t n;
    struct found *v = find_manifests(&n, w);
    struct manifest_files files = {has_file, files_below, w};
    for (size_t i = 0; i < n; i++) {
        const struct snap_file *f = &w->s->file[v[i].file];
        struct manifest m = {0};
        struct str text;
        uint32_t line;
        if (i >= MANIFESTS_MAX || f->cut == CUT_NONE || lookup_bytes(&text, &line, &w->l, f->cut, 0, UINT32_MAX, NULL)) {
            w->out->unread_manifests += w->role[v[i].file] == ROLE_MAIN;
            continue;
        }
        text.p = arena_strn(w->arena, text.p, text.n); /* the next lookup takes the text away */
        manifest_read(&m, v[i].format, f->path, text, &files, w->arena);
        w->out->unread_manifests += m.broken && w->role[v[i].file] == ROLE_MAIN; /* tests hold broken ones on purpose */
        if (m.about.n && !w->about && w->role[v[i].file] == ROLE_MAIN) {
            w->about = tour_text(w, m.about);
            w->about_cite = tour_cite(w, v[i].file, RECORD_NONE, m.about_line, m.about_line);
        }
        size_t from = w->nentries;
        for (size_t k = 0; k < m.n; k++) {
            if (m.v[k].kind == DECLARED_COMMAND)
                add_command(w, &m, v[i].file, &m.v[k]);
            else
                add_entry(w, &m, v[i].format, v[i].file, from, &m.v[k]);
        }
        manifest_release(&m);
    }
    free(v);
    add_mains(w);
    return 0;
}
