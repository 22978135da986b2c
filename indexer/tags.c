#include "indexer/tags.h"

#include "base/mem.h"
#include "indexer/cutter.h"
#include "query_images.h" /* made by query_images.c */
#include "third_party/query_image.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANGUAGES_MAX 64

static int ref_kind_of(const char *name)
{
#define X(sym, text)                                                                                                   \
    if (!strcmp(name, text))                                                                                           \
        return sym;
    REF_KINDS(X)
#undef X
    return -1;
}

static int def_kind_of(const char *name)
{
#define X(sym, text)                                                                                                   \
    if (!strcmp(name, text))                                                                                           \
        return sym;
    SYMBOL_KINDS(X)
#undef X
    return -1;
}

static int capture_of(struct capture *out, const char *name)
{
    static const struct {
        const char *name;
        enum capture_role role;
        uint8_t kind;
    } plain[] = {
        {"def.maybe_test", CAPTURE_MAYBE_TEST}, {"name", CAPTURE_NAME}, {"qname", CAPTURE_QNAME},
        {"scope", CAPTURE_SCOPE}, {"comment", CAPTURE_COMMENT}, {"attr", CAPTURE_ATTR}, {"wrap", CAPTURE_WRAP},
        {"wrap.public", CAPTURE_WRAP_PUBLIC}, {"doc", CAPTURE_DOC}, {"evidence", CAPTURE_EVIDENCE},
        {"evidence.inside", CAPTURE_EVIDENCE_INSIDE}, {"header", CAPTURE_HEADER}, {"salvage", CAPTURE_SALVAGE},
        {"frame.definition", CAPTURE_FRAME, FRAME_DEFINITION}, {"frame.declaration", CAPTURE_FRAME, FRAME_DECLARATION},
        {"frame.field", CAPTURE_FRAME, FRAME_FIELD}, {"frame.type", CAPTURE_FRAME, FRAME_TYPE},
        {"frame.none", CAPTURE_FRAME, FRAME_NONE}, {"declares.function", CAPTURE_DECLARES, DECLARES_FUNCTION},
        {"declares.variable", CAPTURE_DECLARES, DECLARES_VARIABLE},
        {"attr.test", CAPTURE_ATTR_TEST}, {"head", CAPTURE_HEAD},
    };
    *out = (struct capture){CAPTURE_NONE, 0};
    if (name[0] == '_')
        return 0;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!strcmp(name, plain[i].name)) {
            out->role = plain[i].role;
            out->kind = plain[i].kind;
            return 0;
        }
    }
    int kind = -1;
    if (!strncmp(name, "def.", 4) && (kind = def_kind_of(name + 4)) >= 0)
        *out = (struct capture){CAPTURE_DEF, (uint8_t)kind};
    else if (!strncmp(name, "ref.", 4) && (kind = ref_kind_of(name + 4)) >= 0)
        *out = (struct capture){CAPTURE_REF, (uint8_t)kind};
    return kind >= 0 ? 0 : -1;
}

static int predicate_of(struct predicate *out, const TSQuery *q, const TSQueryPredicateStep *step, uint32_t n)
{
    static const struct {
        const char *name;
        enum predicate_op op;
        bool negated;
    } known[] = {
        {"eq?", PREDICATE_EQ, false},         {"not-eq?", PREDICATE_EQ, true},
        {"any-of?", PREDICATE_ANY_OF, false}, {"not-any-of?", PREDICATE_ANY_OF, true},
        {"prefix?", PREDICATE_PREFIX, false}, {"not-prefix?", PREDICATE_PREFIX, true},
        {"upper?", PREDICATE_UPPER, false},   {"not-upper?", PREDICATE_UPPER, true},
        {"capital?", PREDICATE_CAPITAL, false},
    };
    uint32_t len;
    if (n < 3 || step[0].type != TSQueryPredicateStepTypeString || step[1].type != TSQueryPredicateStepTypeCapture)
        return -1;
    const char *name = ts_query_string_value_for_id(q, step[0].value_id, &len);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name))
            continue;
        *out = (struct predicate){.capture = step[1].value_id, .op = known[i].op, .negated = known[i].negated};
        out->strings = mem_zero(n - 2, sizeof *out->strings);
        for (uint32_t s = 2; s < n; s++) {
            if (step[s].type != TSQueryPredicateStepTypeString)
                return -1;
            const char *text = ts_query_string_value_for_id(q, step[s].value_id, &len);
            out->strings[out->nstrings++] = (struct str){text, len};
        }
        return 0;
    }
    return -1;
}

