/* Params: one object whose keys are the row's flags and arguments. A key that the row does not have is an error, so that a
 * misspelt filter is not silently none. */
#include "service/core.h"

#include <string.h>

#define CONTEXT_MAX SEARCH_CONTEXT_MAX

/* "all-repos" is "all_repos" in params */
static bool same(const char *flag, const char *key)
{
    for (; *flag && (*flag == *key || (*flag == '-' && *key == '_')); flag++, key++)
        ;
    return !*flag && !*key;
}

static bool positional(const struct method *row, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = row->params; p && *p;) {
        size_t len = strcspn(p, " ");
        size_t bare = len > 3 && !memcmp(p + len - 3, "…", 3) ? len - 3 : len;
        if (bare == n && !memcmp(p, key, n))
            return true;
        p += len + (p[len] == ' ');
    }
    return false;
}

static int wrong(struct err *e, const char *key, const char *what)
{
    return err_set(e, ERR_USAGE, "%s: %s", key, what);
}

static int check_strings(const char *key, json_t *v, struct err *e)
{
    if (json_is_string(v))
        return 0;
    if (!json_is_array(v) || json_array_size(v) > 256)
        return wrong(e, key, "a list of at most 256 texts is wanted");
    size_t i;
    json_t *one;
    json_array_foreach(v, i, one)
        if (!json_is_string(one))
            return wrong(e, key, "a list of texts is wanted");
    return 0;
}

static int check_one(const struct method *row, const char *key, json_t *v, struct err *e)
{
    for (const struct method_flag *f = row->flags; f && f->name; f++) {
        if (!same(f->name, key) || !strcmp(f->name, "server")) /* said when a client greets, not with a request */
            continue;
        switch (f->type) {
        case FLAG_BOOL:
            return json_is_boolean(v) ? 0 : wrong(e, key, "true or false is wanted");
        case FLAG_INT:
            if (!json_is_integer(v))
                return wrong(e, key, "a whole number is wanted");
            if (json_integer_value(v) < 1 || json_integer_value(v) > (!strcmp(key, "limit") ? SEARCH_LIMIT_MAX : 1000000))
                return wrong(e, key, !strcmp(key, "limit") ? "1 to 1000 is allowed" : "1 to 1000000 is allowed");
            return 0;
        case FLAG_NUMBER:
            return json_is_number(v) ? 0 : wrong(e, key, "a number is wanted");
        case FLAG_STRINGS:
            return check_strings(key, v, e);
        case FLAG_OBJECTS:
            return json_is_array(v) ? 0 : wrong(e, key, "a list is wanted");
        case FLAG_STRING:
        case FLAG_DIR:
        case FLAG_ID:
            return json_is_string(v) ? 0 : wrong(e, key, "a text is wanted");
        }
    }
    if (!strcmp(key, "roots")) /* of codecs: answer_stamp says where the repositories lie */
        return json_is_boolean(v) ? 0 : wrong(e, key, "true or false is wanted");
    if (!strcmp(key, "overlay") && row->forward) /* of daemons that this one is the server of */
        return check_strings(key, v, e);
    if (!strcmp(key, "earlier") && !strcmp(row->name, "ask")) /* of codecs whose clients keep conversations themselves */
        return check_strings(key, v, e);
    if (positional(row, key) || !strcmp(key, "dir"))
        return json_is_string(v) ? 0 : wrong(e, key, "a text is wanted");
    if (!strcmp(key, "context") && positional(row, "query")) {
        if (!json_is_string(v))
            return wrong(e, key, "a text is wanted");
        return json_string_length(v) <= CONTEXT_MAX ? 0 : wrong(e, key, "more than 1 MiB of standard input");
    }
    err_set(e, ERR_USAGE, "%s takes no %.80s", row->name, key);
    err_hint(e, "see `codeask help %s`", row->name);
    return ERR_USAGE;
}

int params_check(const struct method *row, json_t *params, struct err *e)
{
    const char *key;
    json_t *v;
    int rc = 0;
    json_object_foreach(params, key, v)
        if ((rc = check_one(row, key, v, e)))
            break;
    return rc;
}

const char *param_str(const struct request *rq, const char *name)
{
    const char *s = json_string_value(json_object_get(rq->params, name));
    return s && *s ? s : NULL;
}

bool param_bool(const struct request *rq, const char *name)
{
    return json_is_true(json_object_get(rq->params, name));
}

int64_t param_int(const struct request *rq, const char *name, int64_t otherwise)
{
    json_t *v = json_object_get(rq->params, name);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}
