/* Settings, and what the client is told that can be asked: with them, when they change, and by registration where it allows that. */
#include "lsp/feature.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

json_t *client_at(const struct lsp *x, const char *path)
{
    json_t *at = x->client;
    while (at && *path) {
        size_t n = strcspn(path, ".");
        char key[64];
        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = 0;
        at = json_object_get(at, key);
        path += n + (path[n] == '.');
    }
    return at;
}

bool client_can(const struct lsp *x, const char *path)
{
    json_t *v = client_at(x, path);
    return json_is_true(v) || json_is_object(v);
}

void settings_take(struct lsp *x, json_t *given)
{
    json_t *ours = json_object_get(given, "codeask");
    if (!json_is_object(ours))
        ours = given;
    if (!json_is_object(ours))
        return;
    json_decref(x->settings);
    x->settings = json_deep_copy(ours);
}

void settings_ask(struct lsp *x)
{
    if (client_can(x, "workspace.configuration"))
        say_request(x, "settings", "workspace/configuration", json_pack("{s[{ss}]}", "items", "section", "codeask"));
}

bool beside_another(const struct lsp *x, const char *language)
{
    json_t *beside = json_object_get(x->settings, "beside"), *one;
    size_t i;
    json_array_foreach(beside, i, one)
        if (language && json_is_string(one) && !strcmp(json_string_value(one), language))
            return true;
    return json_is_true(beside);
}

static bool dynamic(const struct lsp *x, const struct feature *f)
{
    return f->client && json_is_true(json_object_get(client_at(x, f->client), "dynamicRegistration"));
}

json_t *server_capabilities(struct lsp *x)
{
    json_t *o = json_pack("{ss, s{sb, si, s{sb}}, s{s{sb, sb}}}", "positionEncoding", encoding_name(x->encoding), "textDocumentSync",
                          "openClose", 1, "change", 2, "save", "includeText", 0, "workspace", "workspaceFolders", "supported", 1,
                          "changeNotifications", 1);
    for (const struct feature *f = features; f->method; f++)
        if (f->provider && feature_on(x, f) && !dynamic(x, f))
            json_object_set_new(o, f->provider, f->options ? f->options(x) : json_true());
    return o;
}

void features_register(struct lsp *x)
{
    json_t *come = json_array(), *gone = json_array();
    for (const struct feature *f = features; f->method; f++) {
        uint64_t bit = 1ULL << (f - features);
        if (!f->provider || !dynamic(x, f) || feature_on(x, f) == !!(x->registered & bit))
            continue;
        x->registered ^= bit;
        if (!(x->registered & bit)) {
            json_array_append_new(gone, json_pack("{ss, ss}", "id", f->method, "method", f->method));
            continue;
        }
        json_t *options = f->options ? f->options(x) : json_object();
        if (!strncmp(f->method, "textDocument/", 13))
            json_object_set_new(options, "documentSelector", json_null());
        json_array_append_new(come, json_pack("{ss, ss, so}", "id", f->method, "method", f->method, "registerOptions", options));
    }
    if (!x->watches_settings && json_is_true(client_at(x, "workspace.didChangeConfiguration.dynamicRegistration"))) {
        x->watches_settings = true;
        json_array_append_new(come, json_pack("{ss, ss, s{ss}}", "id", "settings", "method", "workspace/didChangeConfiguration",
                                              "registerOptions", "section", "codeask"));
    }
    if (json_array_size(gone)) /* the protocol spells it so */
        say_request(x, "register", "client/unregisterCapability", json_pack("{sO}", "unregisterations", gone));
    if (json_array_size(come))
        say_request(x, "register", "client/registerCapability", json_pack("{sO}", "registrations", come));
    json_decref(come);
    json_decref(gone);
}
