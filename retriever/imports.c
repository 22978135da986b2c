/* The import graph: each import's target, as written, is matched with the files of the view by its trailing components,
 * without knowing the language: "../core/Axios", "flask.json.provider", "crate::de::value", "uv/errno.h",
 * "com.google.gson.Gson". Of several files that match equally the nearest to the importer is meant. */
#define _GNU_SOURCE /* memrchr */
#include "retriever/snapshot.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 12      /* components of a target that are looked at */
#define SAME_NAME_MAX 200 /* files of one name that are compared: beyond it a bare name says nothing */

struct name_row {
    uint64_t name;
    uint32_t file;
    bool of_directory; /* the file stands for its directory: index.js, mod.rs, __init__.py */
};

static int name_order(const void *a, const void *b)
{
    const struct name_row *x = a, *y = b;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

static bool stands_for_directory(const char *stem, size_t n)
{
    static const char *const name[] = {"index", "mod", "__init__", "lib", "main", "init", "package", "default"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strlen(name[i]) == n && !memcmp(stem, name[i], n))
            return true;
    return false;
}

static struct str parent_of(struct str path) /* "a/b/c" -> "a/b"; "c" -> "" */
{
    while (path.n > 0 && path.p[path.n - 1] != '/')
        path.n--;
    path.n -= path.n > 0;
    return path;
}

static struct str last_of(struct str path)
{
    size_t at = path.n;
    while (at > 0 && path.p[at - 1] != '/')
        at--;
    return (struct str){path.p + at, path.n - at};
}

struct target {
    struct str part[PARTS_MAX];
    unsigned n;
    bool relative;
    unsigned up; /* directories to go up from the importer's own */
    struct str suffix;
};

static void parse_target(struct target *t, struct str s)
{
    *t = (struct target){0};
    while (s.n && strchr("\"'<`( ", s.p[0]))
        s.p++, s.n--;
    while (s.n && strchr("\"'>`); ", s.p[s.n - 1]))
        s.n--;
    bool slashes = memchr(s.p, '/', s.n) != NULL;
    if (s.n && s.p[0] == '.') {
        t->relative = true;
        if (slashes) {
            while (s.n) {
                if (s.n >= 3 && !memcmp(s.p, "../", 3))
                    t->up++, s.p += 3, s.n -= 3;
                else if (s.n >= 2 && !memcmp(s.p, "./", 2))
                    s.p += 2, s.n -= 2;
                else
                    break;
            }
        } else if (s.n == 2 && s.p[1] == '.') {
            t->up = 1, s.n = 0;
        } else {
            for (s.p++, s.n--; s.n && s.p[0] == '.'; s.p++, s.n--)
                t->up++;
        }
    }
    if (slashes) { /* a path: what follows the last dot of its last part is a suffix, if short */
        struct str base = last_of(s);
        const char *dot = base.n ? memrchr(base.p + 1, '.', base.n - 1) : NULL;
        if (dot && (size_t)(base.p + base.n - dot) <= 5) {
            t->suffix = (struct str){dot, (size_t)(base.p + base.n - dot)};
            s.n -= t->suffix.n;
        }
    } else if (s.n > 2 && s.p[s.n - 2] == '.' && strchr("hc", s.p[s.n - 1])) { /* "uv.h" */
        t->suffix = (struct str){s.p + s.n - 2, 2};
        s.n -= 2;
    } else if (s.n > 4 && (!memcmp(s.p + s.n - 4, ".hpp", 4) || !memcmp(s.p + s.n - 4, ".php", 4))) {
        t->suffix = (struct str){s.p + s.n - 4, 4};
        s.n -= 4;
    } else if (s.n > 4 && (!memcmp(s.p + s.n - 4, ".zig", 4) || !memcmp(s.p + s.n - 3, ".sh", 3))) {
        size_t n = s.p[s.n - 1] == 'g' ? 4 : 3;
        t->suffix = (struct str){s.p + s.n - n, n};
        s.n -= n;
    }
    size_t at = 0;
    for (size_t i = 0; i <= s.n; i++) {
        bool cut = i == s.n || (slashes ? s.p[i] == '/' : strchr(".:\\/", s.p[i]) && s.p[i]);
        if (!cut)
            continue;
        if (i > at) {
            if (t->n == PARTS_MAX)
                memmove(t->part, t->part + 1, (--t->n) * sizeof *t->part);
            t->part[t->n++] = (struct str){s.p + at, i - at};
        }
        at = i + 1;
    }
}

/* How many trailing parts of the target (from part[n-1] down) the file's path matches: stem, then directories. */
static unsigned match(const struct snap_file *f, bool of_directory, const struct target *t, unsigned n)
{
    struct str dir = parent_of(f->path);
    unsigned got = 0;
    if (!of_directory) {
        if (!n || !str_same(t->part[n - 1], (struct str){f->path.p + f->stem, f->stem_len}))
            return 0;
        got = 1;
    }
    while (got < n && dir.n && str_same(last_of(dir), t->part[n - 1 - got])) {
        got++;
        dir = parent_of(dir);
    }
    return got;
}

static size_t shared_prefix(struct str a, struct str b)
{
    size_t n = 0, dirs = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        dirs += a.p[n++] == '/';
    return dirs;
}

static uint32_t resolve(const struct snapshot *s, const struct name_row *names, size_t nnames, uint32_t from,
                        const struct target *t)
{
    const struct snap_file *importer = &s->file[from];
    struct str base = parent_of(importer->path);
    for (unsigned i = 0; t->relative && i < t->up; i++)
        base = parent_of(base);
    uint32_t best = FILE_NONE;
    double best_score = 0;
    /* the last part may be a name inside the module: try without it too */
    for (unsigned drop = 0; drop < 2 && drop < t->n && best == FILE_NONE; drop++) {
        unsigned n = t->n - drop;
        uint64_t key = hash64(t->part[n - 1].p, t->part[n - 1].n);
        size_t lo = 0, hi = nnames;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            if (names[mid].name < key)
                lo = mid + 1;
            else
                hi = mid;
        }
        size_t end = lo;
        while (end < nnames && names[end].name == key)
            end++;
        if (end - lo > SAME_NAME_MAX && !t->relative)
            continue;
        for (; lo < end; lo++) {
            const struct snap_file *f = &s->file[names[lo].file];
            unsigned got = match(f, names[lo].of_directory, t, n);
            if (!got || names[lo].file == from)
                continue;
            if (t->relative) {
                /* all parts must match, right below the base directory */
                struct str dir = parent_of(f->path);
                if (names[lo].of_directory)
                    dir = parent_of(dir);
                for (unsigned i = 1; i < got; i++)
                    dir = parent_of(dir);
                if (got != n || !str_same(dir, base))
                    continue;
            } else if (drop && n > 1 && got < 2) {
                continue;
            }
            bool suffix = !t->suffix.n || (f->path.n > t->suffix.n &&
                                           !memcmp(f->path.p + f->path.n - t->suffix.n, t->suffix.p, t->suffix.n));
            bool language = f->language == importer->language;
            double score = got * 100. + suffix * 50. + language * 30. + (double)shared_prefix(f->path, importer->path);
            if (!suffix && !language)
                continue; /* `import foo` in one language is not a file of another */
            if (score > best_score) {
                best_score = score;
                best = names[lo].file;
            }
        }
    }
    return best;
}

