#include "retriever/snapshot.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/words.h"

#include <stdlib.h>
#include <string.h>

struct loading {
    struct snapshot *s;
    struct str *overlay;         /* paths stored under the overlay itself, in order */
    size_t noverlay, overlay_cap, next_overlay, file_cap;
};

static int str_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int add_overlay(void *arg, const struct occ *o)
{
    struct loading *l = arg;
    if (o->flags & (OCC_DELETED | OCC_CLEAN))
        return 0;
    VEC_ROOM(l->overlay, l->noverlay, l->overlay_cap);
    l->overlay[l->noverlay++] = (struct str){arena_strn(&l->s->arena, o->path.p, o->path.n), o->path.n};
    return 0;
}

/* The file's name without leading dots and without its suffixes: "schemas.test.ts" -> "schemas". */
static void find_stem(struct snap_file *f)
{
    size_t at = f->path.n;
    while (at > 0 && f->path.p[at - 1] != '/')
        at--;
    size_t begin = at;
    while (begin < f->path.n && f->path.p[begin] == '.')
        begin++;
    size_t end = begin;
    while (end < f->path.n && f->path.p[end] != '.')
        end++;
    f->stem = (uint16_t)begin;
    f->stem_len = (uint16_t)(end - begin);
}

static int add_file(void *arg, const struct occ *o)
{
    struct loading *l = arg;
    struct snapshot *s = l->s;
    VEC_ROOM(s->file, s->nfiles, l->file_cap);
    struct snap_file *f = &s->file[s->nfiles++];
    *f = (struct snap_file){.oid = o->oid, .cut = o->cut, .ucut = FILE_NONE, .flags = o->flags};
    f->path = (struct str){arena_strn(&s->arena, o->path.p, o->path.n), o->path.n};
    struct str key = f->path;
    f->uncommitted = l->noverlay && bsearch(&key, l->overlay, l->noverlay, sizeof *l->overlay, str_order) != NULL;
    find_stem(f);
    return 0;
}

static int by_cut_order(const void *a, const void *b, void *arg)
{
    const struct snap_file *file = ((struct snapshot *)arg)->file;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (file[x].cut != file[y].cut)
        return file[x].cut < file[y].cut ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* glibc's qsort_r is not in C17: a merge sort over numbers is all that is needed here */
static void sort_numbers(uint32_t *v, size_t n, int (*cmp)(const void *, const void *, void *), void *arg)
{
    uint32_t *from = v, *spare = mem_alloc(n * sizeof *v), *to = spare;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t i = at, mid = at + width < n ? at + width : n, j = mid, end = mid + width < n ? mid + width : n;
            for (size_t k = at; k < end; k++)
                to[k] = i < mid && (j == end || cmp(&from[i], &from[j], arg) <= 0) ? from[i++] : from[j++];
        }
        uint32_t *t = from;
        from = to;
        to = t;
    }
    if (from != v)
        memcpy(v, from, n * sizeof *v);
    free(spare);
}

static void group_cuts(struct snapshot *s)
{
    uint32_t n = 0;
    s->by_cut = mem_alloc(s->nfiles * sizeof *s->by_cut);
    for (uint32_t i = 0; i < s->nfiles; i++)
        if (s->file[i].cut != CUT_NONE)
            s->by_cut[n++] = i;
    sort_numbers(s->by_cut, n, by_cut_order, s);
    s->cut = mem_zero(n, sizeof *s->cut);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t cut = s->file[s->by_cut[i]].cut;
        if (!s->ncuts || s->cut[s->ncuts - 1].cut != cut)
            s->cut[s->ncuts++] = (struct snap_cut){.cut = cut, .file = i};
        s->cut[s->ncuts - 1].nfiles++;
        s->file[s->by_cut[i]].ucut = s->ncuts - 1;
    }
}

struct imports {
    struct import_row *row;
    size_t n, cap;
};

static const char *language_text(struct snapshot *s, const char *name)
{
    /* a handful of languages: keep one copy of each name */
    static const size_t span = 64;
    for (uint32_t i = s->nfiles > span ? s->nfiles - (uint32_t)span : 0; i < s->nfiles; i++)
        if (s->file[i].language && !strncmp(s->file[i].language, name, LANGUAGE_NAME_MAX))
            return s->file[i].language;
    return arena_strn(&s->arena, name, strnlen(name, LANGUAGE_NAME_MAX));
}

