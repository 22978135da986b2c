#include "service/schema.h"

#include <string.h>

static json_t *flag_schema(const struct method_flag *f)
{
    switch (f->type) {
    case FLAG_BOOL:
        return json_pack("{ss, ss}", "type", "boolean", "description", f->help);
    case FLAG_INT:
        return json_pack("{ss, si, ss}", "type", "integer", "minimum", 1, "description", f->help);
    case FLAG_NUMBER:
        return json_pack("{ss, ss}", "type", "number", "description", f->help);
    case FLAG_STRINGS:
        return json_pack("{ss, s{ss}, ss}", "type", "array", "items", "type", "string", "description", f->help);
    case FLAG_OBJECTS:
        return json_pack("{ss, s{ss}, ss}", "type", "array", "items", "type", "object", "description", f->help);
    case FLAG_DIR:
        return json_pack("{ss, ss}", "type", "string", "description",
                         "absolute path of a directory in the repository that is meant; default: where the client works");
    case FLAG_STRING:
    case FLAG_ID:
        break;
    }
    return json_pack("{ss, ss}", "type", "string", "description", f->help);
}

/* Whether the space-separated words hold that one. */
static bool among(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p++)
        if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

static bool wanted(const char *offered, const char *name, const struct method_flag *f)
{
    return offered ? among(offered, name) : !f || (strcmp(name, "json") && strcmp(name, "server") && f->type != FLAG_DIR);
}

json_t *method_schema(const struct method *m, const char *offered, const char *argument)
{
    json_t *properties = json_object(), *required = json_array();
    char name[64];
    for (const char *p = m->params; p && *p;) {
        size_t n = strcspn(p, " "), bare = n > 3 && !memcmp(p + n - 3, "…", 3) ? n - 3 : n;
        bare = bare < sizeof name ? bare : sizeof name - 1;
        memcpy(name, p, bare);
        name[bare] = 0;
        if (wanted(offered, name, NULL)) {
            json_object_set_new(properties, name, json_pack("{ss, ss*}", "type", "string", "description", argument));
            json_array_append_new(required, json_string(name));
        }
        p += n + (p[n] == ' ');
    }
    for (const struct method_flag *f = m->flags; f && f->name; f++) {
        size_t n = 0;
        for (; f->name[n] && n + 1 < sizeof name; n++)
            name[n] = f->name[n] == '-' ? '_' : f->name[n];
        name[n] = 0;
        if (wanted(offered, name, f))
            json_object_set_new(properties, name, flag_schema(f));
    }
    json_t *out = json_pack("{ss, so, sb}", "type", "object", "properties", properties, "additionalProperties", 0);
    if (offered && json_array_size(required))
        json_object_set(out, "required", required);
    json_decref(required);
    return out;
}
