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
    struct str base = str_base(path);
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

uint32_t tour_resolve(uint32_t *symbol, struct tour_work *w, const struct manifest *m, const struct declared *d)
{
    *symbol = RECORD_NONE;
    uint32_t f = by_path(w, m->dir, d->target);
    if (f != FILE_NONE && d->kind == DECLARED_PROGRAM)
        *symbol = tour_symbol(w, f, STR("main"));
    return f;
}