static void read_head(struct snap_cut *c, const struct record *r)
{
    c->nchunks = r->head->nchunks;
    c->flags = r->head->flags;
    c->ntests = r->head->ntests;
    c->nsymbols = r->head->nsymbols;
    c->nprototypes = r->head->nprototypes;
    c->nimports = r->head->nimports;
    c->nexports = r->head->nexports;
    c->lines = r->head->source_lines;
}

static void read_imports(struct imports *im, uint32_t file, const struct record *r)
{
    for (uint32_t i = 0; i < r->head->nrefs; i++) {
        const struct record_ref *ref = &r->ref[i];
        if (ref->kind != REF_IMPORT && ref->kind != REF_EXPORT)
            continue;
        VEC_ROOM(im->row, im->n, im->cap);
        im->row[im->n++] = (struct import_row){file, record_str(r, ref->name, ref->name_len), ref->kind == REF_EXPORT};
    }
}

static int read_record(struct record *r, struct snap_cut *c, struct txn *t, struct err *e)
{
    int rc = cut_get(t, c->cut, r, e);
    if (!rc)
        read_head(c, r);
    return rc;
}

static int read_records(struct snapshot *s, struct txn *t, struct imports *im, struct err *e)
{
    for (uint32_t u = 0; u < s->ncuts; u++) {
        struct snap_cut *c = &s->cut[u];
        struct record r;
        int rc = read_record(&r, c, t, e);
        if (rc)
            return rc;
        s->nchunks += c->nchunks;
        const char *language = language_text(s, r.head->language);
        for (uint32_t k = 0; k < c->nfiles; k++) {
            uint32_t number = s->by_cut[c->file + k];
            s->file[number].language = language;
            read_imports(im, number, &r);
        }
    }
    return 0;
}

static int path_order(const void *a, const void *b)
{
    const struct path_index *x = a, *y = b;
    if (x->term != y->term)
        return x->term < y->term ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

static void index_paths(struct snapshot *s)
{
    struct buf words = BUF_INIT;
    size_t cap = 0;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        struct snap_file *f = &s->file[i];
        f->word = s->npath_words;
        uint32_t depth = 0, stem_end = (uint32_t)f->stem + f->stem_len;
        for (uint32_t k = f->stem; k > 0; k--)
            depth += f->path.p[k - 1] == '/';
        /* what follows the stem (suffixes) is no word of the path: it is the language */
        struct words w;
        struct word out;
        words_init(&w, f->path.p, stem_end);
        while (words_next(&w, &out)) {
            struct path_word p = {.text = (uint32_t)words.len, .len = (uint8_t)out.len, .whole = out.kind == WORD_WHOLE};
            buf_add(&words, out.text, out.len);
            char stem[WORD_MAX];
            memcpy(stem, out.text, out.len);
            p.term = term_of(TERM_WORD, stem, word_stem(stem, out.len));
            p.role = out.at >= f->stem ? PATH_STEM : PATH_DIR;
            uint32_t above = 0;
            for (uint32_t k = 0; k < out.at; k++)
                above += f->path.p[k] == '/';
            p.depth = p.role == PATH_DIR ? (uint8_t)(depth - above - 1 > 255 ? 255 : depth - above - 1) : 0;
            VEC_ROOM(s->path_word, s->npath_words, cap);
            s->path_word[s->npath_words++] = p;
        }
        f->nwords = s->npath_words - f->word;
    }
    s->words = buf_take(&words);
    s->path_index = mem_alloc(s->npath_words * sizeof *s->path_index);
    for (uint32_t i = 0; i < s->nfiles; i++)
        for (uint32_t k = 0; k < s->file[i].nwords; k++) {
            uint32_t at = s->file[i].word + k;
            s->path_index[at] = (struct path_index){s->path_word[at].term, i, at};
        }
    qsort(s->path_index, s->npath_words, sizeof *s->path_index, path_order);
}

