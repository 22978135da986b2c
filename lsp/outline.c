#include "lsp/outline.h"

#include "lsp/place.h"

#include <string.h>

#define NAME_LINES 8 /* of a definition, in which its name is looked for */

static const struct {
    const char *name;
    int kind;
} kinds[] = {{"function", 12}, {"method", 6},     {"class", 5},     {"struct", 23}, {"interface", 11}, {"enum", 10},      {"type", 26},    {"module", 2},
             {"implementation", 19}, {"constant", 14}, {"variable", 13}, {"field", 8},   {"macro", 14},     {"prototype", 12}, {"section", 15}, {"test", 12}};

int symbol_kind(const char *kind)
{
    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].name, kind))
            return kinds[i].kind;
    return 13;
}

static uint32_t line_at(json_t *row, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(row, key));
    return v > 0 && v < UINT32_MAX ? (uint32_t)v - 1 : 0;
}

static struct position end_of(struct call *c, const struct document *d, uint32_t line)
{
    struct str text = document_line(d, line);
    return (struct position){line, column_of_bytes(text, text.n, c->lsp->encoding)};
}

json_t *outline_range(struct call *c, const struct document *d, json_t *row)
{
    return range_json((struct position){line_at(row, "start_line"), 0}, end_of(c, d, line_at(row, "end_line")));
}

json_t *outline_name_range(struct call *c, const struct document *d, json_t *row)
{
    uint32_t first = line_at(row, "start_line"), last = line_at(row, "end_line");
    struct str name = str_of(json_string_value(json_object_get(row, "name")));
    size_t at;
    for (uint32_t i = first; i <= last && i < first + NAME_LINES; i++) {
        struct str line = document_line(d, i);
        if (word_in(&at, line, name, 0))
            return range_json((struct position){i, column_of_bytes(line, at, c->lsp->encoding)},
                              (struct position){i, column_of_bytes(line, at + name.n, c->lsp->encoding)});
    }
    return range_json((struct position){first, 0}, (struct position){first, 0});
}

static void take(struct call *c, json_t *result)
{
    const char *uri = json_string_value(json_object_get(json_object_get(c->params, "textDocument"), "uri"));
    struct document *d = document_named(&c->lsp->docs, uri);
    if (d)
        ((outline_cb)c->then)(c, d, json_object_get(result, "symbols"));
}

static void ask_text(struct call *c, const struct document *d)
{
    json_t *params = feature_params(c);
    json_object_set_new(params, "place", json_string(c->path));
    json_object_set_new(params, "text", json_stringn(d->text.data, d->text.len));
    c->failed = NULL;
    call_ask(c, "outline", params, take);
}

/* Not in the index, or in no repository: by its text, too. */
static void no_index(struct call *c, int code, const char *message, const char *hint)
{
    const char *uri = json_string_value(json_object_get(json_object_get(c->params, "textDocument"), "uri"));
    struct document *d = document_named(&c->lsp->docs, uri);
    if (d && (code == ERR_NOT_FOUND || code == ERR_NO_REPOSITORY))
        ask_text(c, d);
    else
        call_fail(c, code, message, hint);
}

void outline_ask(struct call *c, outline_cb done)
{
    struct document *d = feature_document(c);
    if (!d)
        return;
    c->then = (void (*)(void))done;
    if (d->changed) {
        ask_text(c, d);
        return;
    }
    json_t *params = feature_params(c);
    json_object_set_new(params, "place", json_string(c->path));
    c->failed = no_index;
    call_ask(c, "outline", params, take);
}