static int edge_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Appends what the rows lead to; edge has room for them. */
static size_t find_edges(uint64_t *edge, const struct snapshot *s, const struct import_row *row, size_t n)
{
    struct name_row *names = mem_alloc((2 * (size_t)s->nfiles) * sizeof *names);
    size_t nnames = 0, nedges = 0;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        const struct snap_file *f = &s->file[i];
        if (f->ucut == FILE_NONE)
            continue;
        const char *stem = f->path.p + f->stem;
        names[nnames++] = (struct name_row){hash64(stem, f->stem_len), i, false};
        struct str dir = last_of(parent_of(f->path));
        if (dir.n && stands_for_directory(stem, f->stem_len))
            names[nnames++] = (struct name_row){hash64(dir.p, dir.n), i, true};
    }
    qsort(names, nnames, sizeof *names, name_order);
    for (size_t i = 0; i < n; i++) {
        struct target t;
        parse_target(&t, row[i].target);
        uint32_t to = resolve(s, names, nnames, row[i].file, &t);
        if (to != FILE_NONE)
            edge[nedges++] = (uint64_t)row[i].file << 32 | to;
    }
    free(names);
    return nedges;
}

static void make_graph(struct snapshot *s, uint64_t *edge, size_t nedges)
{
    size_t unique = 0;
    qsort(edge, nedges, sizeof *edge, edge_order);
    s->edge = mem_alloc(nedges * sizeof *s->edge);
    s->back_edge = mem_alloc(nedges * sizeof *s->back_edge);
    for (size_t i = 0; i < nedges; i++) {
        if (i && edge[i] == edge[i - 1])
            continue;
        uint32_t from = (uint32_t)(edge[i] >> 32), to = (uint32_t)edge[i];
        struct snap_file *f = &s->file[from];
        if (!f->nimports)
            f->import = (uint32_t)unique;
        f->nimports++;
        s->edge[unique++] = to;
        s->file[to].nimporters++;
        if (f->is.test < .5f && f->is.example < .5f)
            s->file[to].imported_by++;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        s->file[i].importer = at;
        at += s->file[i].nimporters;
        s->file[i].nimporters = 0;
    }
    for (uint32_t i = 0; i < s->nfiles; i++)
        for (uint32_t k = 0; k < s->file[i].nimports; k++) {
            struct snap_file *to = &s->file[s->edge[s->file[i].import + k]];
            s->back_edge[to->importer + to->nimporters++] = i;
        }
}

void imports_resolve(struct snapshot *s, const struct import_row *row, size_t n)
{
    uint64_t *edge = mem_alloc(n * sizeof *edge);
    make_graph(s, edge, find_edges(edge, s, row, n));
    free(edge);
}

void imports_renew(struct snapshot *s, const struct snapshot *prev, const bool *changed, const struct import_row *row, size_t n)
{
    size_t room = n, nedges = 0;
    for (uint32_t i = 0; i < prev->nfiles; i++)
        room += prev->file[i].nimports;
    uint64_t *edge = mem_alloc(room * sizeof *edge);
    for (uint32_t i = 0; i < prev->nfiles; i++)
        for (uint32_t k = 0; k < prev->file[i].nimports && !changed[i]; k++)
            edge[nedges++] = (uint64_t)i << 32 | prev->edge[prev->file[i].import + k];
    if (n)
        nedges += find_edges(edge + nedges, s, row, n);
    make_graph(s, edge, nedges);
    free(edge);
}
