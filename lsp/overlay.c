#include "lsp/overlay.h"

#include "lsp/page.h"
#include "service/result_text.h"
#include "lsp/place.h"

#include "base/clock.h"
#include "base/mem.h"
#include "retriever/retriever.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DOC_LINES 40 /* of a comment that a definition brings along */

/* -- merging ----------------------------------------------------------------------------------------------------------------- */

/* The repository of the result that a file lies in, the innermost; *rest: the path in it. */
static const char *repo_of(json_t *result, const char *path, const char **rest)
{
    const char *name, *best = NULL;
    json_t *root;
    size_t longest = 0;
    json_object_foreach(json_object_get(result, "roots"), name, root) {
        const char *r = json_string_value(root);
        size_t n = r ? strlen(r) : 0;
        if (n > longest && !strncmp(path, r, n) && path[n] == '/') {
            longest = n;
            best = name;
            *rest = path + n + 1;
        }
    }
    return best;
}

static void change_found(json_t *result, const char *list, json_int_t by)
{
    json_t *found = json_object_get(result, "found");
    if (json_object_get(found, list))
        json_object_set_new(found, list, json_integer(json_integer_value(json_object_get(found, list)) + by));
}

static void drop_rows(json_t *result, const char *list, const char *repo, const char *path)
{
    json_t *rows = json_object_get(result, list);
    for (size_t i = json_array_size(rows); i-- > 0;)
        if (row_is(json_array_get(rows, i), "repo", repo) && row_is(json_array_get(rows, i), "path", path)) {
            json_array_remove(rows, i);
            change_found(result, list, -1);
        }
}

static bool holds(const char *name, const char *part)
{
    size_t n = strlen(part);
    for (; *name; name++)
        if (!strncasecmp(name, part, n))
            return true;
    return false;
}

static json_t *new_row(const char *repo, const char *path, json_t *first, json_t *last, const struct document *d)
{
    return json_pack("{ss, ss, sn, sO, sO, sO*, sb}", "repo", repo, "path", path, "commit", "start_line", first, "end_line", last, "language",
                     json_object_get(d->outline, "language"), "unsaved", 1);
}

/* The comment before a definition. */
static void set_doc(json_t *row, const struct document *d, json_t *symbol)
{
    json_int_t from = json_integer_value(json_object_get(symbol, "doc_line")), to = json_integer_value(json_object_get(symbol, "start_line"));
    struct buf doc = BUF_INIT;
    for (json_int_t i = from; from > 0 && i < to && i < from + DOC_LINES; i++) {
        struct str line = document_line(d, (size_t)i - 1);
        buf_add(&doc, line.p, line.n);
        buf_addc(&doc, '\n');
    }
    if (doc.len)
        json_object_set_new(row, "doc", json_stringn(doc.data, doc.len));
    buf_release(&doc);
}

static json_t *symbol_at(json_t *symbols, json_t *index)
{
    json_int_t i = json_integer_value(index);
    return json_is_integer(index) && i >= 0 ? json_array_get(symbols, (size_t)i) : NULL;
}

/* Whether what a name is qualified by is the definition's enclosing one, or its file. */
static bool in_scope(const struct document *d, json_t *symbols, json_t *symbol, struct str scope)
{
    json_t *up = symbol_at(symbols, json_object_get(symbol, "parent"));
    const char *base = strrchr(d->path, '/') + 1;
    for (int depth = 0; up && depth < 16; depth++, up = symbol_at(symbols, json_object_get(up, "parent"))) {
        const char *name = text_at(up, "name");
        if (strlen(name) == scope.n && !strncasecmp(name, scope.p, scope.n))
            return true;
    }
    return strcspn(base, ".") == scope.n && !strncasecmp(base, scope.p, scope.n);
}

static void add_definitions(json_t *result, const struct document *d, const char *repo, const char *path, const char *name, struct str scope, bool exact)
{
    json_t *rows = json_object_get(result, "definitions"), *symbols = json_object_get(d->outline, "symbols"), *s;
    bool others = json_array_size(rows) > 0;
    size_t i;
    json_array_foreach(symbols, i, s) {
        const char *is = text_at(s, "name");
        if (!rows || (exact ? strcmp(is, name) != 0 : !holds(is, name)) || (scope.n && others && !in_scope(d, symbols, s, scope)))
            continue;
        json_t *row = new_row(repo, path, json_object_get(s, "start_line"), json_object_get(s, "end_line"), d);
        json_object_set(row, "symbol", json_object_get(s, "name"));
        json_object_set(row, "kind", json_object_get(s, "kind"));
        json_object_set(row, "signature", json_object_get(s, "signature"));
        set_doc(row, d, s);
        json_array_append_new(rows, row);
        change_found(result, "definitions", 1);
    }
}

