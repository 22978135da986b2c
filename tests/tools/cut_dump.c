#include "tests/tools/cut_dump.h"

#include "indexer/secrets.h"

#include <string.h>

static uint32_t line_of(struct str text, uint32_t at)
{
    uint32_t line = 1;
    for (uint32_t i = 0; i < at && i < text.n; i++)
        line += text.p[i] == '\n';
    return line;
}

static void add_head(struct buf *out, const struct record *r, struct str text)
{
    static const char *const flags[] = {"generated", "minified", "binary", "lfs", "by_lines", "truncated", "has_errors"};
    const struct record_head *h = r->head;
    buf_addf(out, "%s lines %u tests %u prototypes %u imports %u exports %u comment_bytes %u", h->language, h->source_lines,
             h->ntests, h->nprototypes, h->nimports, h->nexports, h->comment_bytes);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (h->flags >> i & 1)
            buf_addf(out, " %s", flags[i]);
    if (h->header_end > h->header_start)
        buf_addf(out, " header %u-%u", line_of(text, h->header_start), line_of(text, h->header_end - 1));
    buf_addc(out, '\n');
    for (uint32_t i = 0; i < h->nsecrets; i++)
        buf_addf(out, "secret %u: %s\n", line_of(text, r->secret[i].start), secret_kind_name(r->secret[i].kind));
}

static void add_symbol(struct buf *out, const struct record *r, const struct record_symbol *s, struct str text)
{
    uint32_t depth = 0;
    for (uint32_t p = s->parent; p != RECORD_NONE && depth < 20; p = r->symbol[p].parent)
        depth++;
    buf_addf(out, "%*s%s %.*s%s %u-%u", (int)depth * 2, "", symbol_kind_name((enum symbol_kind)s->kind), (int)s->name_len,
             r->strings + s->name, s->flags & SYMBOL_PUBLIC ? " +" : "", s->start_line, s->end_line);
    if (s->parent != RECORD_NONE)
        buf_addf(out, " (%.*s)", (int)r->symbol[s->parent].name_len, r->strings + r->symbol[s->parent].name);
    buf_addf(out, " \"%.*s\"", (int)s->signature_len, r->strings + s->signature);
    if (s->doc_end > s->doc_start)
        buf_addf(out, " doc %u-%u", line_of(text, s->doc_start), line_of(text, s->doc_end - 1));
    buf_addc(out, '\n');
}

void cut_dump(struct buf *out, const struct record *r, struct str text, unsigned what)
{
    if (what & DUMP_HEAD)
        add_head(out, r, text);
    for (uint32_t i = 0; what & DUMP_SYMBOLS && i < r->head->nsymbols; i++)
        add_symbol(out, r, &r->symbol[i], text);
    for (uint32_t i = 0; what & DUMP_REFS && i < r->head->nrefs; i++) {
        const struct record_ref *f = &r->ref[i];
        buf_addf(out, "ref %s %.*s %u", ref_kind_name((enum ref_kind)f->kind), (int)f->name_len, r->strings + f->name, f->line);
        if (f->symbol != RECORD_NONE)
            buf_addf(out, " in %.*s", (int)r->symbol[f->symbol].name_len, r->strings + r->symbol[f->symbol].name);
        buf_addc(out, '\n');
    }
    for (uint32_t i = 0; what & DUMP_CHUNKS && i < r->head->nchunks; i++) {
        const struct record_chunk *c = &r->chunk[i];
        buf_addf(out, "chunk %u-%u", c->start_line, c->end_line);
        if (c->symbol != RECORD_NONE)
            buf_addf(out, " %.*s", (int)r->symbol[c->symbol].name_len, r->strings + r->symbol[c->symbol].name);
        if (c->crumb_len)
            buf_addf(out, " \"%.*s\"", (int)c->crumb_len, r->strings + c->crumb);
        buf_addc(out, '\n');
    }
}
