/* What a bundle has in it, before it is made, when it is checked, and when it is installed. */
#include "cli/show.h"

#include <jansson.h>
#include <string.h>

static void put_repos(struct buf *out, const struct look *l, json_t *rows)
{
    json_t *r;
    size_t i;
    char size[32];
    put_styled(out, l, STYLE_HEADING, "repositories\n");
    json_array_foreach(rows, i, r) {
        const char *commit = json_string_value(json_object_get(r, "commit"));
        buf_adds(out, "  ");
        put_cleans(out, text_of(r, "repo"));
        buf_addf(out, "  %.12s  %lld files, %s", commit ? commit : "no commit", (long long)int_of(r, "files"), human_bytes(size, (double)int_of(r, "bytes")));
        if (int_of(r, "uncommitted"))
            buf_addf(out, ", %lld of them not committed", (long long)int_of(r, "uncommitted"));
        buf_addc(out, '\n');
    }
}

static void put_models(struct buf *out, const struct look *l, json_t *rows)
{
    json_t *r;
    size_t i;
    char size[32];
    if (json_array_size(rows))
        put_styled(out, l, STYLE_HEADING, "models\n");
    json_array_foreach(rows, i, r) {
        buf_adds(out, "  ");
        put_cleans(out, text_of(r, "model"));
        buf_addf(out, "  %s, %s\n", text_of(r, "role"), human_bytes(size, (double)int_of(r, "bytes")));
    }
}

static void put_rest(struct buf *out, const struct look *l, json_t *c)
{
    json_t *r;
    const char *key;
    size_t i;
    if (json_array_size(json_object_get(c, "adapters")))
        put_styled(out, l, STYLE_HEADING, "adapters\n");
    json_array_foreach(json_object_get(c, "adapters"), i, r) {
        buf_adds(out, "  ");
        put_cleans(out, json_string_value(r));
        buf_addc(out, '\n');
    }
    put_styled(out, l, STYLE_HEADING, "settings\n");
    json_object_foreach(json_object_get(c, "settings"), key, r) {
        const char *value = json_string_value(r);
        buf_adds(out, "  ");
        put_cleans(out, key);
        buf_adds(out, " = ");
        put_cleans(out, value && *value ? value : "\"\"");
        buf_addc(out, '\n');
    }
    if (json_array_size(json_object_get(c, "left_out")))
        put_styled(out, l, STYLE_HEADING, "left out\n");
    json_array_foreach(json_object_get(c, "left_out"), i, r) {
        buf_addf(out, "  %s ", text_of(r, "kind"));
        put_cleans(out, text_of(r, "name"));
        buf_adds(out, ": ");
        put_cleans(out, text_of(r, "why"));
        buf_addc(out, '\n');
    }
}

static void put_contents(struct buf *out, const struct look *l, json_t *r)
{
    json_t *c = json_object_get(r, "contents");
    put_repos(out, l, json_object_get(c, "repos"));
    put_models(out, l, json_object_get(c, "models"));
    put_rest(out, l, c);
}

static void put_file(struct buf *out, const struct look *l, json_t *r)
{
    char size[32];
    put_styled(out, l, STYLE_NAME, "%s", text_of(r, "file"));
    buf_addf(out, "  %s\n  sha256:%s\n  signed by %s%s\n", human_bytes(size, (double)int_of(r, "bytes")), text_of(r, "digest"), text_of(r, "key"),
             !json_object_get(r, "trusted") ? "" : json_is_true(json_object_get(r, "trusted")) ? ", which is trusted here" : ", which is not known here");
}

void show_bundle(struct buf *out, const struct look *l, json_t *r)
{
    json_t *layer;
    const char *part;
    char size[32];
    if (json_is_null(json_object_get(r, "file"))) {
        buf_adds(out, "This would leave; nothing was written.\n");
        put_contents(out, l, r);
        put_styled(out, l, STYLE_HEADING, "size\n");
        json_object_foreach(json_object_get(r, "layers"), part, layer)
            buf_addf(out, "  %s  %s%s\n", part, human_bytes(size, (double)json_integer_value(layer)), strcmp(part, "home") ? "" : ", and the index");
        return;
    }
    put_file(out, l, r);
    put_contents(out, l, r);
}

void show_import(struct buf *out, const struct look *l, json_t *r)
{
    json_t *one;
    size_t i;
    put_file(out, l, r);
    buf_adds(out, json_is_true(json_object_get(r, "installed")) ? "installed into " : "was installed already in ");
    put_styled(out, l, STYLE_NAME, "%s\n", text_of(r, "home"));
    json_array_foreach(json_object_get(r, "aside"), i, one)
        buf_addf(out, "set aside: %s\n", json_string_value(one));
    put_repos(out, l, json_object_get(json_object_get(r, "contents"), "repos"));
    buf_adds(out, "ask with: codeask ask --all-repos \"…\", or --repo NAME\n");
}
