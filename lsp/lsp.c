#include "lsp/lsp.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/uri.h"
#include "lsp/overlay.h"
#include "service/jsonrpc.h"
#include "service/methods.h"

#include <stdlib.h>
#include <string.h>

/* -- folders ----------------------------------------------------------------------------------------------------------------- */

static void warmed(struct call *c, json_t *result)
{
    c->lsp->warming--;
}

static void not_warmed(struct call *c, int code, const char *message, const char *hint)
{
    c->lsp->warming--;
}

/* A repository that is opened for the first time is indexed at once, not at the first question. `read` makes git repositories known
 * and no plain directories. */
static void warm(struct lsp *x, const char *dir)
{
    struct call *c = call_new(x, NULL, NULL, NULL);
    json_t *params = json_pack("{ss, ss}", "dir", dir, "place", ".");
    c->failed = not_warmed;
    x->warming++;
    call_ask(c, "read", params, warmed);
    call_settle(c);
}

static void add_folder(struct lsp *x, char *path /* taken over; NULL */)
{
    for (size_t i = 0; path && i < x->nfolders; i++)
        if (!strcmp(x->folder[i], path)) {
            free(path);
            return;
        }
    if (!path || x->nfolders == LSP_FOLDERS_MAX) {
        free(path);
        return;
    }
    x->folder = mem_grow(x->folder, x->nfolders + 1, sizeof *x->folder);
    x->folder[x->nfolders++] = path;
}

static void remove_folder(struct lsp *x, const char *path)
{
    for (size_t i = 0; path && i < x->nfolders; i++)
        if (!strcmp(x->folder[i], path)) {
            free(x->folder[i]);
            memmove(x->folder + i, x->folder + i + 1, (--x->nfolders - i) * sizeof *x->folder);
            return;
        }
}

static char *uri_at(json_t *o, const char *key)
{
    const char *uri = json_string_value(json_object_get(o, key));
    return uri ? uri_path(uri) : NULL;
}

static void take_folders(struct lsp *x, json_t *params)
{
    json_t *folder, *path = json_object_get(params, "rootPath");
    size_t i;
    json_array_foreach(json_object_get(params, "workspaceFolders"), i, folder)
        add_folder(x, uri_at(folder, "uri"));
    if (!x->nfolders)
        add_folder(x, uri_at(params, "rootUri"));
    if (!x->nfolders && json_is_string(path) && *json_string_value(path) == '/')
        add_folder(x, mem_str(json_string_value(path)));
}

/* -- lifecycle --------------------------------------------------------------------------------------------------------------- */

static void set_trace(struct lsp *x, json_t *value)
{
    const char *s = json_string_value(value);
    if (s)
        x->trace = !strcmp(s, "messages") ? TRACE_MESSAGES : !strcmp(s, "verbose") ? TRACE_VERBOSE : TRACE_OFF;
}

static void initialize(struct lsp *x, const char *id, json_t *params)
{
    json_t *encoding;
    size_t i;
    bool chosen = false;
    json_decref(x->client);
    x->client = json_deep_copy(json_object_get(params, "capabilities"));
    json_array_foreach(client_at(x, "general.positionEncodings"), i, encoding)
        if (!chosen && json_is_string(encoding))
            chosen = encoding_named(&x->encoding, json_string_value(encoding));
    settings_take(x, json_object_get(params, "initializationOptions"));
    set_trace(x, json_object_get(params, "trace"));
    take_folders(x, params);
    x->life = LIFE_RUNNING;
    say_result(x, id, json_pack("{so, s{ss, ss}}", "capabilities", server_capabilities(x), "serverInfo", "name", "codeask", "version",
                                CODEASK_VERSION));
}

static void shut_down(struct lsp *x, const char *id)
{
    x->life = LIFE_SHUT;
    for (struct call *c = x->calls; c; c = c->next)
        call_cancel(c);
    say_result(x, id, json_null());
}

/* What the carrier ends with: a NUL, which no message holds, and the exit status (cli/carry.h). */
static int leave(struct lsp *x)
{
    buf_add(x->out, x->life == LIFE_SHUT ? "\0" "0" : "\0" "1", 2);
    return ERR_CANCELED;
}

/* -- notifications ----------------------------------------------------------------------------------------------------------- */

static void tell_dropped(struct lsp *x, const char *uri, enum keeping how)
{
    struct buf text = BUF_INIT;
    if (how == DOCUMENT_TOO_LARGE)
        buf_addf(&text, "codeask: %s is larger than %u MiB: nothing is answered about it", uri, DOCUMENT_MAX >> 20);
    else if (how == DOCUMENT_TOO_MANY)
        buf_addf(&text, "codeask: too much is open: nothing is answered about %s", uri);
    if (text.len)
        say_message(x, MESSAGE_WARNING, text.data);
    buf_release(&text);
}

