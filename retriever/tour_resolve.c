/* From what a manifest declares to the place in the sources where it begins. Build output is not in the repository: "./dist/x.js"
 * is looked for as src/x.ts and the like. */
#include "retriever/tour_inside.h"

static const char *const endings[] = {"", ".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".jsx", ".py", ".rb", ".go", NULL};
static const char *const bases[] = {"", "src/", "lib/", "source/", NULL};
static const char *const outputs[] = {"dist", "build", "lib", "out", "es", "esm", "cjs", "bin", "umd", "types", NULL};

/* dir/path with "." and ".." resolved; empty where it leads out. */
static struct str normal(struct arena *a, struct str dir, struct str path)
{
    struct buf b = BUF_INIT;
    bool out = false;
    for (int k = 0; k < 2; k++) {
        struct str rest = k ? path : dir;
        while (rest.n) {
            struct str part = str_until(rest, "/");
            rest = str_from(rest, part.n + 1);
            if (!part.n || str_is(part, "."))
                continue;
            if (str_is(part, "..")) {
                out |= !b.len;
                while (b.len && b.data[b.len - 1] != '/')
                    b.len--;
                b.len -= b.len > 0;
                continue;
            }
            if (b.len)
                buf_addc(&b, '/');
            buf_add(&b, part.p, part.n);
        }
    }
    struct str s = {arena_strn(a, b.data ? b.data : "", b.len), out ? 0 : b.len};
    buf_release(&b);
    return s;
}

static uint32_t find(struct tour_work *w, struct str path)
{
    uint32_t f = path.n ? snapshot_file(w->s, path) : FILE_NONE;
    return f != FILE_NONE && w->s->file[f].cut != CUT_NONE ? f : FILE_NONE;
}

static struct str without_ending(struct str path)
{
    struct str base = path_base(path);
    size_t at = base.n;
    while (at && base.p[at - 1] != '.')
        at--;
    if (at < 2)
        return path;
    path.n -= base.n - at + 1;
    return str_ends(path, ".d") ? (struct str){path.p, path.n - 2} : path;
}

static uint32_t with_endings(struct tour_work *w, struct str dir, const char *base, struct str stem)
{
    for (int index = 0; index < 2; index++)
        for (const char *const *end = endings + index; *end; end++) {
            struct str path = str_join(w->arena, str_joins(w->arena, base, stem), str_joins(w->arena, index ? "/index" : "", str_of(*end)));
            uint32_t f = find(w, normal(w->arena, dir, path));
            if (f != FILE_NONE)
                return f;
        }
    return FILE_NONE;
}

/* A path as declared, or the source that it was built from. */
static uint32_t by_path(struct tour_work *w, struct str dir, struct str target)
{
    uint32_t f = find(w, normal(w->arena, dir, target));
    if (f != FILE_NONE || !target.n)
        return f;
    while (str_begins(target, "./"))
        target = str_from(target, 2);
    struct str stem = without_ending(target);
    for (int inner = 0; inner < 3; inner++) { /* without build output's first directories */
        for (const char *const *b = bases; *b && f == FILE_NONE; b++)
            f = with_endings(w, dir, *b, stem);
        struct str first = str_until(stem, "/");
        bool output = false;
        for (const char *const *o = outputs; *o; o++)
            output |= str_is(first, *o);
        if (f != FILE_NONE || !output || first.n == stem.n)
            return f;
        stem = str_from(stem, first.n + 1);
    }
    return f;
}

/* The file whose path ends in these components, nearest to dir and to the root; its ending is free where `stem`. */
static uint32_t by_suffix(struct tour_work *w, struct str dir, struct str want, bool stem)
{
    uint32_t best = FILE_NONE;
    bool best_near = false;
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        const struct snap_file *f = &w->s->file[i];
        struct str path = stem ? without_ending(f->path) : f->path;
        if (f->cut == CUT_NONE || path.n < want.n || memcmp(path.p + path.n - want.n, want.p, want.n) ||
            (path.n > want.n && path.p[path.n - want.n - 1] != '/'))
            continue;
        bool near = f->path.n >= dir.n && (!dir.n || !memcmp(f->path.p, dir.p, dir.n));
        if (best == FILE_NONE || near > best_near || (near == best_near && f->path.n < w->s->file[best].path.n)) {
            best = i;
            best_near = near;
        }
    }
    return best;
}

static struct str dots_to_slashes(struct arena *a, struct str s)
{
    char *p = arena_strn(a, s.p, s.n);
    for (size_t i = 0; i < s.n; i++)
        p[i] = p[i] == '.' || p[i] == '\\' ? '/' : p[i];
    return (struct str){p, s.n};
}

