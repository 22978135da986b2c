/* Definitions and references by name: from the segments' dictionaries through the records to places in the views. */
#include "retriever/lookup.h"
#include "retriever/names.h"

#include "base/mem.h"
#include "base/words.h"

#include <string.h>

#define FOUND_MAX 4000      /* definitions of one name that are looked at: `get` may have thousands, and says nothing then */
#define NEAR_MAX 400        /* definitions of misspelt names */
#define PREFIX_NAMES 20
#define TYPO_MIN 4          /* letters; shorter names are a typo apart from everything */
#define TYPO_TWO 8          /* letters from which on two errors are forgiven */

/* -- names --------------------------------------------------------------------------------------------------------------- */
static size_t name_run(const char *p, size_t end) /* begin of the component that ends at end */
{
    size_t at = end;
    while (at && !strchr(".:#>/\\ ", p[at - 1]))
        at--;
    return at;
}

struct symbol_name symbol_name_of(const char *name)
{
    struct symbol_name out = {{name, 0}, {name, 0}};
    size_t n = strlen(name);
    while (n && (name[n - 1] == ' ' || name[n - 1] == '(' || name[n - 1] == ')' || name[n - 1] == ';' || name[n - 1] == '`'))
        n--;
    while (n && (name[0] == ' ' || name[0] == '`' || name[0] == '&' || name[0] == '@' || name[0] == '*'))
        name++, n--;
    size_t at = name_run(name, n);
    out.last = (struct str){name + at, n - at};
    while (at && strchr(".:#>-/\\ ", name[at - 1]))
        at--;
    size_t from = name_run(name, at);
    out.scope = (struct str){name + from, at - from};
    if (!out.last.n) /* "operator/", "::": as it is */
        out = (struct symbol_name){{name, n}, {name, 0}};
    return out;
}

/* -- definitions ----------------------------------------------------------------------------------------------------------- */
/* 2: an enclosing definition is called so; 1: the file or its folder is; 0: neither. */
static int scope_of(const struct record *r, const struct record_symbol *s, const struct snap_file *f, struct str scope)
{
    uint32_t parent = s->parent;
    for (int depth = 0; depth < 16 && parent != RECORD_NONE; depth++) {
        const struct record_symbol *up = &r->symbol[parent];
        if (str_fold_equal(record_str(r, up->name, up->name_len), scope))
            return 2;
        parent = up->parent;
    }
    if (s->chunk < r->head->nchunks) { /* a receiver's type, or an implementation's, may stand in the breadcrumb alone */
        const struct record_chunk *c = &r->chunk[s->chunk];
        struct str crumb = record_str(r, c->crumb, c->crumb_len);
        for (size_t i = 0; i + scope.n <= crumb.n; i++)
            if (str_fold_equal((struct str){crumb.p + i, scope.n}, scope))
                return 2;
    }
    if (str_fold_equal((struct str){f->path.p + f->stem, f->stem_len}, scope))
        return 1;
    size_t end = f->stem ? f->stem - 1 : 0, at = end;
    while (at && f->path.p[at - 1] != '/')
        at--;
    return str_fold_equal((struct str){f->path.p + at, end - at}, scope);
}

/* The occurrence of a cut that is shown: the one that is code the most. */
static uint32_t shown_file(const struct snapshot *s, uint32_t ucut)
{
    const struct snap_cut *c = &s->cut[ucut];
    uint32_t best = s->by_cut[c->file];
    for (uint32_t i = 1; i < c->nfiles && i < 64; i++)
        if (file_distance(&s->file[s->by_cut[c->file + i]]) < file_distance(&s->file[best]))
            best = s->by_cut[c->file + i];
    return best;
}

