#include "daemon/mcp.h"

#include "service/methods.h"

#include <string.h>

#define SCOPE "dir repo all_repos branch"

const struct mcp_tool mcp_tools[] = {
    {"search", "Search the code", "search",
     "Finds the places in the code that fit a question or some words best: by meaning, names and text. \"Quoted text\" in the query is "
     "literal; with regex the query is a regular expression and every line that matches is found. Use it instead of grep and find when you "
     "do not know the exact spelling. Sees uncommitted changes.",
     "a question, words, a name, or \"literal text\"",
     "query path lang kind unique_files regex limit " SCOPE, mcp_show_hits},
    {"ask", "Ask about the code", "ask",
     "Answers a question about the code with numbered citations that were read again before they are given; says so when the code does not "
     "support an answer. For \"where is\", \"how does\", \"who calls\", \"why\"; a stack trace or a compiler's error may be the question.",
     "the question",
     "query continue path lang limit " SCOPE, mcp_show_answer},
    {"symbol", "Look up a name", "symbol",
     "Where a function, type or other name is defined, and on request who calls it, what it calls, and every use of it.",
     "the name, as it is written in the code; case and small slips are forgiven",
     "name callers callees references limit dir repo all_repos branch", mcp_show_symbol},
    {"read", "Read a file", "read",
     "Lines of a file (\"src/a.c\", \"src/a.c:120\", \"src/a.c:100-180\") as they are indexed, of any repository and branch, secrets masked; of "
     "a directory, what is in it.",
     "path, path:line or path:first-last; a directory's path lists it",
     "place limit dir repo branch", mcp_show_read},
    {"history", "Why a line is so", "history",
     "The commits behind a file or some of its lines (\"src/a.c:120\"), followed through moves and renames, with their reasons, and who knows "
     "this part of the code.",
     "path, path:line or path:first-last",
     "place limit dir repo branch", mcp_show_history},
    {"status", "State of the index", "status", "Which repositories are known, how fresh and complete their index is, and what runs.", NULL, "",
     mcp_show_status},
    {NULL},
};

const struct mcp_tool *mcp_tool_named(const char *name)
{
    for (const struct mcp_tool *t = mcp_tools; t->name; t++)
        if (!strcmp(t->name, name))
            return t;
    return NULL;
}

/* Whether the words of a space-separated list hold that one; '-' and '_' are the same. */
static bool among(const char *words, const char *word)
{
    for (const char *p = words; p && *p;) {
        size_t n = strcspn(p, " "), i = 0;
        while (i < n && word[i] && (p[i] == word[i] || (p[i] == '_' && word[i] == '-')))
            i++;
        if (i == n && !word[i])
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static json_t *type_of(const struct method_flag *f)
{
    switch (f->type) {
    case FLAG_BOOL:
        return json_pack("{ss, ss}", "type", "boolean", "description", f->help);
    case FLAG_INT:
        return json_pack("{ss, si, ss}", "type", "integer", "minimum", 1, "description", f->help);
    case FLAG_STRINGS:
        return json_pack("{ss, s{ss}, ss}", "type", "array", "items", "type", "string", "description", f->help);
    case FLAG_DIR:
        return json_pack("{ss, ss}", "type", "string", "description", "absolute path of a directory in the repository that is meant; default: where the client works");
    case FLAG_STRING:
    case FLAG_ID:
        break;
    }
    return json_pack("{ss, ss}", "type", "string", "description", f->help);
}

/* What the method's row says of its arguments, as a JSON Schema. */
static json_t *schema(const struct mcp_tool *t)
{
    const struct method *m = request_named(t->method);
    json_t *properties = json_object(), *required = json_array();
    for (const char *p = m->params; p && *p;) {
        size_t n = strcspn(p, " "), bare = n > 3 && !memcmp(p + n - 3, "…", 3) ? n - 3 : n;
        json_t *key = json_stringn(p, bare);
        if (among(t->params, json_string_value(key))) {
            json_object_set_new(properties, json_string_value(key), json_pack("{ss, ss}", "type", "string", "description", t->argument));
            json_array_append(required, key);
        }
        json_decref(key);
        p += n + (p[n] == ' ');
    }
    for (const struct method_flag *f = m->flags; f && f->name; f++) {
        char name[64];
        size_t n = 0;
        for (; f->name[n] && n + 1 < sizeof name; n++)
            name[n] = f->name[n] == '-' ? '_' : f->name[n];
        name[n] = 0;
        if (among(t->params, f->name))
            json_object_set_new(properties, name, type_of(f));
    }
    json_t *out = json_pack("{ss, so, sb}", "type", "object", "properties", properties, "additionalProperties", 0);
    if (json_array_size(required))
        json_object_set(out, "required", required);
    json_decref(required);
    return out;
}

json_t *mcp_tools_json(void)
{
    json_t *rows = json_array();
    for (const struct mcp_tool *t = mcp_tools; t->name; t++)
        json_array_append_new(rows, json_pack("{ss, ss, ss, so, s{ss, sb, sb, sb}}", "name", t->name, "title", t->title, "description", t->help,
                                              "inputSchema", schema(t), "annotations", "title", t->title, "readOnlyHint", 1,
                                              "idempotentHint", 1, "openWorldHint", 0));
    return json_pack("{so}", "tools", rows);
}
