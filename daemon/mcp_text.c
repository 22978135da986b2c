#include "daemon/mcp.h"

#include "retriever/markdown.h"
#include "service/result_text.h"

#include <string.h>

/* What the answer has to say about its own freshness. */
static void put_state(struct buf *out, json_t *result)
{
    json_t *f = json_object_get(result, "freshness");
    long long pending = number_at(f, "pending_files");
    double embedded = json_number_value(json_object_get(f, "embedded"));
    if (*text_at(result, "note")) {
        buf_adds(out, "\nNote: ");
        put_text_at(out, result, "note");
        buf_addc(out, '\n');
    }
    if (pending > 0)
        buf_addf(out, "\nNote: %lld changed files are not indexed yet.\n", pending);
    if (f && embedded < 1)
        buf_addf(out, "\nNote: %.0f%% of the code is embedded so far; search by meaning gets better until it is all of it.\n", 100 * embedded);
}

static void put_hits(struct buf *out, json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        put_place(out, row);
        if (*text_at(row, "symbol")) {
            buf_adds(out, " — ");
            put_text_at(out, row, "kind");
            buf_addc(out, ' ');
            md_code(out, str_of(text_at(row, "symbol")));
        }
        buf_addc(out, '\n');
        md_fence(out, text_at(row, "language"), str_of(text_at(row, "snippet")));
        buf_addc(out, '\n');
    }
}

void mcp_show_hits(struct buf *out, json_t *result)
{
    json_t *rows = json_object_get(result, "results");
    if (!json_array_size(rows))
        buf_adds(out, "Nothing found.\n");
    put_hits(out, rows);
    if (json_is_true(json_object_get(result, "truncated")))
        buf_adds(out, "There is more: narrow the query, or raise limit.\n");
    put_state(out, result);
}

void mcp_show_answer(struct buf *out, json_t *result)
{
    buf_adds(out, text_at(result, "answer")); /* Markdown that was made inert where it was written */
    put_sources(out, result);
    if (*text_at(result, "conversation"))
        buf_addf(out, "\nTo go on with this conversation: continue = \"%s\".\n", text_at(result, "conversation"));
    put_state(out, result);
}

void mcp_show_symbol(struct buf *out, json_t *result)
{
    static const char *const lists[] = {"definitions", "callers", "callees", "references"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json_t *rows = json_object_get(result, lists[i]);
        if (!rows)
            continue;
        buf_addf(out, "%c%s of ", lists[i][0] - 32, lists[i] + 1);
        md_code(out, str_of(text_at(result, "symbol")));
        buf_addf(out, ": %zu\n\n", json_array_size(rows));
        put_hits(out, rows);
    }
    put_state(out, result);
}

void mcp_show_read(struct buf *out, json_t *result)
{
    json_t *entries = json_object_get(result, "entries"), *entry;
    long long last = number_at(result, "end_line"), lines = number_at(result, "lines");
    size_t i;
    json_array_foreach(entries, i, entry) {
        md_code(out, str_of(json_string_value(entry)));
        buf_addc(out, '\n');
    }
    if (entries) {
        if (number_at(result, "count") > (long long)json_array_size(entries))
            buf_addf(out, "… and %lld more\n", number_at(result, "count") - (long long)json_array_size(entries));
        return;
    }
    put_place(out, result);
    buf_addf(out, ", of %lld lines\n", lines);
    md_fence(out, NULL, str_of(text_at(result, "text")));
    if (last < lines)
        buf_addf(out, "It goes on at line %lld.\n", last + 1);
    put_state(out, result);
}

void mcp_show_history(struct buf *out, json_t *result)
{
    json_t *reason = json_object_get(result, "reason"), *row;
    size_t i;
    if (json_is_object(reason)) {
        buf_adds(out, "Reason: ");
        put_commit_line(out, reason, "");
        if (*text_at(reason, "body"))
            md_fence(out, NULL, str_of(text_at(reason, "body")));
    }
    buf_adds(out, "\nCommits:\n");
    json_array_foreach(json_object_get(result, "commits"), i, row)
        put_commit_line(out, row, "");
    json_array_foreach(json_object_get(result, "people"), i, row) {
        buf_adds(out, i ? ", " : "\nWho knows this part: ");
        put_text_at(out, row, "name");
        buf_addf(out, " (%.0f%%, last %.10s)", 100 * json_number_value(json_object_get(row, "share")), text_at(row, "last"));
    }
    buf_addc(out, '\n');
    put_state(out, result);
}

void mcp_show_status(struct buf *out, json_t *result)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(result, "repos"), i, row) {
        json_t *f = json_object_get(row, "freshness");
        put_text_at(out, row, "repo");
        buf_adds(out, " at ");
        md_code(out, str_of(text_at(row, "path")));
        buf_addf(out, ": commit %.10s%s, %.0f%% embedded, %lld files to index\n", text_at(f, "commit"),
                 json_is_true(json_object_get(f, "dirty")) ? " and uncommitted changes" : "",
                 100 * json_number_value(json_object_get(f, "embedded")), number_at(f, "pending_files"));
    }
    if (!i)
        buf_adds(out, "No repository is known yet: the first question about one indexes it.\n");
    buf_addf(out, "%zu jobs run or wait. Version %s.\n", json_array_size(json_object_get(result, "jobs")), text_at(result, "version"));
}
