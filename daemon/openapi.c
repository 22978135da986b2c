/* The OpenAPI document, out of the rows of methods[] and of routes[]. */
#include "daemon/api.h"
#include "service/schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define OPENAPI "3.1.0"

/* The schema of the body. */
static json_t *schema(const struct method *m)
{
    json_t *o = method_schema(m, NULL, NULL);
    json_object_set_new(json_object_get(o, "properties"), "stream",
                        json_pack("{ss, ss}", "type", "boolean", "description", "server-sent events: progress, part, then done or error"));
    return o;
}

static void add_method(json_t *paths, const struct method *m)
{
    char path[64] = API_PREFIX;
    size_t n = strlen(path);
    for (size_t i = 0; m->name[i] && n + 1 < sizeof path; i++)
        path[n++] = m->name[i] == ' ' ? '.' : m->name[i];
    path[n] = 0;
    json_object_set_new(paths, path,
                        json_pack("{s{ss, s{s{s{so}}}, s{s{ss, s{s{s{ss}}}}, s{ss}}}}", "post", "summary", m->help, "requestBody", "content",
                                  "application/json", "schema", schema(m), "responses", "200", "description", "the result", "content",
                                  "application/json", "schema", "type", "object", "default", "description",
                                  "{\"error\":{\"code\":…,\"message\":…,\"hint\":…}}"));
}

static void add_route(json_t *paths, const struct route *r)
{
    json_t *operations = json_object();
    for (const char *p = r->methods; *p;) {
        size_t n = strcspn(p, " ");
        char name[16] = "";
        for (size_t i = 0; i < n && i + 1 < sizeof name; i++)
            name[i] = (char)(p[i] | 32);
        json_object_set_new(operations, name, json_pack("{ss, s{s{ss}}}", "summary", r->help, "responses", "default", "description", r->help));
        p += n + (p[n] == ' ');
    }
    json_object_set_new(paths, r->path, operations);
}

static void *openapi_open(struct session *session, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg)
{
    json_t *paths = json_object();
    for (const struct method *const *list = (const struct method *const[]){methods, codec_methods, NULL}; *list; list++)
        for (const struct method *m = *list; m->name; m++)
            if (m->access != ACCESS_OWNER)
                add_method(paths, m);
    for (const struct route *x = routes; x->path; x++)
        if (x->help)
            add_route(paths, x);
    json_t *o = json_pack("{ss, s{ss, ss}, so, s{s{s{ss, ss}}}, s[{s[]}]}", "openapi", OPENAPI, "info", "title", "codeask", "version", CODEASK_VERSION,
                          "paths", paths, "components", "securitySchemes", "token", "type", "http", "scheme", "bearer", "security", "token");
    char *text = json_dumps(o, JSON_COMPACT);
    reply_json(out, 200, text, strlen(text));
    free(text);
    json_decref(o);
    return NULL;
}

const struct http_codec openapi_codec = {openapi_open, NULL, NULL};