static int predicates_of(struct predicates *out, const TSQuery *q, uint32_t pattern)
{
    uint32_t n, from = 0;
    const TSQueryPredicateStep *step = ts_query_predicates_for_pattern(q, pattern, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (step[i].type != TSQueryPredicateStepTypeDone)
            continue;
        out->v = mem_grow(out->v, out->n + 1, sizeof *out->v);
        out->v[out->n] = (struct predicate){0};
        if (predicate_of(&out->v[out->n++], q, step + from, i - from))
            return -1;
        from = i + 1;
    }
    return 0;
}

static TSQuery *query_of(const struct language *l)
{
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        if (!strcmp(images[i].name, l->name))
            return query_image_read((const char *)images[i].bytes, images[i].n, l->grammar(), l->tags_scm, strlen(l->tags_scm));
    return NULL;
}

struct tags *tags_new(const struct language *l, struct err *e)
{
    uint32_t at = 0, len;
    TSQueryError why = TSQueryErrorNone;
    struct tags *t = mem_zero(1, sizeof *t);
    t->query = query_of(l);
    if (!t->query) /* none of ours, as in tests */
        t->query = ts_query_new(l->grammar(), l->tags_scm, (uint32_t)strlen(l->tags_scm), &at, &why);
    if (!t->query) {
        err_set(e, ERR_FORMAT, "queries/%s.scm: error %d near: %.60s", l->name, (int)why, l->tags_scm + at);
        goto fail;
    }
    t->ncaptures = ts_query_capture_count(t->query);
    t->captures = mem_zero(t->ncaptures, sizeof *t->captures);
    for (uint32_t i = 0; i < t->ncaptures; i++) {
        const char *name = ts_query_capture_name_for_id(t->query, i, &len);
        if (capture_of(&t->captures[i], name)) {
            err_set(e, ERR_FORMAT, "queries/%s.scm: unknown capture @%s", l->name, name);
            goto fail;
        }
    }
    t->npatterns = ts_query_pattern_count(t->query);
    t->patterns = mem_zero(t->npatterns, sizeof *t->patterns);
    for (uint32_t i = 0; i < t->npatterns; i++) {
        if (predicates_of(&t->patterns[i], t->query, i)) {
            err_set(e, ERR_FORMAT, "queries/%s.scm: unknown predicate near: %.60s", l->name,
                    l->tags_scm + ts_query_start_byte_for_pattern(t->query, i));
            goto fail;
        }
    }
    return t;
fail:
    tags_free(t);
    return NULL;
}

void tags_free(struct tags *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; t->patterns && i < t->npatterns; i++) {
        for (uint32_t p = 0; p < t->patterns[i].n; p++)
            free(t->patterns[i].v[p].strings);
        free(t->patterns[i].v);
    }
    free(t->patterns);
    free(t->captures);
    if (t->query)
        ts_query_delete(t->query);
    free(t);
}

const struct tags *tags_of(const struct language *l)
{
    static _Atomic(struct tags *) kept[LANGUAGES_MAX]; /* compiling takes milliseconds; never freed */
    size_t i = (size_t)(l - languages);
    if (!l->grammar || !l->tags_scm || i >= LANGUAGES_MAX)
        return NULL;
    struct tags *t = atomic_load_explicit(&kept[i], memory_order_acquire);
    if (t)
        return t;
    struct err e;
    struct tags *expected = NULL;
    t = tags_new(l, &e);
    if (!t) {
        fprintf(stderr, "codeask: %s\n", e.message);
        abort();
    }
    if (atomic_compare_exchange_strong(&kept[i], &expected, t))
        return t;
    tags_free(t); /* another thread was first */
    return expected;
}

static bool is_upper(struct str s)
{
    bool letter = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 'a' && s.p[i] <= 'z')
            return false;
        letter |= s.p[i] >= 'A' && s.p[i] <= 'Z';
    }
    return letter;
}

static bool holds(const struct predicate *p, struct str text)
{
    for (uint32_t i = 0; i < p->nstrings; i++) {
        struct str s = p->strings[i];
        if (p->op == PREDICATE_UPPER) /* letters, all of them capitals */
            return is_upper(text) != p->negated;
        if (p->op == PREDICATE_CAPITAL) /* begins with one */
            return (text.n && text.p[0] >= 'A' && text.p[0] <= 'Z') != p->negated;
        bool same = text.n >= s.n && !memcmp(text.p, s.p, s.n) && (p->op == PREDICATE_PREFIX || text.n == s.n);
        if (same)
            return !p->negated;
    }
    return p->negated;
}

