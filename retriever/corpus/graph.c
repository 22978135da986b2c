/* Questions over the symbol graph, with answers that the index proves. */
#include "retriever/corpus/inside.h"

#include <string.h>

#define NAME_LEAST 4       /* bytes: shorter names mean many things */
#define DEFINERS 3         /* a name that more define has no one answer */
#define REFERENCES 2000    /* looked at */
#define NAMED 8            /* of callers, in an answer; a name with more is answered with how many there are */
#define RETURN_LINES 4
#define EACH_FILE 6        /* definitions of one file that are asked about */

struct asked {
    struct maker *m;
    const struct record *r;
    const struct record_symbol *s;
    struct str name;
    const char *path, *kind;
    struct buf prompt, text;
    struct contents c;
};

static void add(struct asked *a, enum corpus_kind kind)
{
    struct draft d = {.kind = kind, .repo = a->m->o->target[a->m->target].repo->id, .prompt = {a->prompt.data, a->prompt.len},
                      .text = {{a->text.data, a->text.len}}, .texts = 1};
    if (a->text.len)
        lesson_add(a->m, a->m->held, &d, &a->c);
    buf_clear(&a->prompt);
    buf_clear(&a->text);
    a->c = (struct contents){0};
    contents_file(&a->c, a->m, a->m->target, a->m->file);
}

static void where(struct asked *a, const struct places *defs)
{
    for (size_t i = 0; i < defs->n; i++) {
        const struct place *p = &defs->v[i];
        contents_file(&a->c, a->m, p->target, p->file);
        buf_addf(&a->text, "%s`%.*s` is defined in %s, lines %u to %u.", i ? "\n" : "", (int)a->name.n, a->name.p, path_of(a->m, p->target, p->file),
                 p->line, p->end_line);
    }
    buf_addf(&a->prompt, "Where is `%.*s` defined?", (int)a->name.n, a->name.p);
    add(a, CORPUS_WHERE);
}

/* The definition around a reference, and where; false: it stands in none. */
static bool caller(struct asked *a, const struct place *p, struct err *e)
{
    struct record r;
    if (p->symbol == RECORD_NONE || lookup_record(&r, &a->m->l, p->cut, e) || p->symbol >= r.head->nsymbols)
        return false;
    const struct record_symbol *s = &r.symbol[p->symbol];
    buf_addf(&a->text, "- `%.*s` in %s, line %u\n", (int)s->name_len, r.strings + s->name, path_of(a->m, p->target, p->file), p->line);
    contents_file(&a->c, a->m, p->target, p->file);
    return true;
}

static size_t callers(struct asked *a, const struct places *refs, bool tests, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < refs->n && n < NAMED; i++)
        if ((a->m->l.snap[refs->v[i].target]->file[refs->v[i].file].is.test >= .5f) == tests)
            n += caller(a, &refs->v[i], e);
    return n;
}

static void uses(struct asked *a, const struct places *refs, struct err *e)
{
    if (refs->n <= NAMED && callers(a, refs, false, e)) {
        buf_addf(&a->prompt, "Who calls `%.*s` (%s)?", (int)a->name.n, a->name.p, a->path);
        add(a, CORPUS_CALLERS);
    }
    a->text.len = 0;
    size_t n = refs->n <= NAMED ? callers(a, refs, false, e) : 0, before = a->text.len;
    size_t tests = refs->n <= NAMED ? callers(a, refs, true, e) : 0;
    if (n && tests) {
        struct buf both = BUF_INIT;
        buf_addf(&both, "These call it and would have to follow:\n%.*sThese tests reach it:\n%s", (int)before, a->text.data, a->text.data + before);
        buf_clear(&a->text);
        buf_add(&a->text, both.data, both.len);
        buf_release(&both);
    } else if (n) {
        struct buf all = BUF_INIT;
        buf_addf(&all, "These call it and would have to follow, and no test reaches it by name:\n%s", a->text.data);
        buf_clear(&a->text);
        buf_add(&a->text, all.data, all.len);
        buf_release(&all);
    } else {
        buf_clear(&a->text);
    }
    buf_addf(&a->prompt, "What breaks when `%.*s` (%s) is changed?", (int)a->name.n, a->name.p, a->path);
    add(a, CORPUS_BREAKS);
}

/* The lines that return, as they stand. */
static void returns(struct asked *a)
{
    const struct buf *t = &a->m->text;
    uint32_t line = a->s->start_line, n = 0;
    if (a->s->kind != SYMBOL_FUNCTION && a->s->kind != SYMBOL_METHOD)
        return;
    for (size_t at = a->s->start, end = a->s->end <= t->len ? a->s->end : t->len; at < end && n < RETURN_LINES; line++) {
        const char *nl = memchr(t->data + at, '\n', end - at);
        struct str s = trimmed((struct str){t->data + at, nl ? (size_t)(nl - t->data) - at : end - at});
        if (s.n > 8 && !strncmp(s.p, "return ", 7)) {
            buf_addf(&a->text, "%u: %.*s\n", line, (int)s.n, s.p);
            n++;
        }
        at = nl ? (size_t)(nl - t->data) + 1 : end;
    }
    buf_addf(&a->prompt, "What does `%.*s` (%s) return?", (int)a->name.n, a->name.p, a->path);
    add(a, CORPUS_RETURNS);
}

static void ask_about(struct asked *a, struct err *e)
{
    struct places defs = {0}, refs = {0};
    lookup_exact(&defs, &a->m->l, a->name, DEFINERS + 1);
    if (defs.n >= 1 && defs.n <= DEFINERS) {
        places_sort(&a->m->l, &defs);
        where(a, &defs);
        if (defs.n == 1) {
            lookup_references(&refs, &a->m->l, a->name, 1u << REF_CALL, REFERENCES);
            places_sort(&a->m->l, &refs);
            places_one_each(&refs, &defs);
            uses(a, &refs, e);
            returns(a);
        }
    }
    places_release(&defs);
    places_release(&refs);
}

int lessons_of_graph(struct maker *m, const struct record *r, struct err *e)
{
    struct asked a = {.m = m, .r = r, .path = path_of(m, m->target, m->file)};
    const struct snap_file *f = &m->snap->file[m->file];
    uint32_t n = r->head->nsymbols, at = drawn(m, f->oid.byte, BLOB, UINT64_MAX - 1, n), asked = 0;
    contents_file(&a.c, m, m->target, m->file);
    for (uint32_t i = 0; i < n && asked < EACH_FILE && f->is.test < .5f; i++) {
        a.s = &r->symbol[(at + i) % n];
        a.name = record_str(r, a.s->name, a.s->name_len);
        if (a.name.n < NAME_LEAST || a.s->kind > SYMBOL_TYPE)
            continue;
        ask_about(&a, e);
        asked++;
    }
    buf_release(&a.prompt);
    buf_release(&a.text);
    return 0;
}
