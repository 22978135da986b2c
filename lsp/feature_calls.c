/* The call hierarchy: who calls a definition, and what it calls, by name. */
#include "lsp/outline.h"
#include "lsp/overlay.h"
#include "lsp/page.h"
#include "service/result_text.h"
#include "lsp/place.h"

#include "base/mem.h"
#include "base/uri.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS_SHOWN 5   /* definitions of one name that a hierarchy may start from */
#define CALLS_SHOWN 300

static json_t *symbol_params(struct call *c, const char *what, int limit)
{
    json_t *params = feature_params(c);
    json_object_set_new(params, "name", json_string(c->word));
    json_object_set_new(params, "exact", json_true());
    json_object_set_new(params, what, json_true());
    json_object_set_new(params, "limit", json_integer(limit));
    return params;
}

/* name: of the definition; the lines [first, last] are its own. NULL: its file is not known. */
static json_t *item(struct call *c, json_t *result, json_t *row, const char *name, json_t *first, json_t *last)
{
    char *path = row_path(result, row);
    if (!path)
        return NULL;
    json_t *place = json_pack("{sO, sO, sO*}", "start_line", first, "end_line", last, "snippet", first == json_object_get(row, "start_line") ? json_object_get(row, "snippet") : NULL);
    json_t *selection = row_range(c->lsp, path, place, name), *start = json_object_get(selection, "start");
    json_int_t from = json_integer_value(first) - 1, to = json_integer_value(last) - 1, at = json_integer_value(json_object_get(start, "line"));
    from = from < 0 ? 0 : from > at ? at : from;
    to = to < at ? at : to;
    json_t *o = json_pack("{ss, si, ss, so, s{s{sI, si}, s{sI, si}}, so, s{ss}}", "name", name, "kind", symbol_kind(text_at(row, "kind")), "detail",
                          text_at(row, "path"), "uri", uri_json(path), "range", "start", "line", from, "character", 0, "end", "line", to + 1, "character", 0,
                          "selectionRange", selection, "data", "path", path);
    json_decref(place);
    free(path);
    return o;
}

static bool callable(json_t *row)
{
    static const char *const kinds[] = {"function", "method", "class", "struct", "macro", "prototype", "test"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (row_is(row, "kind", kinds[i]))
            return true;
    return false;
}

static void take_items(struct call *c, json_t *result)
{
    json_t *near = rows_nearest(result, json_object_get(result, "definitions"), c->path), *out = json_array(), *row;
    size_t i;
    for (int prototypes = 0; prototypes < 2 && !json_array_size(out); prototypes++)
        json_array_foreach(near, i, row) {
            json_t *one = callable(row) && row_is(row, "kind", "prototype") == prototypes && json_array_size(out) < ITEMS_SHOWN
                              ? item(c, result, row, word_last(c->word), json_object_get(row, "start_line"), json_object_get(row, "end_line"))
                              : NULL;
            if (one)
                json_array_append_new(out, one);
        }
    json_decref(near);
    call_reply(c, json_array_size(out) ? json_incref(out) : NULL);
    json_decref(out);
}

void run_prepare_calls(struct call *c)
{
    if (feature_word(c, true))
        overlay_ask(c, "symbol", symbol_params(c, "definitions", 100), take_items);
}

/* The item that params give back; false: it is none. */
static bool take_item(struct call *c)
{
    json_t *given = json_object_get(c->params, "item");
    const char *name = json_string_value(json_object_get(given, "name")), *uri = json_string_value(json_object_get(given, "uri"));
    c->path = uri ? uri_path(uri) : NULL;
    if (!name || !c->path) {
        call_refuse(c, LSP_INVALID_PARAMS, "item: as textDocument/prepareCallHierarchy gave it", NULL);
        return false;
    }
    c->word = mem_str(name);
    return true;
}

static void take_callers(struct call *c, json_t *result)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(result, "callers"), i, row) {
        const char *name = json_string_value(json_object_get(row, "symbol"));
        json_t *first = json_object_get(row, "symbol_start_line"), *last = json_object_get(row, "symbol_end_line");
        if (!name || !first) { /* at the top of a file */
            name = text_at(row, "path");
            first = json_object_get(row, "start_line");
            last = json_object_get(row, "end_line");
        }
        json_t *at = row_location(c->lsp, result, row, c->word), *from = at ? item(c, result, row, name, first, last) : NULL;
        if (from)
            json_array_append_new(out, json_pack("{so, s[O]}", "from", from, "fromRanges", json_object_get(at, "range")));
        json_decref(at);
    }
    call_reply_list(c, out);
}

void run_incoming(struct call *c)
{
    if (take_item(c))
        overlay_ask(c, "symbol", symbol_params(c, "callers", CALLS_SHOWN), take_callers);
}

/* Where the caller's own lines name what it calls; known only of an open document. */
static json_t *call_sites(struct call *c, const char *name)
{
    json_t *range = json_object_get(json_object_get(c->params, "item"), "range"), *out = json_array();
    const struct document *d = document_at(&c->lsp->docs, c->path);
    struct position from, to;
    size_t at;
    if (d && position_read(&from, json_object_get(range, "start")) && position_read(&to, json_object_get(range, "end")))
        for (uint32_t i = from.line; i < to.line && i < d->nlines; i++) {
            struct str line = document_line(d, i), word = str_of(name);
            for (size_t next = 0; word_in(&at, line, word, next); next = at + 1)
                json_array_append_new(out, range_json((struct position){i, column_of_bytes(line, at, c->lsp->encoding)},
                                                      (struct position){i, column_of_bytes(line, at + word.n, c->lsp->encoding)}));
        }
    if (!json_array_size(out))
        json_array_append(out, json_object_get(json_object_get(c->params, "item"), "selectionRange"));
    return out;
}

static void take_callees(struct call *c, json_t *result)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(result, "callees"), i, row) {
        const char *name = text_at(row, "symbol");
        json_t *to = item(c, result, row, name, json_object_get(row, "start_line"), json_object_get(row, "end_line"));
        if (to)
            json_array_append_new(out, json_pack("{so, so}", "to", to, "fromRanges", call_sites(c, name)));
    }
    call_reply_list(c, out);
}

void run_outgoing(struct call *c)
{
    if (take_item(c))
        overlay_ask(c, "symbol", symbol_params(c, "callees", CALLS_SHOWN), take_callees);
}
