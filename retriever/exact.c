#define PCRE2_CODE_UNIT_WIDTH 8
#include "retriever/exact.h"

#include "base/mem.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static int pattern_init(struct pattern *p, const char *text, struct err *e)
{
    int number;
    PCRE2_SIZE at;
    p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_MULTILINE | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
                            &number, &at, NULL);
    if (!p->code) {
        char why[200];
        pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
        int rc = err_set(e, ERR_USAGE, "the expression is wrong at character %zu: %s", (size_t)at + 1, why);
        err_hint(e, "leave --regex out to look for words, or put plain text in \"quotes\"");
        return rc;
    }
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
    p->context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(p->context, EXACT_MATCH_LIMIT);
    return 0;
}

static void pattern_release(struct pattern *p)
{
    pcre2_match_context_free(p->context);
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
}

struct place {
    float blame;
    uint32_t target, file;
};

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->blame != y->blame)
        return x->blame < y->blame ? -1 : 1;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

struct found {
    struct exact_match *m;
    size_t n, cap, limit;
};

static int match_file(struct found *f, const struct pattern *p, struct str text, const struct place *at, struct err *e)
{
    uint32_t line = 1;
    size_t counted = 0, from = 0;
    while (from <= text.n && f->n < f->limit) {
        int rc = pcre2_match(p->code, (PCRE2_SPTR)text.p, text.n, from, 0, p->data, p->context);
        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
            rc == PCRE2_ERROR_DEPTHLIMIT)
            return err_set(e, ERR_LIMIT, "the expression backtracks too much; make its repeats more specific");
        if (rc < 0)
            break;
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(p->data);
        size_t start = span[0], end = span[1] > start ? span[1] : start;
        for (; counted < start; counted++)
            line += text.p[counted] == '\n';
        while (start > 0 && text.p[start - 1] != '\n')
            start--;
        uint32_t lines = 0;
        for (size_t i = span[0]; i + 1 < end; i++)
            lines += text.p[i] == '\n';
        while (end < text.n && text.p[end] != '\n')
            end++;
        VEC_ROOM(f->m, f->n, f->cap);
        f->m[f->n++] = (struct exact_match){at->target, at->file, (uint32_t)start, (uint32_t)end, line, line + lines};
        from = end + 1;
    }
    return 0;
}

int exact_find(struct exact_match **out, size_t *n, struct snapshot *const *snap, const struct search_request *q, struct txn *t,
               struct arena *arena, struct err *e)
{
    struct pattern p = {0};
    struct found f = {.limit = q->limit ? q->limit : 10};
    struct place *place = NULL;
    struct buf text = BUF_INIT;
    size_t nplaces = 0, cap = 0;
    int rc = pattern_init(&p, q->text, e);
    for (size_t k = 0; k < q->ntargets && !rc; k++)
        for (uint32_t i = 0; i < snap[k]->nfiles; i++) {
            const struct snap_file *file = &snap[k]->file[i];
            if (file->ucut == FILE_NONE || !occurrence_passes(q, file))
                continue;
            VEC_ROOM(place, nplaces, cap);
            place[nplaces++] = (struct place){nature_blame(&file->is), (uint32_t)k, i};
        }
    if (nplaces)
        qsort(place, nplaces, sizeof *place, place_order);
    for (size_t i = 0; i < nplaces && f.n < f.limit && !rc; i++) {
        if (q->stop && *q->stop)
            rc = err_set(e, ERR_CANCELED, "canceled");
        buf_clear(&text);
        if (!rc && !(rc = cut_text(t, snap[place[i].target]->file[place[i].file].cut, &text, e)))
            rc = match_file(&f, &p, (struct str){text.data ? text.data : "", text.len}, &place[i], e);
    }
    *n = rc ? 0 : f.n;
    *out = arena_alloc(arena, f.n * sizeof *f.m);
    if (f.n)
        memcpy(*out, f.m, f.n * sizeof *f.m);
    pattern_release(&p);
    buf_release(&text);
    free(place);
    free(f.m);
    return rc;
}
