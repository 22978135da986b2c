/* From ranked hits to the parts of an answer: the lead with its doc comment and its most telling lines, who calls it and
 * what it calls, and further places. */
#include "retriever/answer_parts.h"

#include "base/mem.h"

#include <string.h>

#define LEAD_LINES 14
#define SECOND_LINES 7
#define PROSE_LINES 22
#define CALLERS 4
#define CALLEES 6
#define HEIRS 4
#define FURTHER 5
#define NEAREST 3
#define SECOND_SHARE .62   /* of the lead's score: a hit as good as that is worth its lines */
#define DOC_SHARE .3       /* "how do I …" leads with documentation that is at least so good beside the best hit */
#define FURTHER_SHARE .35
#define SMALL 4            /* lines: a field or constant is shown with what stands around it */
#define REGION_LINES 1500
#define REAL .3f           /* files nearer than this are the code itself, not its tests or examples */

struct part *parts_add(struct parts *p, enum part_kind kind)
{
    VEC_ROOM(p->v, p->n, p->cap);
    struct part *x = &p->v[p->n++];
    *x = (struct part){.kind = kind};
    return x;
}

size_t parts_count(const struct parts *p, enum part_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += p->v[i].kind == kind && p->v[i].holds;
    return n;
}

struct part *parts_next(struct parts *p, enum part_kind kind, const struct part *after)
{
    for (size_t i = after ? (size_t)(after - p->v) + 1 : 0; i < p->n; i++)
        if (p->v[i].kind == kind && p->v[i].holds)
            return &p->v[i];
    return NULL;
}

/* -- one part ------------------------------------------------------------------------------------------------------------- */
/* "Session.send", "Install › From source"; the enclosing definitions, else what the breadcrumb knows (a receiver's type). */
const char *part_title(const struct record *r, uint32_t symbol, struct arena *arena)
{
    if (symbol >= r->head->nsymbols)
        return NULL;
    const struct record_symbol *s = &r->symbol[symbol];
    const char *join = s->kind == SYMBOL_SECTION ? " \xe2\x80\xba " : ".";
    const char *title = arena_strn(arena, r->strings + s->name, s->name_len);
    uint32_t up = s->parent;
    for (int depth = 0; depth < 4 && up != RECORD_NONE; depth++) {
        const struct record_symbol *x = &r->symbol[up];
        if (x->kind != SYMBOL_MODULE || s->kind == SYMBOL_SECTION)
            title = arena_fmt(arena, "%.*s%s%s", (int)x->name_len, r->strings + x->name, join, title);
        up = x->parent;
    }
    if (s->parent != RECORD_NONE || s->chunk >= r->head->nchunks || r->chunk[s->chunk].symbol != symbol)
        return title;
    struct str crumb = record_str(r, r->chunk[s->chunk].crumb, r->chunk[s->chunk].crumb_len);
    static const char mark[] = " \xe2\x80\xba ";
    for (size_t i = 0; i + sizeof mark - 1 + s->name_len <= crumb.n; i++) /* "Cart › add" */
        if (!memcmp(crumb.p + i, mark, sizeof mark - 1) && i + sizeof mark - 1 + s->name_len == crumb.n &&
            !memcmp(crumb.p + i + sizeof mark - 1, r->strings + s->name, s->name_len) && !memchr(crumb.p, '\xe2', i))
            return arena_fmt(arena, "%.*s%s%s", (int)i, crumb.p, join, title);
    return title;
}

static uint32_t split_lines(struct str **out, struct str text, struct arena *arena)
{
    uint32_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    *out = arena_alloc(arena, n * sizeof **out);
    uint32_t k = 0;
    for (size_t i = 0; i <= text.n;) {
        const char *nl = i < text.n ? memchr(text.p + i, '\n', text.n - i) : NULL;
        size_t end = nl ? (size_t)(nl - text.p) : text.n;
        (*out)[k] = (struct str){text.p + i, end - i};
        if ((*out)[k].n && (*out)[k].p[(*out)[k].n - 1] == '\r')
            (*out)[k].n--;
        k++;
        i = end + 1;
    }
    return k;
}

bool part_is_prose(const struct answer_work *w, const struct search_hit *h)
{
    const struct snapshot *s = w->l->snap[h->target];
    uint32_t file = snapshot_file(s, h->path);
    return file != FILE_NONE && s->file[file].is.doc >= .5f;
}

