#include "lsp/page.h"

#include "lsp/place.h"

#include "base/uri.h"
#include "retriever/markdown.h"
#include "service/result_text.h"

#include <stdlib.h>
#include <string.h>

#define USERS_SHOWN 200
#define STOPS_SHOWN 30

struct str text_head(const char *s, size_t n)
{
    size_t len = strlen(s);
    if (len <= n)
        return (struct str){s, len};
    while (n && (s[n] & 0xC0) == 0x80)
        n--;
    return (struct str){s, n};
}

void page_link(struct buf *out, json_t *result, json_t *row)
{
    char *path = row_path(result, row);
    struct buf uri = BUF_INIT, shown = BUF_INIT;
    buf_addf(&shown, "%s:%lld", text_at(row, "path"), number_at(row, "start_line"));
    if (path) {
        uri_of_path(&uri, path);
        buf_addc(out, '[');
    }
    md_text(out, (struct str){shown.data, shown.len});
    if (path)
        buf_addf(out, "](%s#L%lld)", uri.data, number_at(row, "start_line"));
    buf_release(&uri);
    buf_release(&shown);
    free(path);
}

void page_title(struct buf *out, const char *title)
{
    buf_adds(out, "# ");
    md_text(out, str_of(title));
    buf_adds(out, "\n\n");
}

static void put_note(struct buf *out, json_t *result)
{
    if (!*text_at(result, "note"))
        return;
    buf_adds(out, "\nNote: ");
    put_text_at(out, result, "note");
    buf_addc(out, '\n');
}

void page_answer(struct buf *out, json_t *result)
{
    json_t *rows = json_object_get(result, "citations"), *row;
    size_t i;
    buf_adds(out, text_at(result, "answer")); /* Markdown that was made inert where it was written */
    if (json_array_size(rows))
        buf_adds(out, "\n\nSources:\n\n");
    json_array_foreach(rows, i, row) {
        buf_addf(out, "- \\[%lld\\] ", number_at(row, "n"));
        page_link(out, result, row);
        if (*text_at(row, "symbol")) {
            buf_addc(out, ' ');
            md_code(out, str_of(text_at(row, "symbol")));
        }
        buf_addc(out, '\n');
    }
    put_note(out, result);
}

void page_history(struct buf *out, json_t *result)
{
    json_t *reason = json_object_get(result, "reason"), *row;
    size_t i;
    if (json_is_true(json_object_get(result, "uncommitted")))
        buf_adds(out, "Changed, not committed.\n\n");
    if (json_is_object(reason)) {
        buf_addf(out, "Most of these lines are so since %.10s, by ", text_at(reason, "date"));
        put_text_at(out, reason, "author");
        buf_addf(out, " (%.10s): ", text_at(reason, "commit"));
        put_text_at(out, reason, "subject");
        buf_adds(out, "\n\n");
        if (*text_at(reason, "body"))
            md_fence(out, NULL, str_of(text_at(reason, "body")));
        buf_addc(out, '\n');
    }
    if (json_array_size(json_object_get(result, "commits")))
        buf_adds(out, "## Commits\n\n");
    json_array_foreach(json_object_get(result, "commits"), i, row)
        put_commit_line(out, row, "- ");
    if (json_array_size(json_object_get(result, "people")))
        buf_adds(out, "\n## Who knows it\n\n");
    json_array_foreach(json_object_get(result, "people"), i, row) {
        buf_adds(out, "- ");
        put_text_at(out, row, "name");
        buf_addf(out, ", %.0f%%, last %.10s\n", 100 * json_number_value(json_object_get(row, "share")), text_at(row, "last"));
    }
    put_note(out, result);
}

static void put_users(struct buf *out, json_t *result, const char *key, const char *title)
{
    json_t *rows = json_object_get(result, key), *row;
    long long found = number_at(json_object_get(result, "found"), key);
    size_t i;
    if (!json_array_size(rows))
        return;
    buf_addf(out, "## %s: %lld\n\n", title, found);
    json_array_foreach(rows, i, row) {
        if (i == USERS_SHOWN)
            break;
        buf_adds(out, "- ");
        page_link(out, result, row);
        if (*text_at(row, "symbol") && strcmp(key, "definitions")) {
            buf_adds(out, " in ");
            md_code(out, str_of(text_at(row, "symbol")));
        }
        if (*text_at(row, "use") && strcmp(text_at(row, "use"), "call"))
            buf_addf(out, " (%s)", text_at(row, "use"));
        buf_addc(out, '\n');
    }
    if (found > (long long)i)
        buf_addf(out, "- … and %lld more\n", found - (long long)i);
    buf_addc(out, '\n');
}

void page_users(struct buf *out, json_t *result)
{
    if (!json_array_size(json_object_get(result, "references")))
        buf_adds(out, "No use is known in this repository. Uses through pointers, reflection or other languages are not in the index.\n");
    put_users(out, result, "definitions", "Defined");
    put_users(out, result, "callers", "Callers");
    put_users(out, result, "references", "Every use");
    put_note(out, result);
}

static void put_rows(struct buf *out, json_t *result, const char *key, const char *title, const char *name, const char *place)
{
    json_t *rows = json_object_get(result, key), *row;
    size_t i;
    if (!json_array_size(rows))
        return;
    buf_addf(out, "## %s\n\n", title);
    json_array_foreach(rows, i, row) {
        json_t *at = place ? json_object_get(row, place) : row;
        if (i == STOPS_SHOWN)
            break;
        buf_addf(out, "%s", place ? "- " : "1. ");
        if (place)
            md_code(out, str_of(text_at(row, name)));
        if (json_is_object(at)) {
            buf_adds(out, place ? " " : "");
            page_link(out, result, at);
        }
        if (!place) {
            buf_adds(out, " — ");
            put_text_at(out, row, name);
        }
        buf_addc(out, '\n');
    }
    buf_addc(out, '\n');
}

void page_tour(struct buf *out, json_t *result)
{
    json_t *about = json_object_get(result, "about");
    if (json_is_object(about)) {
        put_text_at(out, about, "text");
        buf_adds(out, " (");
        page_link(out, result, about);
        buf_adds(out, ")\n\n");
    }
    put_rows(out, result, "entry_points", "Where it begins", "name", "declared");
    put_rows(out, result, "commands", "Commands", "command", "declared");
    put_rows(out, result, "modules", "Main parts", "path", "hub");
    put_rows(out, result, "reading", "Where to start reading", "reason", NULL);
    put_note(out, result);
}
