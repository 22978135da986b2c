/* Definitions as the query found them become symbols: one per name, nested, with their wrappers, attributes and doc
 * comments, of an exact kind. Everything is decided from byte positions, so no language is named here. */
#include "indexer/cutter.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SCOPE_SEARCH 4096  /* types looked through for a receiver's type */
#define CLIMB_MAX 64       /* enclosing definitions looked at: deeper nesting is hostile or data */

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f';
}

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' ||
           (unsigned char)ch >= 128;
}

static int by_name(const void *a, const void *b)
{
    const struct def *x = a, *y = b;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    return (x->pattern > y->pattern) - (x->pattern < y->pattern);
}

static int by_start(const void *a, const void *b)
{
    const struct def *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    return (x->name > y->name) - (x->name < y->name);
}

static int span_order(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end); /* the outer one first */
}

static int ref_order(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static void sort(void *v, uint32_t n, size_t size, int (*order)(const void *, const void *))
{
    for (uint32_t i = 1; i < n; i++) { /* matches come nearly in order: most often there is nothing to do */
        if (order((char *)v + (i - 1) * size, (char *)v + i * size) > 0) {
            qsort(v, n, size, order);
            return;
        }
    }
}

static bool is_code(uint8_t kind)
{
    return kind == SYMBOL_FUNCTION || kind == SYMBOL_METHOD || kind == SYMBOL_TEST;
}

/* A name is defined once, and so is a function's node; of several patterns the first in the query file wins. */
static void drop_twins(struct cutter *c)
{
    sort(c->defs.v, c->defs.n, sizeof *c->defs.v, by_name);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->defs.n; i++)
        if (!kept || c->defs.v[kept - 1].name != c->defs.v[i].name)
            c->defs.v[kept++] = c->defs.v[i];
    c->defs.n = kept;
    sort(c->defs.v, c->defs.n, sizeof *c->defs.v, by_start);
    kept = 0;
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i], *before = kept ? &c->defs.v[kept - 1] : NULL;
        if (before && before->start == d->start && before->end == d->end && is_code(d->kind) && is_code(before->kind)) {
            if (d->pattern < before->pattern)
                *before = *d;
            continue;
        }
        c->defs.v[kept++] = *d;
    }
    c->defs.n = kept;
}