/* A change log says that something became so, not how it is done. */
static bool is_history(struct str path)
{
    static const char *const stems[] = {"history", "changelog", "changes", "news", "releases", "release-notes", "release_notes", "upgrade"};
    size_t at = path.n;
    while (at && path.p[at - 1] != '/')
        at--;
    const char *dot = memchr(path.p + at, '.', path.n - at);
    struct str stem = {path.p + at, (dot ? (size_t)(dot - path.p) : path.n) - at};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        if (str_fold_equal(stem, str_of(stems[i])))
            return true;
    return false;
}

/* Lines of a definition's head: up to the one that opens its body. */
static uint32_t head_lines(const struct str *line, uint32_t n)
{
    for (uint32_t i = 0; i < n && i < 6; i++) {
        size_t end = line[i].n;
        while (end && (line[i].p[end - 1] == ' ' || line[i].p[end - 1] == '\t'))
            end--;
        if (end && strchr("{:;=>", line[i].p[end - 1]))
            return i + 1;
    }
    return 1;
}

static bool small_kind(int kind)
{
    return kind == SYMBOL_FIELD || kind == SYMBOL_CONSTANT || kind == SYMBOL_VARIABLE || kind == SYMBOL_TYPE || kind == SYMBOL_PROTOTYPE;
}

int part_describe(struct part *p, struct answer_work *w, struct search_hit *h, unsigned most, struct err *e)
{
    struct record r;
    struct str text;
    int rc = lookup_record(&r, w->l, h->cut, e);
    if (rc)
        return rc;
    p->hit = h;
    p->prose = part_is_prose(w, h);
    p->title = part_title(&r, h->symbol, w->arena);
    uint32_t from = h->start_line, to = h->end_line, doc_from = 0, doc_to = 0, head = 0;
    if (h->symbol < r.head->nsymbols && !p->prose) {
        const struct record_symbol *s = &r.symbol[h->symbol];
        p->at = from = s->start_line;
        to = s->end_line - s->start_line > 120 && h->end_line >= from ? h->end_line : s->end_line;
        if (to - from < SMALL && h->start_line <= from && h->end_line >= to && small_kind(s->kind)) {
            head = from - h->start_line;
            from = h->start_line;
            to = h->end_line;
        } else if (s->doc_end > s->doc_start) {
            struct str doc;
            struct buf plain = BUF_INIT;
            if ((rc = lookup_bytes(&doc, &doc_from, w->l, h->cut, s->doc_start, s->doc_end, e)))
                return rc;
            doc_to = doc_from;
            for (size_t i = 0; i + 1 < doc.n; i++)
                doc_to += doc.p[i] == '\n';
            doc_text(&plain, doc);
            p->doc = (struct str){arena_strn(w->arena, plain.data ? plain.data : "", plain.len), plain.len};
            buf_release(&plain);
        }
    }
    if (to < from || to - from > REGION_LINES)
        to = from + REGION_LINES;
    if ((rc = lookup_lines(&text, w->l, h->cut, from, to, e)))
        return rc;
    struct str *line;
    uint32_t n = split_lines(&line, text, w->arena), first = 0, last = 0;
    bool *keep = arena_zero(w->arena, n, sizeof *keep), *hide = arena_zero(w->arena, n, sizeof *hide);
    for (uint32_t i = 0; i < n; i++) /* shown as text already */
        hide[i] = p->doc.n && from + i >= doc_from && from + i <= doc_to && from + i > from;
    uint32_t heads = head >= n ? 1 : head_lines(line + head, n - head);
    if (p->prose)
        lines_window(keep, line, n, w->query, PROSE_LINES);
    else
        lines_choose(keep, hide, line, n, head, head + heads, w->query, most);
    struct buf code = BUF_INIT;
    lines_join(&code, line, keep, n);
    p->code = (struct str){arena_strn(w->arena, code.data ? code.data : "", code.len), code.len};
    buf_release(&code);
    for (uint32_t i = 0; i < n; i++)
        if (keep[i]) {
            first = first ? first : from + i;
            last = from + i;
        }
    p->first = first ? first : from;
    p->last = last ? last : from;
    if (p->doc.n) {
        p->first = doc_from < p->first ? doc_from : p->first;
        p->last = doc_to > p->last ? doc_to : p->last;
    }
    if ((rc = lookup_lines(&text, w->l, h->cut, p->first, p->last, e)))
        return rc;
    p->cited = (struct str){arena_strn(w->arena, text.p, text.n), text.n};
    return 0;
}