/* A directory with a manifest is a package; a file belongs to the nearest above it. */
static bool is_manifest(const struct snap_file *f)
{
    static const char *const name[] = {"package.json", "pyproject.toml", "setup.py", "Cargo.toml", "go.mod", "pom.xml",
                                       "build.gradle", "build.gradle.kts", "composer.json", "mix.exs", "Package.swift",
                                       "build.sbt", "CMakeLists.txt", "Gemfile", "dune-project", "build.zig", NULL};
    size_t at = f->path.n;
    while (at > 0 && f->path.p[at - 1] != '/')
        at--;
    struct str base = {f->path.p + at, f->path.n - at};
    for (size_t i = 0; name[i]; i++)
        if (base.n == strlen(name[i]) && !memcmp(base.p, name[i], base.n))
            return true;
    static const char *const suffix[] = {".gemspec", ".csproj", ".cabal", ".opam", NULL};
    for (size_t i = 0; suffix[i]; i++) {
        size_t n = strlen(suffix[i]);
        if (base.n > n && !memcmp(base.p + base.n - n, suffix[i], n))
            return true;
    }
    return false;
}

static void find_packages(struct snapshot *s)
{
    size_t cap = 0, n = 0;
    struct snap_package *p = NULL;
    VEC_ROOM(p, n, cap);
    p[n++] = (struct snap_package){STR(""), 0};
    for (uint32_t i = 0; i < s->nfiles; i++) {
        if (!is_manifest(&s->file[i]))
            continue;
        size_t dir = s->file[i].path.n;
        while (dir > 0 && s->file[i].path.p[dir - 1] != '/')
            dir--;
        struct str path = {s->file[i].path.p, dir ? dir - 1 : 0};
        bool known = false;
        for (size_t k = n; k > 0 && !known && k + 64 > n; k--)
            known = p[k - 1].path.n == path.n && !memcmp(p[k - 1].path.p, path.p, path.n);
        if (known || !path.n)
            continue;
        VEC_ROOM(p, n, cap);
        p[n++] = (struct snap_package){path, 0};
    }
    qsort(p, n, sizeof *p, str_order); /* path is the first member */
    for (uint32_t i = 0; i < s->nfiles; i++) {
        struct str dir = {s->file[i].path.p, s->file[i].stem};
        for (;;) {
            while (dir.n > 0 && dir.p[dir.n - 1] != '/')
                dir.n--;
            dir.n -= dir.n > 0;
            struct snap_package key = {dir, 0}, *found = bsearch(&key, p, n, sizeof *p, str_order);
            if (found) {
                s->file[i].package = (uint32_t)(found - p);
                found->files++;
                break;
            }
        }
    }
    s->package = p;
    s->npackages = (uint32_t)n;
}

/* Cuts and records never change under their numbers, so a view that has the same rows is the same in memory. */
static int hash_row(void *arg, const struct occ *o)
{
    struct {
        struct oid oid;
        uint32_t cut, flags;
        uint64_t path, before;
    } row = {o->oid, o->cut, o->flags, hash64(o->path.p, o->path.n), *(uint64_t *)arg};
    *(uint64_t *)arg = hash64(&row, sizeof row);
    return 0;
}

static int hash_rows(uint64_t *out, struct txn *t, const struct view_head *h, struct err *e)
{
    *out = h->kind;
    int rc = occ_each(t, h->id, STR(""), hash_row, out, e);
    if (!rc && h->kind == VIEW_OVERLAY) /* which of them are its own makes them uncommitted */
        rc = occ_rows(t, h->id, hash_row, out, e);
    return rc;
}

int snapshot_unchanged(bool *out, struct snapshot *s, struct store *store, const struct unsaved *u, struct err *e)
{
    struct txn *t = NULL;
    struct view_head head;
    uint64_t rows = 0, stamp = 0;
    *out = false;
    int rc = store_read(&t, store, e);
    if (!rc) {
        txn_see(t, u);
        rc = view_stamp(&stamp, t, s->head.id, e);
    }
    if (!rc && stamp && stamp == s->stamp) {
        *out = true;
    } else if (!rc && !(rc = view_get(t, s->head.id, &head, e)) && !(rc = hash_rows(&rows, t, &head, e))) {
        *out = rows == s->rows; /* touched, but only the stat data of a file, say */
        if (*out)
            s->stamp = stamp;
    }
    txn_end(t);
    return rc;
}

size_t snapshot_bytes(const struct snapshot *s)
{
    size_t bytes = s->nfiles * (sizeof *s->file + sizeof *s->by_cut) + s->ncuts * sizeof *s->cut +
                   s->npath_words * (sizeof *s->path_word + sizeof *s->path_index + 8 /* letters */);
    for (uint32_t i = 0; i < s->nfiles; i++)
        bytes += s->file[i].path.n + 16 + (s->file[i].nimports + s->file[i].nimporters) * sizeof *s->edge;
    return bytes;
}

