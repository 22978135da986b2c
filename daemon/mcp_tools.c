#include "daemon/mcp.h"

#include "service/schema.h"

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

json_t *mcp_tools_json(void)
{
    json_t *rows = json_array();
    for (const struct mcp_tool *t = mcp_tools; t->name; t++)
        json_array_append_new(rows, json_pack("{ss, ss, ss, so, s{ss, sb, sb, sb}}", "name", t->name, "title", t->title, "description", t->help,
                                              "inputSchema", method_schema(request_named(t->method), t->params, t->argument), "annotations", "title", t->title, "readOnlyHint", 1,
                                              "idempotentHint", 1, "openWorldHint", 0));
    return json_pack("{so}", "tools", rows);
}