static int frame_order(const void *a, const void *b)
{
    const struct frame *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

static int declared_order(const void *a, const void *b)
{
    const struct declared *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* Declared names become definitions of the innermost frame around them. */
static void define_declared(struct cutter *c)
{
    static const uint8_t kinds[][2] = {
        [FRAME_DEFINITION] = {SYMBOL_FUNCTION, SYMBOL_KIND_COUNT}, [FRAME_DECLARATION] = {SYMBOL_PROTOTYPE, SYMBOL_VARIABLE},
        [FRAME_FIELD] = {SYMBOL_PROTOTYPE, SYMBOL_FIELD},          [FRAME_TYPE] = {SYMBOL_TYPE, SYMBOL_TYPE},
        [FRAME_NONE] = {SYMBOL_KIND_COUNT, SYMBOL_KIND_COUNT},
    };
    uint32_t next = 0;
    c->stack.n = 0;
    sort(c->frames.v, c->frames.n, sizeof *c->frames.v, frame_order);
    sort(c->declared.v, c->declared.n, sizeof *c->declared.v, declared_order);
    for (uint32_t i = 0; i < c->declared.n && c->defs.n < CUT_MAX_SYMBOLS; i++) {
        struct declared n = c->declared.v[i];
        for (; next < c->frames.n && c->frames.v[next].start <= n.start; next++) {
            while (c->stack.n && c->frames.v[c->stack.v[c->stack.n - 1]].end <= c->frames.v[next].start)
                c->stack.n--;
            VEC_ADD(c->stack, next);
        }
        while (c->stack.n && c->frames.v[c->stack.v[c->stack.n - 1]].end <= n.start)
            c->stack.n--;
        if (!c->stack.n)
            continue;
        const struct frame *f = &c->frames.v[c->stack.v[c->stack.n - 1]];
        uint8_t kind = kinds[f->kind][n.what];
        if (kind != SYMBOL_KIND_COUNT)
            VEC_ADD(c->defs, (struct def){.start = f->start, .end = f->end, .name = n.start, .name_end = n.end, .line = f->line,
                                          .parent = RECORD_NONE, .pattern = n.pattern, .kind = kind, .role = CAPTURE_DEF,
                                          .qualified = true});
    }
}

/* Only white space in [a, b), with at most max line ends? */
static bool only_gap(const struct cutter *c, uint32_t a, uint32_t b, int max)
{
    for (; a < b; a++) {
        if (!is_space(c->text[a]))
            return false;
        if (c->text[a] == '\n' && --max < 0)
            return false;
    }
    return true;
}

static bool begins_line(const struct cutter *c, uint32_t at)
{
    while (at > 0 && (c->text[at - 1] == ' ' || c->text[at - 1] == '\t'))
        at--;
    return at == 0 || c->text[at - 1] == '\n';
}

/* The last of sorted spans that ends at or before at, or NULL; spans do not overlap. */
static const struct span *last_before(const struct span *v, uint32_t n, uint32_t at)
{
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (v[mid].end <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? &v[lo - 1] : NULL;
}

/* Wrappers (export, decorators, template<>) end where the definition ends. Both lists are sorted by start. */
static void add_wrappers(struct cutter *c)
{
    uint32_t next = 0;
    c->stack.n = 0;
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i];
        for (; next < c->wraps.n && c->wraps.v[next].start <= d->start; next++)
            VEC_ADD(c->stack, next);
        while (c->stack.n && c->wraps.v[c->stack.v[c->stack.n - 1]].end <= d->start)
            c->stack.n--;
        for (uint32_t s = c->stack.n; s > 0; s--) {
            struct span w = c->wraps.v[c->stack.v[s - 1]];
            bool public = w.flags & SPAN_PUBLIC;
            if (w.end < d->end) /* a closed one, deeper in the stack than an open one */
                continue;
            if (d->parent != RECORD_NONE && w.start <= c->defs.v[d->parent].start)
                break; /* the parent's own */
            if (i && c->defs.v[i - 1].start >= w.start && c->defs.v[i - 1].end <= d->start)
                break; /* one of a group */
            if (w.end > d->end + 2 && !only_gap(c, d->end, w.end, 1)) {
                /* several names in one exported declaration are all exported */
                if (public && w.end - w.start < 4000 && d->parent == RECORD_NONE && d->kind >= SYMBOL_CONSTANT)
                    d->flags |= SYMBOL_PUBLIC;
                break;
            }
            d->outer = w.start < d->outer ? w.start : d->outer;
            d->outer_end = w.end > d->outer_end ? w.end : d->outer_end;
            if (public)
                d->flags |= SYMBOL_PUBLIC;
        }
    }
}

/* What is marked as documentation may stand a blank line above. */
static bool is_doc_comment(const struct cutter *c, const struct span *s)
{
    return s->end - s->start > 5 && !memcmp(c->text + s->start, "/**", 3) && c->text[s->start + 3] != '*';
}

/* Comments and attributes right above, line by line upwards. The doc comment is the run of comments. */
static void add_docs(struct cutter *c, struct def *d)
{
    uint32_t at = d->outer;
    if (!begins_line(c, at) || d->doc_end)
        return;
    for (;;) {
        const struct span *comment = last_before(c->comments.v, c->comments.n, at);
        const struct span *attr = last_before(c->attrs.v, c->attrs.n, at);
        if (attr && (!comment || attr->end > comment->end) && only_gap(c, attr->end, at, 2)) {
            at = d->outer = attr->start;
            if (attr->flags & SPAN_TEST)
                d->kind = SYMBOL_TEST;
            if (attr->flags & SPAN_HEAD) {
                d->start = d->head = attr->start;
                d->head_end = attr->end;
                d->line = cut_line_of(c, d->start);
            }
            continue;
        }
        if (!comment || !only_gap(c, comment->end, at, is_doc_comment(c, comment) && !d->doc_end ? 2 : 1) ||
            !begins_line(c, comment->start))
            return;
        if (!d->doc_end)
            d->doc_end = comment->end;
        at = d->outer = d->doc = comment->start;
    }
}

/* val f : int -> int (** what it does *): a comment right below, with nothing right below itself. */
static void doc_below(struct cutter *c, struct def *d)
{
    uint32_t lo = 0, hi = c->comments.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->comments.v[mid].start < d->outer_end)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == c->comments.n)
        return;
    struct span s = c->comments.v[lo];
    if (!only_gap(c, d->outer_end, s.start, 1) || (s.end < c->n && only_gap(c, s.end, s.end + 1, 1) && s.end + 1 < c->n &&
                                                  !is_space(c->text[s.end + 1])))
        return;
    d->doc = s.start;
    d->doc_end = d->outer_end = s.end;
}