static const char *document_uri(json_t *params)
{
    const char *uri = json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
    return uri ? uri : "";
}

static void on_initialized(struct lsp *x, json_t *params)
{
    settings_ask(x);
    features_register(x);
    for (size_t i = 0; i < x->nfolders; i++)
        warm(x, x->folder[i]);
}

static void on_open(struct lsp *x, json_t *params)
{
    json_t *given = json_object_get(params, "textDocument"), *text = json_object_get(given, "text");
    const char *language = json_string_value(json_object_get(given, "languageId"));
    overlay_close(x, document_uri(params));
    if (*document_uri(params) && json_is_string(text))
        tell_dropped(x, document_uri(params), document_open(&x->docs, document_uri(params), language, json_string_value(text),
                                                            json_string_length(text)));
}

static void on_change(struct lsp *x, json_t *params)
{
    tell_dropped(x, document_uri(params),
                 document_change(&x->docs, document_uri(params), json_object_get(params, "contentChanges"), x->encoding));
}

static void on_save(struct lsp *x, json_t *params)
{
    struct document *d = document_named(&x->docs, document_uri(params));
    if (d) {
        d->changed = false;
        d->saved_ms = clock_ms();
    }
}

static void on_close(struct lsp *x, json_t *params)
{
    overlay_close(x, document_uri(params));
    document_close(&x->docs, document_uri(params));
}

static void on_folders(struct lsp *x, json_t *params)
{
    json_t *event = json_object_get(params, "event"), *folder;
    size_t i;
    json_array_foreach(json_object_get(event, "removed"), i, folder) {
        char *path = uri_at(folder, "uri");
        remove_folder(x, path);
        free(path);
    }
    json_array_foreach(json_object_get(event, "added"), i, folder) {
        size_t before = x->nfolders;
        add_folder(x, uri_at(folder, "uri"));
        if (x->nfolders > before)
            warm(x, x->folder[before]);
    }
}

static void on_settings(struct lsp *x, json_t *params)
{
    json_t *settings = json_object_get(params, "settings");
    if (json_is_object(settings)) {
        settings_take(x, settings);
        features_register(x);
    } else {
        settings_ask(x);
    }
}

static void on_cancel(struct lsp *x, json_t *params)
{
    char *name = jsonrpc_id(params);
    struct call *c = name ? call_find(x, name) : NULL;
    if (c)
        call_cancel(c);
    free(name);
}

static void on_cancel_work(struct lsp *x, json_t *params)
{
    for (struct call *c = x->calls; c; c = c->next)
        if (c->work && json_equal(c->work, json_object_get(params, "token"))) {
            call_cancel(c);
            return;
        }
}

static void on_trace(struct lsp *x, json_t *params)
{
    set_trace(x, json_object_get(params, "value"));
}

static const struct {
    const char *method;
    void (*run)(struct lsp *x, json_t *params);
} notes[] = {
    {"initialized", on_initialized},
    {"textDocument/didOpen", on_open},
    {"textDocument/didChange", on_change},
    {"textDocument/didSave", on_save},
    {"textDocument/didClose", on_close},
    {"workspace/didChangeWorkspaceFolders", on_folders},
    {"workspace/didChangeConfiguration", on_settings},
    {"window/workDoneProgress/cancel", on_cancel_work},
    {"$/cancelRequest", on_cancel},
    {"$/setTrace", on_trace},
};

static int notification(struct lsp *x, const char *method, json_t *params)
{
    if (!strcmp(method, "exit"))
        return leave(x);
    if (!strcmp(method, LSP_DIR) && json_is_string(json_object_get(params, "dir"))) {
        free(x->dir);
        x->dir = mem_str(json_string_value(json_object_get(params, "dir")));
    }
    for (size_t i = 0; x->life == LIFE_RUNNING && i < sizeof notes / sizeof *notes; i++)
        if (!strcmp(notes[i].method, method))
            notes[i].run(x, params);
    return 0;
}

/* -- messages ---------------------------------------------------------------------------------------------------------------- */