/* -- after a save ----------------------------------------------------------------------------------------------------- */

#define CHANGED_MAX 256 /* contents; past it a whole load costs little more */

/* Which files' contents differ, where that is all that differs and languages stayed: what follows from paths and languages
 * (words, packages, variants, whom an import means) holds on. False: load the whole. */
static bool only_contents(bool *changed, const struct snapshot *s, const struct snapshot *before, struct txn *t)
{
    uint32_t n = 0;
    if (s->nfiles != before->nfiles)
        return false;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        const struct snap_file *f = &s->file[i], *was = &before->file[i];
        struct record r;
        if (str_cmp(f->path, was->path))
            return false;
        changed[i] = f->cut != was->cut || f->flags != was->flags;
        if (!changed[i])
            continue;
        if (++n > CHANGED_MAX || (f->cut == CUT_NONE) != (was->cut == CUT_NONE))
            return false;
        if (f->cut != CUT_NONE && (cut_get(t, f->cut, &r, NULL) || !was->language ||
                                   strncmp(was->language, r.head->language, LANGUAGE_NAME_MAX)))
            return false;
    }
    return true;
}

static void *copy(const void *from, size_t bytes)
{
    void *to = mem_alloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(to, from, bytes);
    return to;
}

static void take_paths(struct snapshot *s, const struct snapshot *before)
{
    const struct path_word *last = before->npath_words ? &before->path_word[before->npath_words - 1] : NULL;
    s->npath_words = before->npath_words;
    s->path_word = copy(before->path_word, before->npath_words * sizeof *s->path_word);
    s->path_index = copy(before->path_index, before->npath_words * sizeof *s->path_index);
    s->words = copy(before->words, last ? (size_t)last->text + last->len : 0);
    s->npackages = before->npackages;
    s->package = copy(before->package, before->npackages * sizeof *s->package);
    for (uint32_t i = 0; i < s->npackages; i++)
        s->package[i].path.p = arena_strn(&s->arena, s->package[i].path.p, s->package[i].path.n);
    struct {
        const char *theirs, *mine;
    } language[64]; /* one text each, as `before` has it; a few dozen at most, else some are copied twice */
    uint32_t nlanguages = 0;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        struct snap_file *f = &s->file[i];
        const struct snap_file *was = &before->file[i];
        f->word = was->word;
        f->nwords = was->nwords;
        f->package = was->package;
        f->is = was->is;
        if (!was->language)
            continue;
        uint32_t k = 0;
        while (k < nlanguages && language[k].theirs != was->language)
            k++;
        if (k == nlanguages) {
            k = nlanguages < 64 ? nlanguages++ : 63;
            language[k].theirs = was->language;
            language[k].mine = arena_strn(&s->arena, was->language, strlen(was->language));
        }
        f->language = language[k].mine;
    }
}

static int take_records(struct snapshot *s, const struct snapshot *before, struct txn *t, struct err *e)
{
    for (uint32_t u = 0, b = 0; u < s->ncuts; u++) {
        struct snap_cut *c = &s->cut[u];
        while (b < before->ncuts && before->cut[b].cut < c->cut)
            b++;
        if (b < before->ncuts && before->cut[b].cut == c->cut) {
            uint32_t file = c->file, nfiles = c->nfiles;
            *c = before->cut[b];
            c->file = file;
            c->nfiles = nfiles;
        } else {
            struct record r;
            int rc = read_record(&r, c, t, e);
            if (rc)
                return rc;
        }
        s->nchunks += c->nchunks;
    }
    return 0;
}

static int load_after(struct snapshot *s, const struct snapshot *before, const bool *changed, struct txn *t, struct err *e)
{
    struct imports im = {0};
    take_paths(s, before);
    group_cuts(s);
    int rc = take_records(s, before, t, e);
    for (uint32_t i = 0; i < s->nfiles && !rc; i++) {
        struct snap_file *f = &s->file[i];
        struct record r;
        if (!changed[i])
            continue;
        float older = f->is.older, foreign = f->is.foreign;
        nature_of(&f->is, f, f->ucut == FILE_NONE ? NULL : &s->cut[f->ucut]);
        f->is.older = older;
        f->is.foreign = foreign;
        if (f->cut != CUT_NONE && !(rc = cut_get(t, f->cut, &r, e)))
            read_imports(&im, i, &r);
    }
    if (!rc)
        imports_renew(s, before, changed, im.row, im.n);
    free(im.row);
    return rc;
}