static void add_definition(struct places *out, struct lookup *l, uint32_t cut, uint32_t symbol, const struct record *r, float penalty)
{
    const struct record_symbol *s = &r->symbol[symbol];
    for (uint32_t t = 0; t < l->ntargets; t++) {
        uint32_t ucut = snapshot_ucut(l->snap[t], cut);
        if (ucut == FILE_NONE)
            continue;
        uint32_t file = shown_file(l->snap[t], ucut);
        float order = penalty + 2 * file_distance(&l->snap[t]->file[file]) + (1.3f - kind_weight(s->kind)) -
                      (s->flags & SYMBOL_PUBLIC ? .05f : 0);
        VEC_ROOM(out->v, out->n, out->cap);
        out->v[out->n++] = (struct place){t, file, cut, s->chunk, symbol, s->start_line, s->end_line, s->kind, order};
    }
}

static void keep_spelled(struct str *spelled, size_t *n, struct lookup *l, struct str name)
{
    for (size_t i = 0; i < *n; i++)
        if (spelled[i].n == name.n && !memcmp(spelled[i].p, name.p, name.n))
            return;
    if (*n < LOOKUP_NAMES)
        spelled[(*n)++] = (struct str){arena_strn(l->arena, name.p, name.n), name.n};
}

/* Visible definitions under the i-th folded name of a segment; exact: only those spelled so. */
static void add_name(struct places *out, struct lookup *l, const struct segment *seg, uint32_t i, const struct str *exact,
                     struct str *spelled, size_t *nspelled, float penalty, size_t most)
{
    size_t n = segment_name_hits(seg, i, &l->hits, &l->hits_cap);
    for (size_t h = 0; h < n && out->n < most; h++) {
        uint32_t cut = seg->cut[l->hits[h].cut];
        bool visible = false;
        for (size_t t = 0; t < l->ntargets && !visible; t++)
            visible = snapshot_ucut(l->snap[t], cut) != FILE_NONE;
        struct record r;
        if (!visible || cut_get(l->t, cut, &r, NULL) || l->hits[h].symbol >= r.head->nsymbols)
            continue;
        const struct record_symbol *s = &r.symbol[l->hits[h].symbol];
        struct str name = record_str(&r, s->name, s->name_len);
        if (exact && (name.n != exact->n || memcmp(name.p, exact->p, name.n)))
            continue;
        if (spelled)
            keep_spelled(spelled, nspelled, l, name);
        add_definition(out, l, cut, l->hits[h].symbol, &r, penalty);
    }
}

static bool at_name(const struct segment *seg, uint32_t *i, const char *folded, size_t n)
{
    *i = segment_name_lower_bound(seg, folded, n);
    if (*i >= seg->nnames)
        return false;
    struct str got = segment_name(seg, *i);
    return got.n == n && !memcmp(got.p, folded, n);
}

void lookup_exact(struct places *out, struct lookup *l, struct str name, size_t most)
{
    char folded[NAME_FOLD_MAX];
    size_t n = name_fold(folded, name.p, name.n);
    uint32_t i;
    for (size_t s = 0; s < l->nsegs; s++)
        if (at_name(&l->seg[s], &i, folded, n))
            add_name(out, l, &l->seg[s], i, &name, NULL, NULL, 0, out->n + most);
}

/* Damerau–Levenshtein distance of at most `most`, by bytes of the folded names; most + 1 means more. */
static unsigned edits(struct str a, const char *b, size_t m, unsigned most)
{
    size_t n = a.n;
    if (n + most < m || m + most < n || n > NAME_FOLD_MAX || m > NAME_FOLD_MAX)
        return most + 1;
    uint8_t row[3][NAME_FOLD_MAX + 1];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= n; i++) {
        uint8_t *now = row[i % 3], *up = row[(i + 2) % 3], *upup = row[(i + 1) % 3], best;
        now[0] = best = (uint8_t)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned d = up[j - 1] + (a.p[i - 1] != b[j - 1]);
            d = up[j] + 1u < d ? up[j] + 1u : d;
            d = now[j - 1] + 1u < d ? now[j - 1] + 1u : d;
            if (i > 1 && j > 1 && a.p[i - 1] == b[j - 2] && a.p[i - 2] == b[j - 1] && upup[j - 2] + 1u < d)
                d = upup[j - 2] + 1u;
            now[j] = (uint8_t)d;
            best = d < best ? (uint8_t)d : best;
        }
        if (best > most)
            return most + 1;
    }
    return row[n % 3][m];
}

