/* The way back: names, commits and hashes of the server's as they are here. */
#include "service/remote_clone.h"

#include "base/hash.h"

#include <string.h>

static json_t *hex_json(const struct oid *o)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, 20);
    return json_string(hex);
}

static bool is_hex(json_t *v, const struct oid *o)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, 20);
    return json_is_string(v) && !strcmp(json_string_value(v), hex);
}

static const struct remote_view *view_named(const struct remote_view *v, size_t n, const char *repo)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(v[i].repo, repo))
            return &v[i];
    return NULL;
}

/* A place in the code. What was sent is here under its own hash, and committed where it is. */
static void place_back(json_t *row, const struct remote_view *v)
{
    struct buf raw = BUF_INIT;
    json_t *coded = json_object_get(row, "path_b64"), *path = json_object_get(row, "path");
    const struct remote_file *f = NULL;
    if (json_is_string(path))
        f = remote_view_file(v, coded && bytes_of_base64(&raw, coded) ? raw.data : json_string_value(path));
    buf_release(&raw);
    if (!v->pushed)
        return;
    if (f && !f->gone) {
        json_object_set_new(row, "blob", hex_json(&f->oid));
        json_object_set_new(row, "commit", f->committed ? hex_json(&v->commit) : json_null());
        if (!f->unsaved)
            json_object_del(row, "unsaved");
    } else if (is_hex(json_object_get(row, "commit"), &v->base)) {
        json_object_set_new(row, "commit", hex_json(&v->commit));
    }
}

/* A path that leads out of the repository is none: an editor opens what it is told. */
static bool leads_out(const char *path)
{
    if (*path == '/')
        return true;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && !strncmp(p, "..", 2))
            return true;
        p += n + (p[n] == '/');
    }
    return false;
}

static void freshness_back(json_t *f, const struct remote_view *v)
{
    if (!v->pushed || !is_hex(json_object_get(f, "commit"), &v->base))
        return;
    json_object_set_new(f, "commit", hex_json(&v->commit));
    json_object_set_new(f, "dirty", json_boolean(v->dirty));
    json_object_set_new(f, "overlay_files", json_integer(v->dirty));
}

void remote_back(json_t *o, const struct remote_view *v, size_t n)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_array(o)) {
        json_array_foreach(o, i, value)
            remote_back(value, v, n);
        return;
    }
    if (!json_is_object(o))
        return;
    json_t *repo = json_object_get(o, "repo"), *path = json_object_get(o, "path");
    if (json_is_string(path) && leads_out(json_string_value(path)))
        json_object_set_new(o, "path", json_string(""));
    const struct remote_view *at = json_is_string(repo) ? view_named(v, n, json_string_value(repo)) : NULL;
    if (at) {
        if (json_object_get(o, "blob"))
            place_back(o, at);
        json_object_set_new(o, "repo", json_text(at->local, strlen(at->local)));
    } else if (json_is_string(repo)) { /* of the server's alone: never taken for one that is called so here */
        for (i = 0; i < n; i++)
            if (!strcmp(v[i].local, json_string_value(repo))) {
                json_object_set_new(o, "repo", json_sprintf("server/%s", v[i].local));
                break;
            }
    }
    if (n == 1 && json_is_object(json_object_get(o, "freshness")))
        freshness_back(json_object_get(o, "freshness"), v);
    json_object_foreach(o, key, value)
        remote_back(value, v, n);
}