int snapshot_load(struct snapshot **out, struct store *store, uint32_t view, const struct unsaved *u, const struct snapshot *before, struct err *e)
{
    struct snapshot *s = mem_zero(1, sizeof *s);
    struct loading l = {.s = s};
    struct imports im = {0};
    struct txn *t = NULL;
    bool *changed = NULL;
    static uint64_t serial;
    s->refs = 1;
    s->serial = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
    arena_init(&s->arena);
    int rc = store_read(&t, store, e);
    if (rc)
        goto out;
    txn_see(t, u);
    s->generation = txn_generation(t);
    if ((rc = view_get(t, view, &s->head, e)) || (rc = view_stamp(&s->stamp, t, view, e)) || (rc = hash_rows(&s->rows, t, &s->head, e)))
        goto out;
    if (s->head.kind == VIEW_OVERLAY && (rc = occ_rows(t, view, add_overlay, &l, e)))
        goto out;
    if (l.noverlay)
        qsort(l.overlay, l.noverlay, sizeof *l.overlay, str_order);
    if ((rc = occ_each(t, view, STR(""), add_file, &l, e)))
        goto out;
    if (before) {
        changed = mem_zero(s->nfiles + 1, sizeof *changed);
        if (only_contents(changed, s, before, t)) {
            s->renewed = true;
            rc = load_after(s, before, changed, t, e);
            goto out;
        }
    }
    group_cuts(s);
    if ((rc = read_records(s, t, &im, e)))
        goto out;
    index_paths(s);
    find_packages(s);
    for (uint32_t i = 0; i < s->nfiles; i++)
        nature_of(&s->file[i].is, &s->file[i], s->file[i].ucut == FILE_NONE ? NULL : &s->cut[s->file[i].ucut]);
    variants_find(s);
    imports_resolve(s, im.row, im.n); /* the targets lie in the map: before the transaction ends */
out:
    txn_end(t);
    free(l.overlay);
    free(changed);
    free(im.row);
    if (rc)
        snapshot_drop(s);
    else
        *out = s;
    return rc;
}

void snapshot_drop(struct snapshot *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
        return;
    arena_release(&s->arena);
    free(s->file);
    free(s->cut);
    free(s->by_cut);
    free(s->path_word);
    free(s->path_index);
    free(s->words);
    free(s->edge);
    free(s->back_edge);
    free(s->package);
    free(s);
}

uint32_t snapshot_ucut(const struct snapshot *s, uint32_t cut)
{
    uint32_t lo = 0, hi = s->ncuts;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->cut[mid].cut < cut)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->ncuts && s->cut[lo].cut == cut ? lo : FILE_NONE;
}

uint32_t snapshot_file(const struct snapshot *s, struct str path)
{
    uint32_t lo = 0, hi = s->nfiles;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (str_cmp(s->file[mid].path, path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->nfiles && !str_cmp(s->file[lo].path, path) ? lo : FILE_NONE;
}

uint32_t snapshot_map(const struct snapshot *s, const struct segment *seg, uint32_t *map)
{
    /* both lists ascend: find the start, then walk side by side */
    uint32_t visible = 0, u = 0, hi = s->ncuts;
    while (seg->ncuts && u < hi) {
        uint32_t mid = u + (hi - u) / 2;
        if (s->cut[mid].cut < seg->cut[0])
            u = mid + 1;
        else
            hi = mid;
    }
    for (uint32_t i = 0; i < seg->ncuts; i++) {
        while (u < s->ncuts && s->cut[u].cut < seg->cut[i])
            u++;
        bool there = u < s->ncuts && s->cut[u].cut == seg->cut[i];
        map[i] = there ? u : FILE_NONE;
        visible += there;
    }
    return visible;
}

const struct path_index *snapshot_path(const struct snapshot *s, uint64_t term, size_t *n)
{
    uint32_t lo = 0, hi = s->npath_words;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->path_index[mid].term < term)
            lo = mid + 1;
        else
            hi = mid;
    }
    uint32_t end = lo;
    while (end < s->npath_words && s->path_index[end].term == term)
        end++;
    *n = end - lo;
    return s->path_index + lo;
}