/* "flask.cli:main" */
static uint32_t by_python(uint32_t *symbol, struct tour_work *w, struct str dir, struct str target)
{
    struct str module = str_until(target, ":"), object = str_from(target, module.n + 1);
    struct str path = dots_to_slashes(w->arena, module);
    uint32_t f = by_suffix(w, dir, str_join(w->arena, path, STR(".py")), false);
    if (f == FILE_NONE)
        f = by_suffix(w, dir, str_join(w->arena, path, STR("/__init__.py")), false);
    if (f != FILE_NONE && object.n) {
        size_t dot = str_rfind(object, '.');
        *symbol = tour_symbol(w, f, str_from(object, dot == SIZE_MAX ? 0 : dot + 1));
    }
    return f;
}

/* "com.foo.Main", "io.foo.MainKt", "Plug.Application": a class or module by its definition, else by its path. */
static uint32_t by_class(uint32_t *symbol, struct tour_work *w, struct str dir, struct str target)
{
    size_t dot = str_rfind(target, '.');
    struct str last = str_from(target, dot == SIZE_MAX ? 0 : dot + 1);
    uint32_t f = by_suffix(w, dir, dots_to_slashes(w->arena, target), true);
    if (f == FILE_NONE && str_ends(target, "Kt"))
        f = by_suffix(w, dir, dots_to_slashes(w->arena, str_upto(target, target.n - 2)), true);
    struct str names[] = {target, last};
    for (int k = 0; k < 2 && f == FILE_NONE; k++) {
        struct places defs = {0};
        lookup_exact(&defs, &w->l, names[k], 16);
        places_sort(&w->l, &defs);
        for (size_t i = 0; i < defs.n && f == FILE_NONE; i++)
            if (defs.v[i].kind == SYMBOL_CLASS || defs.v[i].kind == SYMBOL_MODULE || defs.v[i].kind == SYMBOL_STRUCT) {
                f = defs.v[i].file;
                *symbol = defs.v[i].symbol;
            }
        places_release(&defs);
    }
    if (f != FILE_NONE && *symbol == RECORD_NONE) {
        *symbol = tour_symbol(w, f, STR("main"));
        if (*symbol == RECORD_NONE)
            *symbol = tour_symbol(w, f, last);
    }
    return f;
}

/* The file of a list that has a main function, else the first that is there; of a library the one that is called like it. */
static uint32_t by_sources(uint32_t *symbol, struct tour_work *w, struct str dir, struct str sources, struct str name, bool program)
{
    struct str rest = sources, word;
    uint32_t first = FILE_NONE;
    while (word_next(&rest, &word)) {
        uint32_t f = str_is(word, "\\") ? FILE_NONE : find(w, normal(w->arena, dir, word));
        if (f == FILE_NONE || w->s->file[f].is.doc >= .5f || w->s->file[f].is.config >= .5f)
            continue;
        if (!program) {
            struct str stem = {w->s->file[f].path.p + w->s->file[f].stem, w->s->file[f].stem_len};
            if (str_same(stem, name) || (str_begins(name, "lib") && str_same(stem, str_until(str_from(name, 3), "."))))
                return f;
            continue;
        }
        first = first == FILE_NONE ? f : first;
        if ((*symbol = tour_symbol(w, f, STR("main"))) != RECORD_NONE)
            return f;
    }
    return first;
}

uint32_t tour_resolve(uint32_t *symbol, struct tour_work *w, const struct manifest *m, const struct declared *d)
{
    uint32_t f = FILE_NONE;
    bool slash = memchr(d->target.p, '/', d->target.n) != NULL, program = d->kind == DECLARED_PROGRAM;
    *symbol = RECORD_NONE;
    if (d->sources.n)
        f = by_sources(symbol, w, m->dir, d->sources, d->name, program);
    if (d->sources.n && !program) /* its first source is nowhere to begin */
        return f;
    if (f == FILE_NONE && !slash && memchr(d->target.p, ':', d->target.n))
        return by_python(symbol, w, m->dir, d->target);
    if (f == FILE_NONE)
        f = by_path(w, m->dir, d->target);
    if (f == FILE_NONE && d->target.n && program) /* a directory with its main file: Sources/App */
        for (const char *const *name = (const char *const[]){"/main.swift", "/entrypoint.swift", "/main.go", NULL}; *name && f == FILE_NONE; name++)
            f = find(w, normal(w->arena, m->dir, str_join(w->arena, d->target, str_of(*name))));
    if (f == FILE_NONE && !slash && memchr(d->target.p, '.', d->target.n))
        return by_class(symbol, w, m->dir, d->target);
    if (f != FILE_NONE && program && *symbol == RECORD_NONE)
        *symbol = tour_symbol(w, f, STR("main"));
    return f;
}