/* One caller a definition, and none that is what is called. */
static bool is_caller(json_t *reference, json_t *by, const char *name, json_t *before)
{
    json_t *at = json_object_get(reference, "symbol");
    return row_is(reference, "use", "call") && !(by && !strcmp(text_at(by, "name"), name)) && !(by && before && json_equal(at, before));
}

static void add_references(json_t *result, const struct document *d, const char *repo, const char *path, const char *name)
{
    json_t *rows = json_object_get(result, "references"), *callers = json_object_get(result, "callers"), *x, *before = NULL;
    json_t *symbols = json_object_get(d->outline, "symbols");
    size_t i;
    json_array_foreach(json_object_get(d->outline, "references"), i, x) {
        if (strcmp(text_at(x, "name"), name))
            continue;
        json_t *line = json_object_get(x, "line"), *by = symbol_at(symbols, json_object_get(x, "symbol")), *row = new_row(repo, path, line, line, d);
        json_object_set(row, "use", json_object_get(x, "use"));
        if (by) {
            json_object_set(row, "symbol", json_object_get(by, "name"));
            json_object_set(row, "kind", json_object_get(by, "kind"));
            json_object_set(row, "symbol_start_line", json_object_get(by, "start_line"));
            json_object_set(row, "symbol_end_line", json_object_get(by, "end_line"));
        }
        if (rows) {
            json_array_append(rows, row);
            change_found(result, "references", 1);
        }
        if (callers && is_caller(x, by, name, before)) {
            json_array_append(callers, row);
            change_found(result, "callers", 1);
            before = json_object_get(x, "symbol");
        }
        json_decref(row);
    }
}

void overlay_merge(json_t *result, const struct document *d, const char *name, bool exact)
{
    static const char *const lists[] = {"definitions", "callers", "references"};
    const char *path = "", *repo = repo_of(result, d->path, &path), *last = word_last(name);
    if (!repo || !d->outline)
        return;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        drop_rows(result, lists[i], repo, path);
    struct str scope = {name, last > name ? strcspn(name, ".:->#") : 0};
    add_definitions(result, d, repo, path, last, scope, exact);
    add_references(result, d, repo, path, last);
}

/* -- asking ------------------------------------------------------------------------------------------------------------------ */

static bool overlaid(const struct document *d)
{
    return !d->dropped && d->path && (d->changed || (d->saved_ms > 0 && clock_ms() - d->saved_ms < OVERLAY_SAVED_MS));
}

static void merged(struct call *c, json_t *result)
{
    const char *name = text_at(c->asking, "name");
    bool exact = json_is_true(json_object_get(c->asking, "exact"));
    for (const struct document *d = c->lsp->docs.first; d; d = d->next)
        if (overlaid(d))
            overlay_merge(result, d, name, exact);
    c->after(c, result);
}

static void next_document(struct call *c);

static void take_outline(struct call *c, json_t *result)
{
    struct document *d = document_named(&c->lsp->docs, c->anew);
    if (d) {
        json_decref(d->outline);
        d->outline = json_incref(result);
        d->outlined = c->anew_serial;
    }
    next_document(c);
}

static void no_outline(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        take_outline(c, NULL);
}

/* Cuts the next document that was edited since it was cut; when there is none, asks. */
static void next_document(struct call *c)
{
    struct document *d = c->lsp->docs.first;
    while (d && !(overlaid(d) && d->outlined != d->serial))
        d = d->next;
    if (!d || c->anew_count++ >= OVERLAY_ANEW_MAX) {
        c->failed = c->after_failed;
        call_ask(c, "symbol", json_incref(c->asking), merged);
        return;
    }
    free(c->anew);
    c->anew = mem_str(d->uri);
    c->anew_serial = d->serial;
    json_t *params = json_pack("{ss, sb}", "place", d->path, "references", 1);
    json_object_set_new(params, "text", json_stringn(d->text.data, d->text.len));
    c->failed = no_outline;
    call_ask(c, "outline", params, take_outline);
}

/* What the index has of an unsaved file can be taken out of a count only where it is listed. */
static void list_all(struct call *c, json_t *params)
{
    const struct document *d = c->lsp->docs.first;
    while (d && !overlaid(d))
        d = d->next;
    if (!d)
        return;
    json_object_del(params, "count");
    json_object_set_new(params, "limit", json_integer(SEARCH_LIMIT_MAX));
}

void overlay_symbol(struct call *c, json_t *params, void (*done)(struct call *c, json_t *result))
{
    json_decref(c->asking);
    list_all(c, params);
    c->asking = params;
    c->after = done;
    c->after_failed = c->failed;
    c->anew_count = 0;
    next_document(c);
}
