/* What a document's outline gives: its symbols, what can be folded, and lenses that say who calls a definition and when it changed. */
#include "lsp/outline.h"
#include "lsp/overlay.h"
#include "lsp/page.h"
#include "service/result_text.h"
#include "lsp/place.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SUBJECT_BYTES 80 /* of a commit's, in a lens */
#define LENSES_MAX 200 /* of one document: a longer list is not looked through */

/* -- symbols ----------------------------------------------------------------------------------------------------------------- */

static json_t *symbol(struct call *c, struct document *d, json_t *row)
{
    const char *name = text_at(row, "name");
    return json_pack("{ss, ss, si, so, so}", "name", *name ? name : "?", "detail", text_at(row, "signature"), "kind", symbol_kind(text_at(row, "kind")),
                     "range", outline_range(c, d, row), "selectionRange", outline_name_range(c, d, row));
}

static json_t *flat_symbol(struct call *c, struct document *d, json_t *row, json_t *parent)
{
    const char *name = text_at(row, "name");
    json_t *o = json_pack("{ss, si, s{ss, so}}", "name", *name ? name : "?", "kind", symbol_kind(text_at(row, "kind")), "location", "uri", d->uri, "range",
                          outline_range(c, d, row));
    if (parent)
        json_object_set_new(o, "containerName", json_string(text_at(parent, "name")));
    return o;
}

static json_t *parent_of(json_t *list, json_t *row, size_t before)
{
    json_t *index = json_object_get(row, "parent");
    json_int_t i = json_integer_value(index);
    return json_is_integer(index) && i >= 0 && (size_t)i < before ? json_array_get(list, (size_t)i) : NULL;
}

static void give_symbols(struct call *c, struct document *d, json_t *rows)
{
    bool tree = client_can(c->lsp, "textDocument.documentSymbol.hierarchicalDocumentSymbolSupport");
    json_t *out = json_array(), *made = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        json_t *one = tree ? symbol(c, d, row) : flat_symbol(c, d, row, parent_of(rows, row, i));
        json_t *parent = tree ? parent_of(made, row, i) : NULL, *children = json_object_get(parent, "children");
        if (parent && !children)
            json_object_set_new(parent, "children", children = json_array());
        json_array_append(parent ? children : out, one);
        json_array_append_new(made, one);
    }
    json_decref(made);
    call_reply_list(c, out);
}

void run_document_symbol(struct call *c)
{
    outline_ask(c, give_symbols);
}

/* -- folding ----------------------------------------------------------------------------------------------------------------- */

static void add_fold(json_t *out, json_int_t first, json_int_t last, const char *kind)
{
    if (first < last)
        json_array_append_new(out, json_pack("{sI, sI, ss*}", "startLine", first - 1, "endLine", last - 1, "kind", kind));
}

static void give_folds(struct call *c, struct document *d, json_t *rows)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        json_int_t first = json_integer_value(json_object_get(row, "start_line")), last = json_integer_value(json_object_get(row, "end_line"));
        json_int_t doc = json_integer_value(json_object_get(row, "doc_line"));
        if (doc > 0)
            add_fold(out, doc, first - 1, "comment");
        add_fold(out, first, last, NULL);
    }
    call_reply_list(c, out);
}

void run_folding(struct call *c)
{
    outline_ask(c, give_folds);
}

/* -- lenses ------------------------------------------------------------------------------------------------------------------ */

static bool has_lens(const char *kind)
{
    static const char *const with[] = {"function", "method", "class", "struct", "interface", "macro", "module"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        if (!strcmp(with[i], kind))
            return true;
    return false;
}

static void give_lenses(struct call *c, struct document *d, json_t *rows)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (has_lens(text_at(row, "kind")) && *text_at(row, "name") && json_array_size(out) < LENSES_MAX)
            json_array_append_new(out, json_pack("{so, s{ss, ss, sO, sO}}", "range", outline_name_range(c, d, row), "data", "path", d->path, "name",
                                                 text_at(row, "name"), "first", json_object_get(row, "start_line"), "last",
                                                 json_object_get(row, "end_line")));
    call_reply_list(c, out);
}

void run_lens(struct call *c)
{
    outline_ask(c, give_lenses);
}

static void put_commit(struct buf *out, json_t *commit)
{
    struct str subject = text_head(text_at(commit, "subject"), SUBJECT_BYTES);
    buf_addf(out, " · %.10s %s: %.*s", text_at(commit, "date"), text_at(commit, "author"), (int)subject.n, subject.p);
}

static void give_lens(struct call *c, json_t *commit, bool uncommitted)
{
    json_t *lens = json_copy(c->params), *data = json_object_get(lens, "data");
    long long callers = (long long)json_integer_value(json_object_get(c->kept, "callers"));
    long long uses = (long long)json_integer_value(json_object_get(c->kept, "references"));
    struct buf title = BUF_INIT;
    buf_addf(&title, "%lld caller%s", callers ? callers : uses, (callers ? callers : uses) == 1 ? "" : "s");
    if (!callers && uses) {
        buf_clear(&title);
        buf_addf(&title, "used %lld time%s", uses, uses == 1 ? "" : "s");
    }
    if (uncommitted)
        buf_adds(&title, " · changed, not committed");
    else if (commit)
        put_commit(&title, commit);
    json_int_t first = json_integer_value(json_object_get(data, "first"));
    json_object_set_new(lens, "command", json_pack("{ss, ss, s[{so, sI, ss}]}", "title", title.data, "command", "codeask.why", "arguments", "uri",
                                                   uri_json(c->path), "line", first - 1, "name", c->word));
    buf_release(&title);
    call_reply(c, lens);
}

static void take_history(struct call *c, json_t *result)
{
    give_lens(c, json_array_get(json_object_get(result, "commits"), 0), json_is_true(json_object_get(result, "uncommitted")));
}

static void no_history(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        give_lens(c, NULL, false);
}

static void take_users(struct call *c, json_t *result)
{
    json_t *data = json_object_get(c->params, "data"), *params = feature_params(c);
    struct buf place = BUF_INIT;
    json_decref(c->kept);
    c->kept = json_incref(json_object_get(result, "found"));
    buf_addf(&place, "%s:%lld-%lld", c->path, (long long)json_integer_value(json_object_get(data, "first")),
             (long long)json_integer_value(json_object_get(data, "last")));
    json_object_set_new(params, "place", json_string(place.data));
    json_object_set_new(params, "limit", json_integer(1));
    json_object_set_new(params, "no_wait", json_true());
    buf_release(&place);
    c->failed = no_history;
    call_ask(c, "history", params, take_history);
}

void run_lens_resolve(struct call *c)
{
    json_t *data = json_object_get(c->params, "data");
    const char *path = json_string_value(json_object_get(data, "path")), *name = json_string_value(json_object_get(data, "name"));
    if (!path || *path != '/' || !name) {
        call_refuse(c, LSP_INVALID_PARAMS, "data: as textDocument/codeLens gave it", NULL);
        return;
    }
    c->path = mem_str(path);
    c->word = mem_str(name);
    json_t *params = feature_params(c);
    json_object_set_new(params, "name", json_string(name));
    json_object_set_new(params, "limit", json_integer(1));
    json_object_set_new(params, "exact", json_true());
    json_object_set_new(params, "count", json_true());
    json_object_set_new(params, "callers", json_true());
    json_object_set_new(params, "references", json_true());
    overlay_ask(c, "symbol", params, take_users);
}
