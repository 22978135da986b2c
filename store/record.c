#include "store/record.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct record_head) == 96, "drawn in record.h");
_Static_assert(sizeof(struct record_chunk) == 32 && sizeof(struct record_symbol) == 52, "no padding");
_Static_assert(sizeof(struct record_ref) == 24 && sizeof(struct record_secret) == 12, "no padding");
_Static_assert(sizeof(struct record_word) == 16, "no padding");

uint64_t record_words_at(const struct record_head *h)
{
    uint64_t at = sizeof *h + (uint64_t)h->nchunks * sizeof(struct record_chunk) +
                  (uint64_t)h->nsymbols * sizeof(struct record_symbol) + (uint64_t)h->nrefs * sizeof(struct record_ref) +
                  (uint64_t)h->nsecrets * sizeof(struct record_secret);
    return (at + 7) & ~(uint64_t)7;
}

uint64_t record_size(const struct record_head *h)
{
    return record_words_at(h) + (uint64_t)h->nwords * sizeof(struct record_word) + h->nstrings;
}

struct record record_of(const void *bytes)
{
    struct record r;
    r.head = bytes;
    r.chunk = (const void *)(r.head + 1);
    r.symbol = (const void *)(r.chunk + r.head->nchunks);
    r.ref = (const void *)(r.symbol + r.head->nsymbols);
    r.secret = (const void *)(r.ref + r.head->nrefs);
    r.word = (const void *)((const char *)bytes + record_words_at(r.head));
    r.strings = (const char *)(r.word + r.head->nwords);
    return r;
}

static bool in_strings(const struct record_head *h, uint32_t at, uint32_t len)
{
    return (uint64_t)at + len <= h->nstrings;
}

static bool span(uint32_t start, uint32_t end, uint32_t limit)
{
    return start <= end && end <= limit;
}

static bool lines(uint32_t start, uint32_t end, uint32_t limit)
{
    return start >= 1 && start <= end && end <= limit;
}

static bool index_or_none(uint32_t i, uint32_t n)
{
    return i == RECORD_NONE || i < n;
}

static int chunks(const struct record *r, struct err *e)
{
    const struct record_head *h = r->head;
    uint32_t before = 0;
    for (uint32_t i = 0; i < h->nchunks; i++) {
        const struct record_chunk *c = &r->chunk[i];
        if (!span(c->start, c->end, h->source_bytes) || c->start < before ||
            !lines(c->start_line, c->end_line, h->source_lines))
            return err_set(e, ERR_FORMAT, "record: chunk %u: bytes %u-%u, lines %u-%u", i, c->start, c->end,
                           c->start_line, c->end_line);
        if (!index_or_none(c->symbol, h->nsymbols) || !in_strings(h, c->crumb, c->crumb_len))
            return err_set(e, ERR_FORMAT, "record: chunk %u: symbol or breadcrumb out of bounds", i);
        before = c->start;
    }
    return 0;
}

/* A parent may come after its child (a method before its type), so a cycle is possible: readers walk upwards. Each symbol
 * is stamped by the first walk that meets it; a walk that meets its own stamp went round. */
static bool has_cycle(const struct record *r)
{
    uint32_t n = r->head->nsymbols, *stamp = mem_zero(n, sizeof *stamp);
    bool cycle = false;
    for (uint32_t i = 0; i < n && !cycle; i++) {
        uint32_t at = i;
        for (; at != RECORD_NONE && !stamp[at]; at = r->symbol[at].parent)
            stamp[at] = i + 1;
        cycle = at != RECORD_NONE && stamp[at] == i + 1;
    }
    free(stamp);
    return cycle;
}

