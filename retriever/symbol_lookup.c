/* `codeask symbol`: where a name is defined, who calls it, what it calls, who mentions it. */
#include "retriever/lookup.h"

#include "base/mem.h"

#include <string.h>

#define REFERENCES_MAX 20000 /* looked at before the limit is applied */
#define SHOWN_LINES 8        /* of a definition in its snippet */
#define CALLEES_OF 4         /* definitions whose calls are followed */

static struct str kept(struct lookup *l, const char *p, size_t n)
{
    return (struct str){arena_strn(l->arena, p, n), n};
}

/* What a definition says of itself. */
static int describe(struct search_hit *h, struct lookup *l, const struct place *x, struct err *e)
{
    struct record r;
    struct str doc;
    uint32_t line;
    int rc = x->symbol == RECORD_NONE ? 0 : lookup_record(&r, l, x->cut, e);
    if (rc || x->symbol == RECORD_NONE)
        return rc;
    const struct record_symbol *s = &r.symbol[x->symbol];
    h->signature = kept(l, r.strings + s->signature, s->signature_len);
    uint32_t end = s->doc_end - s->doc_start < SYMBOL_DOC_MAX ? s->doc_end : s->doc_start + SYMBOL_DOC_MAX;
    if (end == s->doc_start || (rc = lookup_bytes(&doc, &line, l, x->cut, s->doc_start, end, e)))
        return rc;
    while (end < s->doc_end && doc.n && doc.p[doc.n - 1] != '\n') /* whole lines */
        doc.n--;
    h->doc = kept(l, doc.p, doc.n);
    return 0;
}

/* What a reference is, and the definition around it. */
static int stand(struct search_hit *h, struct lookup *l, const struct place *x, struct err *e)
{
    struct record r;
    h->use = ref_kind_name((enum ref_kind)x->kind);
    int rc = x->symbol == RECORD_NONE ? 0 : lookup_record(&r, l, x->cut, e);
    if (!rc && x->symbol != RECORD_NONE) {
        h->symbol_start = r.symbol[x->symbol].start_line;
        h->symbol_end = r.symbol[x->symbol].end_line;
    }
    return rc;
}

static int fill(struct symbol_result *out, int list, struct lookup *l, const struct places *p, uint32_t limit, bool definitions,
                struct err *e)
{
    size_t n = p->n < limit ? p->n : limit;
    out->found[list] = p->n;
    out->list[list] = arena_zero(l->arena, n ? n : 1, sizeof **out->list);
    for (size_t i = 0; i < n; i++) {
        const struct place *x = &p->v[i];
        uint32_t last = x->end_line;
        if (definitions && last > x->line + SHOWN_LINES - 1)
            last = x->line + SHOWN_LINES - 1;
        int rc = lookup_hit(&out->list[list][i], l, x, x->line, last, e);
        if (!rc && definitions)
            rc = describe(&out->list[list][i], l, x, e);
        if (rc)
            return rc;
        if (!definitions && (rc = stand(&out->list[list][i], l, x, e)))
            return rc;
        out->list[list][i].score = 1.0 / (1.0 + (x->order > 0 ? x->order : 0));
        out->n[list]++;
    }
    return 0;
}

static void references(struct places *to, struct lookup *l, const struct str *name, size_t n, unsigned kinds)
{
    for (size_t i = 0; i < n; i++)
        lookup_references(to, l, name[i], kinds, REFERENCES_MAX);
}

int symbol_lookup(struct symbol_result *out, struct retriever *r, const char *name, unsigned want,
                  const struct search_target *target, size_t ntargets, uint32_t limit, struct arena *arena, struct err *e)
{
    *out = (struct symbol_result){0};
    struct lookup l;
    struct places defs = {0}, callers = {0}, callees = {0}, refs = {0};
    struct str spelled[LOOKUP_NAMES];
    struct symbol_name asked = symbol_name_of(arena_str(arena, name));
    if (!asked.last.n)
        return err_set(e, ERR_USAGE, "no name to look for");
    if (!limit || limit > SEARCH_LIMIT_MAX)
        limit = limit ? SEARCH_LIMIT_MAX : 100;
    uint32_t users = want & WANT_COUNTS ? 0 : limit;
    int rc = lookup_open(&l, r, target, ntargets, arena, e);
    if (rc)
        return rc;
    size_t n = lookup_definitions(&defs, spelled, &l, asked, want & WANT_EXACT);
    if (!n) { /* defined elsewhere (a library): who uses it is known all the same */
        spelled[0] = asked.last;
        n = 1;
    }
    out->matched = arena_strn(arena, spelled[0].p, spelled[0].n);
    if (want & WANT_DEFINITIONS)
        rc = fill(out, 0, &l, &defs, limit, true, e);
    if (!rc && want & WANT_CALLERS) {
        references(&callers, &l, spelled, n, 1u << REF_CALL);
        places_one_each(&callers, &defs);
        rc = fill(out, 1, &l, &callers, users, false, e);
    }
    if (!rc && want & WANT_CALLEES) {
        for (size_t i = 0; i < defs.n && i < CALLEES_OF; i++)
            if (defs.v[i].kind != SYMBOL_PROTOTYPE)
                lookup_callees(&callees, &l, &defs.v[i], limit);
        rc = fill(out, 2, &l, &callees, limit, true, e);
    }
    if (!rc && want & WANT_REFERENCES) {
        references(&refs, &l, spelled, n, ~0u);
        rc = fill(out, 3, &l, &refs, users, false, e);
    }
    places_release(&defs);
    places_release(&callers);
    places_release(&callees);
    places_release(&refs);
    lookup_close(&l);
    return rc;
}