/* Grammars differ in whether a comment holds its line end: no longer after this. Adjoining pieces stay apart. */
static void trim_comments(struct cutter *c)
{
    for (uint32_t i = 0; i < c->comments.n; i++) {
        struct span *s = &c->comments.v[i];
        while (s->end > s->start && is_space(c->text[s->end - 1]))
            s->end--;
    }
}

/* Which definition a position stands in, for positions asked in ascending order. stack holds the open ones. */
uint32_t cut_open_at(struct cutter *c, uint32_t *next, uint32_t at)
{
    for (; *next < c->defs.n && c->defs.v[*next].start <= at; (*next)++) {
        while (c->stack.n && c->defs.v[c->stack.v[c->stack.n - 1]].end <= c->defs.v[*next].start)
            c->stack.n--;
        VEC_ADD(c->stack, *next);
    }
    while (c->stack.n && c->defs.v[c->stack.v[c->stack.n - 1]].end <= at)
        c->stack.n--;
    return c->stack.n ? c->stack.v[c->stack.n - 1] : RECORD_NONE;
}

/* The same span captured twice is one with the flags of both. */
static void merge_spans(struct spans *s)
{
    uint32_t kept = 0;
    sort(s->v, s->n, sizeof *s->v, span_order);
    for (uint32_t i = 0; i < s->n; i++) {
        if (kept && s->v[kept - 1].start == s->v[i].start && s->v[kept - 1].end == s->v[i].end)
            s->v[kept - 1].flags |= s->v[i].flags;
        else
            s->v[kept++] = s->v[i];
    }
    s->n = kept;
}

static void nest(struct cutter *c)
{
    c->stack.n = 0;
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i];
        while (c->stack.n && c->defs.v[c->stack.v[c->stack.n - 1]].end <= d->start)
            c->stack.n--;
        d->parent = c->stack.n ? c->stack.v[c->stack.n - 1] : RECORD_NONE;
        /* int a, b: two names of one node are siblings */
        while (d->parent != RECORD_NONE && c->defs.v[d->parent].start == d->start && c->defs.v[d->parent].end == d->end)
            d->parent = c->defs.v[d->parent].parent;
        VEC_ADD(c->stack, i);
    }
}

static bool is_type(uint8_t kind)
{
    return kind == SYMBOL_CLASS || kind == SYMBOL_STRUCT || kind == SYMBOL_INTERFACE || kind == SYMBOL_ENUM ||
           kind == SYMBOL_TYPE || kind == SYMBOL_IMPLEMENTATION;
}

static bool contains_text(const char *p, uint32_t n, const char *what)
{
    return memmem(p, n, what, strlen(what)) != NULL;
}

/* Is a function that is named like a test one? Its class says so, the file imports a test library, or it asserts. */
static bool is_test(const struct cutter *c, const struct def *d)
{
    if (c->evidence.n)
        return true;
    uint32_t climb = 0;
    for (uint32_t p = d->parent; p != RECORD_NONE && climb < CLIMB_MAX; p = c->defs.v[p].parent, climb++) {
        const struct def *parent = &c->defs.v[p];
        if (is_type(parent->kind))
            return contains_text(c->text + parent->name, parent->name_end - parent->name, "Test");
    }
    const struct span *last = last_before(c->inner_evidence.v, c->inner_evidence.n, d->end);
    return last && last->start >= d->start;
}

/* Foo::bar, M.foo, Foo.prototype.bar: the qualifier becomes the scope. */
static void split_qualified(struct cutter *c, struct def *d)
{
    static const char *const not_a_scope[] = {"exports", "module.exports", "this", "self", "window", "global", "globalThis"};
    uint32_t cut = 0, cut_end = 0, depth = 0, n = d->name_end - d->name;
    const char *p = c->text + d->name;
    for (uint32_t i = 0; i < n; i++) {
        if (n - i >= 8 && !memcmp(p + i, "operator", 8) && (i == 0 || !is_word(p[i - 1])) && (i + 8 == n || !is_word(p[i + 8])))
            break;
        if (p[i] == '<' || p[i] == '(' || p[i] == '[')
            depth++;
        else if ((p[i] == '>' || p[i] == ')' || p[i] == ']') && depth)
            depth--;
        else if (!depth && (p[i] == ':' || p[i] == '.' || p[i] == '#')) {
            uint32_t end = i + (p[i] == ':' && i + 1 < n && p[i + 1] == ':' ? 2 : 1);
            if (end < n) {
                cut = i;
                cut_end = end;
            }
            i = end - 1;
        }
    }
    if (!cut_end)
        return;
    d->scope = d->name;
    d->scope_end = d->name + cut;
    d->name += cut_end;
    uint32_t len = d->scope_end - d->scope;
    if (len > 10 && !memcmp(c->text + d->scope_end - 10, ".prototype", 10))
        d->scope_end -= 10;
    for (size_t i = 0; i < sizeof not_a_scope / sizeof *not_a_scope; i++)
        if (len == strlen(not_a_scope[i]) && !memcmp(c->text + d->scope, not_a_scope[i], len))
            d->scope = d->scope_end = 0;
}

