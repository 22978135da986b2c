/* How tokens, users and what they may read are shown. */
#include "cli/show.h"

#include <time.h>

static void put_day(struct buf *out, const char *word, int64_t ms)
{
    char day[32] = "";
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    if (ms && localtime_r(&t, &tm))
        strftime(day, sizeof day, "%Y-%m-%d %H:%M", &tm);
    buf_addf(out, "  %s %s", word, *day ? day : "never");
}

void show_token(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "%s\n", text_of(r, "token")); /* alone: it goes into a variable or a file */
}

void show_tokens(struct buf *out, const struct look *l, json_t *r)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(r, "tokens"), i, row) {
        put_styled(out, l, STYLE_NAME, "%s", text_of(row, "id"));
        buf_addf(out, "  %s  %s", text_of(row, "user"), text_of(row, "scope"));
        put_day(out, json_is_true(json_object_get(row, "expired")) ? "expired" : "expires", int_of(row, "expires"));
        buf_addc(out, '\n');
    }
}

void show_revoked(struct buf *out, const struct look *l, json_t *r)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(r, "revoked"), i, row)
        buf_addf(out, "revoked %s\n", json_string_value(row));
}

void show_users(struct buf *out, const struct look *l, json_t *r)
{
    json_t *row, *group;
    size_t i, k;
    json_array_foreach(json_object_get(r, "users"), i, row) {
        put_styled(out, l, STYLE_NAME, "%s", text_of(row, "user"));
        json_array_foreach(json_object_get(row, "groups"), k, group)
            buf_addf(out, "  @%s", json_string_value(group));
        buf_addc(out, '\n');
    }
}

void show_user_removed(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "forgot %s\n", text_of(r, "user"));
}

void show_member(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "%s is %s @%s\n", text_of(r, "user"), json_is_true(json_object_get(r, "in")) ? "in" : "no longer in", text_of(r, "group"));
}

void show_grant(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "%s may %sread %s\n", text_of(r, "who"), json_is_true(json_object_get(r, "granted")) ? "" : "no longer ", text_of(r, "repo"));
}

void show_access(struct buf *out, const struct look *l, json_t *r)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(r, "access"), i, row) {
        put_styled(out, l, STYLE_NAME, "%s", text_of(row, "who"));
        buf_adds(out, "  ");
        put_cleans(out, text_of(row, "repo"));
        buf_addc(out, '\n');
    }
}