/* The letters and digits of a folded name: thread_pool, threadpool and thread-pool are one. */
static size_t squeeze(char *to, const char *p, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] != '_' && p[i] != '-' && p[i] != '?' && p[i] != '!' && p[i] != '\'')
            to[k++] = p[i];
    return k;
}

/* Another spelling: the dictionary is walked once. errors 0: the same letters; otherwise that many typing errors. */
static void find_near(struct places *out, struct lookup *l, const char *folded, size_t n, unsigned errors, struct str *spelled,
                      size_t *nspelled)
{
    char want[NAME_FOLD_MAX], got[NAME_FOLD_MAX];
    size_t m = squeeze(want, folded, n);
    for (size_t s = 0; s < l->nsegs; s++)
        for (uint32_t i = 0; i < l->seg[s].nnames && out->n < NEAR_MAX; i++) {
            struct str name = segment_name(&l->seg[s], i);
            if (name.n > NAME_FOLD_MAX)
                continue;
            unsigned d = 0;
            if (errors) {
                d = edits(name, folded, n, errors);
            } else {
                size_t k = name.n >= m ? squeeze(got, name.p, name.n) : 0;
                d = k == m && !memcmp(got, want, m) ? 0 : 1;
            }
            if (d <= errors)
                add_name(out, l, &l->seg[s], i, NULL, spelled, nspelled, .5f * (float)d, NEAR_MAX);
        }
}

static void find_prefix(struct places *out, struct lookup *l, const char *folded, size_t n, struct str *spelled, size_t *nspelled)
{
    for (size_t s = 0; s < l->nsegs; s++) {
        uint32_t at = segment_name_lower_bound(&l->seg[s], folded, n);
        for (uint32_t i = at; i < l->seg[s].nnames && i < at + PREFIX_NAMES; i++) {
            struct str name = segment_name(&l->seg[s], i);
            if (name.n < n || memcmp(name.p, folded, n))
                break;
            add_name(out, l, &l->seg[s], i, NULL, spelled, nspelled, .02f * (float)(name.n - n), NEAR_MAX);
        }
    }
}

/* Keeps only the definitions in the scope, where there is one. */
static void narrow(struct places *p, struct lookup *l, struct str scope)
{
    int best = 0;
    if (!scope.n)
        return;
    for (int pass = 0; pass < 2; pass++) {
        size_t kept = 0;
        for (size_t i = 0; i < p->n; i++) {
            struct record r;
            if (cut_get(l->t, p->v[i].cut, &r, NULL))
                continue;
            int in = scope_of(&r, &r.symbol[p->v[i].symbol], &l->snap[p->v[i].target]->file[p->v[i].file], scope);
            if (!pass)
                best = in > best ? in : best;
            else if (in == best)
                p->v[kept++] = p->v[i];
        }
        if (!best)
            return;
        if (pass)
            p->n = kept;
    }
}

size_t lookup_definitions(struct places *out, struct str *spelled, struct lookup *l, struct symbol_name name, bool exact)
{
    char folded[NAME_FOLD_MAX];
    size_t n = name_fold(folded, name.last.p, name.last.n), nspelled = 0;
    uint32_t i;
    if (!n)
        return 0;
    for (int as_written = 1; as_written >= exact && !out->n; as_written--)
        for (size_t s = 0; s < l->nsegs; s++)
            if (at_name(&l->seg[s], &i, folded, n))
                add_name(out, l, &l->seg[s], i, as_written ? &name.last : NULL, spelled, &nspelled, 0, FOUND_MAX);
    if (!exact && !out->n)
        find_near(out, l, folded, n, 0, spelled, &nspelled);
    if (!exact && !out->n && n >= TYPO_MIN)
        find_near(out, l, folded, n, 1, spelled, &nspelled);
    if (!exact && !out->n && n >= TYPO_TWO)
        find_near(out, l, folded, n, 2, spelled, &nspelled);
    if (!exact && !out->n && n >= 3)
        find_prefix(out, l, folded, n, spelled, &nspelled);
    narrow(out, l, name.scope);
    places_sort(l, out);
    return nspelled;
}