static void request(struct lsp *x, char *id /* taken over */, const char *method, json_t *params)
{
    const struct feature *f = feature_named(method);
    bool first = !strcmp(method, "initialize");
    if (x->life == LIFE_NEW && !first) {
        say_error(x, id, LSP_NOT_INITIALIZED, "initialize comes first", NULL);
    } else if (x->life == LIFE_SHUT || (first && x->life != LIFE_NEW)) {
        say_error(x, id, RPC_INVALID_REQUEST, first ? "initialize came already" : "shutdown came already", NULL);
    } else if (first) {
        initialize(x, id, params);
    } else if (!strcmp(method, "shutdown")) {
        shut_down(x, id);
    } else if (!f) {
        say_error(x, id, LSP_METHOD_NOT_FOUND, "there is no such method", NULL);
    } else if (call_find(x, id)) {
        say_error(x, id, RPC_INVALID_REQUEST, "id: in use by an open request", NULL);
    } else if (x->ncalls >= LSP_OPEN_MAX) {
        say_error(x, id, LSP_REQUEST_FAILED, "too many requests of this client are open already", NULL);
    } else if (!feature_on(x, f)) {
        say_result(x, id, f->empty());
    } else {
        struct call *c = call_new(x, id, f, params);
        f->run(c);
        call_settle(c);
        return;
    }
    free(id);
}

/* The client's answer to a request of ours. */
static void response(struct lsp *x, json_t *id, json_t *result)
{
    const char *name = json_string_value(id);
    if (name && !strncmp(name, "settings/", 9)) {
        if (json_is_object(json_array_get(result, 0)))
            settings_take(x, json_array_get(result, 0));
        features_register(x);
    }
    for (struct call *c = x->calls; name && c; c = c->next)
        if (c->creating && !strncmp(c->creating + 1, name, strlen(name)) && strlen(c->creating) == strlen(name) + 2) {
            free(c->creating);
            c->creating = NULL;
            if (!result) { /* it will not have it */
                json_decref(c->work);
                c->work = NULL;
            }
        }
}

static int one(struct lsp *x, json_t *m)
{
    const char *method = json_string_value(json_object_get(m, "method")), *version = json_string_value(json_object_get(m, "jsonrpc"));
    json_t *params = json_object_get(m, "params"), *id = json_object_get(m, "id");
    char *name = jsonrpc_id(m);
    int rc = 0;
    if (!json_is_object(m) || !version || strcmp(version, "2.0") || (id && !name && !json_is_null(id)) ||
        (!method && !json_object_get(m, "result") && !json_object_get(m, "error"))) {
        say_error(x, name, RPC_INVALID_REQUEST, "not a JSON-RPC 2.0 message", NULL);
    } else if (!method) {
        response(x, id, json_object_get(m, "result"));
    } else if (params && !json_is_object(params) && !json_is_null(params)) {
        if (name)
            say_error(x, name, LSP_INVALID_PARAMS, "params: an object is wanted", NULL);
    } else if (name) {
        request(x, name, method, params);
        return 0;
    } else {
        rc = notification(x, method, params);
    }
    free(name);
    return rc;
}

static int message(void *self, const char *bytes, size_t n)
{
    struct lsp *x = self;
    json_error_t why;
    if (!bytes) {
        say_error(x, NULL, RPC_INVALID_REQUEST, "a message of more than 16 MiB was left out", NULL);
        say_message(x, MESSAGE_WARNING, "codeask: a message of more than 16 MiB was left out");
        return 0;
    }
    json_t *m = json_loadb(bytes, n, JSON_ALLOW_NUL, &why);
    int rc = 0;
    if (m)
        rc = one(x, m);
    else
        say_error(x, NULL, RPC_PARSE_ERROR, why.text, NULL);
    json_decref(m);
    return rc;
}

static void *lsp_open(struct session *c, struct buf *out, bool (*full)(void *arg), void *arg)
{
    struct lsp *x = mem_zero(1, sizeof *x);
    *x = (struct lsp){.session = c, .out = out, .full = full, .full_arg = arg, .in = FRAME_INIT, .settings = json_object()};
    return x;
}

static int lsp_feed(void *self, const char *bytes, size_t len)
{
    struct lsp *x = self;
    struct err e;
    int rc = frame_feed(&x->in, bytes, len, message, x, &e);
    if (rc == ERR_FORMAT)
        say_error(x, NULL, RPC_PARSE_ERROR, e.message, NULL);
    return rc;
}

static void lsp_drained(void *self)
{
    struct lsp *x = self;
    for (struct call *c = x->calls; c; c = c->next)
        if (c->id)
            session_resume(x->session, c->id);
}

static void lsp_close(void *self)
{
    struct lsp *x = self;
    while (x->calls)
        call_free(x->calls);
    documents_release(&x->docs);
    frame_release(&x->in);
    for (size_t i = 0; i < x->nfolders; i++)
        free(x->folder[i]);
    free(x->folder);
    free(x->dir);
    free(x->answer);
    json_decref(x->client);
    json_decref(x->settings);
    json_decref(x->closed);
    free(x);
}

const struct protocol lsp_protocol = {"lsp", lsp_open, lsp_feed, lsp_drained, lsp_close};
