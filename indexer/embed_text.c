/* What is embedded of a chunk and of a file. About 64 tokens each: more was no better (docs/indexer.md). A pure function of
 * its inputs, so that equal texts share one vector. */
#include "indexer/cut.h"

#include <string.h>

#define TEXT_MAX 280  /* bytes: 64 tokens of code are about 200 */
#define DOC_MAX 120   /* of those for the doc comment */
#define CARD_MAX 420
#define CARD_NAMES 40

/* Appends s on one line, runs of white space and of comment signs folded, at most max bytes, whole characters. */
static void add_folded(struct buf *out, const char *p, size_t n, size_t max)
{
    size_t from = out->len;
    bool gap = false, line_start = true;
    for (size_t i = 0; i < n && out->len - from < max; i++) {
        unsigned char ch = (unsigned char)p[i];
        line_start |= ch == '\n';
        if (ch <= ' ' || (line_start && strchr("/*#;%-!", ch))) {
            gap = true;
            continue;
        }
        line_start = false;
        if (gap && out->len > from)
            buf_addc(out, ' ');
        gap = false;
        buf_addc(out, (char)ch);
    }
    while (out->len > from && ((unsigned char)out->data[out->len - 1] & 0xc0) == 0x80) { /* is the last character whole? */
        size_t k = out->len - 1;
        while (k > from && ((unsigned char)out->data[k] & 0xc0) == 0x80)
            k--;
        unsigned char lead = (unsigned char)out->data[k];
        size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
        if (out->len - k == want)
            break;
        out->len = k;
    }
    if (out->len > from && (unsigned char)out->data[out->len - 1] >= 0xc0)
        out->len--;
    if (out->data)
        out->data[out->len] = 0;
}

void chunk_embed_text(struct buf *out, const struct record *r, uint32_t chunk, struct str text)
{
    const struct record_chunk *c = &r->chunk[chunk];
    size_t from = out->len;
    uint32_t body = c->start;
    if (c->crumb_len) {
        buf_add(out, r->strings + c->crumb, c->crumb_len);
        buf_addc(out, '\n');
    }
    if (c->symbol != RECORD_NONE) {
        const struct record_symbol *s = &r->symbol[c->symbol];
        if (s->start >= c->start && s->start < c->end) { /* the chunk where the definition begins, not a later part of it */
            buf_add(out, r->strings + s->signature, s->signature_len);
            buf_addc(out, '\n');
            if (s->doc_end > s->doc_start && s->doc_end <= text.n) {
                add_folded(out, text.p + s->doc_start, s->doc_end - s->doc_start, DOC_MAX);
                buf_addc(out, '\n');
            }
            /* the lines behind the signature */
            const char *nl = s->start < text.n ? memchr(text.p + s->start, '\n', text.n - s->start) : NULL;
            if (nl && (size_t)(nl - text.p) < c->end)
                body = (uint32_t)(nl - text.p) + 1;
            if (s->doc_end > body && s->doc_end < c->end && s->doc_start >= s->start) /* a docstring was said above */
                body = s->doc_end;
        }
    }
    if (body < c->end && c->end <= text.n && out->len - from < TEXT_MAX)
        add_folded(out, text.p + body, c->end - body, TEXT_MAX - (out->len - from));
}

void card_embed_text(struct buf *out, const struct record *r, struct str path, struct str text)
{
    size_t from = out->len;
    for (size_t i = 0; i < path.n; i++) /* path words */
        buf_addc(out, strchr("/._-", path.p[i]) ? ' ' : path.p[i]);
    buf_addc(out, '\n');
    if (r->head->header_end > r->head->header_start && r->head->header_end <= text.n) {
        add_folded(out, text.p + r->head->header_start, r->head->header_end - r->head->header_start, CARD_MAX / 2);
        buf_addc(out, '\n');
    }
    uint32_t names = 0;
    for (int pass = 0; pass < 2; pass++) { /* what stands at the top first, then members */
        for (uint32_t i = 0; i < r->head->nsymbols && names < CARD_NAMES && out->len - from < CARD_MAX; i++) {
            const struct record_symbol *s = &r->symbol[i];
            if ((s->parent == RECORD_NONE) != (pass == 0) || s->kind == SYMBOL_FIELD || s->kind == SYMBOL_VARIABLE)
                continue;
            buf_add(out, r->strings + s->name, s->name_len);
            buf_addc(out, ' ');
            names++;
        }
    }
}
