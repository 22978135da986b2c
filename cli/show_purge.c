/* How a purge is shown, and asked about. */
#include "cli/show.h"

#include <jansson.h>
#include <stdio.h>

static void put_places(struct buf *out, const struct look *l, json_t *r)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(r, "places"), i, row) {
        buf_adds(out, "  ");
        put_cleans(out, text_of(row, "repo"));
        buf_adds(out, "  ");
        buf_adds(out, style(l, STYLE_PATH));
        put_cleans(out, text_of(row, "path"));
        buf_adds(out, style(l, STYLE_NONE));
        buf_addc(out, '\n');
    }
}

static void put_holders(struct buf *out, const struct look *l, json_t *r)
{
    json_t *rows = json_object_get(r, "holders"), *row;
    size_t i;
    if (json_array_size(rows))
        put_styled(out, l, STYLE_HEADING, "outside of the index\n");
    json_array_foreach(rows, i, row) {
        buf_addf(out, "  %s ", text_of(row, "kind"));
        put_cleans(out, text_of(row, "name"));
        buf_adds(out, json_is_true(json_object_get(row, "holds")) ? " holds it: " : " may hold it: ");
        put_cleans(out, text_of(row, "where"));
        buf_adds(out, json_is_true(json_object_get(row, "blocked")) ? "  (blocked)\n" : "\n");
    }
}

void show_purge_question(struct buf *out, const struct look *l, json_t *r)
{
    put_styled(out, l, STYLE_NAME, "%s", text_of(r, "blob"));
    buf_adds(out, json_array_size(json_object_get(r, "places")) ? ", which is\n" : ", which no view has\n");
    put_places(out, l, r);
    put_holders(out, l, r);
}

void show_purge(struct buf *out, const struct look *l, json_t *r)
{
    buf_adds(out, "purged ");
    put_styled(out, l, STYLE_NAME, "%s\n", text_of(r, "blob"));
    put_places(out, l, r);
    if (json_object_get(r, "contents"))
        buf_addf(out, "  %lld record%s out of the index; %lld question%s and judgement%s that quoted it\n", (long long)int_of(r, "contents"),
                 int_of(r, "contents") == 1 ? "" : "s", (long long)int_of(r, "quotes"), int_of(r, "quotes") == 1 ? "" : "s",
                 int_of(r, "quotes") == 1 ? "" : "s");
    put_holders(out, l, r);
}
