/* tour: a walk for somebody who is new to a repository. */
#include "service/method.h"

#include "retriever/tour.h"
#include "service/rows.h"

#include <string.h>

static json_t *place(const struct scope *sc, const struct tour_place *p)
{
    if (!p->hit)
        return json_null();
    json_t *row = place_json(sc, p->hit, p->start_line, p->end_line);
    json_object_set_new(row, "symbol", json_cstr(p->hit->symbol_name));
    json_object_set_new(row, "kind", json_cstr(p->hit->kind));
    json_object_set_new(row, "language", json_cstr(p->hit->language));
    return row;
}

static json_t *entries(const struct scope *sc, const struct tour *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->nentries; i++) {
        const struct tour_entry *x = &t->entry[i];
        json_t *targets = json_array();
        for (size_t k = 0; k < x->ntargets; k++)
            json_array_append_new(targets, json_cstr(x->target[k]));
        json_array_append_new(rows, json_pack("{so, ss, so, so, ss, sb, so, so}", "name", json_cstr(x->name), "kind", x->kind, "targets",
                                              targets, "format", json_cstr(x->format), "role", tour_role_name(x->role), "implicit",
                                              (int)x->implicit, "declared", place(sc, &x->declared), "at", place(sc, &x->at)));
    }
    return rows;
}

static json_t *commands(const struct scope *sc, const struct tour *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->ncommands; i++) {
        const struct tour_command *x = &t->command[i];
        json_array_append_new(rows, json_pack("{ss, so, so, so, ss, sb, so}", "purpose", command_purpose_name(x->purpose), "command",
                                              json_cstr(x->typed), "runs", json_cstr(x->runs), "directory", json_cstr(x->directory), "role", tour_role_name(x->role), "implicit",
                                              (int)x->implicit, "declared", place(sc, &x->at)));
    }
    return rows;
}

static json_t *modules(const struct scope *sc, const struct tour *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->nmodules; i++) {
        const struct tour_module *m = &t->module[i];
        json_t *uses = json_array();
        for (size_t k = 0; k < m->nuses; k++)
            json_array_append_new(uses, json_pack("{so, si, so}", "path", json_cstr(m->use[k].path), "count", (int)m->use[k].count, "at",
                                                  place(sc, &m->use[k].at)));
        json_array_append_new(rows, json_pack("{so, sb, sb, si, si, si, si, si, so, so}", "path", json_cstr(m->path), "rest",
                                              (int)m->rest, "files_only",
                                              (int)m->files_only, "files", (int)m->files, "lines", (int)m->lines, "definitions",
                                              (int)m->definitions, "used", (int)m->used, "used_by", (int)m->users, "hub", place(sc, &m->hub),
                                              "uses", uses));
    }
    return rows;
}

static json_t *asides(const struct tour *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->nasides; i++) {
        const struct tour_aside *x = &t->aside[i];
        json_t *paths = json_array();
        for (size_t k = 0; k < 3 && x->path[k]; k++)
            json_array_append_new(paths, json_cstr(x->path[k]));
        json_array_append_new(rows, json_pack("{ss, si, so}", "role", tour_role_name(x->role), "files", (int)x->files, "paths", paths));
    }
    return rows;
}

static json_t *reading(const struct scope *sc, const struct tour *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->nstops; i++) {
        json_t *row = place(sc, &t->stop[i].at);
        json_object_set_new(row, "reason", json_cstr(t->stop[i].reason));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *about(const struct scope *sc, const struct tour *t)
{
    if (!t->about)
        return json_null();
    json_t *row = place(sc, &t->about_at);
    json_object_set_new(row, "text", json_cstr(t->about));
    return row;
}

/* "src" and "src/" are one directory. */
static const char *below(struct request *rq, const struct scope *sc)
{
    const char *asked = param_str(rq, "path");
    if (!asked)
        return "";
    const char *path = scope_path(&rq->arena, &sc->repo[0], param_str(rq, "repo") ? NULL : param_str(rq, "dir"), asked);
    return *path ? arena_fmt(&rq->arena, "%s/", path) : "";
}

int method_tour(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct tour t;
    const char *prefix;
    int rc = scope_open_one(&sc, rq, e);
    if (rc)
        return rc;
    prefix = below(rq, &sc);
    if ((rc = tour_make(&t, rq->s->retriever, &sc.target[0], prefix, scope_source, &sc, &rq->arena, e)))
        return rc;
    *result = json_pack("{so, so, so, so, so}", "repo", json_cstr(sc.repo[0].name), "path", json_cstr(prefix), "about", about(&sc, &t),
                        "entry_points", entries(&sc, &t), "commands", commands(&sc, &t));
    json_object_set_new(*result, "modules", modules(&sc, &t));
    json_object_set_new(*result, "other_modules", json_integer(t.other_modules));
    json_object_set_new(*result, "beside", asides(&t));
    json_object_set_new(*result, "reading", reading(&sc, &t));
    if (t.dropped)
        json_object_set_new(*result, "dropped_citations", json_integer(t.dropped));
    if (t.unread_manifests && !sc.note)
        sc.note = arena_fmt(&rq->arena, "%u manifest%s could not be read", t.unread_manifests, t.unread_manifests == 1 ? "" : "s");
    answer_stamp(*result, rq, &sc);
    return 0;
}