int part_place(struct part *p, struct answer_work *w, const struct place *at, uint32_t first, uint32_t last, struct err *e)
{
    struct record r;
    p->hit = arena_zero(w->arena, 1, sizeof *p->hit);
    int rc = lookup_hit(p->hit, w->l, at, first, last, e);
    if (!rc)
        rc = lookup_record(&r, w->l, at->cut, e);
    if (rc)
        return rc;
    p->first = first;
    p->last = last;
    p->cited = p->hit->snippet;
    p->title = part_title(&r, at->symbol, w->arena);
    return 0;
}

/* -- neighbours in the graph ------------------------------------------------------------------------------------------------ */
static bool callable(int kind)
{
    return kind != SYMBOL_SECTION && kind != SYMBOL_FIELD && kind != SYMBOL_TEST && kind != SYMBOL_MODULE;
}

static bool has_heirs(int kind)
{
    return kind == SYMBOL_CLASS || kind == SYMBOL_INTERFACE || kind == SYMBOL_STRUCT;
}

static int add_places(struct answer_work *w, const struct places *p, enum part_kind kind, size_t most, struct err *e)
{
    size_t added = 0;
    bool real = p->n && p->v[0].order < REAL; /* tests are shown only where nothing else is */
    for (size_t i = 0; i < p->n && added < most; i++) {
        if (real && p->v[i].order >= REAL && kind != PART_CALLEE)
            break;
        struct part one = {.kind = kind};
        int rc = part_place(&one, w, &p->v[i], p->v[i].line, p->v[i].line, e);
        if (rc)
            return rc;
        bool named = false; /* five functions called main say no more than one */
        for (size_t k = 0; k < w->parts.n && !named; k++)
            named = w->parts.v[k].kind == kind && one.title && w->parts.v[k].title && !strcmp(w->parts.v[k].title, one.title);
        if (named)
            continue;
        *parts_add(&w->parts, kind) = one;
        added++;
    }
    return 0;
}

static int gather_graph(struct answer_work *w, const struct search_hit *lead, struct err *e)
{
    struct record r;
    int rc = lookup_record(&r, w->l, lead->cut, e);
    if (rc || lead->symbol >= r.head->nsymbols || !callable(r.symbol[lead->symbol].kind))
        return rc;
    const struct record_symbol *s = &r.symbol[lead->symbol];
    struct str name = {arena_strn(w->arena, r.strings + s->name, s->name_len), s->name_len};
    struct place at = {.target = lead->target, .cut = lead->cut, .symbol = lead->symbol, .kind = s->kind,
                       .file = snapshot_file(w->l->snap[lead->target], lead->path)};
    bool heirs_wanted = has_heirs(s->kind);
    struct places defs = {0}, callers = {0}, callees = {0}, heirs = {0};
    lookup_exact(&defs, w->l, name, 64);
    for (size_t i = 0; i < defs.n; i++)
        w->same_name += callable(defs.v[i].kind) && defs.v[i].kind != SYMBOL_PROTOTYPE && defs.v[i].kind != SYMBOL_VARIABLE &&
                        file_distance(&w->l->snap[defs.v[i].target]->file[defs.v[i].file]) < REAL && (defs.v[i].cut != at.cut || defs.v[i].symbol != at.symbol);
    lookup_references(&callers, w->l, name, 1u << REF_CALL, 2000);
    struct places self = {&at, 1, 1};
    places_one_each(&callers, &self);
    bool body = !heirs_wanted && s->kind != SYMBOL_IMPLEMENTATION && s->kind != SYMBOL_ENUM;
    if (at.file != FILE_NONE && body) /* what all of a class calls is no answer */
        lookup_callees(&callees, w->l, &at, CALLEES);
    if (heirs_wanted)
        lookup_references(&heirs, w->l, name, 1u << REF_INHERIT | 1u << REF_IMPLEMENT, 500);
    places_one_each(&heirs, &self);
    if (!(rc = add_places(w, &callers, PART_CALLER, CALLERS, e)) && !(rc = add_places(w, &callees, PART_CALLEE, CALLEES, e)))
        rc = add_places(w, &heirs, PART_HEIR, HEIRS, e);
    places_release(&defs);
    places_release(&callers);
    places_release(&callees);
    places_release(&heirs);
    return rc;
}

