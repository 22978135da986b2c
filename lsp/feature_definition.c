/* Where a name is defined, declared, implemented and used: the index's symbols and references by that name, the nearest first. */
#include "lsp/feature.h"
#include "lsp/overlay.h"
#include "lsp/place.h"

#include <string.h>

#define DEFINITIONS_ASKED 200  /* looked at before the nearest are chosen */
#define DEFINITIONS_SHOWN 20   /* a list that is chosen from by eye */
#define REFERENCES_SHOWN 1000  /* SEARCH_LIMIT_MAX: what one request gives */

enum { STEP_NEAR, STEP_EVERYWHERE };

static void take_definitions(struct call *c, json_t *result);

static void ask_definitions(struct call *c, bool everywhere)
{
    json_t *params = feature_params(c);
    json_object_set_new(params, "name", json_string(c->word));
    json_object_set_new(params, "exact", json_true());
    json_object_set_new(params, "limit", json_integer(DEFINITIONS_ASKED));
    if (everywhere)
        json_object_set_new(params, "all_repos", json_true());
    c->step = everywhere ? STEP_EVERYWHERE : STEP_NEAR;
    overlay_ask(c, "symbol", params, take_definitions);
}

/* Bodies when a definition is asked for, prototypes for a declaration; the others where there is none of these. */
static json_t *of_kind(json_t *rows, bool prototypes)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (row_is(row, "kind", "prototype") == prototypes && !row_is(row, "kind", "section"))
            json_array_append(out, row);
    return out;
}

static void take_definitions(struct call *c, json_t *result)
{
    json_t *rows = json_object_get(result, "definitions"), *row, *out = json_array();
    size_t i;
    if (!json_array_size(rows) && c->step == STEP_NEAR) {
        json_decref(out);
        ask_definitions(c, true);
        return;
    }
    bool prototypes = c->feature->run == run_declaration;
    json_t *wanted = of_kind(rows, prototypes);
    if (!json_array_size(wanted)) {
        json_decref(wanted);
        wanted = of_kind(rows, !prototypes);
    }
    json_t *near = rows_nearest(result, json_array_size(wanted) ? wanted : rows, c->path);
    json_array_foreach(near, i, row) {
        json_t *at = json_array_size(out) < DEFINITIONS_SHOWN ? row_location(c->lsp, result, row, word_last(c->word)) : NULL;
        if (at)
            json_array_append_new(out, at);
    }
    json_decref(near);
    json_decref(wanted);
    call_reply_list(c, out);
}

void run_definition(struct call *c)
{
    if (feature_word(c, true))
        ask_definitions(c, false);
}

void run_declaration(struct call *c)
{
    run_definition(c);
}

/* -- references and implementations ------------------------------------------------------------------------------------------ */

static bool knows(json_t *list, json_t *place)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
        if (json_equal(one, place))
            return true;
    return false;
}

static void add_places(json_t *out, struct call *c, json_t *result, json_t *rows)
{
    json_t *near = rows_nearest(result, rows, c->path), *row, *before = NULL;
    size_t i;
    json_array_foreach(near, i, row) {
        json_t *at = row_location(c->lsp, result, row, c->word);
        if (at && !(before && json_equal(before, at)))
            json_array_append(out, at);
        json_decref(before);
        before = at;
    }
    json_decref(before);
    json_decref(near);
}

static void take_references(struct call *c, json_t *result)
{
    json_t *out = json_array();
    if (json_is_true(json_object_get(json_object_get(c->params, "context"), "includeDeclaration")))
        add_places(out, c, result, json_object_get(result, "definitions"));
    add_places(out, c, result, json_object_get(result, "references"));
    call_reply_list(c, out);
}

static void ask_references(struct call *c, void (*done)(struct call *c, json_t *result))
{
    json_t *params = feature_params(c);
    json_object_set_new(params, "name", json_string(c->word));
    json_object_set_new(params, "exact", json_true());
    json_object_set_new(params, "definitions", json_true());
    json_object_set_new(params, "references", json_true());
    json_object_set_new(params, "limit", json_integer(REFERENCES_SHOWN));
    overlay_ask(c, "symbol", params, done);
}

void run_references(struct call *c)
{
    if (feature_word(c, false))
        ask_references(c, take_references);
}

/* Who inherits from the name or implements it: the definitions that such a reference stands in. */
static void take_implementations(struct call *c, json_t *result)
{
    json_t *out = json_array(), *near = rows_nearest(result, json_object_get(result, "references"), c->path), *row;
    size_t i;
    json_array_foreach(near, i, row) {
        const char *by = json_string_value(json_object_get(row, "symbol"));
        if (!row_is(row, "use", "inherit") && !row_is(row, "use", "implement"))
            continue;
        json_t *at = row_location(c->lsp, result, row, by ? by : c->word);
        if (at && json_array_size(out) < REFERENCES_SHOWN && !knows(out, at))
            json_array_append(out, at);
        json_decref(at);
    }
    json_decref(near);
    call_reply_list(c, out);
}

void run_implementation(struct call *c)
{
    if (feature_word(c, false))
        ask_references(c, take_implementations);
}
