/* Interned strings, and the record written out of what the parts of cut() left. */
#include "indexer/cutter.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void grow_names(struct cutter *c)
{
    uint64_t *old = c->names.v;
    uint32_t size = c->names.n;
    c->names.n = c->names.cap = size ? size * 2 : 256;
    c->names.v = mem_zero(c->names.n, sizeof *c->names.v);
    for (uint32_t i = 0; i < size; i++) {
        if (!old[i])
            continue;
        uint32_t at = (uint32_t)hash64(c->strings.data + (old[i] >> 32) - 1, (uint32_t)old[i]) & (c->names.n - 1);
        while (c->names.v[at])
            at = (at + 1) & (c->names.n - 1);
        c->names.v[at] = old[i];
    }
    free(old);
}

uint32_t cut_intern(struct cutter *c, const char *s, uint32_t n)
{
    if (c->nnames * 2 >= c->names.n)
        grow_names(c);
    uint32_t at = (uint32_t)hash64(s, n) & (c->names.n - 1);
    for (; c->names.v[at]; at = (at + 1) & (c->names.n - 1)) {
        uint32_t off = (uint32_t)(c->names.v[at] >> 32) - 1, len = (uint32_t)c->names.v[at];
        if (len == n && !memcmp(c->strings.data + off, s, n))
            return off;
    }
    uint32_t off = (uint32_t)c->strings.len;
    buf_add(&c->strings, s, n);
    c->names.v[at] = (uint64_t)(off + 1) << 32 | n;
    c->nnames++;
    return off;
}

/* The chunk of a byte for bytes asked in ascending order. */
static uint32_t chunk_at(const struct cutter *c, uint32_t *next, uint32_t at)
{
    while (*next + 1 < c->chunks.n && c->chunks.v[*next + 1].start <= at)
        ++*next;
    return *next;
}

static void add_head(struct buf *out, const struct cutter *c)
{
    struct record_head h = {
        .magic = RECORD_MAGIC, .flags = c->flags, .nchunks = c->chunks.n, .nsymbols = c->defs.n, .nrefs = c->refs.n,
        .nsecrets = c->secrets.n, .nwords = c->words.n, .nstrings = (uint32_t)c->strings.len, .source_bytes = c->n,
        .source_lines = c->lines.n ? c->lines.n - 1 : 0, .ntests = c->ntests, .nprototypes = c->nprototypes,
        .nimports = c->nimports, .nexports = c->nexports, .comment_bytes = c->comment_bytes,
        .header_start = c->header_start, .header_end = c->header_end,
    };
    strncpy(h.language, c->lang->name, LANGUAGE_NAME_MAX - 1);
    h.size = (uint32_t)record_size(&h);
    buf_add(out, &h, sizeof h);
}

void cut_record(struct buf *out, struct cutter *c)
{
    uint32_t next = 0;
    uint64_t room = sizeof(struct record_head) + 8 + (uint64_t)c->chunks.n * sizeof(struct record_chunk) +
                    (uint64_t)c->defs.n * sizeof(struct record_symbol) + (uint64_t)c->refs.n * sizeof(struct record_ref) +
                    (uint64_t)c->secrets.n * sizeof(struct record_secret) + (uint64_t)c->words.n * sizeof(struct record_word) +
                    c->strings.len;
    buf_clear(out);
    buf_room(out, room);
    add_head(out, c);
    for (uint32_t i = 0; i < c->chunks.n; i++) {
        const struct chunk *k = &c->chunks.v[i];
        const struct def *d = k->def == RECORD_NONE ? NULL : &c->defs.v[k->def];
        struct record_chunk r = {.start = k->start, .end = k->end, .start_line = k->first + 1, .end_line = k->last + 1,
                                 .symbol = k->def, .crumb = d ? d->crumb_at : 0, .crumb_len = d ? d->crumb_len : 0,
                                 .words = k->words};
        buf_add(out, &r, sizeof r);
    }
    for (uint32_t i = 0; i < c->defs.n; i++) {
        const struct def *d = &c->defs.v[i];
        struct record_symbol r = {
            .name = d->name_at, .name_len = d->name_len, .signature = d->sig_at, .signature_len = d->sig_len,
            .start = d->start, .end = d->end, .start_line = d->line + 1, .end_line = d->last_line + 1,
            .doc_start = d->doc, .doc_end = d->doc_end, .parent = d->parent, .chunk = d->chunk, .kind = d->kind,
            .flags = d->flags & SYMBOL_PUBLIC,
        };
        if (r.end_line < r.start_line)
            r.end_line = r.start_line;
        buf_add(out, &r, sizeof r);
    }
    for (uint32_t i = 0; i < c->refs.n; i++) {
        const struct ref *f = &c->refs.v[i];
        struct record_ref r = {.name = f->name_at, .name_len = f->name_len, .line = f->line + 1, .symbol = f->def,
                               .chunk = chunk_at(c, &next, f->start), .kind = f->kind};
        buf_add(out, &r, sizeof r);
    }
    for (uint32_t i = 0; i < c->secrets.n; i++) {
        struct record_secret r = {c->secrets.v[i].start, c->secrets.v[i].end, c->secrets.v[i].kind};
        buf_add(out, &r, sizeof r);
    }
    buf_zero_to(out, 8);
    buf_add(out, c->words.v, (size_t)c->words.n * sizeof *c->words.v);
    buf_add(out, c->strings.data ? c->strings.data : "", c->strings.len);
}
