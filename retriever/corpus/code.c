/* Records of one file's own text: comments and definitions, pieces to fill in, sections of documents. */
#include "retriever/corpus/inside.h"

#include "base/mem.h"

#include <string.h>

#define CODE_LEAST 40     /* bytes of a definition: fewer are a name */
#define CODE_MOST 3000    /* about 1,000 tokens: longer ones would be cut */
#define DOC_LEAST 16
#define DOC_MOST 1500
#define FILL_LINES 6      /* at most, of what is left out */
#define FILL_BEFORE 1500
#define FILL_AFTER 800
#define SHOWN 600         /* bytes of a definition that stands among sources */
#define EACH_KIND 12      /* of one file: a long one is no more than that of all */

static bool is_definition(uint8_t kind)
{
    return kind == SYMBOL_FUNCTION || kind == SYMBOL_METHOD || kind == SYMBOL_CLASS || kind == SYMBOL_STRUCT || kind == SYMBOL_INTERFACE ||
           kind == SYMBOL_ENUM || kind == SYMBOL_TYPE || kind == SYMBOL_MACRO;
}

static struct str bytes(const struct maker *m, uint32_t from, uint32_t to)
{
    return to <= m->text.len && from <= to ? (struct str){m->text.data + from, to - from} : (struct str){"", 0};
}

/* To the end of a line, at most `most` bytes. */
static struct str whole_lines(struct str s, size_t most)
{
    if (s.n <= most)
        return s;
    s.n = most;
    while (s.n && s.p[s.n - 1] != '\n')
        s.n--;
    return s;
}

struct at { /* one definition */
    struct maker *m;
    const struct record *r;
    const struct record_symbol *s;
    const char *path;
    struct str name, doc;
    struct buf code;      /* without its comment */
    struct contents c;
};

static void add(const struct at *a, enum corpus_kind kind, const struct buf *prompt, struct str text)
{
    struct draft d = {.kind = kind, .repo = a->m->o->target[a->m->target].repo->id, .prompt = {prompt->data, prompt->len}, .text = {text}, .texts = 1};
    lesson_add(a->m, a->m->held, &d, &a->c);
}

static void documented(const struct at *a)
{
    struct buf p = BUF_INIT;
    struct str signature = record_str(a->r, a->s->signature, a->s->signature_len);
    const char *kind = symbol_kind_name((enum symbol_kind)a->s->kind);
    buf_addf(&p, "Write the comment that documents the %s `%.*s` of %s.\n\n%.*s", kind, (int)a->name.n, a->name.p, a->path, (int)a->code.len, a->code.data);
    add(a, CORPUS_DOC, &p, a->doc);
    buf_clear(&p);
    buf_addf(&p, "Write the %s `%.*s` of %s.\n\n%.*s\n%.*s", kind, (int)a->name.n, a->name.p, a->path, (int)a->doc.n, a->doc.p, (int)signature.n, signature.p);
    add(a, CORPUS_CODE, &p, (struct str){a->code.data, a->code.len});
    buf_release(&p);
}

/* For questions with several sources. */
static void remember(const struct at *a)
{
    struct maker *m = a->m;
    struct str says = arena_sentence(&m->arena, a->doc), signature = record_str(a->r, a->s->signature, a->s->signature_len);
    if (!says.n || !signature.n)
        return;
    struct known k = {.held = m->held, .kind = a->s->kind, .repo = m->o->target[m->target].repo->id, .first = a->s->start_line, .last = a->s->end_line,
                      .path = kept_text(m, str_of(a->path)), .name = kept_text(m, a->name), .signature = kept_text(m, signature),
                      .code = kept_text(m, whole_lines((struct str){a->code.data, a->code.len}, SHOWN)), .says = says};
    memcpy(k.blob, m->snap->file[m->file].oid.byte, BLOB);
    VEC_ROOM(m->known, m->nknown, m->known_cap);
    m->known[m->nknown++] = k;
}

