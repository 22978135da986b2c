/* What a generator reads for one question, and whether what it read for an earlier one still stands. */
#include "retriever/answer_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define DEFINITION_LINES 160 /* a longer one: the lines around what was found */
#define NEIGHBOUR_LINES 48   /* of a caller, a callee, an heir */
#define AROUND 14            /* lines before and after a place in something longer */
#define TEST_SHARE .5f       /* a file that is one by that much */

static enum source_kind kind_of(const struct answer_work *w, const struct search_hit *h, enum part_kind kind)
{
    const struct snapshot *s = w->l->snap[h->target];
    uint32_t file = snapshot_file(s, h->path);
    if (part_is_prose(w, h))
        return SOURCE_DOC;
    if (file != FILE_NONE && s->file[file].is.test >= TEST_SHARE)
        return SOURCE_TEST;
    return kind == PART_CALLER ? SOURCE_CALLER : kind == PART_CALLEE || kind == PART_HEIR ? SOURCE_CALLEE : SOURCE_DEFINITION;
}

/* The lines of the symbol with its comment where they are no more than most, else those around [first, last]. */
static void widen(uint32_t *first, uint32_t *last, const struct record *r, uint32_t symbol, uint32_t most, uint32_t lines)
{
    if (symbol < r->head->nsymbols) {
        const struct record_symbol *s = &r->symbol[symbol];
        uint32_t from = s->start_line < *first ? s->start_line : *first, to = s->end_line > *last ? s->end_line : *last;
        if (to - from < most) {
            *first = from;
            *last = to;
            return;
        }
    }
    if (*last - *first + 1 < 2 * AROUND) {
        *first = *first > AROUND ? *first - AROUND : 1;
        *last = *last + AROUND < lines ? *last + AROUND : lines;
    }
}

static int add(struct answer_work *w, struct search_hit *h, enum part_kind kind, uint32_t first, uint32_t last, struct err *e)
{
    struct record r;
    struct str text;
    int rc = lookup_record(&r, w->l, h->cut, e);
    if (rc)
        return rc;
    uint32_t lines = 0, symbol = h->symbol, chunk_lines = 0;
    for (uint32_t i = 0; i < r.head->nchunks; i++)
        chunk_lines = r.chunk[i].end_line > chunk_lines ? r.chunk[i].end_line : chunk_lines;
    lines = chunk_lines > last ? chunk_lines : last;
    bool neighbour = kind == PART_CALLER || kind == PART_CALLEE || kind == PART_HEIR;
    if (kind != PART_FURTHER && !part_is_prose(w, h))
        widen(&first, &last, &r, symbol, neighbour ? NEIGHBOUR_LINES : DEFINITION_LINES, lines);
    if (last - first >= DEFINITION_LINES)
        last = first + DEFINITION_LINES - 1;
    if ((rc = lookup_lines(&text, w->l, h->cut, first, last, e)))
        return rc;
    if (!text.n)
        return 0;
    struct part *p = parts_add(&w->parts, PART_SOURCE);
    p->hit = h;
    p->first = first;
    p->last = last;
    p->cited = (struct str){arena_strn(w->arena, text.p, text.n), text.n};
    p->title = part_title(&r, symbol, w->arena);
    p->source = kind_of(w, h, kind);
    return 0;
}

int gather_sources(struct answer_work *w, struct err *e)
{
    /* what was asked for, then who uses it, then the rest of what was found */
    static const enum part_kind order[] = {PART_FRAME, PART_LEAD, PART_SECOND, PART_MESSAGE, PART_CALLER, PART_CALLEE, PART_HEIR, PART_FURTHER};
    size_t n = w->parts.n;
    int rc = 0;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (size_t i = 0; i < n && !rc; i++) {
            struct part p = w->parts.v[i]; /* adding moves them */
            if (p.kind == order[k] && p.hit)
                rc = add(w, p.hit, p.kind, p.first, p.last, e);
        }
    for (size_t i = 0; i < w->result->n && !rc; i++) {
        struct search_hit *h = &w->result->hit[i];
        rc = add(w, h, PART_FURTHER, h->start_line, h->end_line, e);
    }
    return rc;
}

void list_sources(struct answer *out, const struct answer_work *w)
{
    out->source = arena_zero(w->arena, w->parts.n + 1, sizeof *out->source);
    for (size_t i = 0; i < w->parts.n; i++) {
        const struct part *p = &w->parts.v[i];
        const struct repo_row *repo = p->hit ? w->request->target[p->hit->target].repo : NULL;
        if (p->kind == PART_SOURCE && p->holds)
            out->source[out->nsources++] = (struct answer_source){
                .kind = p->source, .hit = *p->hit, .first = p->first, .last = p->last, .text = p->cited, .title = p->title,
                .repo = repo && w->request->ntargets > 1 ? repo->name : NULL, .repo_id = repo ? repo->id : 0};
    }
}

/* The file of an earlier source among the views that are asked about now. */
static bool find_again(struct search_hit *h, const struct lookup *l, const struct answer_source *s)
{
    for (uint32_t k = 0; k < l->ntargets; k++) {
        if (!l->target[k].repo || l->target[k].repo->id != s->repo_id)
            continue;
        uint32_t file = snapshot_file(l->snap[k], s->hit.path);
        if (file == FILE_NONE || l->snap[k]->file[file].cut != s->hit.cut)
            continue;
        h->target = k;
        h->oid = l->snap[k]->file[file].oid;
        h->uncommitted = l->snap[k]->file[file].uncommitted;
        return true;
    }
    return false;
}

int answer_recheck(bool *holds, struct answer_source *const *s, size_t n, struct retriever *r, const struct search_request *q, source_reader read,
                   void *read_arg, struct arena *arena, struct err *e)
{
    struct lookup l = {0};
    struct parts parts = {0};
    uint32_t dropped = 0;
    size_t *of = mem_zero(n + 1, sizeof *of);
    int rc = lookup_open(&l, r, q->target, q->ntargets, arena, e);
    for (size_t i = 0; i < n && !rc; i++) {
        holds[i] = find_again(&s[i]->hit, &l, s[i]);
        if (!holds[i])
            continue;
        struct part *p = parts_add(&parts, PART_SOURCE);
        p->hit = &s[i]->hit;
        p->first = s[i]->first;
        p->last = s[i]->last;
        p->cited = s[i]->text;
        of[parts.n - 1] = i;
    }
    if (!rc)
        parts_verify(&parts, &l, read, read_arg, &dropped);
    for (size_t i = 0; i < parts.n; i++)
        holds[of[i]] = parts.v[i].holds;
    lookup_close(&l);
    free(parts.v);
    free(of);
    return rc;
}
