#define _GNU_SOURCE /* memmem */
#include "retriever/names.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFS_MAX 4000  /* of one question: `get` may be defined thousands of times, and says nothing then */
#define PREFIX_MAX 60  /* names with an asked prefix that are looked at */
#define TYPO_MIN 5     /* letters: shorter names are a typo apart from everything */

float kind_weight(enum symbol_kind k)
{
    static const float weight[SYMBOL_KIND_COUNT] = {
        [SYMBOL_FUNCTION] = 1,      [SYMBOL_METHOD] = 1,    [SYMBOL_CLASS] = 1.3f,     [SYMBOL_STRUCT] = 1.3f,
        [SYMBOL_INTERFACE] = 1.3f,  [SYMBOL_ENUM] = 1.2f,   [SYMBOL_TYPE] = 1.2f,      [SYMBOL_MODULE] = 1.1f,
        [SYMBOL_IMPLEMENTATION] = .5f, [SYMBOL_CONSTANT] = .6f, [SYMBOL_VARIABLE] = .5f, [SYMBOL_FIELD] = .35f,
        [SYMBOL_MACRO] = .8f,       [SYMBOL_PROTOTYPE] = .45f, [SYMBOL_SECTION] = .4f, [SYMBOL_TEST] = .2f,
    };
    return weight[k];
}

struct finder {
    const struct universe *u;
    const struct query *q;
    struct txn *t;
    struct arena *arena;
    struct name_def *def;
    size_t n, cap;
    struct name_hit *hits;
    size_t hits_cap;
};

static bool contains(struct str hay, struct str needle)
{
    return needle.n && hay.n >= needle.n && memmem(hay.p, hay.n, needle.p, needle.n);
}

static void add_hits(struct finder *f, size_t seg, uint32_t name_at, uint32_t name, enum name_match match)
{
    const struct segment *s = &f->u->seg[seg];
    const struct query_name *asked = &f->q->name[name];
    size_t n = segment_name_hits(s, name_at, &f->hits, &f->hits_cap);
    for (size_t i = 0; i < n && f->n < DEFS_MAX; i++) {
        uint32_t gid = f->u->gid[seg][f->hits[i].cut];
        struct record r;
        if (gid == FILE_NONE || cut_get(f->t, s->cut[f->hits[i].cut], &r, NULL) || f->hits[i].symbol >= r.head->nsymbols)
            continue;
        const struct record_symbol *sym = &r.symbol[f->hits[i].symbol];
        struct str got = record_str(&r, sym->name, sym->name_len);
        enum name_match how = match;
        if (how == MATCH_EXACT && (got.n != asked->text.n || memcmp(got.p, asked->text.p, got.n)))
            how = MATCH_FOLDED;
        bool scoped = false;
        if (asked->scope.n && sym->chunk < r.head->nchunks) {
            const struct record_chunk *c = &r.chunk[sym->chunk];
            scoped = contains(record_str(&r, c->crumb, c->crumb_len), asked->scope);
        }
        VEC_ROOM(f->def, f->n, f->cap);
        f->def[f->n++] = (struct name_def){gid, f->hits[i].symbol, sym->chunk, name, how, 0, sym->kind, scoped};
    }
}

static int folded_cmp(struct str a, const char *p, size_t n)
{
    int c = memcmp(a.p, p, a.n < n ? a.n : n);
    return c ? c : (a.n > n) - (a.n < n);
}

static void find_exact(struct finder *f, uint32_t name)
{
    struct str want = f->q->name[name].text;
    char folded[NAME_FOLD_MAX];
    size_t n = name_fold(folded, want.p, want.n);
    for (size_t seg = 0; seg < f->u->nsegs; seg++) {
        const struct segment *s = &f->u->seg[seg];
        uint32_t at = segment_name_lower_bound(s, folded, n);
        if (at < s->nnames && !folded_cmp(segment_name(s, at), folded, n))
            add_hits(f, seg, at, name, MATCH_EXACT);
    }
}

