#define _GNU_SOURCE /* memmem */
#include "engine/chat/split_call.h"

#include "base/buf.h"
#include "engine/format/json.h"

#include <stdlib.h>
#include <string.h>

static json_t *read_json(const char *text, size_t n)
{
    json_t *j = NULL;
    if (n > CALL_BYTES_MAX || json_bounded(&j, "tool call", text, n, CALL_DEPTH_MAX, CALL_VALUES_MAX, NULL))
        return NULL;
    return j;
}

static void add(json_t *calls, json_t *name, json_t *arguments)
{
    json_t *call = json_object();
    json_object_set_new(call, "name", name);
    json_object_set_new(call, "arguments", arguments);
    json_array_append_new(calls, call);
}

/* {"name": …, "arguments": {…}} or {"name": …, "parameters": {…}}, perhaps within {"function": …} or [ ]. */
static bool take_object(json_t *calls, const json_t *j, int depth)
{
    if (json_is_array(j) && depth < 2) {
        bool all = json_array_size(j) > 0;
        for (size_t i = 0; i < json_array_size(j); i++)
            all &= take_object(calls, json_array_get(j, i), depth + 1);
        return all;
    }
    const json_t *inner = json_object_get(j, "function");
    j = json_is_object(inner) ? inner : j;
    const json_t *name = json_object_get(j, "name"), *arguments = json_object_get(j, "arguments");
    if (!json_is_string(name))
        name = inner; /* {"function": "name", …} */
    if (!arguments)
        arguments = json_object_get(j, "parameters");
    if (!json_is_string(name) || !json_string_length(name))
        return false;
    json_t *read = json_is_string(arguments) ? read_json(json_string_value(arguments), json_string_length(arguments)) :
                                               arguments ? json_deep_copy(arguments) : json_object();
    if (!json_is_object(read)) {
        json_decref(read);
        return false;
    }
    add(calls, json_deep_copy(name), read);
    return true;
}

static struct str trimmed(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\n' || s.p[0] == '\r' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* What stands between open and close from *s on; *s is what follows. */
static bool between(struct str *s, const char *open, const char *close, struct str *out)
{
    const char *a = memmem(s->p, s->n, open, strlen(open));
    if (!a)
        return false;
    a += strlen(open);
    const char *b = memmem(a, (size_t)(s->p + s->n - a), close, strlen(close));
    if (!b)
        return false;
    *out = (struct str){a, (size_t)(b - a)};
    const char *end = s->p + s->n;
    s->p = b + strlen(close);
    s->n = (size_t)(end - s->p);
    return true;
}

/* A value that stands bare: JSON where it is an object, a list, a number or a word of JSON, else text. */
static json_t *bare_value(struct str s)
{
    if (s.n && s.p[0] == '\n') {
        s.p++;
        s.n--;
    }
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    struct str t = trimmed(s);
    bool json = t.n && (strchr("{[-0123456789", t.p[0]) || str_same(t, STR("true")) || str_same(t, STR("false")) || str_same(t, STR("null")));
    json_t *j = NULL;
    if (json) { /* jansson reads objects and lists alone */
        struct buf b = BUF_INIT;
        buf_addc(&b, '[');
        buf_add(&b, t.p, t.n);
        buf_addc(&b, ']');
        json_t *list = read_json(b.data, b.len);
        if (json_array_size(list) == 1)
            j = json_incref(json_array_get(list, 0));
        json_decref(list);
        buf_release(&b);
    }
    return j ? j : json_stringn(s.p, s.n);
}

/* <function=name> <parameter=key> value </parameter> … </function> */
static bool take_tags(json_t *calls, struct str s)
{
    struct str name, rest, key;
    bool some = false;
    while (between(&s, "<function=", ">", &name)) {
        const char *close = memmem(s.p, s.n, "</function>", 11);
        rest = (struct str){s.p, close ? (size_t)(close - s.p) : s.n};
        s.n -= rest.n;
        s.p += rest.n;
        json_t *arguments = json_object();
        while (between(&rest, "<parameter=", ">", &key)) {
            struct str value = rest;
            const char *end = memmem(rest.p, rest.n, "</parameter>", 12);
            if (end) {
                value.n = (size_t)(end - rest.p);
                rest.n -= value.n + 12;
                rest.p = end + 12;
            } else {
                rest.n = 0;
            }
            json_t *v = bare_value(value);
            char *k = strndup(trimmed(key).p, trimmed(key).n);
            if (!v || json_object_set_new(arguments, k, v))
                json_object_set_new(arguments, "", json_null()); /* no UTF-8: nothing that could be called */
            free(k);
        }
        json_t *called = json_stringn(trimmed(name).p, trimmed(name).n);
        if (!called || !json_string_length(called) || json_object_get(arguments, "")) {
            json_decref(called);
            json_decref(arguments);
            return false;
        }
        add(calls, called, arguments);
        some = true;
    }
    return some;
}

/* name[ARGS]{…} of Mistral, or name with the JSON behind it. */
static bool take_named(json_t *calls, struct str s)
{
    const char *open = memchr(s.p, '{', s.n);
    if (!open)
        return false;
    struct str name = trimmed((struct str){s.p, (size_t)(open - s.p)});
    if (name.n >= 6 && !memcmp(name.p + name.n - 6, "[ARGS]", 6))
        name.n -= 6;
    json_t *arguments = read_json(open, (size_t)(s.p + s.n - open)), *called = json_stringn(name.p, name.n);
    if (!json_is_object(arguments) || !called || !json_string_length(called) || memchr(name.p, ' ', name.n)) {
        json_decref(arguments);
        json_decref(called);
        return false;
    }
    add(calls, called, arguments);
    return true;
}

bool split_call_read(json_t *calls, const char *name, const char *text, size_t n)
{
    struct str s = trimmed((struct str){text, n});
    if (n > CALL_BYTES_MAX)
        return false;
    if (name) {
        json_t *arguments = s.n ? read_json(s.p, s.n) : json_object(), *called = json_string(name);
        if (!json_is_object(arguments) || !called) {
            json_decref(arguments);
            json_decref(called);
            return false;
        }
        add(calls, called, arguments);
        return true;
    }
    if (s.n && (s.p[0] == '{' || s.p[0] == '[')) {
        json_t *j = read_json(s.p, s.n);
        size_t before = json_array_size(calls);
        bool ok = j && take_object(calls, j, 0);
        while (!ok && json_array_size(calls) > before)
            json_array_remove(calls, json_array_size(calls) - 1);
        json_decref(j);
        return ok;
    }
    return s.n && s.p[0] == '<' ? take_tags(calls, s) : take_named(calls, s);
}