/* Some lines of its body are left out, drawn from where it stands. */
static void fill(const struct at *a)
{
    struct maker *m = a->m;
    const uint8_t *key = m->snap->file[m->file].oid.byte;
    uint32_t lines = a->s->end_line - a->s->start_line + 1, n = 1 + drawn(m, key, BLOB, 2ull * a->s->start, FILL_LINES);
    if (lines < n + 3)
        return;
    uint32_t skip = 1 + drawn(m, key, BLOB, 2ull * a->s->start + 1, lines - n - 1);
    struct str file = {m->text.data, m->text.len}, middle;
    const char *p = file.p + a->s->start, *end = file.p + a->s->end;
    for (; skip && p && p < end; skip--)
        p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : NULL;
    const char *from = p;
    for (; n && p && p < end; n--)
        p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : NULL;
    if (!from || !p || p <= from)
        return;
    middle = (struct str){from, (size_t)(p - from)};
    if (trimmed(middle).n < DOC_LEAST)
        return;
    size_t before = (size_t)(from - file.p), after = file.n - (size_t)(p - file.p);
    size_t cut = before > FILL_BEFORE ? before - FILL_BEFORE : 0;
    while (cut && cut < before && file.p[cut - 1] != '\n')
        cut++;
    struct draft d = {.kind = CORPUS_FILL, .repo = m->o->target[m->target].repo->id, .prompt = {file.p + cut, before - cut},
                      .suffix = whole_lines((struct str){p, after}, FILL_AFTER), .text = {middle}, .texts = 1};
    lesson_add(m, m->held, &d, &a->c);
}

static void section(const struct at *a)
{
    struct buf p = BUF_INIT;
    struct str text = trimmed(bytes(a->m, a->s->start, a->s->end));
    if (text.n >= DOC_LEAST && text.n <= CODE_MOST && a->name.n) {
        buf_addf(&p, "What does %s say under \"%.*s\"?", a->path, (int)a->name.n, a->name.p);
        add(a, CORPUS_SECTION, &p, text);
    }
    buf_release(&p);
}

/* The definition without its comment, wherever that stands (a docstring lies inside). */
static void code_of(struct at *a)
{
    const struct record_symbol *s = a->s;
    bool inside = s->doc_start >= s->start && s->doc_end <= s->end && s->doc_end > s->doc_start;
    struct str head = bytes(a->m, s->start, inside ? s->doc_start : s->end), tail = inside ? bytes(a->m, s->doc_end, s->end) : (struct str){"", 0};
    buf_clear(&a->code);
    buf_add(&a->code, head.p, head.n);
    buf_add(&a->code, tail.p, tail.n);
}

void lessons_of_code(struct maker *m, const struct record *r)
{
    struct at a = {.m = m, .r = r, .path = path_of(m, m->target, m->file)};
    const struct snap_file *f = &m->snap->file[m->file];
    bool document = f->language && !strcmp(f->language, "markdown");
    uint32_t n = r->head->nsymbols, at = drawn(m, f->oid.byte, BLOB, UINT64_MAX, n), docs = 0, fills = 0, sections = 0;
    contents_file(&a.c, m, m->target, m->file);
    for (uint32_t i = 0; i < n; i++) {
        a.s = &r->symbol[(at + i) % n]; /* from a place that is drawn: of long files not the beginnings alone */
        a.name = record_str(r, a.s->name, a.s->name_len);
        if (document && a.s->kind == SYMBOL_SECTION && sections < EACH_KIND) {
            section(&a);
            sections++;
        }
        if (!is_definition(a.s->kind))
            continue;
        code_of(&a);
        if (a.code.len < CODE_LEAST)
            continue;
        if (fills < EACH_KIND) {
            fill(&a);
            fills++;
        }
        a.doc = trimmed(bytes(m, a.s->doc_start, a.s->doc_end));
        if (a.code.len > CODE_MOST || a.doc.n < DOC_LEAST || a.doc.n > DOC_MOST || docs == EACH_KIND)
            continue;
        documented(&a);
        remember(&a);
        docs++;
    }
    buf_release(&a.code);
}