/* -- references -------------------------------------------------------------------------------------------------------------- */
void lookup_references(struct places *out, struct lookup *l, struct str name, unsigned kinds, size_t most)
{
    for (size_t s = 0; s < l->nsegs; s++) {
        const struct segment *seg = &l->seg[s];
        bool imports = kinds & (1u << REF_IMPORT | 1u << REF_EXPORT);
        for (int pass = 0; pass < 1 + imports; pass++) {
            enum term_kind kind = pass ? TERM_IMPORT : TERM_REF;
            size_t n = segment_postings(seg, term_of(kind, name.p, name.n), &l->post, &l->post_cap);
            uint32_t before = CUT_NONE;
            for (size_t i = 0; i < n && out->n < most; i++) {
                uint32_t cut = seg->cut[seg->chunk_cut[l->post[i].chunk]];
                struct record r;
                if (cut == before) /* postings come by chunk, and a record's references are all read at its first */
                    continue;
                before = cut;
                for (uint32_t t = 0; t < l->ntargets; t++) {
                    uint32_t ucut = snapshot_ucut(l->snap[t], cut);
                    if (ucut == FILE_NONE || cut_get(l->t, cut, &r, NULL))
                        continue;
                    uint32_t file = shown_file(l->snap[t], ucut);
                    for (uint32_t k = 0; k < r.head->nrefs && out->n < most; k++) {
                        const struct record_ref *x = &r.ref[k];
                        bool import = x->kind == REF_IMPORT || x->kind == REF_EXPORT;
                        if (!(kinds >> x->kind & 1) || import != (kind == TERM_IMPORT) || x->name_len != name.n ||
                            memcmp(r.strings + x->name, name.p, name.n))
                            continue;
                        VEC_ROOM(out->v, out->n, out->cap);
                        out->v[out->n++] = (struct place){t, file, cut, x->chunk, x->symbol, x->line, x->line, x->kind,
                                                          file_distance(&l->snap[t]->file[file])};
                    }
                }
            }
        }
    }
    places_sort(l, out);
}