static int symbols(const struct record *r, struct err *e)
{
    const struct record_head *h = r->head;
    bool forward = false;
    for (uint32_t i = 0; i < h->nsymbols; i++) {
        const struct record_symbol *s = &r->symbol[i];
        if (!in_strings(h, s->name, s->name_len) || !in_strings(h, s->signature, s->signature_len))
            return err_set(e, ERR_FORMAT, "record: symbol %u: name or signature out of bounds", i);
        if (!span(s->start, s->end, h->source_bytes) || !span(s->doc_start, s->doc_end, h->source_bytes) ||
            !lines(s->start_line, s->end_line, h->source_lines))
            return err_set(e, ERR_FORMAT, "record: symbol %u: bytes %u-%u, doc %u-%u, lines %u-%u", i, s->start, s->end,
                           s->doc_start, s->doc_end, s->start_line, s->end_line);
        if (!index_or_none(s->parent, h->nsymbols) || s->chunk >= h->nchunks || s->kind >= SYMBOL_KIND_COUNT)
            return err_set(e, ERR_FORMAT, "record: symbol %u: parent %u, chunk %u, kind %u", i, s->parent, s->chunk,
                           s->kind);
        forward |= s->parent != RECORD_NONE && s->parent >= i;
    }
    if (forward && has_cycle(r))
        return err_set(e, ERR_FORMAT, "record: symbols that are each other's parents");
    return 0;
}

static int refs(const struct record *r, struct err *e)
{
    const struct record_head *h = r->head;
    for (uint32_t i = 0; i < h->nrefs; i++) {
        const struct record_ref *x = &r->ref[i];
        if (!in_strings(h, x->name, x->name_len) || !lines(x->line, x->line, h->source_lines) ||
            !index_or_none(x->symbol, h->nsymbols) || x->chunk >= h->nchunks || x->kind >= REF_KIND_COUNT)
            return err_set(e, ERR_FORMAT, "record: reference %u: line %u, symbol %u, chunk %u, kind %u", i, x->line,
                           x->symbol, x->chunk, x->kind);
    }
    return 0;
}

static int secrets_and_words(const struct record *r, struct err *e)
{
    const struct record_head *h = r->head;
    uint32_t before = 0;
    for (uint32_t i = 0; i < h->nsecrets; i++) {
        const struct record_secret *s = &r->secret[i];
        if (!span(s->start, s->end, h->source_bytes) || s->start < before)
            return err_set(e, ERR_FORMAT, "record: secret %u: bytes %u-%u", i, s->start, s->end);
        before = s->end;
    }
    for (uint32_t i = 0; i < h->nwords; i++) {
        const struct record_word *w = &r->word[i], *b = w - 1;
        if (w->chunk >= h->nchunks || (i && (w->term < b->term || (w->term == b->term && w->chunk <= b->chunk))))
            return err_set(e, ERR_FORMAT, "record: word %u: out of order or of chunk %u", i, w->chunk);
    }
    return 0;
}

int record_check(struct record *out, const void *bytes, size_t n, struct err *e)
{
    const struct record_head *h = bytes;
    if ((uintptr_t)bytes % 8)
        return err_set(e, ERR_INTERNAL, "record: bytes are not aligned");
    if (n < sizeof *h)
        return err_set(e, ERR_FORMAT, "record: %zu bytes are too few", n);
    if (h->magic != RECORD_MAGIC || h->size != n || record_size(h) != n)
        return err_set(e, ERR_FORMAT, "record: %zu bytes that claim to be %u, with counts for %llu", n, h->size,
                       (unsigned long long)record_size(h));
    if (h->language[LANGUAGE_NAME_MAX - 1] || !span(h->header_start, h->header_end, h->source_bytes))
        return err_set(e, ERR_FORMAT, "record: language or header out of bounds");
    struct record r = record_of(bytes);
    int rc;
    if ((rc = chunks(&r, e)) || (rc = symbols(&r, e)) || (rc = refs(&r, e)) || (rc = secrets_and_words(&r, e)))
        return rc;
    if (memchr(r.strings, 0, h->nstrings))
        return err_set(e, ERR_FORMAT, "record: NUL in strings");
    *out = r;
    return 0;
}

const char *symbol_kind_name(enum symbol_kind k)
{
    static const char *const name[] = {
#define X(sym, text) text,
        SYMBOL_KINDS(X)
#undef X
    };
    return (unsigned)k < SYMBOL_KIND_COUNT ? name[k] : "unknown";
}

const char *ref_kind_name(enum ref_kind k)
{
    static const char *const name[] = {
#define X(sym, text) text,
        REF_KINDS(X)
#undef X
    };
    return (unsigned)k < REF_KIND_COUNT ? name[k] : "unknown";
}

int symbol_kind_of(const char *name)
{
    for (int k = 0; k < SYMBOL_KIND_COUNT; k++)
        if (!strcmp(symbol_kind_name((enum symbol_kind)k), name))
            return k;
    return -1;
}
