/* workspace/symbol: definitions whose name is like the query, then what search finds by meaning; in every known repository. */
#include "lsp/outline.h"
#include "lsp/overlay.h"
#include "lsp/place.h"

#include "base/mem.h"
#include "base/uri.h"

#include <stdlib.h>
#include <string.h>

#define NAMED 100    /* SEARCH_LIMIT_MAX allows more; a list to choose from does not need it */
#define SEARCHED 20

static json_t *about_all(struct call *c, const char *key, int limit)
{
    return json_pack("{ss, ss, sb, sb, si}", key, c->word, "dir", "/", "all_repos", 1, "roots", 1, "limit", limit);
}

/* Asked for by a name (and not by a sentence), in the workspace: the language's own server shows it. */
static bool shown_beside(struct call *c, json_t *location, json_t *row)
{
    if (strpbrk(c->word, " \t"))
        return false;
    const char *uri = json_string_value(json_object_get(location, "uri"));
    char *path = uri ? uri_path(uri) : NULL;
    bool inside = false;
    for (size_t i = 0; path && i < c->lsp->nfolders; i++) {
        size_t n = strlen(c->lsp->folder[i]);
        inside |= !strncmp(path, c->lsp->folder[i], n) && path[n] == '/';
    }
    free(path);
    return inside && beside_another(c->lsp, json_string_value(json_object_get(row, "language")));
}

static void add(struct call *c, json_t *result, json_t *rows)
{
    json_t *row, *one;
    size_t i, k;
    json_array_foreach(rows, i, row) {
        const char *name = json_string_value(json_object_get(row, "symbol")), *repo = json_string_value(json_object_get(row, "repo"));
        const char *path = json_string_value(json_object_get(row, "path")), *kind = json_string_value(json_object_get(row, "kind"));
        json_t *at = name && *name ? row_location(c->lsp, result, row, name) : NULL;
        bool known = !at || shown_beside(c, at, row);
        json_array_foreach(c->kept, k, one)
            known |= json_equal(json_object_get(one, "location"), at);
        if (!known) {
            struct buf inside = BUF_INIT;
            buf_addf(&inside, "%s %s", repo ? repo : "", path ? path : "");
            json_array_append_new(c->kept, json_pack("{ss, si, sO, ss}", "name", name, "kind", symbol_kind(kind), "location", at, "containerName",
                                                     inside.data));
            buf_release(&inside);
        }
        json_decref(at);
    }
}

static void finish(struct call *c)
{
    call_reply_list(c, json_incref(c->kept));
}

static void take_search(struct call *c, json_t *result)
{
    add(c, result, json_object_get(result, "results"));
    finish(c);
}

static void no_search(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        finish(c);
}

static void take_names(struct call *c, json_t *result)
{
    add(c, result, json_object_get(result, "definitions"));
    c->failed = no_search;
    overlay_ask(c, "search", about_all(c, "query", SEARCHED), take_search);
}

static void ask_names(struct call *c)
{
    c->failed = NULL;
    overlay_ask(c, "symbol", about_all(c, "name", NAMED), take_names);
}

static void next_folder(struct call *c);

static void folder_known(struct call *c, json_t *result)
{
    next_folder(c);
}

static void folder_unknown(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        next_folder(c);
}

/* A folder that was opened just now may not be among the known repositories yet: its first index is waited for, as elsewhere. */
static void next_folder(struct call *c)
{
    struct lsp *x = c->lsp;
    if (!x->warming || (size_t)c->step >= x->nfolders) {
        ask_names(c);
        return;
    }
    json_t *params = json_pack("{ss, ss}", "dir", x->folder[c->step++], "place", ".");
    c->failed = folder_unknown;
    call_ask(c, "read", params, folder_known);
}

void run_workspace_symbol(struct call *c)
{
    const char *query = json_string_value(json_object_get(c->params, "query"));
    if (!query || !query[strspn(query, " \t\"")]) { /* everything: a client asks when it opens the list */
        call_reply(c, json_array());
        return;
    }
    c->word = mem_str(query);
    c->kept = json_array();
    next_folder(c);
}
