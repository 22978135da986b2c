/* history: the reason first, then what was before it, and who to ask. */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#define BODY_LINES 12 /* of the reason's message */

static void put_commit(struct buf *out, const struct look *l, json_t *c)
{
    put_styled(out, l, STYLE_CITE, "%.10s", text_of(c, "commit"));
    put_styled(out, l, STYLE_DIM, "  %.10s  ", text_of(c, "date"));
    put_styled(out, l, STYLE_NAME, "%s", text_of(c, "author"));
    buf_adds(out, "  ");
    put_cleans(out, text_of(c, "subject"));
    buf_addc(out, '\n');
}

static void put_body(struct buf *out, const char *body)
{
    int n = 0;
    for (; *body && n < BODY_LINES; n++) {
        size_t len = strcspn(body, "\n");
        buf_adds(out, len ? "    " : "");
        put_clean(out, body, len);
        buf_addc(out, '\n');
        body += len + (body[len] == '\n');
    }
    if (*body)
        buf_adds(out, "    …\n");
}

static void put_lines(struct buf *out, const struct look *l, json_t *lines)
{
    size_t i;
    json_t *row;
    json_array_foreach(lines, i, row) {
        long long from = (long long)int_of(row, "start_line"), to = (long long)int_of(row, "end_line");
        if (to > from)
            put_styled(out, l, STYLE_LINE, "  %lld-%lld  ", from, to);
        else
            put_styled(out, l, STYLE_LINE, "  %lld  ", from);
        if (json_is_true(json_object_get(row, "uncommitted"))) {
            put_styled(out, l, STYLE_WARN, "not committed yet");
        } else {
            put_styled(out, l, STYLE_CITE, "%.10s", text_of(row, "commit"));
            put_styled(out, l, STYLE_DIM, "  %s:%lld", text_of(row, "path"), (long long)int_of(row, "line"));
        }
        buf_addc(out, '\n');
    }
}

void show_history(struct buf *out, const struct look *l, json_t *r)
{
    json_t *lines = json_object_get(r, "lines"), *reason = json_object_get(r, "reason"), *c, *p;
    size_t i, shown = 0;
    if (json_is_object(reason)) {
        put_commit(out, l, reason);
        if (*text_of(reason, "body")) {
            buf_addc(out, '\n');
            put_body(out, text_of(reason, "body"));
        }
    }
    if (json_array_size(lines) > 1 || (json_array_size(lines) && !json_is_object(reason))) {
        if (json_is_object(reason))
            buf_addc(out, '\n');
        put_lines(out, l, lines);
    } else if (json_array_size(lines) == 1 && strcmp(text_of(json_array_get(lines, 0), "path"), text_of(r, "path"))) {
        put_styled(out, l, STYLE_DIM, "  then %s:%lld\n", text_of(json_array_get(lines, 0), "path"),
                   (long long)int_of(json_array_get(lines, 0), "line"));
    }
    json_array_foreach(json_object_get(r, "commits"), i, c) {
        if (json_is_object(reason) && !strcmp(text_of(c, "commit"), text_of(reason, "commit")))
            continue;
        if (!shown++ && json_array_size(lines))
            put_styled(out, l, STYLE_HEADING, "\nBefore and around it\n");
        put_commit(out, l, c);
    }
    json_array_foreach(json_object_get(r, "people"), i, p) {
        if (!i)
            put_styled(out, l, STYLE_HEADING, "\nWho knows this part\n");
        put_styled(out, l, STYLE_DIM, "  %3d%%  ", (int)(json_number_value(json_object_get(p, "share")) * 100 + .5));
        put_styled(out, l, STYLE_NAME, "%s", text_of(p, "name"));
        put_styled(out, l, STYLE_DIM, "  %lld commit%s, last %.10s\n", (long long)int_of(p, "commits"), int_of(p, "commits") == 1 ? "" : "s",
                   text_of(p, "last"));
    }
    if (*text_of(r, "note")) {
        put_styled(out, l, STYLE_WARN, "note: %s", text_of(r, "note"));
        buf_addc(out, '\n');
    }
}