/* -- what a definition calls -------------------------------------------------------------------------------------------------- */
static bool inside(const struct record *r, uint32_t symbol, uint32_t outer)
{
    for (int depth = 0; depth < 16 && symbol != RECORD_NONE; depth++) {
        if (symbol == outer)
            return true;
        symbol = r->symbol[symbol].parent;
    }
    return false;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool plain_word(struct str name)
{
    for (size_t i = 1; i < name.n; i++)
        if (name.p[i] == '_' || (name.p[i] >= 'A' && name.p[i] <= 'Z'))
            return false;
    return true;
}

#define AMBIGUOUS 3 /* definitions elsewhere: with more, which one is called is a guess */

static bool best_definition(struct place *best, struct lookup *l, struct str name, const struct place *caller)
{
    struct places found = {0};
    lookup_exact(&found, l, name, 64);
    float least = 1e9f;
    size_t elsewhere = 0;
    for (size_t i = 0; i < found.n; i++) {
        struct place *p = &found.v[i];
        if (p->target != caller->target || (p->cut == caller->cut && p->symbol == caller->symbol))
            continue;
        if (p->kind == SYMBOL_SECTION || p->kind == SYMBOL_FIELD || p->kind == SYMBOL_VARIABLE || p->kind == SYMBOL_TEST)
            continue;
        const struct snapshot *s = l->snap[p->target];
        if (file_distance(&s->file[p->file]) > file_distance(&s->file[caller->file]) + .25f) /* code calls no tests */
            continue;
        const char *a = s->file[p->file].language, *b = s->file[caller->file].language;
        if (a && b && strcmp(a, b) && plain_word(name)) /* no Ruby method calls a script's function of the same plain name */
            continue;
        float order = p->order;
        if (p->cut == caller->cut)
            order -= 4;
        else if (s->file[p->file].package == s->file[caller->file].package)
            order -= .5f;
        elsewhere += p->cut != caller->cut && p->kind != SYMBOL_PROTOTYPE;
        if (order < least) {
            least = order;
            *best = *p;
        }
    }
    places_release(&found);
    return least < 1e9f && (best->cut == caller->cut || elsewhere <= AMBIGUOUS);
}

/* "kwargs.get(…)" says nothing of Session.get: a plain word called on something else than self is known by its receiver's
 * name alone, as in "session.get(…)". */
static bool foreign_receiver(struct lookup *l, const struct record *caller, const struct record_ref *x, uint32_t cut,
                             const struct place *callee)
{
    struct str name = record_str(caller, x->name, x->name_len), line;
    struct record r;
    if (!plain_word(name) || lookup_record(&r, l, callee->cut, NULL) || lookup_lines(&line, l, cut, x->line, x->line, NULL))
        return false;
    uint32_t parent = r.symbol[callee->symbol].parent;
    struct str owner = parent == RECORD_NONE ? (struct str){"", 0} : record_str(&r, r.symbol[parent].name, r.symbol[parent].name_len);
    for (size_t i = 1; i + name.n <= line.n; i++) {
        if (memcmp(line.p + i, name.p, name.n) || (i + name.n < line.n && line.p[i + name.n] != '(' && line.p[i + name.n] != ' '))
            continue;
        size_t end = i;
        if (line.p[end - 1] != '.' && !(end > 1 && line.p[end - 1] == '>' && line.p[end - 2] == '-'))
            continue;
        while (end && strchr(".->?!", line.p[end - 1]))
            end--;
        size_t from = end;
        while (from && (strchr("_$@", line.p[from - 1]) || is_alnum(line.p[from - 1])))
            from--;
        struct str receiver = {line.p + from, end - from};
        static const char *const self[] = {"self", "this", "cls", "super", "@", "$this", "Self", "me", NULL};
        for (size_t k = 0; self[k]; k++)
            if (str_fold_equal(receiver, str_of(self[k])))
                return false;
        return !owner.n || !str_fold_equal(receiver, owner);
    }
    return false;
}

void lookup_callees(struct places *out, struct lookup *l, const struct place *def, size_t most)
{
    struct record r;
    if (def->symbol == RECORD_NONE || cut_get(l->t, def->cut, &r, NULL))
        return;
    uint32_t seen[256];
    size_t nseen = 0;
    for (uint32_t i = 0; i < r.head->nrefs && out->n < most && nseen < 256; i++) {
        const struct record_ref *x = &r.ref[i];
        if (x->kind != REF_CALL || !inside(&r, x->symbol, def->symbol))
            continue;
        size_t k = 0;
        while (k < nseen && (r.ref[seen[k]].name_len != x->name_len ||
                             memcmp(r.strings + r.ref[seen[k]].name, r.strings + x->name, x->name_len)))
            k++;
        if (k < nseen)
            continue;
        seen[nseen++] = i;
        struct place best;
        if (!best_definition(&best, l, record_str(&r, x->name, x->name_len), def) || foreign_receiver(l, &r, x, def->cut, &best))
            continue;
        best.order = (float)out->n; /* in the order of the calls */
        VEC_ROOM(out->v, out->n, out->cap);
        out->v[out->n++] = best;
    }
}
