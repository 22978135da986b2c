#include "cli/editor_state.h"

#include "cli/packets.h"

#include <stdlib.h>
#include <string.h>

void editor_state_release(struct editor_state *s)
{
    documents_release(&s->docs);
    json_decref(s->notes);
    json_decref(s->registered);
    json_decref(s->begun);
    *s = (struct editor_state){0};
}

static const char *text_of(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

void editor_state_agreed(struct editor_state *s, json_t *capabilities)
{
    encoding_named(&s->encoding, text_of(capabilities, "positionEncoding"));
}

/* -- the editor's notifications ---------------------------------------------------------------------------------------------- */

static void on_open(struct editor_state *s, const char *uri, json_t *params)
{
    json_t *given = json_object_get(params, "textDocument"), *text = json_object_get(given, "text");
    if (*uri && json_is_string(text))
        document_open(&s->docs, uri, text_of(given, "languageId"), json_string_value(text), json_string_length(text));
}

static void on_change(struct editor_state *s, const char *uri, json_t *params)
{
    document_change(&s->docs, uri, json_object_get(params, "contentChanges"), s->encoding);
}

static void on_save(struct editor_state *s, const char *uri, json_t *params)
{
    struct document *d = document_named(&s->docs, uri);
    if (d)
        d->changed = false;
}

static void on_close(struct editor_state *s, const char *uri, json_t *params)
{
    document_close(&s->docs, uri);
}

/* last: only the last one of them counts. */
static void keep_note(struct editor_state *s, const char *method, json_t *params, bool last)
{
    if (!s->notes)
        s->notes = json_array();
    for (size_t i = json_array_size(s->notes); last && i-- > 0;)
        if (!strcmp(text_of(json_array_get(s->notes, i), "method"), method))
            json_array_remove(s->notes, i);
    if (json_array_size(s->notes) < EDITOR_NOTES_MAX)
        json_array_append_new(s->notes, json_pack("{ss, sO*}", "method", method, "params", params));
}

void editor_state_told(struct editor_state *s, const char *method, json_t *params)
{
    static const struct {
        const char *method;
        void (*run)(struct editor_state *s, const char *uri, json_t *params);
    } about_documents[] = {{"textDocument/didOpen", on_open}, {"textDocument/didChange", on_change}, {"textDocument/didSave", on_save},
                           {"textDocument/didClose", on_close}};
    for (size_t i = 0; i < sizeof about_documents / sizeof *about_documents; i++)
        if (!strcmp(about_documents[i].method, method))
            about_documents[i].run(s, text_of(json_object_get(params, "textDocument"), "uri"), params);
    if (!strcmp(method, "workspace/didChangeConfiguration") || !strcmp(method, "$/setTrace"))
        keep_note(s, method, params, true);
    else if (!strcmp(method, "workspace/didChangeWorkspaceFolders"))
        keep_note(s, method, params, false);
}

/* -- what the server says ---------------------------------------------------------------------------------------------------- */

static bool take_registrations(struct editor_state *s, json_t *rows)
{
    json_t *row;
    size_t i;
    bool any = false;
    if (!s->registered)
        s->registered = json_object();
    json_array_foreach(rows, i, row) {
        any |= !json_equal(json_object_get(s->registered, text_of(row, "id")), row);
        json_object_set(s->registered, text_of(row, "id"), row);
    }
    return any;
}

static void take_progress(struct editor_state *s, json_t *params)
{
    json_t *token = json_object_get(params, "token");
    const char *kind = text_of(json_object_get(params, "value"), "kind");
    char *key = token ? json_dumps(token, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (!s->begun)
        s->begun = json_object();
    if (key && !strcmp(kind, "begin"))
        json_object_set(s->begun, key, token);
    else if (key && !strcmp(kind, "end"))
        json_object_del(s->begun, key);
    free(key);
}

bool editor_state_heard(struct editor_state *s, const char *method, json_t *params)
{
    json_t *row;
    size_t i;
    if (!strcmp(method, "client/registerCapability"))
        return take_registrations(s, json_object_get(params, "registrations"));
    if (!strcmp(method, "client/unregisterCapability")) /* the protocol spells it so */
        json_array_foreach(json_object_get(params, "unregisterations"), i, row)
            json_object_del(s->registered, text_of(row, "id"));
    else if (!strcmp(method, "$/progress"))
        take_progress(s, params);
    return true;
}

/* -- another server ---------------------------------------------------------------------------------------------------------- */

static void note(struct buf *out, const char *method, json_t *params /* stolen */)
{
    json_t *m = params ? json_pack("{ss, ss, so}", "jsonrpc", "2.0", "method", method, "params", params) : NULL;
    char *text = m ? json_dumps(m, JSON_COMPACT) : NULL;
    if (text)
        packets_put(out, true, text, strlen(text));
    free(text);
    json_decref(m);
}

void editor_state_lost(struct editor_state *s, struct buf *to_editor)
{
    const char *key;
    json_t *token;
    json_object_foreach(s->begun, key, token)
        note(to_editor, "$/progress", json_pack("{sO, s{ss}}", "token", token, "value", "kind", "end"));
    json_object_clear(s->begun);
}

/* What differs from what was saved is an edit, as it was to the server before. */
static void open_again(struct buf *out, const struct document *d)
{
    json_t *text = json_stringn(d->text.data ? d->text.data : "", d->text.len);
    note(out, "textDocument/didOpen", json_pack("{s{ss, ss, si, sO}}", "textDocument", "uri", d->uri, "languageId", d->language ? d->language : "",
                                                "version", 0, "text", text));
    if (d->changed)
        note(out, "textDocument/didChange", json_pack("{s{ss, si}, s[{sO}]}", "textDocument", "uri", d->uri, "version", 1, "contentChanges", "text", text));
    json_decref(text);
}

void editor_state_again(struct editor_state *s, struct buf *to_server)
{
    json_t *row;
    size_t i;
    json_array_foreach(s->notes, i, row)
        note(to_server, text_of(row, "method"), json_incref(json_object_get(row, "params")));
    for (const struct document *d = s->docs.first; d; d = d->next)
        if (!d->dropped)
            open_again(to_server, d);
}
