#include "retriever/lookup.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int lookup_open(struct lookup *l, struct retriever *r, const struct search_target *target, size_t ntargets, struct arena *arena,
                struct err *e)
{
    *l = (struct lookup){.retriever = r, .target = target, .ntargets = ntargets, .arena = arena, .text_cut = CUT_NONE};
    l->snap = arena_zero(arena, ntargets ? ntargets : 1, sizeof *l->snap);
    int rc = 0;
    for (size_t i = 0; i < ntargets && !rc; i++)
        rc = retriever_snapshot(&l->snap[i], r, &target[i], e);
    if (!rc)
        rc = retriever_read(&l->t, r, target, ntargets, e);
    if (!rc)
        rc = segments_open(l->t, &l->seg, &l->nsegs, e);
    if (rc)
        lookup_close(l);
    return rc;
}

void lookup_close(struct lookup *l)
{
    txn_end(l->t);
    l->t = NULL;
    for (size_t i = 0; l->snap && i < l->ntargets; i++)
        snapshot_drop(l->snap[i]);
    l->snap = NULL;
    free(l->seg);
    free(l->hits);
    free(l->post);
    buf_release(&l->text);
    l->seg = NULL;
    l->hits = NULL;
    l->post = NULL;
}

void places_release(struct places *p)
{
    free(p->v);
    *p = (struct places){0};
}

bool str_fold_equal(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        char x = a.p[i], y = b.p[i];
        if (x != y && ((x | 0x20) != (y | 0x20) || (x | 0x20) < 'a' || (x | 0x20) > 'z'))
            return false;
    }
    return true;
}

float file_distance(const struct snap_file *f)
{
    float d = .5f * f->is.test + .4f * f->is.example + .6f * f->is.vendored + .5f * f->is.generated + .2f * f->is.declaration +
              .2f * f->is.doc;
    return d > 1 ? 1 : d;
}

/* -- order ---------------------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    if (x->file != y->file) /* snapshots are in path order */
        return x->file < y->file ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

void places_sort(const struct lookup *l, struct places *p)
{
    (void)l;
    if (p->n)
        qsort(p->v, p->n, sizeof *p->v, by_key);
}

void places_one_each(struct places *p, const struct places *defs)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct place *x = &p->v[i];
        bool drop = false;
        for (size_t d = 0; d < defs->n && d < 64 && !drop; d++)
            drop = x->symbol != RECORD_NONE && defs->v[d].cut == x->cut && defs->v[d].symbol == x->symbol;
        for (size_t k = kept; k-- > 0 && !drop && p->v[k].cut == x->cut && p->v[k].target == x->target;)
            drop = x->symbol != RECORD_NONE && p->v[k].symbol == x->symbol;
        if (!drop)
            p->v[kept++] = *x;
    }
    p->n = kept;
}

/* -- lines ------------------------------------------------------------------------------------------------------------------ */
int lookup_record(struct record *out, struct lookup *l, uint32_t cut, struct err *e)
{
    return cut_get(l->t, cut, out, e);
}

static int load_text(struct lookup *l, uint32_t cut, struct err *e)
{
    if (l->text_cut == cut)
        return 0;
    buf_clear(&l->text);
    l->text_cut = CUT_NONE;
    int rc = cut_text(l->t, cut, &l->text, e);
    if (!rc)
        l->text_cut = cut;
    return rc;
}

int lookup_bytes(struct str *out, uint32_t *line, struct lookup *l, uint32_t cut, uint32_t from, uint32_t to, struct err *e)
{
    int rc = load_text(l, cut, e);
    if (rc)
        return rc;
    to = to > l->text.len ? (uint32_t)l->text.len : to;
    from = from > to ? to : from;
    *out = (struct str){l->text.data ? l->text.data + from : "", to - from};
    *line = 1;
    for (uint32_t i = 0; i < from; i++)
        *line += l->text.data[i] == '\n';
    return 0;
}

struct str text_lines(struct str text, uint32_t first, uint32_t last)
{
    const char *p = text.p, *end = p + text.n;
    for (uint32_t line = 1; line < first && p < end; line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    const char *stop = p;
    for (uint32_t line = first; line <= last && stop < end; line++) {
        const char *nl = memchr(stop, '\n', (size_t)(end - stop));
        stop = nl ? nl + 1 : end;
    }
    while (stop > p && (stop[-1] == '\n' || stop[-1] == '\r'))
        stop--;
    return (struct str){p, (size_t)(stop - p)};
}

int lookup_lines(struct str *out, struct lookup *l, uint32_t cut, uint32_t first, uint32_t last, struct err *e)
{
    int rc = load_text(l, cut, e);
    if (rc)
        return rc;
    *out = text_lines((struct str){l->text.data ? l->text.data : "", l->text.len}, first, last);
    return 0;
}

int lookup_hit(struct search_hit *out, struct lookup *l, const struct place *p, uint32_t first, uint32_t last, struct err *e)
{
    struct record r;
    struct str lines;
    int rc = lookup_record(&r, l, p->cut, e);
    if (!rc)
        rc = lookup_lines(&lines, l, p->cut, first, last, e);
    if (rc)
        return rc;
    const struct snap_file *f = &l->snap[p->target]->file[p->file];
    const struct search_target *target = &l->target[p->target];
    *out = (struct search_hit){
        .target = p->target,
        .path = {arena_strn(l->arena, f->path.p, f->path.n), f->path.n},
        .oid = f->oid,
        .oid_len = target->oid_len ? target->oid_len : 20,
        .uncommitted = f->uncommitted || !target->oid_len,
        .cut = p->cut,
        .chunk = p->chunk,
        .start_line = p->line,
        .end_line = p->end_line,
        .symbol = p->symbol,
        .language = arena_strn(l->arena, r.head->language, strnlen(r.head->language, LANGUAGE_NAME_MAX)),
        .crumb = "",
        .snippet = {arena_strn(l->arena, lines.p, lines.n), lines.n},
    };
    if (p->chunk < r.head->nchunks)
        out->crumb = arena_strn(l->arena, r.strings + r.chunk[p->chunk].crumb, r.chunk[p->chunk].crumb_len);
    if (p->symbol < r.head->nsymbols) {
        const struct record_symbol *s = &r.symbol[p->symbol];
        out->symbol_name = arena_strn(l->arena, r.strings + s->name, s->name_len);
        out->kind = symbol_kind_name(s->kind);
    }
    return 0;
}
