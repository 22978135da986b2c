#include "retriever/tour_inside.h"

#include "base/mem.h"

#include <stdlib.h>

/* What is held against a file before it counts as something else than the code itself; see nature.c for the votes: one
 * directory called `tests`, `examples` or `deps` is enough. */
#define ROLE_TEST_FROM .4f
#define ROLE_EXAMPLE_FROM .4f
#define ROLE_VENDORED_FROM .3f
#define ROLE_GENERATED_FROM .8f

const char *tour_role_name(enum tour_role r)
{
    static const char *const name[] = {
#define X(sym, text) text,
        TOUR_ROLES(X)
#undef X
    };
    return name[r];
}

const char *command_purpose_name(enum command_purpose p)
{
    static const char *const name[] = {"build", "test", "run", "check", "other"};
    return name[p];
}

static enum tour_role role_of(const struct file_nature *is)
{
    if (is->vendored >= ROLE_VENDORED_FROM)
        return ROLE_VENDORED;
    if (is->test >= ROLE_TEST_FROM && is->test >= is->example)
        return ROLE_TEST;
    if (is->example >= ROLE_EXAMPLE_FROM)
        return ROLE_EXAMPLE;
    return is->generated >= ROLE_GENERATED_FROM ? ROLE_GENERATED : ROLE_MAIN;
}

bool tour_inside(const struct tour_work *w, uint32_t file)
{
    struct str path = w->s->file[file].path;
    return path.n >= w->prefix.n && (!w->prefix.n || !memcmp(path.p, w->prefix.p, w->prefix.n));
}

/* Somebody who asks for a tour of tests/ is shown the tests: where nothing below the prefix is the code itself, all of it is. */
static void find_roles(struct tour_work *w)
{
    const struct snapshot *s = w->s;
    bool any = false;
    w->role = arena_zero(w->arena, s->nfiles ? s->nfiles : 1, 1);
    for (uint32_t i = 0; i < s->nfiles; i++) {
        w->role[i] = (uint8_t)role_of(&s->file[i].is);
        any |= w->role[i] == ROLE_MAIN && tour_inside(w, i) && s->file[i].is.doc < .5f && s->file[i].is.config < .5f;
    }
    for (uint32_t i = 0; i < s->nfiles && !any && w->prefix.n; i++)
        if (tour_inside(w, i))
            w->role[i] = ROLE_MAIN;
}

const char *tour_text(struct tour_work *w, struct str s)
{
    return arena_strn(w->arena, s.p, s.n);
}

bool tour_record(struct record *out, struct tour_work *w, uint32_t file)
{
    uint32_t cut = w->s->file[file].cut;
    return cut != CUT_NONE && !lookup_record(out, &w->l, cut, NULL);
}

uint32_t tour_symbol(struct tour_work *w, uint32_t file, struct str name)
{
    struct record r;
    uint32_t best = RECORD_NONE;
    if (!tour_record(&r, w, file))
        return RECORD_NONE;
    for (uint32_t i = 0; i < r.head->nsymbols; i++) {
        const struct record_symbol *x = &r.symbol[i];
        if (!str_same(record_str(&r, x->name, x->name_len), name) || x->kind == SYMBOL_PROTOTYPE || x->kind == SYMBOL_SECTION)
            continue;
        if (best == RECORD_NONE || (r.symbol[best].parent != RECORD_NONE && x->parent == RECORD_NONE))
            best = i;
    }
    return best;
}

uint32_t tour_cite(struct tour_work *w, uint32_t file, uint32_t symbol, uint32_t first, uint32_t last)
{
    struct record r;
    if (file == FILE_NONE || !tour_record(&r, w, file) || !r.head->source_lines)
        return CITE_NONE;
    last = last > r.head->source_lines ? r.head->source_lines : last;
    first = first < 1 ? 1 : first > last ? last : first;
    struct place p = {.file = file, .cut = w->s->file[file].cut, .chunk = RECORD_NONE, .symbol = symbol, .line = first, .end_line = last};
    struct search_hit *h = arena_alloc(w->arena, sizeof *h);
    if (!first || lookup_hit(h, &w->l, &p, first, last, NULL))
        return CITE_NONE;
    struct part *x = parts_add(&w->cites, PART_FURTHER);
    x->hit = h;
    x->first = first;
    x->last = last;
    x->cited = h->snippet;
    return (uint32_t)w->cites.n;
}

/* -- out of cites that hold ------------------------------------------------------------------------------------------------ */

static struct tour_place place_of(const struct tour_work *w, uint32_t cite)
{
    if (cite == CITE_NONE || !w->cites.v[cite - 1].holds)
        return (struct tour_place){0};
    const struct part *p = &w->cites.v[cite - 1];
    return (struct tour_place){p->hit, p->first, p->last};
}

static void write_out(struct tour *out, struct tour_work *w)
{
    out->about_at = place_of(w, w->about_cite);
    out->about = out->about_at.hit ? w->about : NULL;
    out->entry = arena_zero(w->arena, w->nentries ? w->nentries : 1, sizeof *out->entry);
    for (size_t i = 0; i < w->nentries; i++) {
        const struct raw_entry *x = &w->entry[i];
        struct tour_place declared = place_of(w, x->declared), at = place_of(w, x->at);
        if (!declared.hit && !at.hit)
            continue;
        out->entry[out->nentries++] = (struct tour_entry){x->kind, x->name, x->target, x->ntargets, x->format, x->role, x->implicit, declared, at};
    }
    out->command = arena_zero(w->arena, w->ncommands ? w->ncommands : 1, sizeof *out->command);
    for (size_t i = 0; i < w->ncommands; i++) {
        const struct raw_command *x = &w->command[i];
        struct tour_place at = place_of(w, x->at);
        if (at.hit)
            out->command[out->ncommands++] = (struct tour_command){x->purpose, x->role, x->typed, x->runs, x->implicit, at};
    }
}

int tour_make(struct tour *out, struct retriever *r, const struct search_target *target, const char *prefix, source_reader read,
              void *read_arg, struct arena *arena, struct err *e)
{
    *out = (struct tour){0};
    struct tour_work w = {.prefix = str_of(prefix), .arena = arena, .out = out};
    int rc = lookup_open(&w.l, r, target, 1, arena, e);
    if (rc)
        return rc;
    w.s = w.l.snap[0];
    find_roles(&w);
    if ((rc = tour_entries(&w, e)))
        goto out;
    tour_about(&w);
    parts_verify(&w.cites, &w.l, read, read_arg, &out->dropped);
    write_out(out, &w);
out:
    lookup_close(&w.l);
    free(w.cites.v);
    free(w.entry);
    free(w.command);
    return rc;
}