/* const x = require("x") is an import and defines nothing. */
static void drop_imported(struct cutter *c)
{
    uint32_t next = 0;
    c->stack.n = 0;
    sort(c->refs.v, c->refs.n, sizeof *c->refs.v, ref_order);
    for (uint32_t i = 0; i < c->refs.n; i++) {
        uint32_t d = cut_open_at(c, &next, c->refs.v[i].start);
        if (c->refs.v[i].kind == REF_IMPORT && d != RECORD_NONE && c->defs.v[d].last_line == c->defs.v[d].line &&
            (c->defs.v[d].kind == SYMBOL_CONSTANT || c->defs.v[d].kind == SYMBOL_VARIABLE))
            c->defs.v[d].role = CAPTURE_NONE;
    }
}

/* The exact kind, and whether it is kept: what is local to a function is not a symbol. */
static bool settle(struct cutter *c, struct def *d)
{
    uint8_t parent = SYMBOL_KIND_COUNT;
    bool local = d->role == CAPTURE_NONE;
    uint32_t climb = 0;
    for (uint32_t p = d->parent; p != RECORD_NONE && climb < CLIMB_MAX; p = c->defs.v[p].parent, climb++) {
        if (parent == SYMBOL_KIND_COUNT)
            parent = c->defs.v[p].kind;
        if (is_type(c->defs.v[p].kind))
            break; /* a class inside a function has members */
        if (is_code(c->defs.v[p].kind)) {
            local = true;
            break;
        }
    }
    /* exports.x = function x() {}: the inner name is the same thing */
    if (d->parent != RECORD_NONE && d->kind == SYMBOL_FUNCTION && is_code(c->defs.v[d->parent].kind) &&
        c->defs.v[d->parent].end == d->end && c->defs.v[d->parent].start != d->start)
        return false;
    if (d->role == CAPTURE_MAYBE_TEST)
        d->kind = is_test(c, d) ? SYMBOL_TEST : SYMBOL_FUNCTION;
    if (d->kind == SYMBOL_FUNCTION && (is_type(parent) || d->scope_end > d->scope))
        d->kind = SYMBOL_METHOD;
    if (local && (d->kind == SYMBOL_CONSTANT || d->kind == SYMBOL_VARIABLE || d->kind == SYMBOL_FIELD))
        return false;
    if ((d->kind == SYMBOL_CONSTANT || d->kind == SYMBOL_VARIABLE) && is_type(parent))
        d->kind = SYMBOL_FIELD;
    return true;
}

/* The definition among the first n that d goes on: the sibling right above, of the same name, with nothing between. */
static uint32_t earlier_clause(const struct cutter *c, const struct def *d, uint32_t n)
{
    uint32_t p = n ? n - 1 : RECORD_NONE, climb = 0;
    while (p != RECORD_NONE && c->defs.v[p].parent != d->parent && climb++ < CLIMB_MAX)
        p = c->defs.v[p].parent;
    if (p == RECORD_NONE || c->defs.v[p].parent != d->parent || d->doc_end || d->head_end || !is_code(d->kind))
        return RECORD_NONE;
    const struct def *o = &c->defs.v[p];
    uint32_t len = d->name_end - d->name;
    return o->kind == d->kind && d->kind != SYMBOL_TEST && o->name_end - o->name == len &&
                   !memcmp(c->text + o->name, c->text + d->name, len) && o->outer_end <= d->outer && only_gap(c, o->outer_end, d->outer, 3)
               ? p : RECORD_NONE;
}