static bool all_hold(const struct predicates *ps, const TSQueryMatch *m, const char *text)
{
    for (uint32_t i = 0; i < ps->n; i++) {
        const struct predicate *p = &ps->v[i];
        for (uint16_t k = 0; k < m->capture_count; k++) {
            if (m->captures[k].index != p->capture)
                continue;
            uint32_t start = ts_node_start_byte(m->captures[k].node), end = ts_node_end_byte(m->captures[k].node);
            if (!holds(p, (struct str){text + start, end - start}))
                return false;
        }
    }
    return true;
}

static struct span span_of(TSNode node)
{
    return (struct span){ts_node_start_byte(node), ts_node_end_byte(node), 0};
}

/* One match: at most one definition, any number of references, comments and the like. */
static void take(struct cutter *c, const struct tags *t, const TSQueryMatch *m)
{
    struct def d = {.role = CAPTURE_NONE, .parent = RECORD_NONE, .pattern = m->pattern_index};
    for (uint16_t k = 0; k < m->capture_count; k++) {
        TSNode node = m->captures[k].node;
        struct capture cap = t->captures[m->captures[k].index];
        struct span s = cap.role == CAPTURE_NONE ? (struct span){0, 0, 0} : span_of(node);
        switch ((enum capture_role)cap.role) {
        case CAPTURE_NONE:
            break;
        case CAPTURE_DEF:
        case CAPTURE_MAYBE_TEST:
            d.role = cap.role;
            d.kind = cap.kind;
            d.start = s.start;
            d.end = s.end;
            d.line = ts_node_start_point(node).row;
            break;
        case CAPTURE_NAME:
        case CAPTURE_QNAME:
            d.name = s.start;
            d.name_end = s.end;
            d.qualified = cap.role == CAPTURE_QNAME;
            break;
        case CAPTURE_SCOPE:
            d.scope = s.start;
            d.scope_end = s.end;
            break;
        case CAPTURE_REF:
            VEC_ADD(c->refs, (struct ref){s.start, s.end, ts_node_start_point(node).row, RECORD_NONE, 0, 0, cap.kind});
            break;
        case CAPTURE_COMMENT:
            VEC_ADD(c->comments, s);
            break;
        case CAPTURE_ATTR:
        case CAPTURE_ATTR_TEST:
        case CAPTURE_HEAD:
            s.flags = cap.role == CAPTURE_ATTR_TEST ? SPAN_TEST : cap.role == CAPTURE_HEAD ? SPAN_HEAD : 0;
            VEC_ADD(c->attrs, s);
            break;
        case CAPTURE_WRAP:
        case CAPTURE_WRAP_PUBLIC:
            s.flags = cap.role == CAPTURE_WRAP_PUBLIC ? SPAN_PUBLIC : 0;
            VEC_ADD(c->wraps, s);
            break;
        case CAPTURE_DOC:
            VEC_ADD(c->docs, s);
            break;
        case CAPTURE_EVIDENCE:
            VEC_ADD(c->evidence, s);
            break;
        case CAPTURE_EVIDENCE_INSIDE:
            VEC_ADD(c->inner_evidence, s);
            break;
        case CAPTURE_SALVAGE:
            c->salvage |= s.end - s.start > 200; /* not println!("…") */
            break;
        case CAPTURE_FRAME:
            VEC_ADD(c->frames, (struct frame){s.start, s.end, ts_node_start_point(node).row, cap.kind});
            break;
        case CAPTURE_DECLARES:
            VEC_ADD(c->declared, (struct declared){s.start, s.end, m->pattern_index, cap.kind});
            break;
        case CAPTURE_HEADER:
            VEC_ADD(c->headers, s);
            break;
        }
    }
    if (d.role != CAPTURE_NONE && d.name_end > d.name && c->defs.n < CUT_MAX_SYMBOLS)
        VEC_ADD(c->defs, d);
    else if (d.role != CAPTURE_NONE && c->defs.n >= CUT_MAX_SYMBOLS)
        c->flags |= RECORD_TRUNCATED;
}

void cut_run_query(struct cutter *c, const struct tags *t)
{
    TSQueryMatch m;
    TSQueryCursor *cursor = ts_query_cursor_new();
    ts_query_cursor_exec(cursor, t->query, ts_tree_root_node(c->tree));
    while (ts_query_cursor_next_match(cursor, &m)) {
        const struct predicates *ps = &t->patterns[m.pattern_index];
        if (!ps->n || all_hold(ps, &m, c->text))
            take(c, t, &m);
    }
    ts_query_cursor_delete(cursor);
}
