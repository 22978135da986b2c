/* tour: sections under headings; what is not the code itself is counted, not listed. */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#define ENTRIES_SHOWN 24
#define COMMANDS_SHOWN 5 /* of one purpose */
#define USES_SHOWN 3     /* of a module */

static void heading(struct buf *out, const struct look *l, const char *text)
{
    if (out->len)
        buf_addc(out, '\n');
    put_styled(out, l, STYLE_HEADING, "%s%s", l->color ? "" : "## ", text);
    buf_addc(out, '\n');
}

static bool is_main(json_t *row)
{
    return !strcmp(text_of(row, "role"), "main");
}

/* Words broken to the width. */
static void put_wrapped(struct buf *out, const struct look *l, const char *text)
{
    int used = 0;
    while (*text) {
        size_t n = strcspn(text, " \n");
        int w = columns_of(text, n);
        if (used && used + 1 + w > l->width) {
            buf_addc(out, '\n');
            used = 0;
        }
        if (used) {
            buf_addc(out, ' ');
            used++;
        }
        put_clean(out, text, n);
        used += w;
        text += n;
        text += strspn(text, " \n");
    }
    buf_addc(out, '\n');
}

static void put_entry(struct buf *out, const struct look *l, json_t *row)
{
    json_t *at = json_object_get(row, "at"), *declared = json_object_get(row, "declared");
    buf_adds(out, "- ");
    put_styled(out, l, STYLE_NAME, "%s", text_of(row, "name"));
    put_styled(out, l, STYLE_DIM, " (%s)", text_of(row, "kind"));
    if (json_is_object(at)) {
        buf_adds(out, "  ");
        put_place(out, l, at, false, false);
    } else {
        const char *target = json_string_value(json_array_get(json_object_get(row, "targets"), 0));
        if (target)
            put_styled(out, l, STYLE_DIM, "  %s", target);
    }
    if (json_is_object(declared)) {
        put_styled(out, l, STYLE_DIM, "%s", json_is_true(json_object_get(row, "implicit")) ? "  by convention beside " : "  declared in ");
        put_place(out, l, declared, false, false);
    }
    buf_addc(out, '\n');
}

/* Several build systems of one repository declare the same programs. */
static bool listed(json_t *const *shown, size_t n, json_t *row)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(text_of(shown[i], "name"), text_of(row, "name")) && !strcmp(text_of(shown[i], "kind"), text_of(row, "kind")))
            return true;
    return false;
}

/* npm's packages export their own package.json for tools that want to read it. */
static bool is_manifest(json_t *row)
{
    const char *name = text_of(row, "name"), *end = "/package.json";
    return strlen(name) > strlen(end) && !strcmp(name + strlen(name) - strlen(end), end);
}

static void show_entries(struct buf *out, const struct look *l, json_t *rows)
{
    size_t i, shown = 0, more = 0, others = 0;
    json_t *row, *list[ENTRIES_SHOWN];
    json_array_foreach(rows, i, row) {
        if (!is_main(row)) {
            others++;
        } else if (shown < ENTRIES_SHOWN && !listed(list, shown, row) && !is_manifest(row)) {
            if (!shown)
                heading(out, l, "Entry points");
            list[shown++] = row;
            put_entry(out, l, row);
        } else {
            more++;
        }
    }
    if (!shown && others)
        heading(out, l, "Entry points");
    if (more)
        put_styled(out, l, STYLE_DIM, "  and %zu more\n", more);
    if (others)
        put_styled(out, l, STYLE_DIM, "  %zu in tests, examples, tools and vendored code (--json lists them)\n", others);
}

static void show_commands(struct buf *out, const struct look *l, json_t *rows)
{
    static const char *const purposes[] = {"build", "test", "run", "check", NULL};
    size_t i, all = 0;
    json_t *row;
    for (const char *const *p = purposes; *p; p++) {
        size_t shown = 0;
        json_array_foreach(rows, i, row) {
            const char *runs = text_of(row, "runs");
            if (!is_main(row) || strcmp(text_of(row, "purpose"), *p) || shown == COMMANDS_SHOWN)
                continue;
            if (!all++)
                heading(out, l, "Commands");
            put_styled(out, l, STYLE_DIM, "%-6s", shown++ ? "" : *p);
            put_styled(out, l, STYLE_NAME, "%s", text_of(row, "command"));
            if (*text_of(row, "directory"))
                put_styled(out, l, STYLE_DIM, " (in %s)", text_of(row, "directory"));
            buf_adds(out, "  ");
            put_place(out, l, json_object_get(row, "declared"), false, false);
            if (*runs)
                put_styled(out, l, STYLE_DIM, "  %.*s%s", 60, runs, strlen(runs) > 60 ? "…" : "");
            buf_addc(out, '\n');
        }
    }
}

