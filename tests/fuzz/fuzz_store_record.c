/* Cut records from a worker that may be anybody's by now: what record_check accepts can be read everywhere without looking,
 * and makes a batch. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/cut.h"

static volatile uint64_t sink;

static void read_str(const struct record *r, uint32_t at, uint32_t len)
{
    struct str s = record_str(r, at, len);
    for (size_t i = 0; i < s.n; i++)
        sink += (unsigned char)s.p[i];
}

static void read_all(const struct record *r)
{
    const struct record_head *h = r->head;
    for (uint32_t i = 0; i < h->nchunks; i++) {
        const struct record_chunk *c = &r->chunk[i];
        if (c->start > c->end || c->end > h->source_bytes || !c->start_line || c->start_line > c->end_line)
            abort();
        if (c->symbol != RECORD_NONE)
            sink += r->symbol[c->symbol].kind;
        read_str(r, c->crumb, c->crumb_len);
    }
    for (uint32_t i = 0; i < h->nsymbols; i++) {
        const struct record_symbol *s = &r->symbol[i];
        uint32_t up = 0;
        for (uint32_t at = i; at != RECORD_NONE; at = r->symbol[at].parent)
            if (up++ > h->nsymbols)
                abort();
        read_str(r, s->name, s->name_len);
        read_str(r, s->signature, s->signature_len);
        sink += r->chunk[s->chunk].words + (unsigned char)symbol_kind_name(s->kind)[0];
    }
    for (uint32_t i = 0; i < h->nrefs; i++) {
        read_str(r, r->ref[i].name, r->ref[i].name_len);
        sink += r->chunk[r->ref[i].chunk].words + (unsigned char)ref_kind_name(r->ref[i].kind)[0];
        if (r->ref[i].symbol != RECORD_NONE)
            sink += r->symbol[r->ref[i].symbol].kind;
    }
    for (uint32_t i = 0; i < h->nsecrets; i++)
        if (r->secret[i].end > h->source_bytes)
            abort();
    for (uint32_t i = 0; i < h->nwords; i++)
        sink += r->chunk[r->word[i].chunk].words;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    void *copy = malloc(n + 1); /* aligned, and no longer than n: a sanitizer sees what is read past it */
    if (!copy)
        return 0;
    memcpy(copy, bytes, n);
    struct record r;
    struct err e;
    if (record_check(&r, copy, n, &e) == 0) {
        struct cut_new c = {{.version = 1}, copy, n, "", 0};
        struct cut_batch *b;
        read_all(&r);
        if (cut_batch_build(&b, &c, 1, &e))
            abort();
        cut_batch_free(b);
    }
    free(copy);
    return 0;
}