/* -- the whole ------------------------------------------------------------------------------------------------------------------ */
static bool same_place(const struct search_hit *a, const struct search_hit *b)
{
    if (a->target != b->target || a->path.n != b->path.n || memcmp(a->path.p, b->path.p, a->path.n))
        return false;
    return (a->symbol != RECORD_NONE && a->symbol == b->symbol) || (a->start_line <= b->end_line && b->start_line <= a->end_line);
}

static bool shown(const struct answer_work *w, const struct search_hit *h, bool whole_file)
{
    for (size_t i = 0; i < w->parts.n; i++) {
        const struct search_hit *x = w->parts.v[i].hit;
        if (!x || w->parts.v[i].kind > PART_SECOND)
            continue;
        if (same_place(x, h) || (whole_file && x->target == h->target && x->path.n == h->path.n && !memcmp(x->path.p, h->path.p, h->path.n)))
            return true;
    }
    return false;
}

static int add_further(struct answer_work *w, size_t most, struct err *e)
{
    const struct search_result *res = w->result;
    size_t added = 0;
    for (int pass = 0; pass < 2; pass++) /* other files first */
        for (size_t i = 0; i < res->n && added < most; i++) {
            struct search_hit *h = &res->hit[i];
            bool seen = shown(w, h, !pass);
            for (size_t k = 0; k < w->parts.n && !seen; k++)
                seen = w->parts.v[k].kind == PART_FURTHER &&
                       (pass ? same_place(w->parts.v[k].hit, h) : w->parts.v[k].hit->path.n == h->path.n &&
                                                                       !memcmp(w->parts.v[k].hit->path.p, h->path.p, h->path.n));
            if (seen || h->score < FURTHER_SHARE * res->hit[0].score)
                continue;
            struct record r;
            int rc = lookup_record(&r, w->l, h->cut, e);
            if (rc)
                return rc;
            struct part *p = parts_add(&w->parts, PART_FURTHER);
            *p = (struct part){.kind = PART_FURTHER, .hit = h, .first = h->start_line, .last = h->end_line,
                               .at = h->symbol < r.head->nsymbols ? r.symbol[h->symbol].start_line : 0, .title = part_title(&r, h->symbol, w->arena), .prose = part_is_prose(w, h)};
            struct str lines;
            if ((rc = lookup_lines(&lines, w->l, h->cut, p->first, p->last, e)))
                return rc;
            p->cited = (struct str){arena_strn(w->arena, lines.p, lines.n), lines.n};
            added++;
        }
    return 0;
}

int gather_nearest(struct answer_work *w, struct err *e)
{
    return w->result->n ? add_further(w, NEAREST, e) : 0;
}

int gather_question(struct answer_work *w, struct err *e)
{
    const struct search_result *res = w->result;
    if (!res->n)
        return 0;
    size_t lead = 0, second = res->n;
    for (size_t i = 0; i < res->n && w->query->howto && res->hit[i].score >= DOC_SHARE * res->hit[0].score; i++)
        if (part_is_prose(w, &res->hit[i]) && !is_history(res->hit[i].path)) {
            lead = i;
            break;
        }
    int rc = 0;
    if (!shown(w, &res->hit[lead], false))
        rc = part_describe(parts_add(&w->parts, PART_LEAD), w, &res->hit[lead], LEAD_LINES, e);
    for (size_t i = 0; i < res->n && second == res->n && !rc; i++) {
        bool other = i != lead && !shown(w, &res->hit[i], false);
        if (other && (lead || res->hit[i].score >= SECOND_SHARE * res->hit[lead].score))
            second = i;
    }
    if (!rc && second < res->n)
        rc = part_describe(parts_add(&w->parts, PART_SECOND), w, &res->hit[second], SECOND_LINES, e);
    size_t graph = part_is_prose(w, &res->hit[lead]) && second < res->n ? second : lead;
    w->graph_of = graph == lead ? PART_LEAD : PART_SECOND;
    if (!rc && !part_is_prose(w, &res->hit[graph]))
        rc = gather_graph(w, &res->hit[graph], e);
    if (!rc)
        rc = add_further(w, FURTHER, e);
    return rc;
}
