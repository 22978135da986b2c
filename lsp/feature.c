#include "lsp/feature.h"

#include "base/mem.h"
#include "lsp/place.h"

#include <stdlib.h>
#include <string.h>

static json_t *object(struct lsp *x)
{
    return json_object();
}

static json_t *lens_options(struct lsp *x)
{
    return json_pack("{sb}", "resolveProvider", 1);
}

const struct feature features[] = {
    {"textDocument/definition", "definition", "definitionProvider", "textDocument.definition", NULL, json_null, run_definition, true},
    {"textDocument/declaration", "definition", "declarationProvider", "textDocument.declaration", NULL, json_null, run_declaration, true},
    {"textDocument/implementation", "implementation", "implementationProvider", "textDocument.implementation", NULL, json_null, run_implementation, true},
    {"textDocument/references", "references", "referencesProvider", "textDocument.references", NULL, json_null, run_references, true},
    {"textDocument/hover", "hover", "hoverProvider", "textDocument.hover", NULL, json_null, run_hover},
    {"textDocument/documentSymbol", "symbols", "documentSymbolProvider", "textDocument.documentSymbol", NULL, json_array, run_document_symbol, true},
    {"workspace/symbol", "workspaceSymbols", "workspaceSymbolProvider", "workspace.symbol", NULL, json_array, run_workspace_symbol},
    {"textDocument/prepareCallHierarchy", "calls", "callHierarchyProvider", "textDocument.callHierarchy", NULL, json_null, run_prepare_calls, true},
    {"callHierarchy/incomingCalls", "calls", NULL, NULL, NULL, json_array, run_incoming},
    {"callHierarchy/outgoingCalls", "calls", NULL, NULL, NULL, json_array, run_outgoing},
    {"textDocument/foldingRange", "folding", "foldingRangeProvider", "textDocument.foldingRange", NULL, json_array, run_folding, true},
    {"textDocument/documentLink", "links", "documentLinkProvider", "textDocument.documentLink", object, json_array, run_links},
    {"textDocument/codeLens", "lens", "codeLensProvider", "textDocument.codeLens", lens_options, json_array, run_lens},
    {"codeLens/resolve", "lens", NULL, NULL, NULL, json_null, run_lens_resolve},
    {"textDocument/codeAction", "actions", "codeActionProvider", "textDocument.codeAction", action_options, json_array, run_code_action},
    {"workspace/executeCommand", "commands", "executeCommandProvider", "workspace.executeCommand", command_options, json_null, run_command},
    {"codeask/ask", "ask", NULL, NULL, NULL, json_null, run_ask},
    {NULL},
};

const struct feature *feature_named(const char *method)
{
    for (const struct feature *f = features; f->method; f++)
        if (!strcmp(f->method, method))
            return f;
    return NULL;
}

bool feature_on(const struct lsp *x, const struct feature *f)
{
    return !json_is_false(json_object_get(x->settings, f->setting));
}

struct document *feature_document(struct call *c)
{
    const char *uri = json_string_value(json_object_get(json_object_get(c->params, "textDocument"), "uri"));
    if (!uri) {
        call_refuse(c, LSP_INVALID_PARAMS, "textDocument: {\"uri\": …} is wanted", NULL);
        return NULL;
    }
    struct document *d = document_named(&c->lsp->docs, uri);
    if (!d || !d->path || (c->feature->common && beside_another(c->lsp, d->language))) {
        call_reply(c, c->feature->empty());
        return NULL;
    }
    free(c->path);
    c->path = mem_str(d->path);
    return d;
}

struct document *feature_word(struct call *c, bool qualified)
{
    struct document *d = feature_document(c);
    if (!d)
        return NULL;
    if (!position_read(&c->at, json_object_get(c->params, "position"))) {
        call_refuse(c, LSP_INVALID_PARAMS, "position: {\"line\": …, \"character\": …} is wanted", NULL);
        return NULL;
    }
    struct str line = document_line(d, c->at.line);
    struct word w = word_at(line, column_to_bytes(line, c->at.column, c->lsp->encoding));
    if (w.end == w.begin) {
        call_reply(c, c->feature->empty());
        return NULL;
    }
    size_t from = qualified ? w.scope : w.begin;
    free(c->word);
    c->word = mem_strn(line.p + from, w.end - from);
    return d;
}

json_t *dir_params(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    return json_pack("{ss#, sb}", "dir", n ? path : "/", n ? (int)n : 1, "roots", 1);
}

json_t *feature_params(const struct call *c)
{
    return dir_params(c->path);
}
