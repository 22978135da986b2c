#include "engine/format/json.h"

#include "base/file.h"

#include <string.h>

static int check_bounds(const char *name, const uint8_t *p, size_t n, int depth, size_t values, struct err *e)
{
    int open = 0;
    size_t count = 0;
    bool in_text = false;
    for (size_t i = 0; i < n; i++) {
        if (in_text) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                in_text = false;
            continue;
        }
        switch (p[i]) {
        case '"':
            in_text = true;
            break;
        case '{':
        case '[':
            if (++open > depth)
                return err_set(e, ERR_FORMAT, "%s: JSON nested deeper than %d", name, depth);
            count++;
            break;
        case '}':
        case ']':
            open--;
            break;
        case ',':
            count++;
            break;
        }
        if (count > values)
            return err_set(e, ERR_LIMIT, "%s: JSON of more than %zu values", name, values);
    }
    return 0;
}

int json_bounded(json_t **out, const char *name, const void *bytes, size_t n, int depth, size_t values, struct err *e)
{
    json_error_t why;
    int rc = check_bounds(name, bytes, n, depth, values, e);
    if (rc)
        return rc;
    *out = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &why);
    /* an error without a line is none of the text: an allocation failed on a path where jansson sets nothing */
    if (!*out && (json_error_code(&why) == json_error_out_of_memory || why.line < 0))
        return err_set(e, ERR_MEMORY, "%s: no memory left to read it", name);
    if (!*out)
        return err_set(e, ERR_FORMAT, "%s: bad JSON in line %d: %.200s", name, why.line, why.text);
    return 0;
}

int json_file(json_t **out, const char *path, size_t max, int depth, size_t values, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = file_read(&b, path, max, e);
    if (!rc)
        rc = json_bounded(out, path, b.len ? b.data : "", b.len, depth, values, e);
    buf_release(&b);
    return rc;
}

int json_int(int64_t *out, const json_t *object, const char *name, const char *key, int64_t least, int64_t most, struct err *e)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v))
        return err_set(e, ERR_FORMAT, "%s: no whole number %s", name, key);
    int64_t x = json_integer_value(v);
    if (x < least || x > most)
        return err_set(e, ERR_FORMAT, "%s: %s is %lld, not from %lld to %lld", name, key, (long long)x, (long long)least,
                       (long long)most);
    *out = x;
    return 0;
}

const char *json_get_text(const json_t *object, const char *key, const char *fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

bool json_yes(const json_t *object, const char *key, bool fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}