/* Damerau distance of at most one: one letter changed, added, dropped, or two neighbours swapped. */
static bool one_edit(struct str a, const char *b, size_t m)
{
    size_t n = a.n, i = 0;
    if (n + 1 < m || m + 1 < n)
        return false;
    while (i < n && i < m && a.p[i] == b[i])
        i++;
    if (n == m) {
        if (i == n)
            return true;
        if (!memcmp(a.p + i + 1, b + i + 1, n - i - 1))
            return true;
        return i + 1 < n && a.p[i] == b[i + 1] && a.p[i + 1] == b[i] && !memcmp(a.p + i + 2, b + i + 2, n - i - 2);
    }
    return n > m ? !memcmp(a.p + i + 1, b + i, m - i) : !memcmp(a.p + i, b + i + 1, n - i);
}

static void find_near(struct finder *f, uint32_t name, bool typo)
{
    struct str want = f->q->name[name].text;
    char folded[NAME_FOLD_MAX];
    size_t n = name_fold(folded, want.p, want.n);
    for (size_t seg = 0; seg < f->u->nsegs; seg++) {
        const struct segment *s = &f->u->seg[seg];
        if (!typo) {
            uint32_t at = segment_name_lower_bound(s, folded, n);
            for (uint32_t k = 0; at + k < s->nnames && k < PREFIX_MAX; k++) {
                struct str got = segment_name(s, at + k);
                if (got.n < n || memcmp(got.p, folded, n))
                    break;
                add_hits(f, seg, at + k, name, MATCH_PREFIX);
            }
            continue;
        }
        for (uint32_t k = 0; k < s->nnames; k++)
            if (one_edit(segment_name(s, k), folded, n))
                add_hits(f, seg, k, name, MATCH_TYPO);
    }
}

static int def_order(const void *a, const void *b)
{
    const struct name_def *x = a, *y = b;
    if (x->gid != y->gid)
        return x->gid < y->gid ? -1 : 1;
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

size_t names_find(struct name_def **out, const struct universe *u, const struct query *q, struct txn *t, struct arena *arena)
{
    struct finder f = {.u = u, .q = q, .t = t, .arena = arena};
    for (uint32_t i = 0; i < q->nnames; i++)
        find_exact(&f, i);
    for (uint32_t i = 0; i < q->nnames && !f.n && q->symbol_like; i++)
        find_near(&f, i, false);
    for (uint32_t i = 0; i < q->nnames && !f.n && q->symbol_like; i++)
        if (q->name[i].text.n >= TYPO_MIN)
            find_near(&f, i, true);
    /* a name that many define says less about each of them; a weaker kind or a mere fold does not dilute a stronger one */
    uint32_t definers[QUERY_NAMES][SYMBOL_KIND_COUNT] = {{0}}, folded[QUERY_NAMES] = {0};
    for (size_t i = 0; i < f.n; i++) {
        folded[f.def[i].name] += f.def[i].kind != SYMBOL_FIELD && f.def[i].kind != SYMBOL_PROTOTYPE;
        for (int k = 0; k < SYMBOL_KIND_COUNT && f.def[i].match == MATCH_EXACT; k++)
            definers[f.def[i].name][k] += kind_weight(f.def[i].kind) >= kind_weight(k);
    }
    static const float by_match[] = {[MATCH_EXACT] = 1, [MATCH_FOLDED] = .65f, [MATCH_PREFIX] = .4f, [MATCH_TYPO] = .35f};
    for (size_t i = 0; i < f.n; i++) {
        struct name_def *d = &f.def[i];
        const struct query_name *asked = &q->name[d->name];
        uint32_t n = d->match == MATCH_EXACT ? definers[d->name][d->kind] : folded[d->name];
        n = n ? n : 1;
        float scope = asked->scope.n ? (d->scoped ? 1.3f : .6f) : 1;
        d->quality = by_match[d->match] * kind_weight(d->kind) * asked->weight * scope / sqrtf((float)n);
    }
    *out = arena_alloc(arena, f.n * sizeof *f.def);
    if (f.n) {
        qsort(f.def, f.n, sizeof *f.def, def_order);
        memcpy(*out, f.def, f.n * sizeof *f.def);
    }
    free(f.def);
    free(f.hits);
    return f.n;
}