static void settle_all(struct cutter *c)
{
    VEC(uint32_t) moved = {NULL, 0, 0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->defs.n; i++) { /* a parent comes before its children, so its new index is known */
        struct def d = c->defs.v[i];
        if (d.parent != RECORD_NONE)
            d.parent = moved.v[d.parent];
        bool keep = settle(c, &d); /* parents are read at their new places: kept <= i */
        uint32_t first = keep && c->lang->habits & CLAUSES ? earlier_clause(c, &d, kept) : RECORD_NONE;
        if (first != RECORD_NONE) {
            c->defs.v[first].end = d.end;
            c->defs.v[first].outer_end = d.outer_end;
            c->defs.v[first].last_line = d.last_line;
            VEC_ADD(moved, first);
            continue;
        }
        VEC_ADD(moved, keep ? kept : d.parent);
        if (keep)
            c->defs.v[kept++] = d;
    }
    c->defs.n = kept;
    free(moved.v);
}

/* Docstrings: each belongs to the innermost definition around it. */
static void add_docstrings(struct cutter *c)
{
    uint32_t next = 0;
    c->stack.n = 0;
    sort(c->docs.v, c->docs.n, sizeof *c->docs.v, span_order);
    for (uint32_t i = 0; i < c->docs.n; i++) {
        struct span s = c->docs.v[i];
        uint32_t owner = cut_open_at(c, &next, s.start);
        c->comment_bytes += s.end - s.start;
        if (owner == RECORD_NONE)
            VEC_ADD(c->headers, s);
        else /* a docstring says more than a comment above */
            c->defs.v[owner].doc = s.start, c->defs.v[owner].doc_end = s.end;
    }
}

/* A receiver's type that is defined in the same content is the parent. */
static void find_receivers(struct cutter *c)
{
    c->stack.n = 0;
    for (uint32_t i = 0; i < c->defs.n && c->stack.n < SCOPE_SEARCH; i++) {
        const struct def *d = &c->defs.v[i];
        if (is_type(d->kind) && d->kind != SYMBOL_IMPLEMENTATION && d->scope == d->scope_end)
            VEC_ADD(c->stack, i);
    }
    for (uint32_t i = 0; i < c->defs.n && c->stack.n; i++) {
        struct def *d = &c->defs.v[i];
        uint32_t from = d->scope_end, len;
        if (d->scope_end == d->scope)
            continue;
        if (from > d->scope && c->text[from - 1] == '>') { /* Canvas<T> */
            const char *open = memchr(c->text + d->scope, '<', from - d->scope);
            from = open ? (uint32_t)(open - c->text) : from;
        }
        uint32_t to = from;
        while (from > d->scope && is_word(c->text[from - 1]))
            from--;
        len = to - from;
        for (uint32_t t = 0; len && t < c->stack.n; t++) {
            const struct def *type = &c->defs.v[c->stack.v[t]];
            if (type->name_end - type->name == len && !memcmp(c->text + type->name, c->text + from, len) &&
                !(type->start >= d->start && type->end <= d->end)) {
                d->parent = c->stack.v[t];
                d->scope = d->scope_end = 0;
                break;
            }
        }
    }
}

void cut_symbols(struct cutter *c)
{
    merge_spans(&c->comments);
    merge_spans(&c->attrs);
    merge_spans(&c->wraps);
    sort(c->inner_evidence.v, c->inner_evidence.n, sizeof *c->inner_evidence.v, span_order);
    trim_comments(c);
    define_declared(c);
    if (c->salvage || c->flags & RECORD_HAS_ERRORS)
        cut_salvage(c);
    drop_twins(c);
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i];
        d->outer = d->head = d->start;
        while (d->end > d->start + 1 && is_space(c->text[d->end - 1])) /* layout grammars end at the next token */
            d->end--;
        d->outer_end = d->end;
        d->last_line = cut_line_of(c, d->end ? d->end - 1 : 0);
        if (d->qualified)
            split_qualified(c, d);
    }
    sort(c->defs.v, c->defs.n, sizeof *c->defs.v, by_start);
    nest(c);
    add_wrappers(c);
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i];
        if (c->lang->habits & DOC_BELOW)
            doc_below(c, d);
        d->head = d->outer; /* before attributes and comments: "export default" belongs to the signature */
        add_docs(c, d);
    }
    drop_imported(c);
    settle_all(c);
    add_docstrings(c);
    find_receivers(c);
    cut_name_symbols(c);
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i];
        c->ntests += d->kind == SYMBOL_TEST;
        c->nprototypes += d->kind == SYMBOL_PROTOTYPE;
    }
    cut_settle_refs(c);
}