static void show_modules(struct buf *out, const struct look *l, json_t *r)
{
    json_t *rows = json_object_get(r, "modules"), *beside = json_object_get(r, "beside"), *row, *use;
    size_t i, k;
    json_array_foreach(rows, i, row) {
        if (!i)
            heading(out, l, "Main modules");
        json_t *hub = json_object_get(row, "hub");
        long long files = (long long)int_of(row, "files");
        buf_adds(out, "- ");
        put_styled(out, l, STYLE_PATH, "%s", text_of(row, "path"));
        put_styled(out, l, STYLE_DIM, "  %s%lld file%s, %lld lines", json_is_true(json_object_get(row, "rest")) ? "the other " : "", files, files == 1 ? "" : "s", (long long)int_of(row, "lines"));
        if (int_of(row, "used"))
            put_styled(out, l, STYLE_DIM, "; used %lld× by %lld", (long long)int_of(row, "used"), (long long)int_of(row, "used_by"));
        if (*text_of(hub, "symbol")) {
            put_styled(out, l, STYLE_DIM, "; start at ");
            put_styled(out, l, STYLE_NAME, "%s ", text_of(hub, "symbol"));
            put_place(out, l, hub, false, false);
        }
        buf_addc(out, '\n');
        json_array_foreach(json_object_get(row, "uses"), k, use) {
            if (k == USES_SHOWN)
                break;
            put_styled(out, l, STYLE_DIM, "%s%s ×%lld (", k ? ", " : "    uses ", text_of(use, "path"), (long long)int_of(use, "count"));
            put_place(out, l, json_object_get(use, "at"), false, false);
            put_styled(out, l, STYLE_DIM, ")");
        }
        if (k)
            buf_addc(out, '\n');
    }
    if (int_of(r, "other_modules"))
        put_styled(out, l, STYLE_DIM, "  and %lld smaller one%s\n", (long long)int_of(r, "other_modules"), int_of(r, "other_modules") == 1 ? "" : "s");
    json_array_foreach(beside, i, row) {
        size_t n = json_array_size(json_object_get(row, "paths"));
        put_styled(out, l, STYLE_DIM, "%s%lld %s file%s", i ? ", " : "  Beside the code: ", (long long)int_of(row, "files"), text_of(row, "role"),
                   int_of(row, "files") == 1 ? "" : "s");
        for (k = 0; k < n; k++)
            put_styled(out, l, STYLE_DIM, "%s%s%s", k ? " " : " (", json_string_value(json_array_get(json_object_get(row, "paths"), k)), k + 1 == n ? ")" : "");
    }
    if (i)
        buf_addc(out, '\n');
}

static void show_reading(struct buf *out, const struct look *l, json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        if (!i)
            heading(out, l, "Where to start reading");
        buf_addf(out, "%2zu. ", i + 1);
        put_place(out, l, row, false, true);
        if (*text_of(row, "symbol")) {
            buf_adds(out, "  ");
            put_styled(out, l, STYLE_NAME, "%s", text_of(row, "symbol"));
        }
        buf_adds(out, "\n    ");
        put_cleans(out, text_of(row, "reason"));
        buf_addc(out, '\n');
    }
}

void show_tour(struct buf *out, const struct look *l, json_t *r)
{
    json_t *about = json_object_get(r, "about");
    if (json_is_object(about)) {
        put_styled(out, l, STYLE_HEADING, "%s%s", l->color ? "" : "# ", text_of(r, "repo"));
        buf_addc(out, '\n');
        put_wrapped(out, l, text_of(about, "text"));
        buf_adds(out, "  ");
        put_place(out, l, about, false, true);
        buf_addc(out, '\n');
    }
    show_entries(out, l, json_object_get(r, "entry_points"));
    show_commands(out, l, json_object_get(r, "commands"));
    show_modules(out, l, r);
    show_reading(out, l, json_object_get(r, "reading"));
    if (*text_of(r, "note")) {
        put_styled(out, l, STYLE_WARN, "note: %s", text_of(r, "note"));
        buf_addc(out, '\n');
    }
}
