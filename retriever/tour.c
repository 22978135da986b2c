#include "retriever/tour_graph.h"

#include "base/mem.h"

#include <stdlib.h>

/* What is held against a file before it counts as something else than the code itself; see nature.c for the votes: one
 * directory called `tests`, `examples` or `deps` is enough. */
#define ROLE_TEST_FROM .39f
#define ROLE_EXAMPLE_FROM .39f
#define ROLE_TOOL_FROM .39f
#define ROLE_VENDORED_FROM .29f
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

/* Rust and Zig keep tests beside the code: there a file's test cases say nothing about it, its path does. */
static bool tests_inside(const struct snap_file *f)
{
    if (!f->language || (strcmp(f->language, "rust") && strcmp(f->language, "zig")))
        return false;
    for (struct str rest = f->path; rest.n; rest = str_from(rest, str_until(rest, "/").n + 1))
        if (str_begins(rest, "test") || str_begins(rest, "spec"))
            return false;
    return true;
}

/* Directories that nature.c gives no vote, because their names are words as well: git's and Perl's t/, and contrib/. */
static bool below(struct str path, const char *directory)
{
    for (struct str rest = path, part; (part = str_until(rest, "/")).n < rest.n; rest = str_from(rest, part.n + 1))
        if (str_is(part, directory))
            return true;
    return false;
}

static enum tour_role role_of(const struct snap_file *f)
{
    const struct file_nature *is = &f->is;
    if (is->vendored >= ROLE_VENDORED_FROM)
        return ROLE_VENDORED;
    if (is->test >= ROLE_TEST_FROM && is->test >= is->example && !tests_inside(f))
        return ROLE_TEST;
    if (below(f->path, "t"))
        return ROLE_TEST;
    if (is->example >= ROLE_EXAMPLE_FROM || below(f->path, "contrib"))
        return ROLE_EXAMPLE;
    if (is->script >= ROLE_TOOL_FROM)
        return ROLE_TOOL;
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
        w->role[i] = (uint8_t)role_of(&s->file[i]);
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

static void write_modules(struct tour *out, struct tour_work *w)
{
    out->module = arena_zero(w->arena, w->nmodules ? w->nmodules : 1, sizeof *out->module);
    for (size_t i = 0; i < w->nmodules; i++) {
        struct raw_module *x = &w->module[i];
        size_t n = 0;
        x->m.hub = place_of(w, x->hub);
        for (size_t k = 0; k < x->m.nuses; k++) {
            x->use[n] = x->use[k];
            x->use[n].at = place_of(w, x->use_at[k]);
            n += x->use[n].at.hit != NULL;
        }
        x->m.use = x->use;
        x->m.nuses = n;
        if (x->m.hub.hit)
            out->module[out->nmodules++] = x->m;
        else
            out->other_modules++;
    }
    out->stop = arena_zero(w->arena, w->nstops ? w->nstops : 1, sizeof *out->stop);
    for (size_t i = 0; i < w->nstops; i++) {
        struct tour_place at = place_of(w, w->stop[i].cite);
        if (at.hit)
            out->stop[out->nstops++] = (struct tour_stop){at, w->stop[i].reason};
    }
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
            out->command[out->ncommands++] = (struct tour_command){x->purpose, x->role, x->typed, x->runs, x->directory, x->implicit, at};
    }
    write_modules(out, w);
}

/* Tests, examples and the like: how many files, and the directories that hold most of them. */
static void find_asides(struct tour *out, struct tour_work *w)
{
    for (unsigned role = ROLE_TEST; role < ROLE_COUNT; role++) {
        enum { DIRECTORIES = 256 };
        struct {
            struct str dir;
            uint32_t files;
        } v[DIRECTORIES];
        size_t n = 0;
        struct tour_aside *x = &out->aside[out->nasides];
        *x = (struct tour_aside){.role = (enum tour_role)role};
        for (uint32_t i = 0; i < w->s->nfiles; i++) {
            struct str path = w->s->file[i].path, first = str_until(str_from(path, w->prefix.n), "/");
            if (w->role[i] != role || !tour_inside(w, i))
                continue;
            x->files++;
            if (w->prefix.n + first.n == path.n)
                continue;
            struct str dir = str_upto(path, w->prefix.n + first.n + 1);
            if ((!n || !str_same(v[n - 1].dir, dir)) && n < DIRECTORIES) /* paths are in order */
                v[n++].dir = dir, v[n - 1].files = 0;
            v[n - 1].files += n && str_same(v[n - 1].dir, dir);
        }
        for (size_t k = 0; k < 3 && k < n; k++) {
            size_t best = 0;
            for (size_t i = 1; i < n; i++)
                if (v[i].files > v[best].files)
                    best = i;
            if (!v[best].files)
                break;
            x->path[k] = tour_text(w, v[best].dir);
            v[best].files = 0;
        }
        out->nasides += x->files > 0;
    }
}

int tour_make(struct tour *out, struct retriever *r, const struct search_target *target, const char *prefix, source_reader read,
              void *read_arg, struct arena *arena, struct err *e)
{
    *out = (struct tour){0};
    struct tour_graph g = {0};
    struct tour_work w = {.prefix = str_of(prefix), .arena = arena, .out = out};
    int rc = lookup_open(&w.l, r, target, 1, arena, e);
    if (rc)
        return rc;
    w.s = w.l.snap[0];
    find_roles(&w);
    if ((rc = tour_entries(&w, e)))
        goto out;
    tour_about(&w);
    tour_modules(&g, &w);
    tour_graph(&g, &w);
    tour_list_modules(&w, &g);
    tour_reading(&w, &g);
    find_asides(out, &w);
    parts_verify(&w.cites, &w.l, read, read_arg, &out->dropped);
    write_out(out, &w);
out:
    tour_graph_release(&g);
    lookup_close(&w.l);
    free(w.cites.v);
    free(w.entry);
    free(w.command);
    return rc;
}
